"""Measures of tasks beside results.json: the same means over parts, the same two standard errors above chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.randomness import generator
from curation.suites.task_scores import ItemValues, beats_chance, mean_score
from curation.suites.tasks import Task
from leaderboard.comparison.paired import Design
from leaderboard.comparison.tasks import Measure, above_chance, measures
from train.evals.results import Metric, ModelFacts, Results, Scored, SuiteFacts, TaskResult
from train.evals.score_tables import ITEMS_SCHEMA

DESIGN = Design(arms=("a", "b"), pairs=((0, 1),))


@pytest.fixture
def measure() -> Callable[..., Measure]:
    """Return a maker of the accuracy of two models that answer alike: right answers, clusters and parts by item."""

    def make(right: Sequence[float], groups: Sequence[str], parts: Sequence[str] = (), **task: Any) -> Measure:
        rows = []
        for item, (ok, group) in enumerate(zip(right, groups, strict=True)):
            row: dict[str, Any] = dict.fromkeys(ITEMS_SCHEMA.names)
            row |= {"task": "t", "item": item, "group": group, "gold": 0, "acc_raw": float(ok)}
            rows.append(row | {"partition": parts[item] if parts else None})
        told = TaskResult(family="knowledge", kind="mc", shots=0, n=len(rows), digest="d" * 64, primary="acc_raw",
                          metrics={"acc_raw": Metric(value=0.5, n=len(rows))}, **task)  # fmt: skip
        results = Results(
            model=ModelFacts(name="m", digest="m" * 16), suite=SuiteFacts(name="s", version="1", digest="5" * 64),
            context=512, metric_versions={}, software={}, tasks={"t": told},
        )  # fmt: skip
        scored = Scored(results=results, items=pa.Table.from_pylist(rows, schema=ITEMS_SCHEMA))
        (found,) = measures([scored, scored], "here")
        return found

    return make


def published(right: Sequence[float], groups: Sequence[str], parts: Sequence[str] = ()) -> Any:
    """Return the score that results.json would have."""
    average = {"partition": "category", "average": "partitions"} if parts else {}
    task = Task(**{"name": "t", "family": "knowledge", "kind": "mc", "data": "t", "accuracy": "acc_raw", **average})  # type: ignore[arg-type]
    places = parts or [""] * len(right)
    items = [
        ItemValues(metrics={"acc_raw": value}, group=group, partition=part)
        for value, group, part in zip(right, groups, places, strict=True)
    ]
    return mean_score(task, items, "acc_raw")


def test_a_task_in_parts_scores_the_mean_of_its_parts_means(measure: Any) -> None:
    """Parts of 1 of 1 and 1 of 3 right: (1 + 1/3) / 2, not 2 of 4."""
    right, groups, parts = [1.0, 1.0, 0.0, 0.0], ["0", "1", "2", "3"], ["x", "y", "y", "y"]
    found = measure(right, groups, parts)
    assert found.units.scores.tolist() == pytest.approx([2 / 3, 2 / 3])
    assert found.units.scores[0] == pytest.approx(published(right, groups, parts).value)


def test_a_task_without_parts_scores_the_mean_of_its_items(measure: Any) -> None:
    assert measure([1.0, 1.0, 0.0, 0.0], ["0", "1", "2", "3"]).units.scores.tolist() == [0.5, 0.5]


def test_a_handful_of_equal_answers_is_not_above_chance(measure: Any) -> None:
    """Three of three right by guessing at 1/2: the error of chance is sqrt(.25 / 3) = .29, so 1 is 1.7 of it above."""
    assert above_chance(measure([1.0] * 3, ["0", "1", "2"], baseline_v2=0.5), DESIGN) == []
    assert above_chance(measure([1.0] * 5, list("01234"), baseline_v2=0.5), DESIGN) == ["a", "b"]


@pytest.mark.parametrize("share", [0.3, 0.55, 0.58, 0.6, 0.63, 0.9])
def test_above_chance_is_what_results_json_says(measure: Any, share: float) -> None:
    rng = generator(4, "chance", str(share))
    groups = [str(place // 3) for place in range(150)]
    right = (rng.uniform(size=150) < share).astype(np.float64).tolist()
    expected = beats_chance(published(right, groups), 0.5)
    assert (above_chance(measure(right, groups, baseline_v1=0.2, baseline_v2=0.5), DESIGN) == ["a", "b"]) == expected


def test_chance_without_newer_baselines_is_that_of_the_first(measure: Any) -> None:
    found = measure([1.0, 0.0], ["0", "1"], baseline_v1=0.2)
    assert (found.chance, found.baselines) == (0.2, "v1")
