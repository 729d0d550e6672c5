"""Pairs: every pair is of one kind, counted as an obvious loop counts them; ties count one half, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.stability.pairs import PairCounts, pair_counts, tied_pairs

SCORES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=0, max_size=30)


def slow_counts(small: list[float], target: list[float]) -> PairCounts:
    """Look at every pair."""
    kinds = dict.fromkeys(("agreeing", "opposite", "tied_from", "tied_to", "tied_both"), 0)
    for i in range(len(small)):
        for j in range(i):
            here, there = small[i] - small[j], target[i] - target[j]
            if here == 0 and there == 0:
                kinds["tied_both"] += 1
            elif here == 0:
                kinds["tied_from"] += 1
            elif there == 0:
                kinds["tied_to"] += 1
            else:
                kinds["agreeing" if here * there > 0 else "opposite"] += 1
    return PairCounts(**kinds)


@given(SCORES)
def test_counts_are_those_of_a_loop_over_all_pairs(rows: list[tuple[int, int]]) -> None:
    small, target = [float(row[0]) for row in rows], [float(row[1]) for row in rows]
    assert pair_counts(np.array(small), np.array(target)) == slow_counts(small, target)


@given(SCORES)
def test_turning_both_tiers_round_changes_nothing(rows: list[tuple[int, int]]) -> None:
    small, target = (np.array([float(row[k]) for row in rows]) for k in (0, 1))
    assert pair_counts(-small, -target) == pair_counts(small, target)


def test_a_tie_counts_one_half_and_strictly_nothing() -> None:
    counts = pair_counts(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 2.0]))  # tied small, tied target, agreeing
    assert (counts.accuracy, counts.strict_accuracy) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_a_pair_tied_at_both_tiers_counts_one_half_too() -> None:
    counts = pair_counts(np.array([1.0, 1.0]), np.array([5.0, 5.0]))
    assert (counts.tied_both, counts.accuracy, counts.strict_accuracy) == (1, 0.5, 0.0)


def test_a_reversed_order_has_accuracy_zero_and_is_not_folded() -> None:
    assert pair_counts(np.arange(5.0), -np.arange(5.0)).accuracy == 0.0


def test_without_two_recipes_there_is_no_accuracy() -> None:
    assert pair_counts(np.array([1.0]), np.array([1.0])).accuracy is None


def test_pairs_of_a_hundred_thousand_recipes_are_exact() -> None:
    """A reversed block of k in an ordered list has k (k - 1) / 2 opposite pairs."""
    target = np.arange(100_000.0)
    target[:1000] = target[:1000][::-1].copy()
    assert pair_counts(np.arange(100_000.0), target).opposite == 1000 * 999 // 2


def test_tied_pairs_are_those_of_equal_values() -> None:
    assert tied_pairs(np.array([1.0, 1.0, 1.0, 2.0, 2.0])) == 4
