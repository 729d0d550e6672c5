"""A win on suspicious items alone, from real items to the verdict: scores and item lists as files, read back, judged.

Every run's `results.json` and `items.parquet` are written by the contract's own writer; the lists of clean and
suspicious items stand in an `items.jsonl`. Items are of a task that tells recipes apart at the tier; the gain is in per
cent of the bits per byte of right answers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.decontamination.item_lists import ItemLists, read_item_lists
from curation.randomness import generator
from leaderboard.contaminated.scores import Tier, contamination_of
from leaderboard.studies.suspicious import _gap
from train.evals.results import (
    Metric,
    ModelFacts,
    Results,
    Scored,
    SuiteFacts,
    TaskResult,
    read_results,
    write_results,
)
from train.evals.score_tables import ITEMS_SCHEMA, METRIC_COLUMNS

TASK, METRIC, TIER = "arc_easy", "bits_per_byte_corr", "micro-1x"
NUM, SEEDS = 400, (1, 2, 3)
SUSPICIOUS = np.arange(NUM) < 120
HARD = generator(4, "items").normal(0, 0.05, NUM) - 0.15 * SUSPICIOUS
"""Suspicious items are easier for every recipe: a difference of differences must not mind (rule 14)."""


def item_lists(folder: Path) -> ItemLists:
    """Write and read the lists: the first 120 items share words with the corpus."""
    seen = {"ngram-13": {"score": 1.0, "fields": ["question"], "documents": 1}}
    rows = [
        {"suite": TASK, "item": item, "own_id": f"q{item}", "found": seen if SUSPICIOUS[item] else {}, "unfindable": []}
        for item in range(NUM)
    ]
    header = {
        "schema": "curate-items@1",
        "default": "ngram-13",
        "detectors": {"ngram-13": {"version": "1", "settings": {}, "removed": "none"}},
        "suites": {TASK: {"digest": "0" * 64, "items": NUM}},
    }
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
    return read_item_lists(path)


def written(folder: Path, arm: str, seed: int, gain: Any) -> Scored:
    """Write one run's scores as evaluation does, and return them as they are read."""
    noise = generator(4, "run", arm, seed).normal(0, 0.02, NUM) + 0.002 * generator(4, "seed", arm, seed).normal()
    values = 1.5 * np.exp(HARD + noise - gain)
    empty: dict[str, object] = dict.fromkeys(METRIC_COLUMNS)
    rows = [
        {
            **empty, "task": TASK, "item": item, "own_id": f"q{item}", "group": str(item), "gold": 0,
            METRIC: float(value), "log_likelihoods": [-1.0], "greedy": [True], "num_tokens": [1], "num_bytes": [1],
            "num_chars": [1], "uncond": None, "excluded": None, "partition": None,
        }
        for item, value in enumerate(values)
    ]  # fmt: skip
    task = TaskResult(
        family="knowledge", kind="mc", shots=0, n=NUM, digest="d" * 64, primary=METRIC,
        metrics={METRIC: Metric(value=float(values.mean()), n=NUM)},
    )  # fmt: skip
    results = Results(
        model=ModelFacts(name=f"{arm}-{seed}", digest=f"{arm}{seed:08d}", arm=arm, seed=seed, tier=TIER),
        suite=SuiteFacts(name="small", version="1", digest="e" * 64),
        context=1024, metric_versions={"items": "1"}, software={}, tasks={TASK: task},
    )  # fmt: skip
    place = folder / f"{arm}-{seed}"
    place.mkdir()
    write_results(place, Scored(results=results, items=pa.Table.from_pylist(rows, ITEMS_SCHEMA)))
    return read_results(place)


def sides(folder: Path, gain: Any) -> tuple[list[Scored], list[Scored]]:
    """Return the runs of the arm and of the baseline."""
    return (
        [written(folder, "mine", seed, gain) for seed in SEEDS],
        [written(folder, "baseline", seed, np.zeros(NUM)) for seed in SEEDS],
    )


@pytest.mark.parametrize(
    ("gain", "state"), [(0.04 * SUSPICIOUS, "fail"), (np.full(NUM, 0.04), "pass")], ids=["trap", "honest-twin"]
)
def test_a_win_on_suspicious_items_alone_is_rejected_from_its_item_scores(
    made: Any, judged: Any, world: Any, effect_of: Any, tmp_path: Path, gain: Any, state: str
) -> None:
    lists = item_lists(tmp_path)
    mine, baseline = sides(tmp_path, gain)
    found = _gap("mine", TIER, ([[run] for run in mine], [[run] for run in baseline]), [lists])
    assert (found.num_suspicious, found.num_clean) == (120, 280)
    assert found.points is not None
    assert found.low is not None
    assert found.high is not None
    planted = world(effect=effect_of("mine", -0.01), study={"tiers": {"micro": 3}})
    report = judged(made(replace(planted, gap=(found.points, found.low, found.high))), "G1")
    condition = next(item for item in report.conditions if item.name == "suspicious-gap")
    assert (condition.state, condition.rule) == (state, 14)
    assert report.decision == ("reject" if state == "fail" else "scale-up")


def test_comparing_the_same_scores_says_where_the_win_lives(tmp_path: Path) -> None:
    mine, baseline = sides(tmp_path, 0.04 * SUSPICIOUS)
    found = contamination_of(
        [Tier(name=TIER, candidates=tuple(mine), baselines=tuple(baseline))], item_lists(tmp_path), metric=METRIC
    )
    assert found.tasks[0].verdict.kind == "win-only-on-suspicious"
