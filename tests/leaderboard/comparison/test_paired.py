"""Paired differences: against hand arithmetic, and coverage by simulation with seeds, units and both at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from curation.numerics import Floats, NoisePrior, Variance, bootstrap_sums
from curation.randomness import generator
from curation.significance import two_sided
from leaderboard.comparison.paired import (
    Design,
    Paired,
    Units,
    influences,
    mean_of,
    paired,
    paired_together,
    shared_noise,
    total_variance,
)

WORLDS = 1_000
NUM_UNITS = 60
NOISES = [(0.2, 1.0, 0.0), (0.2, 0.5, 1.0), (0.3, 0.1, 0.5), (0.05, 0.2, 1.0), (0.0, 1.0, 1.0)]
"""Standard deviations of a seed, of an arm's effect on one unit, and of what a seed does to one unit of an arm."""
NOISE = NoisePrior(sigma=0.1, degrees=8)


def design(num_seeds: int) -> Design:
    pairs = tuple((seed, num_seeds + seed) for seed in range(num_seeds))
    return Design(arms=("a",) * num_seeds + ("b",) * num_seeds, pairs=pairs)


def units(values: Floats, *, log: bool = False) -> Units:
    names = tuple(str(row) for row in range(len(values)))
    return Units(names=names, sums=values, sizes=np.ones(len(values)), log=log)


def worlds(num_seeds: int, noise: tuple[float, float, float], effect: float = 0.0, task: int = 0) -> Floats:
    """Return (worlds, units, arms × seeds) of scores whose true difference of arms is `effect`."""
    rng = generator(1, "worlds", num_seeds, str(noise), task)
    seed, unit, both = noise
    found = rng.normal(scale=1.0, size=(WORLDS, NUM_UNITS, 1, 1))
    found = found + rng.normal(scale=unit, size=(WORLDS, NUM_UNITS, 2, 1))
    found = found + rng.normal(scale=seed, size=(WORLDS, 1, 2, num_seeds))
    found = found + rng.normal(scale=both, size=(WORLDS, NUM_UNITS, 2, num_seeds))
    found[:, :, 0] += effect
    return found


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Simulations draw 400 times instead of 2,000: the noise of a variance is then 7 %, nothing to its own."""
    if "worlds" in request.node.name:
        monkeypatch.setattr("leaderboard.comparison.paired.bootstrap_sums", partial(bootstrap_sums, draws=400))


def outcomes(found: Sequence[Paired], truth: float) -> Floats:
    """Return in which shares of worlds the interval holds the truth and lies above it."""
    ends = np.array([(one.interval.low, one.interval.high) for one in found if one.interval is not None])
    assert len(ends) == WORLDS
    return np.array([np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])), np.mean(ends[:, 0] > truth)])


def holds(shares: Sequence[Floats]) -> bool:
    """Whether rule 8 holds: 93 to 97 % over all settings, and each by itself up to two standard errors."""
    covered, above = np.array(shares).T
    error = math.sqrt(0.95 * 0.05 / WORLDS)
    strict = 0.93 <= covered.mean() <= 0.97 and above.mean() <= 0.04
    return bool(strict and covered.min() >= 0.93 - 2 * error and covered.max() <= 0.97 + 2 * error)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_intervals_cover_the_truth_in_93_to_97_of_100_worlds(num_seeds: int) -> None:
    """And at most 4 of 100 lie above it: what is called better where nothing differs."""
    shares = []
    for noise in NOISES:
        several = enumerate(worlds(num_seeds, noise, 0.3))
        found = [
            paired(units(one.reshape(NUM_UNITS, -1)), design(num_seeds), generator(n, "draws")) for n, one in several
        ]
        shares.append(outcomes(found, 0.3))
    assert holds(shares), shares


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_means_over_tasks_cover_the_truth_in_93_to_97_of_100_worlds(num_seeds: int) -> None:
    """Two tasks of one model, which a seed moves both together and each by itself."""
    shares = []
    for noise in NOISES[:3]:
        several = [worlds(num_seeds, noise, 0.3, task=task) for task in range(2)]
        common = generator(7, "common", num_seeds).normal(scale=noise[0], size=(WORLDS, 1, 2, num_seeds))
        found = []
        for world in range(WORLDS):
            values = [(own[world] + common[world]).reshape(NUM_UNITS, -1) for own in several]
            parts = [paired(units(one), design(num_seeds), generator(world, n)) for n, one in enumerate(values)]
            found.append(mean_of(parts, design(num_seeds)))
        shares.append(outcomes(found, 0.3))
    assert holds(shares), shares


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


def test_two_units_have_the_variance_of_their_mean() -> None:
    """Differences 0 and 2: s²/2 = 1, where the bootstrap alone gives a half."""
    found = paired(units(np.array([[0.0, 0.0], [2.0, 0.0]])), design(1), generator(1))
    assert found.units is not None
    assert found.units.value == pytest.approx(1.0, rel=0.1)


def test_what_seeds_do_to_single_units_by_hand() -> None:
    """Influences of arm a: (0, 0) and (1, -1). Squares 1 over 2 degrees, times 2/(2 - 1), times 2 arms over 2 seeds."""
    found = paired(units(np.array([[0.0, 2.0, 0.0, 0.0], [0.0, -2.0, 0.0, 0.0]])), design(2), generator(1))
    assert found.both == pytest.approx(1.0)


def test_an_interaction_of_four_arms_has_twice_the_shared_noise_of_two_by_hand() -> None:
    """Arms a and c as above, b and d flat: squares 2 over 4 degrees, times 2/(2 - 1), times 4 runs over 2 seeds."""
    values = np.array([[0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0], [0.0, -2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0]])
    arms = tuple(arm for arm in "abcd" for _ in range(2))
    pairs, against = ((0, 2), (1, 3)), ((4, 6), (5, 7))
    assert paired(units(values), Design(arms=arms, pairs=pairs, against=against), generator(1)).both == pytest.approx(2)
    assert paired(units(values), Design(arms=arms, pairs=pairs), generator(1)).both == pytest.approx(1)


@pytest.mark.parametrize(
    ("parts", "value"), [((1, 1, 3), 0.5), ((4, 1, 4.9), 2.0), ((1, 4, 4.9), 2.0), ((2, 3, 1), 4.0)]
)
def test_the_total_is_never_under_half_of_its_larger_part(parts: tuple[float, float, float], value: float) -> None:
    seeds, items, both = parts
    found = total_variance(Variance(value=seeds, degrees=4), Variance(value=items, degrees=9), both)
    assert found.value == pytest.approx(value)


def test_measures_of_the_same_units_are_drawn_as_each_alone() -> None:
    several = [units(generator(6, n).normal(size=(30, 4)) + 9, log=n == 2) for n in range(3)]
    several.append(units(generator(6, 3).normal(size=(1, 4))))
    together = paired_together(several, design(2), rng=generator(1), priors=[None, None, NOISE, None])
    for one, prior, found in zip(several, [None, None, NOISE, None], together, strict=True):
        alone = paired(one, design(2), generator(1), prior)
        assert (found.delta, found.seeds, found.both) == (alone.delta, alone.seeds, alone.both)
        assert (found.draws is None) == (alone.draws is None)
        if found.draws is not None and alone.draws is not None:
            np.testing.assert_allclose(found.draws, alone.draws)


def test_noise_of_units_alone_is_not_counted_twice() -> None:
    """Two seeds whose scores differ by unit only: all of the seed variance is noise of units."""
    values = generator(2).normal(size=(500, 4))
    found = paired(units(values), design(2), generator(1))
    assert found.total is not None
    assert found.units is not None
    assert found.total.value < 1.5 * found.units.value


def test_what_a_seed_does_to_every_unit_alike_is_no_shared_noise() -> None:
    values = np.arange(12.0).reshape(6, 2).repeat(2, axis=1) + np.array([0.0, 1.0, 0.0, 2.0])
    assert shared_noise(influences(units(values)), design(2).columns.values()) == pytest.approx(0, abs=1e-20)


def test_larger_clusters_weigh_by_their_items() -> None:
    one = Units(names=("big", "small"), sums=np.array([[3.0, 0.0], [0.0, 1.0]]), sizes=np.array([3.0, 1.0]), log=False)
    assert paired(one, design(1), generator(1)).delta == pytest.approx(0.75 - 0.25)


def test_a_mean_over_tasks_has_a_quarter_of_two_tasks_variances() -> None:
    parts = [paired(units(generator(3, task).normal(size=(50, 2))), design(1), generator(1, task)) for task in "xy"]
    found = mean_of(parts, design(1))
    assert found.units is not None
    assert found.units.value == pytest.approx(sum(part.units.value for part in parts if part.units) / 4)
    assert found.delta == pytest.approx((parts[0].delta + parts[1].delta) / 2)


def known(values: list[float], both: float) -> Paired:
    """Return two seeds of two arms on 50 units with a variance of 4 over units."""
    delta, spread = (values[0] + values[1] - values[2] - values[3]) / 2, Variance(value=4.0, degrees=49)
    own = {"seeds": None, "units": spread, "both": both, "draws": np.zeros(9)}
    return Paired(delta=delta, values=np.array(values), num_units=50, num_pairs=2, **own)  # type: ignore[arg-type]


def test_a_mean_over_tasks_by_hand() -> None:
    """Means of runs 1, 3 and 0, 0: s² = 2 over 2 degrees, a difference of two seeds 1/2 + 1/2 of it."""
    found = mean_of([known([3.0, 5.0, 0.0, 0.0], 1.0), known([-1.0, 1.0, 0.0, 0.0], 3.0)], design(2))
    assert found.delta == pytest.approx(2.0)
    assert found.seeds == Variance(value=1.0, degrees=2)
    assert found.units is not None
    assert found.units.value == pytest.approx((4 + 4) / 4)
    assert found.both == pytest.approx((1 + 3) / 4)


def test_the_p_value_is_students() -> None:
    assert two_sided(2.571, Variance(value=1.0, degrees=5)) == pytest.approx(0.05, abs=1e-4)  # a table's 2.571


def test_the_same_data_gives_the_same_interval() -> None:
    values = generator(4).normal(size=(40, 4))
    first, second = (paired(units(values), design(2), generator(1, "x")) for _ in range(2))
    assert first.interval == second.interval
