"""Target domains: the user's documents are panel, what is near them leaves the pool, paths decide nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from curation.batches import read_table
from curation.errors import RecipeError, ShardError
from curation.ingest import ensure_pool, pool_node
from curation.nodes import Planner
from curation.panel import DOCUMENTS, panel_node
from curation.progress import SilentProgress
from curation.recipe import PanelSpec, PoolSpec
from curation.sidecars import ROLES
from curation.store import Artifact, Store

WORDS = [f"word{i}" for i in range(3000)]


def prose(seed: object, num_words: int = 80) -> str:
    return " ".join(random.Random(str(seed)).choices(WORDS, k=num_words))


def lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


TARGETS = [{"text": prose(f"t{i}"), "url": f"https://law{i}.example/x"} for i in range(6)]
POOL = [{"text": prose(i), "slice": "web", "url": f"https://s{i % 30}.com/{i}"} for i in range(90)]
COPIES = [
    {**POOL[0], "text": f"Copied. {TARGETS[3]['text']}"},
    {**POOL[1], "text": prose(1) + TARGETS[4]["text"][:500]},
]


def built(root: Path, spec: dict[str, Any]) -> tuple[Artifact, Artifact]:
    store = Store.open(root / "store")
    file = lines(root / "pool.jsonl", [*POOL, *COPIES])
    pool = ensure_pool(store, PoolSpec(path=(str(file),)), workers=1, progress=SilentProgress())
    planner = Planner(store=store, workers=1, progress=SilentProgress())
    return pool, planner.materialise(panel_node(pool_node(pool), PanelSpec.model_validate(spec), {}))


def test_target_documents_are_panel_and_their_near_copies_leave_the_pool(tmp_path: Path) -> None:
    file = lines(tmp_path / "law.jsonl", TARGETS)
    pool, panel = built(tmp_path, {"targets": {"law": str(file)}})
    rows = [row for row in read_table(panel.path / DOCUMENTS).to_pylist() if row["slice"] == "target/law"]
    assert sorted(row["text"] for row in rows) == sorted(record["text"] for record in TARGETS)
    assert {row["family"] for row in rows} == {f"law{i}.example" for i in range(6)}
    roles = {
        text["text"]: ROLES[role["role"]]
        for a, b in zip(pool.part_paths(), panel.part_paths(), strict=True)
        for text, role in zip(read_table(a).to_pylist(), read_table(b).to_pylist(), strict=True)
    }
    assert {roles[copy["text"]] for copy in COPIES} <= {"near-panel", "panel"}
    facts = panel.summary["slices"]["target/law"]  # type: ignore[index,call-overload]
    assert (facts["docs"], facts["families"], facts["domain"], facts["judged"]) == (6, 6, "target", False)


def test_names_and_order_of_target_files_change_no_fingerprint_but_their_text_does(tmp_path: Path) -> None:
    one = lines(tmp_path / "a" / "law.jsonl", TARGETS)
    two = [lines(tmp_path / "b" / "z.jsonl", TARGETS[:2]), lines(tmp_path / "b" / "y.jsonl", TARGETS[:1:-1])]
    other = lines(tmp_path / "c" / "law.jsonl", [*TARGETS[:-1], {"text": prose("changed")}])
    spec = [{"targets": {"law": str(one)}}, {"targets": {"law": [str(path) for path in two]}}]
    pool = ensure_pool(
        Store.open(tmp_path / "s"), PoolSpec(path=(str(lines(tmp_path / "p.jsonl", POOL)),)), workers=1,
        progress=SilentProgress(),
    )  # fmt: skip
    prints = [panel_node(pool_node(pool), PanelSpec.model_validate(item), {}).fingerprint for item in spec]
    plain = panel_node(pool_node(pool), PanelSpec(), {}).fingerprint
    changed = panel_node(pool_node(pool), PanelSpec.model_validate({"targets": {"law": str(other)}}), {}).fingerprint
    assert prints[0] == prints[1]
    assert len({prints[0], plain, changed}) == 3


def test_a_recipe_without_targets_or_domains_has_the_identity_it_always_had(tmp_path: Path) -> None:
    file = lines(tmp_path / "p.jsonl", POOL)
    pool = ensure_pool(Store.open(tmp_path / "s"), PoolSpec(path=(str(file),)), workers=1, progress=SilentProgress())
    params = panel_node(pool_node(pool), PanelSpec(), {}).params
    assert set(params["spec"]) == {"version", "bytes_per_slice", "max_fraction", "reference_fraction", "max_doc_bytes"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "panel.targets.law: empty, no document"),
        ('{"text": ""}\n', "panel.targets.law: empty, no document among 1 records"),
        ('{"body": "x"}\n{"body": "y"}\n', "no-text \\(fields: body\\)"),
    ],
)
def test_targets_without_documents_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "law.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ShardError, match=message):
        built(tmp_path, {"targets": {"law": str(path)}})


def test_a_slice_of_the_pool_and_a_target_never_share_a_name(tmp_path: Path) -> None:
    file = lines(tmp_path / "law.jsonl", TARGETS)
    POOL.append({"text": prose("clash"), "slice": "target/law"})
    try:
        with pytest.raises(RecipeError, match="the pool has a slice `target/law` already"):
            built(tmp_path, {"targets": {"law": str(file)}})
    finally:
        POOL.pop()


def test_a_published_recipe_says_nothing_of_where_targets_lay(tmp_path: Path) -> None:
    from curation.publish import _portable
    from curation.recipe import Recipe

    file = lines(tmp_path / "law.jsonl", TARGETS)
    recipe = Recipe.model_validate({"name": "r", "pool": "x.jsonl", "panel": {"targets": {"law": str(file)}}})
    corpus = Artifact(path=tmp_path, manifest={"inputs": {"pool": "p" * 64, "panel": "q" * 64}})
    value: Any = _portable(recipe, corpus)
    assert value["panel"]["targets"] == {"law": {"panel": "q" * 64}}
    assert str(tmp_path) not in json.dumps(value)
