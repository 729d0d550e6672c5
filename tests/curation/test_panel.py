"""The panel: families on one side everywhere, every document one role, near copies out, order of files no matter."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import ids
from curation.batches import read_table
from curation.files import sha256_file
from curation.ingest import ensure_pool, pool_node
from curation.nodes import Planner
from curation.panel import DOCUMENTS, panel_node
from curation.panel_split import FamilySizes, Size, split_families
from curation.progress import SilentProgress
from curation.recipe import PanelSpec, PoolSpec
from curation.sidecars import ROLE_PANEL, ROLE_REFERENCE, ROLES
from curation.store import Artifact, Store

WORDS = [f"word{i}" for i in range(4000)]


def prose(seed: object, num_words: int = 60) -> str:
    return " ".join(random.Random(str(seed)).choices(WORDS, k=num_words))


def panel_of(root: Path, records: list[dict[str, Any]], workers: int = 1, **settings: Any) -> tuple[Artifact, Artifact]:
    root.mkdir(parents=True, exist_ok=True)
    file = root / "in.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    store = Store.open(root / "store")
    pool = ensure_pool(store, PoolSpec(path=(str(file),), family="family"), workers=1, progress=SilentProgress())
    planner = Planner(store=store, workers=workers, progress=SilentProgress())
    return pool, planner.materialise(panel_node(pool_node(pool), PanelSpec(**settings), {}))


def documents(pool: Artifact, panel: Artifact) -> list[dict[str, Any]]:
    """Rows of the pool with their role and family."""
    joined = []
    for text, side in zip(pool.part_paths(), panel.part_paths(), strict=True):
        for row, roles in zip(read_table(text).to_pylist(), read_table(side).to_pylist(), strict=True):
            joined.append({**row, "role": ROLES[roles["role"]], "family": roles["family"]})
    return joined


RECORDS = [{"text": prose(i), "slice": ["web", "code", "docs"][i % 3], "family": f"f{i % 41}"} for i in range(600)]


@pytest.fixture
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "PARTITION_BYTES", 50_000)


def test_a_family_falls_on_one_side_in_every_slice_and_every_document_has_one_role(tmp_path: Path) -> None:
    pool, panel = panel_of(tmp_path, RECORDS)
    rows = documents(pool, panel)
    sides = defaultdict(set)
    for row in rows:
        sides[row["family"]].add(row["role"])
    assert all(len(roles - {"near-panel"}) == 1 for roles in sides.values())
    assert len(rows) == len(RECORDS)
    assert {row["role"] for row in rows} >= {"train", "panel", "reference"}


@pytest.mark.usefixtures("small_partitions")
def test_order_of_input_and_number_of_workers_change_no_byte(tmp_path: Path) -> None:
    _, first = panel_of(tmp_path / "a", RECORDS, workers=1)
    _, second = panel_of(tmp_path / "b", RECORDS[::-1], workers=2)
    assert first.num_parts > 2
    assert [sha256_file(a.path / n) for a in (first, second) for n in ("manifest.json",)] == [
        sha256_file(first.path / "manifest.json")
    ] * 2


def test_the_panel_reaches_its_share_and_the_summary_adds_up(tmp_path: Path) -> None:
    pool, panel = panel_of(tmp_path, RECORDS, max_fraction=0.2)
    for name, counts in panel.summary["slices"].items():  # type: ignore[union-attr]
        whole = pool.summary["slices"][name]  # type: ignore[index,call-overload]
        assert 0.2 * whole["bytes"] <= counts["full_bytes"] <= 0.3 * whole["bytes"]
        assert (
            counts["docs"] + counts["train_docs"] + counts["reference_docs"] + counts["near_panel_docs"]
            == whole["docs"]
        )
        assert not counts["judged"]


def test_panel_documents_are_cut_on_a_character_and_sorted_by_slice_and_id(tmp_path: Path) -> None:
    records = [{"text": "é" * 30 + str(i), "slice": "ab"[i % 2]} for i in range(60)]
    pool, panel = panel_of(tmp_path, records, max_doc_bytes=21)
    rows = read_table(panel.path / DOCUMENTS).to_pylist()
    assert {row["text"] for row in rows} == {"é" * 10}
    assert [(row["slice"], row["id"]) for row in rows] == sorted((row["slice"], row["id"]) for row in rows)
    assert {row["id"] for row in rows} == {row["id"] for row in documents(pool, panel) if row["role"] == "panel"}


def test_copies_of_panel_documents_leave_training_even_beyond_the_cut(tmp_path: Path) -> None:
    pool, panel = panel_of(tmp_path / "a", RECORDS)
    held_out = next(row["text"] for row in documents(pool, panel) if row["role"] == "panel")
    tail = " ".join(held_out.split()[-51:])
    chosen = {row["family"] for row in documents(pool, panel) if row["role"] == "train"}
    copies = [{"text": held_out, "slice": "web", "family": min(chosen)}, {"text": f"{prose('new')} {tail}"}]
    pool, panel = panel_of(tmp_path / "b", RECORDS + copies, max_doc_bytes=50)
    rows = documents(pool, panel)
    roles = [row["role"] for row in rows if row["text"] in {copies[0]["text"], copies[1]["text"]}]
    assert sorted(roles) == ["near-panel", "near-panel", "panel"]


def test_a_single_family_is_split_by_documents_and_the_summary_says_so(tmp_path: Path) -> None:
    records = [{"text": prose(i), "family": "one"} for i in range(50)]
    _, panel = panel_of(tmp_path, records)
    counts = panel.summary["slices"]["all"]  # type: ignore[index,call-overload]
    assert counts["split_by"] == "documents"
    assert 5 <= counts["docs"] <= 8


def test_a_single_document_stays_in_training(tmp_path: Path) -> None:
    pool, panel = panel_of(tmp_path, [{"text": prose(1)}])
    assert [row["role"] for row in documents(pool, panel)] == ["train"]


def test_the_digest_is_over_ids_and_scored_texts(tmp_path: Path) -> None:
    _, panel = panel_of(tmp_path, RECORDS)
    rows = sorted((row["id"], row["text"]) for row in read_table(panel.path / DOCUMENTS).to_pylist())
    joined = b"".join(hashlib.sha256(value.encode()).digest() for row in rows for value in row)
    assert panel.summary["digest"] == hashlib.sha256(joined).hexdigest()


def test_another_panel_version_chooses_other_families(tmp_path: Path) -> None:
    _, first = panel_of(tmp_path / "a", RECORDS)
    _, second = panel_of(tmp_path / "b", RECORDS, version=2)
    assert first.summary["digest"] != second.summary["digest"]


SIZES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(1, 50), min_size=1),
    min_size=1,
    max_size=40,
)


def sizes_of(drawn: dict[str, dict[str, int]]) -> FamilySizes:
    return {f: {s: Size(docs=1, scored_bytes=n, full_bytes=n) for s, n in by.items()} for f, by in drawn.items()}


@settings(deadline=None)
@given(SIZES)
def test_no_slice_gives_more_than_half_to_the_panel(drawn: dict[str, dict[str, int]]) -> None:
    roles = split_families(sizes_of(drawn), PanelSpec(bytes_per_slice=40))
    for name in {name for by_slice in drawn.values() for name in by_slice}:
        held = sum(by[name] for family, by in drawn.items() if name in by and roles[family] == ROLE_PANEL)
        assert held <= 0.5 * sum(by.get(name, 0) for by in drawn.values())


@settings(deadline=None)
@given(SIZES)
def test_roles_do_not_depend_on_the_order_families_are_met(drawn: dict[str, dict[str, int]]) -> None:
    backwards = {family: dict(reversed(drawn[family].items())) for family in reversed(drawn)}
    assert split_families(sizes_of(drawn), PanelSpec()) == split_families(sizes_of(backwards), PanelSpec())


def test_reference_takes_its_share_of_families_besides_the_panel() -> None:
    sizes = sizes_of({f"f{i}": {"x": 10} for i in range(200)})
    roles = list(split_families(sizes, PanelSpec(reference_fraction=0.05)).values())
    assert roles.count(ROLE_REFERENCE) == 10
    assert roles.count(ROLE_PANEL) == 20
