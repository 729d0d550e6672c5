"""Means of tasks, families and suites against hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.suites.aggregates import centred, family_aggregates, geometric_mean, suite_aggregates
from curation.suites.task_scores import (
    ItemValues,
    Score,
    TaskScore,
    beats_chance,
    clustered_mean,
    mean_score,
    task_score,
)
from curation.suites.tasks import Task, TaskSuite, parse_suite


def a_task(**settings: object) -> Task:
    return Task(**{"name": "t", "family": "knowledge", "kind": "mc", "data": "t", "accuracy": "acc_raw", **settings})  # type: ignore[arg-type]


def values(numbers: list[float], metric: str = "acc_raw", **settings: list[str]) -> list[ItemValues]:
    groups = settings.get("groups", [str(place) for place in range(len(numbers))])
    parts = settings.get("parts", [""] * len(numbers))
    return [
        ItemValues(metrics={metric: number}, group=group, partition=part)
        for number, group, part in zip(numbers, groups, parts, strict=True)
    ]


def test_items_that_stand_alone_have_the_usual_standard_error() -> None:
    """Mean 2, sample variance (1 + 0 + 1) / 2 = 1, SE = 1 / sqrt 3."""
    found = clustered_mean([1.0, 2.0, 3.0], ["a", "b", "c"])
    assert (found.value, found.n) == (2.0, 3)
    assert found.se == pytest.approx(1 / math.sqrt(3))


def test_two_clusters_that_agree_inside_count_as_two_items() -> None:
    """Cluster sums of deviations are -1 and 1 (2 items of ±0.5 each): SE = sqrt(2/1 · 2) / 4 = 0.5."""
    found = clustered_mean([0.0, 0.0, 1.0, 1.0], ["a", "a", "b", "b"])
    assert found.se == pytest.approx(0.5)
    alone = clustered_mean([0.0, 0.0, 1.0, 1.0], ["a", "b", "c", "d"])
    assert alone.se == pytest.approx(math.sqrt(1 / 3) / 2)


def test_one_cluster_has_no_standard_error() -> None:
    assert clustered_mean([0.0, 1.0], ["a", "a"]).se is None
    assert clustered_mean([], []).value is None


def test_a_clustered_error_covers_the_truth_as_often_as_it_should() -> None:
    """40 clusters of 5 with a shared part: |mean| < 1.96 SE in about 95 % of draws, not so without clusters."""
    rng = np.random.default_rng(1)
    groups = [str(place // 5) for place in range(200)]
    hits, naive = 0, 0
    for _ in range(400):
        drawn = (np.repeat(rng.normal(size=40), 5) + rng.normal(size=200)).tolist()
        with_clusters, without = clustered_mean(drawn, groups), clustered_mean(drawn, list(map(str, range(200))))
        hits += abs(with_clusters.value or 0.0) < 1.96 * (with_clusters.se or 0.0)
        naive += abs(with_clusters.value or 0.0) < 1.96 * (without.se or 0.0)
    assert 0.92 <= hits / 400 <= 0.97
    assert naive / 400 < 0.8


def test_a_task_in_parts_is_the_mean_of_its_parts_not_of_its_items() -> None:
    """Three items of part x score 1, one pair of part y scores 0 and 0: parts 1 and 0, mean 0.5, items 0.6."""
    items = values([1.0, 1.0, 1.0, 0.0, 0.0], parts=["x", "x", "x", "y", "y"])
    parted = a_task(partition="kind", average="partitions")
    assert mean_score(parted, items, "acc_raw").value == 0.5
    assert mean_score(a_task(), items, "acc_raw").value == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("right", "n", "chance", "shown"),
    [(60, 100, 0.5, False), (61, 100, 0.5, True), (26, 100, 0.25, False), (0, 50, 0.0, False), (3, 50, 0.0, False),
     (4, 50, 0.0, True), (2, 2, 0.5, False)],
)  # fmt: skip
def test_accuracy_is_shown_from_two_standard_errors_above_chance(
    right: int, n: int, chance: float, shown: bool
) -> None:
    """61 of 100 against 0.5: SE is at least 0.05, 0.11 > 0.10. 4 of 50 against 0: 0.08 > 2 sqrt(0.0736 / 49)."""
    found = clustered_mean([1.0] * right + [0.0] * (n - right), [str(place) for place in range(n)])
    assert beats_chance(found, chance) is shown


def test_what_no_item_has_is_left_out_but_not_what_the_task_names() -> None:
    found = task_score(a_task(primary="bits_per_byte_corr"), values([1.0, 0.0]))
    assert set(found.metrics) == {"acc_raw", "bits_per_byte_corr"}
    assert found.primary == Score(value=None, se=None, n=0)


def test_a_score_at_chance_is_zero_and_below_it_negative() -> None:
    assert centred(0.25, 0.25) == 0.0
    assert centred(1.0, 0.62) == 1.0
    assert centred(0.5, 0.62) == pytest.approx(-0.12 / 0.38)


def test_equal_ratios_between_models_give_that_ratio_of_geometric_means() -> None:
    first = geometric_mean([Score(value=1.0, se=0.0, n=1), Score(value=4.0, se=0.0, n=1)])
    second = geometric_mean([Score(value=1.1, se=0.0, n=1), Score(value=4.4, se=0.0, n=1)])
    assert first.value == pytest.approx(2.0)
    assert second.value == pytest.approx(2.2)
    assert geometric_mean([Score(value=0.0, se=0.0, n=1)]).value is None


def suite() -> TaskSuite:
    task = {"kind": "mc", "accuracy": "acc_raw", "primary": "acc_raw"}
    return parse_suite(
        {
            "name": "s", "version": 1, "defaults": task,
            "tasks": {
                "a": {"family": "knowledge", "baselines": {"v1": 20, "v2": 25}},
                "b": {"family": "math", "baselines": {"v1": 50, "v2": 50}},
            },
            "aggregates": {"core_v1": {"of": "centred", "baselines": "v1"}, "core_v2": {"of": "centred"}},
            "families": {"default": {"of": "accuracy"}},
        },
        "s.yaml",
    )  # fmt: skip


def scored(task: Task, accuracy: float, se: float) -> TaskScore:
    return TaskScore(task=task, metrics={"acc_raw": Score(value=accuracy, se=se, n=100)}, above_chance=True)


def test_an_aggregate_is_the_plain_mean_of_centred_accuracies_with_their_error() -> None:
    """v2: (0.55 - 0.25) / 0.75 = 0.4 and (0.6 - 0.5) / 0.5 = 0.2, mean 0.3; v1: 0.4375 and 0.2."""
    first, second = suite().tasks
    found = suite_aggregates(suite(), {"a": scored(first, 0.55, 0.03), "b": scored(second, 0.6, 0.04)})
    assert found["core_v2"].value == pytest.approx(0.3)
    assert found["core_v1"].value == pytest.approx((0.4375 + 0.2) / 2)
    assert found["core_v2"].se == pytest.approx(math.hypot(0.03 / 0.75, 0.04 / 0.5) / 2)


def test_a_missing_task_makes_the_aggregate_not_available_and_names_itself() -> None:
    found = suite_aggregates(suite(), {"a": scored(suite().tasks[0], 0.55, 0.03)})
    assert (found["core_v2"].value, found["core_v2"].reason) == (None, "no score of b")
    families = family_aggregates(suite(), {"a": scored(suite().tasks[0], 0.55, 0.03)})
    assert families["knowledge"].value == 0.55
    assert families["math"].value is None
