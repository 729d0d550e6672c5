"""Measures: scipy's where it has one, hand arithmetic for the rest, None with a reason where undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leaderboard.stability.measures import MEASURES, agreement, gap_bins, regret, winner_kept

LISTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=25)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(row[0]) for row in rows]), np.array([float(row[1]) for row in rows])


@given(LISTS)
def test_correlations_are_those_of_scipy(rows: list[tuple[int, int]]) -> None:
    small, target = arrays(rows)
    found = agreement(small, target)
    if small.std() == 0 or target.std() == 0:
        assert {found.values[name] for name in ("pearson", "spearman", "kendall_tau_b", "weighted_tau")} == {None}
        return
    assert found.values["pearson"] == pytest.approx(stats.pearsonr(small, target).statistic, abs=1e-12)
    assert found.values["spearman"] == pytest.approx(stats.spearmanr(small, target).statistic, abs=1e-12)
    assert found.values["kendall_tau_b"] == pytest.approx(stats.kendalltau(small, target).statistic, abs=1e-12)
    assert found.values["weighted_tau"] == pytest.approx(stats.weightedtau(small, target).statistic, abs=1e-12)


@given(LISTS)
def test_without_ties_decision_accuracy_is_half_of_one_plus_tau(rows: list[tuple[int, int]]) -> None:
    small, target = arrays(rows)
    small, target = small + 1e-3 * np.arange(len(small)), target + 1e-3 * np.arange(len(target)) ** 2
    tau = stats.kendalltau(small, target).statistic
    assert agreement(small, target).values["decision_accuracy"] == pytest.approx((1 + tau) / 2)


def test_weighted_tau_weighs_a_swap_at_the_top_more_than_one_at_the_bottom() -> None:
    order = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    top = agreement(order, np.array([4.0, 5.0, 3.0, 2.0, 1.0])).values["weighted_tau"]
    bottom = agreement(order, np.array([5.0, 4.0, 3.0, 1.0, 2.0])).values["weighted_tau"]
    assert top is not None
    assert bottom is not None
    assert top < bottom


def test_all_ties_leave_correlations_undefined_with_the_tier_in_the_reason() -> None:
    found = agreement(np.ones(3), np.arange(3.0))
    assert (found.values["pearson"], found.values["decision_accuracy"]) == (None, 0.5)
    assert "all 3 scores are tied at `from`" in found.undefined["kendall_tau_b"]


@pytest.mark.parametrize("num", [0, 1])
def test_fewer_than_two_recipes_leave_every_measure_undefined(num: int) -> None:
    found = agreement(np.ones(num), np.ones(num))
    assert found.values == dict.fromkeys(MEASURES)
    assert set(found.undefined) == set(MEASURES)


def test_regret_is_the_best_less_what_the_small_winner_reaches() -> None:
    assert regret(np.array([3.0, 2.0, 1.0]), np.array([0.5, 0.9, 0.1])) == pytest.approx(0.4)


def test_regret_of_tied_winners_is_their_mean() -> None:
    assert regret(np.array([3.0, 3.0, 1.0]), np.array([0.5, 0.9, 0.1])) == pytest.approx(0.2)


@given(LISTS)
def test_regret_is_never_negative_and_zero_only_if_the_winner_is_kept(rows: list[tuple[int, int]]) -> None:
    small, target = arrays(rows)
    assert regret(small, target) >= 0
    assert (regret(small, target) == 0) == (winner_kept(small, target) == 1)


def test_bins_hold_every_pair_once_and_equal_gaps_together() -> None:
    bins = gap_bins(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 0.0, 2.0, 3.0]))  # gaps 1 1 1 2 2 3; one pair turned
    assert [(one.low, one.high, one.num_pairs) for one in bins] == [(1, 1, 3), (1, 2, 2), (2, 3, 1)]
    assert [one.decision_accuracy for one in bins] == [pytest.approx(2 / 3), 1.0, 1.0]
