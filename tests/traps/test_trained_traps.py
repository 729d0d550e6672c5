"""Traps end to end, real text trained at the smallest tier: reweighting sold as quality, and an edited corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import read_table, write_table
from curation.errors import ShardError
from curation.ingest import ensure_pool
from curation.nodes import Planner
from curation.pipeline import plan_corpus
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.results import Comparison, StudyResult, read_result
from leaderboard.studies.run import run_study
from leaderboard.studies.study import load_study
from leaderboard.words import split

WORDS = "the model reads text and counts bytes of every slice that a pool has".split()


def prose(rng: Any, lines: int) -> str:
    """Return lines of few words: easy text that a small model learns."""
    return "\n".join(" ".join(rng.choice(WORDS, 12)) + "." for _ in range(lines))


def rubbish(rng: Any, lines: int) -> str:
    """Return lines of random letters: text from which nothing is learned."""
    letters = list("qwxzjkvbpgfmucld")
    return "\n".join(" ".join("".join(rng.choice(letters, 6)) for _ in range(12)) + "." for _ in range(lines))


def write_study(folder: Path) -> Path:
    """Write a pool of prose, a tenth of it short, and of rubbish, four fifths of it short; and a filter by length."""
    rng = generator(3, "reweighting")
    with (folder / "pool.jsonl").open("w") as stream:
        for name, make, short in (("docs", prose, 2), ("junk", rubbish, 16)):
            for number in range(400):
                text = make(rng, 4 if number // 20 < short else 12) + f"\n{name} {number}"
                stream.write(json.dumps({"text": text, "slice": name, "site": f"{name}-{number % 20}"}) + "\n")
    path = folder / "reweighting.yaml"
    path.write_text(
        "hypothesis: long documents are better documents\nkind: filter\nbase: baseline\n"
        f"pool: {{path: {folder / 'pool.jsonl'}, family: site}}\n"
        "vary: {long: {filter: word-count, min_words: 60}}\n"
        "panel: {bytes_per_slice: 12000, reference_fraction: 0}\nselected_for: [junk]\n"
        "epochs: 20\ntiers: {pico-0.02x: 1}\n"
    )
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """The study, run once: four arms, one seed."""
    folder = tmp_path_factory.mktemp("reweighting")
    study = load_study(write_study(folder))
    ran = run_study(study, "r.yaml", store=Store.open(folder / "store"), workers=2, progress=SilentProgress())
    return read_result(ran.folder)


def log_ratio(comparison: Comparison | None) -> float:
    """Return a comparison's headline."""
    assert comparison is not None
    assert comparison.headline is not None
    return comparison.headline.log_ratio


@pytest.mark.slow
def test_a_trained_gain_by_reweighting_is_split_off_from_quality_and_goes_nowhere(result: StudyResult) -> None:
    (found,) = result.assessments
    total, quality, rest = (log_ratio(one) for one in (found.total, found.quality, found.rest))
    assert total < -0.02
    assert abs(quality) < abs(total) / 3
    assert rest < -0.02
    assert total == pytest.approx(quality + rest)
    assert "is reweighting of slices and less text" in split(found)
    report = judge(evidence_of(result), load_gates(), "G1")
    assert report.decision != "scale-up"
    assert "quality-gain" in report.states("insufficient")


@pytest.mark.slow
def test_a_trained_study_says_that_no_arm_read_the_panel_and_how_often_each_read_its_text(result: StudyResult) -> None:
    counts = {one.arm: (one.panel_exact, one.panel_near) for one in result.facts.decision.contamination}
    assert counts == dict.fromkeys(("baseline", "long", "random", "random-matched"), (0, 0))
    epochs = {row.arm: row.epochs for row in result.supply}
    assert epochs["long"] > 1.25 * epochs["baseline"]
    flags = {row.arm: row.flag for row in result.supply}
    assert "compares only through the equal-keep controls" in flags["long"]
    assert flags["baseline"] == ""


def edit_corpus(study_path: Path, store: Store) -> None:
    """Build the corpora of a study as its run would, then write into the arm's: what no manifest knows of."""
    arms = resolve_arms(load_study(study_path), study_path.name)
    pool = ensure_pool(store, arms[0].recipe.pool, workers=2, progress=SilentProgress())
    planner = Planner(store=store, workers=2, progress=SilentProgress())
    corpora = {arm.name: planner.materialise(plan_corpus(arm.recipe, pool).corpus) for arm in arms}
    shard = sorted(corpora["long"].path.glob("data/*.parquet"))[0]
    table = read_table(shard)
    place = table.schema.get_field_index("text")
    texts = pa.array(["", *table["text"].to_pylist()[1:]], table.schema.field("text").type)
    write_table(shard, table.set_column(place, table.schema.field("text"), texts))


def test_a_whole_run_over_a_corpus_that_was_edited_after_its_build_is_refused(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    store = Store.open(tmp_path / "store")
    edit_corpus(path, store)
    with pytest.raises(ShardError, match=r"train-00000.*the manifest says .*rerun to rebuild it"):
        run_study(load_study(path), "r.yaml", store=store, workers=2, progress=SilentProgress())
    assert not list(store.root.glob("study-*/results.json"))
