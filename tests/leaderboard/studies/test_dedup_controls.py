"""Controls of a dedup arm: as much text as its dedup leaves, drawn from what the base's own left."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from curation.progress import SilentProgress
from curation.store import Artifact, Store
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.prepared import prepare
from leaderboard.studies.run import build_corpora
from leaderboard.studies.study import load_study

WORDS = [f"w{number}" for number in range(2_000)]


def text(seed: int, num_words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=num_words))


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    """Slice `a` says every third thing twice, slice `b` every second and with one line that all share."""
    rows = []
    for i in range(120):
        shared = "a line that every document of b has\n" if i % 2 else ""
        name = "ab"[i % 2]
        body = shared + text(i)
        rows.append({"id": f"{name}{i}", "slice": name, "site": f"s{i}", "text": body})
        if i % (3, 2)[i % 2] == i % 2:
            rows.append({"id": f"{name}{i}-copy", "slice": name, "site": f"s{i}", "text": body})
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pool = f"pool: {{path: {tmp_path / 'pool.jsonl'}, family: site, id: id}}\n"
    panel = "panel: {bytes_per_slice: 500, reference_fraction: 0}\n"
    (tmp_path / "none.yaml").write_text(f"name: none\n{pool}{panel}stages: []\n")
    (tmp_path / "exact.yaml").write_text(f"name: exact\n{pool}{panel}stages: [{{dedup: exact}}]\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        "hypothesis: copies hurt\nkind: dedup\nbase: none.yaml\ntiers: {pico-0.02x: 1}\nvary: {mine: {dedup: exact}}\n"
    )
    return path


def corpora(path: Path, store: Store, *overrides: str) -> dict[str, Artifact]:
    """Build all corpora of a study and return them by arm."""
    study = load_study(path, overrides)
    build_corpora(study, str(path), store=store, workers=2, progress=SilentProgress())
    arms = resolve_arms(study, str(path))
    from curation.ingest import known_pool

    pool = known_pool(store, arms[0].recipe.pool)
    assert pool is not None
    plans = prepare(study, arms, pool).corpora
    found = {name: store.find("corpus", plan.corpus.fingerprint) for name, plan in plans.items()}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def tokens(corpus: Artifact) -> dict[str, int]:
    entries: Any = corpus.summary["schedule"]
    return {entry["slice"]: entry["tokens"] for entry in entries}


def close(left: int, right: int) -> bool:
    """Within one document of this pool."""
    return abs(left - right) <= 400


def test_a_control_holds_as_much_text_as_the_arm_and_the_matched_one_in_every_slice(
    study_path: Path, store: Store
) -> None:
    built = {name: tokens(corpus) for name, corpus in corpora(study_path, store).items()}
    assert sum(built["mine"].values()) < 0.85 * sum(built["baseline"].values())
    assert close(sum(built["random"].values()), sum(built["mine"].values()))
    for name in ("a", "b"):
        assert close(built["random-matched"][name], built["mine"][name])


def test_a_dedup_that_edits_text_is_matched_by_the_text_it_leaves(study_path: Path, store: Store) -> None:
    change = "vary={mine: {dedup: lines, in_place_of: nothing}}"
    built = {name: tokens(corpus) for name, corpus in corpora(study_path, store, change).items()}
    assert built["mine"]["b"] < built["baseline"]["b"]
    for name in ("a", "b"):
        assert close(built["random-matched"][name], built["mine"][name])


def test_in_place_of_the_bases_dedup_the_control_draws_from_the_bases_survivors(study_path: Path, store: Store) -> None:
    base = f"base={study_path.parent / 'exact.yaml'}"
    built = corpora(study_path, store, base, "vary={mine: {dedup: lines}}")
    alive = {name: corpus.summary["num_docs"] for name, corpus in built.items()}
    assert alive["random-matched"] <= alive["baseline"]
    for name in ("a", "b"):
        mine = min(tokens(built["mine"])[name], tokens(built["baseline"])[name])
        assert close(tokens(built["random-matched"])[name], mine)


def test_an_arm_that_leaves_more_than_the_base_has_the_base_as_its_controls(study_path: Path, store: Store) -> None:
    base = f"base={study_path.parent / 'exact.yaml'}"
    built = corpora(study_path, store, base, "vary={mine: {dedup: url}}")
    assert sum(tokens(built["mine"]).values()) > sum(tokens(built["baseline"]).values())
    for control in ("random", "random-matched"):
        assert tokens(built[control]) == tokens(built["baseline"])
