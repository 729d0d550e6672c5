"""Scores: seeds averaged whatever the order of rows, noise pooled, tiers in order of size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import ResultsError
from curation.numerics import pooled_variance
from leaderboard.stability.rows import Coded, Rows, rounded
from leaderboard.stability.scores import (
    by_group,
    mean_over_groups,
    ordered_tiers,
    scores_of,
    size_of,
    tier_flops,
)

RUNS = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["s", "t"]), st.integers(0, 3)),
    st.integers(-1000, 1000).map(lambda k: k / 8),
    min_size=1,
    max_size=30,
)


def coded(values: list[str]) -> Coded:
    names = tuple(dict.fromkeys(values))
    return Coded(codes=np.array([names.index(value) for value in values]), names=names)


def rows_of(runs: list[tuple[str, str, str, float]], groups: list[str] | None = None) -> Rows:
    return Rows(
        recipes=coded([run[0] for run in runs]),
        tiers=coded([run[1] for run in runs]),
        seeds=coded([run[2] for run in runs]),
        groups=coded(groups) if groups else None,
        scores=np.array([run[3] for run in runs]),
        flops=None,
        num_empty=0,
        source="table",
    )


@given(RUNS)
def test_means_and_pooled_noise_are_those_of_lists_of_seeds(runs: dict[tuple[str, str, int], float]) -> None:
    rows = rows_of([(recipe, tier, str(seed), value) for (recipe, tier, seed), value in runs.items()])
    found = scores_of(rows, ["s", "t"], "t", lower_is_better=False)
    for column, tier in enumerate("st"):
        lists = [[v for (r, t, _), v in runs.items() if (r, t) == (recipe, tier)] for recipe in found.recipes]
        means = [np.mean(values) if values else np.nan for values in lists]
        assert found.means[:, column] == pytest.approx(means, nan_ok=True, abs=1e-9)
        assert found.num_seeds[:, column].tolist() == [len(values) for values in lists]
        slow, fast = pooled_variance(lists), found.noise[column]
        assert (slow is None) == (fast is None)
        if slow and fast:
            assert (fast.value, fast.degrees) == (pytest.approx(slow.value, abs=1e-6), slow.degrees)


def test_the_order_of_rows_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    runs = [(f"r{k % 7}", "s", str(k), float(value)) for k, value in enumerate(rng.standard_normal(70))]
    one = scores_of(rows_of(runs), ["s"], "s", lower_is_better=False)
    other = scores_of(rows_of(runs[::-1]), ["s"], "s", lower_is_better=False)
    assert (one.recipes, one.means.tobytes(), one.noise) == (other.recipes, other.means.tobytes(), other.noise)


def test_recipes_with_the_same_scores_in_other_seeds_are_tied() -> None:
    runs = [("a", "s", str(k), v) for k, v in enumerate((0.1, 0.2, 0.3))] + [("b", "s", "0", 0.2)]
    found = scores_of(rows_of(runs), ["s"], "s", lower_is_better=False)
    assert found.means[0, 0] == found.means[1, 0]


def test_rounding_keeps_twelve_digits_of_any_size() -> None:
    values = np.array([0.0, 1.23456789012345e-300, -123456789.012345678, 1e300])
    assert rounded(values) == pytest.approx(values, rel=1e-11)


@pytest.mark.parametrize(
    ("name", "size"),
    [("400m", 4e8), ("1B", 1e9), ("411616256", 411616256), ("7b-2x", 14e9), ("1.4B", 1.4e9), ("big", None)],
)
def test_a_name_that_is_a_size_is_read_as_one(name: str, size: float | None) -> None:
    assert size_of(name) == size


def test_tiers_stand_by_size_whatever_their_order_in_the_file() -> None:
    assert ordered_tiers(["7b", "400m", "1b"], "7b", "t", as_given=False) == (("400m", "1b", "7b"), "7b")


def test_tiers_of_ours_stand_by_flops() -> None:
    assert ordered_tiers(["micro-1x", "pico-1x"], "micro-1x", "t", as_given=False)[0] == ("pico-1x", "micro-1x")
    assert tier_flops("gigantic") is None


def test_tiers_without_a_size_stand_as_they_come_with_the_target_last() -> None:
    assert ordered_tiers(["big", "small", "mid"], "big", "t", as_given=False)[0] == ("small", "mid", "big")


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(ResultsError, match="did you mean `medium`"):
        ordered_tiers(["small", "medium"], "medim", "t", as_given=False)


def test_one_tier_is_refused() -> None:
    with pytest.raises(ResultsError, match="one tier"):
        ordered_tiers(["small"], "small", "t", as_given=False)


def test_a_mean_over_tasks_is_of_runs_that_have_every_task() -> None:
    runs = [("a", "s", "1", 0.2), ("a", "s", "1", 0.4), ("b", "s", "1", 0.9)]
    mean = mean_over_groups(rows_of(runs, ["x", "y", "x"]), logarithm=False)
    assert mean is not None
    assert (mean.rows.scores.tolist(), mean.lacking) == ([pytest.approx(0.3)], ("b, s, seed 1 has 1 of 2",))


def test_groups_hold_their_own_rows() -> None:
    runs = [("a", "s", "1", 0.2), ("a", "s", "1", 0.4), ("b", "s", "1", 0.9)]
    found = by_group(rows_of(runs, ["x", "y", "x"]))
    assert [(name, rows.scores.tolist()) for name, rows in found] == [("x", [0.2, 0.9]), ("y", [0.4])]
