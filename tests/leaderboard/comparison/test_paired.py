"""Paired differences: against hand arithmetic, and coverage by simulation with seeds, units and both at random."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.numerics import Floats, NoisePrior, Variance, t_critical
from curation.randomness import generator
from leaderboard.comparison.paired import (
    Design,
    Units,
    influences,
    mean_of,
    paired,
    shared_noise,
    total_variance,
    two_sided,
)

WORLDS = 4_000
NUM_UNITS = 60
NOISES = [(0.2, 1.0, 0.0), (0.2, 0.5, 1.0), (0.3, 0.1, 0.5), (0.05, 0.2, 1.0), (0.0, 1.0, 1.0)]
"""Standard deviations of a seed, of an arm's effect on one unit, and of what a seed does to one unit of an arm."""


def design(num_seeds: int) -> Design:
    pairs = tuple((seed, num_seeds + seed) for seed in range(num_seeds))
    return Design(arms=("a",) * num_seeds + ("b",) * num_seeds, pairs=pairs)


def units(values: Floats, *, log: bool = False) -> Units:
    names = tuple(str(row) for row in range(len(values)))
    return Units(names=names, sums=values, sizes=np.ones(len(values)), log=log)


def worlds(num_seeds: int, noise: tuple[float, float, float], effect: float = 0.0) -> Floats:
    """Return (worlds, units, arms × seeds) of scores whose true difference of arms is `effect`."""
    rng = generator(1, "worlds", num_seeds, str(noise))
    seed, unit, both = noise
    found = rng.normal(scale=1.0, size=(WORLDS, NUM_UNITS, 1, 1))
    found = found + rng.normal(scale=unit, size=(WORLDS, NUM_UNITS, 2, 1))
    found = found + rng.normal(scale=seed, size=(WORLDS, 1, 2, num_seeds))
    found = found + rng.normal(scale=both, size=(WORLDS, NUM_UNITS, 2, num_seeds))
    found[:, :, 0] += effect
    return found


def intervals(found: Floats) -> tuple[Floats, Floats]:
    """Return the ends of every world's interval by `total_variance`, with the closed form of the bootstrap variance."""
    num_seeds = found.shape[-1]
    runs = found.mean(axis=1)
    delta = runs[:, 0].mean(axis=-1) - runs[:, 1].mean(axis=-1)
    seeds = runs.var(axis=-1, ddof=1).mean(axis=-1) * 2 / num_seeds
    spread = (found[:, :, 0] - found[:, :, 1]).mean(axis=-1).var(axis=1, ddof=1) / NUM_UNITS
    influence = (found - runs[:, None]) / NUM_UNITS
    rest = influence - influence.mean(axis=-1, keepdims=True)
    shared = (rest**2).sum(axis=(1, 2, 3)) / (2 * (num_seeds - 1)) * NUM_UNITS / (NUM_UNITS - 1) * 2 / num_seeds
    ends = []
    for centre, one, two, both in zip(delta, seeds, spread, shared, strict=True):
        total = total_variance(
            Variance(value=one, degrees=2 * (num_seeds - 1)), Variance(value=two, degrees=NUM_UNITS - 1), both
        )
        half = t_critical(total.degrees) * math.sqrt(total.value)
        ends.append((centre - half, centre + half))
    low, high = np.array(ends).T
    return low, high


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_cover_the_truth_in_93_to_97_of_100_worlds(num_seeds: int, noise: tuple[float, float, float]) -> None:
    low, high = intervals(worlds(num_seeds, noise, effect=0.3))
    assert 0.93 <= np.mean((low <= 0.3) & (high >= 0.3)) <= 0.971  # 4,000 worlds: a standard error of 0.3 points


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_where_nothing_differs_at_most_4_of_100_worlds_are_called_better(num_seeds: int) -> None:
    rates = [np.mean(intervals(worlds(num_seeds, noise))[0] > 0) for noise in NOISES]
    assert max(rates) <= 0.04


@pytest.mark.parametrize("noise", NOISES[:3])
def test_the_closed_form_of_the_simulation_is_what_the_bootstrap_estimates(noise: tuple[float, float, float]) -> None:
    found = worlds(3, noise)[:1]
    low, high = intervals(found)
    got = paired(units(found[0].reshape(NUM_UNITS, -1)), design(3), generator(1, "draws")).interval
    assert got is not None
    assert (got.low, got.high) == (pytest.approx(low[0], abs=0.03), pytest.approx(high[0], abs=0.03))


def test_the_difference_is_the_mean_over_pairs_of_the_means_over_units() -> None:
    values = np.array([[1.0, 2.0, 0.0, 0.0], [3.0, 4.0, 1.0, 1.0]])  # runs a1, a2, b1, b2
    assert paired(units(values), design(2), generator(1)).delta == pytest.approx((2 - 0.5 + 3 - 0.5) / 2)


def test_bits_are_compared_by_the_logarithm_of_their_ratio() -> None:
    values = np.array([[1.0, 2.0], [3.0, 6.0]])
    assert paired(units(values, log=True), design(1), generator(1)).delta == pytest.approx(-math.log(2))


def test_a_constant_ratio_has_no_noise_of_units() -> None:
    found = paired(units(np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]]), log=True), design(1), generator(1))
    assert found.units is not None
    assert found.units.value == pytest.approx(0, abs=1e-20)


def test_one_seed_leaves_units_only() -> None:
    found = paired(units(np.array([[1.0, 2.0], [3.0, 4.5]])), design(1), generator(1))
    assert (found.seeds, found.total) == (None, found.units)


def test_one_seed_with_a_measured_noise_has_both() -> None:
    prior = NoisePrior(sigma=0.1, degrees=8)
    found = paired(units(np.array([[1.0, 2.0], [3.0, 4.5]])), design(1), generator(1), prior)
    assert found.seeds is not None
    assert found.seeds.value == pytest.approx(0.01 * 2)


def test_one_unit_gives_no_interval() -> None:
    found = paired(units(np.array([[1.0, 1.1, 2.0, 2.1]])), design(2), generator(1))
    assert (found.interval, found.p_value) == (None, None)


def test_noise_of_units_alone_is_not_counted_twice() -> None:
    """Two seeds whose scores differ by unit only: all of the seed variance is noise of units."""
    values = generator(2).normal(size=(500, 4))
    found = paired(units(values), design(2), generator(1))
    assert found.total is not None
    assert found.units is not None
    assert found.total.value < 1.5 * found.units.value


def test_what_a_seed_does_to_every_unit_alike_is_no_shared_noise() -> None:
    values = np.arange(12.0).reshape(6, 2).repeat(2, axis=1) + np.array([0.0, 1.0, 0.0, 2.0])
    assert shared_noise(influences(units(values)), design(2)) == pytest.approx(0, abs=1e-20)


def test_larger_clusters_weigh_by_their_items() -> None:
    one = Units(names=("big", "small"), sums=np.array([[3.0, 0.0], [0.0, 1.0]]), sizes=np.array([3.0, 1.0]), log=False)
    assert paired(one, design(1), generator(1)).delta == pytest.approx(0.75 - 0.25)


def test_a_mean_over_tasks_has_a_quarter_of_two_tasks_variances() -> None:
    parts = [paired(units(generator(3, task).normal(size=(50, 2))), design(1), generator(1, task)) for task in "xy"]
    found = mean_of(parts, design(1))
    assert found.units is not None
    assert found.units.value == pytest.approx(sum(part.units.value for part in parts if part.units) / 4)
    assert found.delta == pytest.approx((parts[0].delta + parts[1].delta) / 2)


def test_the_p_value_is_students() -> None:
    assert two_sided(2.571, Variance(value=1.0, degrees=5)) == pytest.approx(0.05, abs=1e-4)  # a table's 2.571


def test_the_same_data_gives_the_same_interval() -> None:
    values = generator(4).normal(size=(40, 4))
    first, second = (paired(units(values), design(2), generator(1, "x")) for _ in range(2))
    assert first.interval == second.interval
