"""Crossings: pairs whose order changes, the tiers where it does, and slopes that say who gains."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard.stability.crossings import crossings, slopes

NAN = float("nan")
TIERS = np.arange(3.0)


def test_a_pair_that_turns_round_is_named_with_its_tiers_and_gaps() -> None:
    found = crossings(np.array([[1.0, 2.0, 5.0], [3.0, 3.0, 4.0]]), 2, TIERS)
    (one,) = found.found
    assert (one.ahead, one.behind, one.at, one.to, found.total) == (0, 1, (0, 1), 2, 1)
    assert one.gaps == {0: -2.0, 1: -1.0, 2: 1.0}
    assert one.slope == pytest.approx(1.5)


def test_a_tie_on_the_way_is_no_crossing() -> None:
    assert crossings(np.array([[1.0, 2.0, 5.0], [1.0, 2.0, 4.0]]), 2, TIERS).total == 0


def test_where_the_target_is_missing_the_largest_shared_tier_counts() -> None:
    (one,) = crossings(np.array([[1.0, 4.0, NAN], [2.0, 3.0, 9.0]]), 2, TIERS).found
    assert (one.ahead, one.to, one.at) == (0, 1, (0,))


def test_crossings_to_the_target_are_the_opposite_pairs() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((12, 2))
    opposite = sum((table[i, 0] - table[j, 0]) * (table[i, 1] - table[j, 1]) < 0 for i in range(12) for j in range(i))
    assert crossings(table, 1, TIERS[:2]).total == opposite


def test_slopes_are_least_squares_and_relative_to_recipes_with_the_same_tiers() -> None:
    found = slopes(np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 6.0], [0.0, NAN, NAN]]), TIERS)
    assert [one.slope for one in found] == [pytest.approx(1.0), pytest.approx(3.0), None]
    assert [one.relative for one in found] == [pytest.approx(-1.0), pytest.approx(1.0), None]
    assert [one.num_tiers for one in found] == [3, 3, 1]
