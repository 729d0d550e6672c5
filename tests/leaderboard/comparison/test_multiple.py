"""Marks over many comparisons: worked examples by hand, and error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from curation.randomness import generator
from curation.significance import holm
from leaderboard.comparison.multiple import benjamini_hochberg, max_t, mcnemar
from leaderboard.comparison.paired import Design, Paired, Units, paired

BH_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip
"""The 15 p-values of Benjamini and Hochberg 1995, section 3.2: at 0.05 theirs rejects four, Bonferroni's three."""


def test_the_worked_example_of_benjamini_and_hochberg_rejects_four() -> None:
    assert sum(benjamini_hochberg(BH_1995, q=0.05)) == 4


def test_holm_steps_down_until_the_first_that_stays() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # Holm: .0125, .0167, .025, .05


def test_holm_rejects_a_second_where_bonferroni_rejects_one() -> None:
    assert holm([0.01, 0.02, 0.06]) == [True, True, False]  # .0167, .025, .05; Bonferroni: .0167 for all


@pytest.mark.parametrize(("p", "marks"), [([0.05, 0.2], [True, False]), ([0.03, 0.06, 0.099], [True] * 3)])
def test_benjamini_and_hochberg_reject_up_to_q_times_rank_over_count(p: list[float], marks: list[bool]) -> None:
    assert benjamini_hochberg(p, q=0.1) == marks


def test_holm_rejects_three_where_bonferroni_does() -> None:
    assert holm(BH_1995) == [True, True, True] + [False] * 12


def test_order_of_the_hypotheses_does_not_matter() -> None:
    assert holm(BH_1995[::-1]) == holm(BH_1995)[::-1]
    assert benjamini_hochberg(BH_1995[::-1]) == benjamini_hochberg(BH_1995)[::-1]


def test_no_hypothesis_has_no_mark() -> None:
    assert holm([]) == benjamini_hochberg([]) == []


@pytest.mark.parametrize(("only", "p"), [((5, 0), 0.0625), ((1, 9), 0.021484375), ((0, 0), 1.0), ((3, 3), 1.0)])
def test_mcnemar_is_the_exact_binomial_of_discordant_items(only: tuple[int, int], p: float) -> None:
    left = np.array([True] * only[0] + [False] * only[1] + [True, False])
    right = np.array([False] * only[0] + [True] * only[1] + [True, False])
    found = mcnemar(left, right)
    assert (found.left_only, found.right_only) == only
    assert found.p == pytest.approx(p)


def null_slices(world: int, count: int = 8) -> list[Paired]:
    rng = generator(world, "null slices")
    design = Design(arms=("a", "a", "a", "b", "b", "b"), pairs=((0, 3), (1, 4), (2, 5)))
    names = tuple(str(unit) for unit in range(50))
    found = []
    for number in range(count):
        values = rng.normal(size=(50, 1)) + rng.normal(scale=0.2, size=(50, 6)) + rng.normal(scale=0.05, size=(1, 6))
        one = Units(names=names, sums=values, sizes=np.ones(50), log=False)
        found.append(paired(one, design, generator(world, "units", number)))
    return found


def test_the_largest_statistic_marks_a_slice_in_few_null_worlds() -> None:
    worlds = 150
    false = sum(
        min(p for p in max_t(null_slices(world), generator(world, "max-t")) if p is not None) <= 0.05
        for world in range(worlds)
    )
    assert false / worlds <= 0.09  # 5 % and two standard errors of 1.8 points


def test_a_large_difference_is_marked_by_the_largest_statistic() -> None:
    parts = null_slices(1, 5)
    names = tuple(str(unit) for unit in range(50))
    values = generator(9).normal(scale=0.1, size=(50, 6)) + np.array([1.0, 1, 1, 0, 0, 0])
    one = Units(names=names, sums=values, sizes=np.ones(50), log=False)
    strong = paired(one, Design(arms=("a", "a", "a", "b", "b", "b"), pairs=((0, 3), (1, 4), (2, 5))), generator(2))
    found = max_t([*parts, strong], generator(3))
    assert found[-1] is not None
    assert found[-1] <= 0.01


def test_a_part_without_interval_has_no_adjusted_p() -> None:
    one = Units(names=("only",), sums=np.array([[1.0, 2.0]]), sizes=np.ones(1), log=False)
    alone = paired(one, Design(arms=("a", "b"), pairs=((0, 1),)), generator(1))
    assert max_t([alone], generator(1)) == [None]
