"""Power: the tables of the training reference, simulated worlds, and signal to noise by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.comparison.paired import Design, Units, paired
from leaderboard.noise.power import (
    LOOKS,
    Noise,
    detectable,
    detectable_by_looks,
    looks_critical,
    seeds_by_looks,
    seeds_needed,
    signal_to_noise,
    t_quantile,
)


def test_the_sequential_critical_values_are_the_published_ones() -> None:
    assert [round(looks_critical(count), 2) for count in LOOKS] == [2.71, 2.63, 2.53]
    with pytest.raises(ValueError, match="every look costs certainty"):
        looks_critical(4)


@pytest.mark.parametrize(
    ("sigma", "published"),
    [(0.0013, (0.0038, 0.0023, 0.0015)), (0.0020, (0.0058, 0.0035, 0.0024)), (0.0050, (0.0146, 0.0087, 0.0059))],
)
def test_the_smallest_significant_difference_is_the_published_one(sigma: float, published: tuple[float, ...]) -> None:
    """Unpooled, one-sided 5 %, half of them found: training reference 4.2."""
    noise = Noise(sigma=sigma, degrees=0)
    found = [
        t_quantile(0.95, 2 * (count - 1)) * math.sqrt(noise.variance(count).value) for count in (2, 3, 5)
    ]  # fmt: skip
    assert [round(value, 4) for value in found] == list(published)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("count", [2, 5])
def test_an_effect_that_is_called_detectable_is_found_four_times_in_five(count: int, two_sided: bool) -> None:
    sigma, prior = 0.002, 7
    effect = detectable(Noise(sigma=sigma, degrees=prior), count, two_sided=two_sided)
    assert effect is not None
    rng, worlds = generator(5, "power", count), 20_000
    squares = sigma**2 * (rng.chisquare(prior, worlds) + rng.chisquare(2 * (count - 1), worlds))
    degrees = prior + 2 * (count - 1)
    spread = np.sqrt(squares / degrees * 2 / count)
    seen = effect + rng.normal(scale=sigma * math.sqrt(2 / count), size=worlds)
    critical = t_quantile(0.975 if two_sided else 0.95, degrees)
    assert np.mean(seen / spread > critical) == pytest.approx(0.8, abs=0.015)


def test_one_seed_without_a_prior_detects_nothing() -> None:
    assert detectable(Noise(sigma=0.01, degrees=0), 1) is None
    assert detectable(Noise(sigma=0.01, degrees=7), 1) is not None


@pytest.mark.parametrize("count", [2, 5])
def test_an_effect_that_is_called_detectable_is_found_four_times_in_five_by_compare_itself(count: int) -> None:
    """Half of sigma squared is of the run, half of what its seed does to single items; no recipe picks items."""
    num_items, worlds, prior = 40, 500, NoisePrior(sigma=0.02, degrees=8)
    noise = Noise(sigma=prior.sigma, degrees=prior.degrees)
    effect = detectable(noise, count, two_sided=True)
    assert effect is not None
    design = Design(arms=("a",) * count + ("b",) * count, pairs=tuple((n, count + n) for n in range(count)))
    rng, found = generator(5, "compare", count), 0
    own = prior.sigma / math.sqrt(2)
    for _ in range(worlds):
        known = NoisePrior(sigma=prior.sigma * math.sqrt(rng.chisquare(8) / 8), degrees=8)
        values = rng.normal(size=(num_items, 1)) + rng.normal(scale=own, size=(1, 2 * count))
        values = values + rng.normal(scale=own * math.sqrt(num_items), size=(num_items, 2 * count))
        values[:, :count] += effect
        names = tuple(map(str, range(num_items)))
        units = Units(names=names, sums=values, sizes=np.ones(num_items), log=False)
        p = paired(units, design, rng, known).p_value
        found += p is not None and p < 0.05
    assert found / worlds == pytest.approx(0.8, abs=0.06)  # 500 worlds: a standard error of 1.8 points


def test_the_variance_is_that_of_two_means_over_seeds() -> None:
    assert Noise(sigma=0.01, degrees=7).variance(4).value == pytest.approx(2 * 0.01**2 / 4)


@settings(max_examples=40, deadline=None)
@given(sigma=st.floats(1e-4, 0.05), gain=st.floats(1e-3, 0.05), two_sided=st.booleans())
def test_the_seeds_needed_are_enough_and_one_less_is_not(sigma: float, gain: float, two_sided: bool) -> None:
    noise = Noise(sigma=sigma, degrees=7)
    count = seeds_needed(noise, gain, two_sided=two_sided)
    if count is None:
        assert detectable(noise, 1_000, two_sided=two_sided) > gain  # type: ignore[operator]
        return
    assert detectable(noise, count, two_sided=two_sided) <= gain  # type: ignore[operator]
    if count > 2:
        assert detectable(noise, count - 1, two_sided=two_sided) > gain  # type: ignore[operator]


def test_without_noise_two_seeds_do() -> None:
    assert seeds_needed(Noise(sigma=0.0, degrees=7), 0.001) == 2


def test_looks_ask_for_more_than_one_test_and_give_up_after_five() -> None:
    noise = Noise(sigma=0.002, degrees=8)
    assert all(detectable_by_looks(noise, count) > detectable(noise, count) for count in LOOKS)  # type: ignore[operator]
    assert seeds_by_looks(noise, 0.01) == 2
    assert seeds_by_looks(noise, 0.005) == 5
    assert seeds_by_looks(noise, 0.001) is None


@pytest.mark.parametrize(
    ("sigma", "false_passes", "power"),
    [(0.0015, 0.003, (0.59, 0.89, 0.999)), (0.0020, 0.015, (0.49, 0.76, 0.99)), (0.0050, 0.12, ())],
)
def test_the_three_looks_pass_as_often_as_published(
    sigma: float, false_passes: float, power: tuple[float, ...]
) -> None:
    """Prior 0.0020 nats with 8 degrees; effects 0.003, 0.004, 0.006; given up at |t| < 0.5 after three seeds."""
    assert passes(sigma, 0.0) == pytest.approx(false_passes, abs=0.006)
    for effect, expected in zip((0.003, 0.004, 0.006), power, strict=False):
        assert passes(sigma, effect) == pytest.approx(expected, abs=0.02)


def passes(sigma: float, effect: float, worlds: int = 20_000) -> float:
    rng = generator(5, "looks", sigma, effect)
    left, right = rng.normal(scale=sigma, size=(worlds, 5)) + effect, rng.normal(scale=sigma, size=(worlds, 5))
    passed, alive = np.zeros(worlds, bool), np.ones(worlds, bool)
    for count in LOOKS:
        own = sum(one[:, :count].var(axis=1, ddof=1) * (count - 1) for one in (left, right))
        spread = np.sqrt((8 * 0.002**2 + own) / (8 + 2 * (count - 1)) * 2 / count)
        t = (left[:, :count].mean(axis=1) - right[:, :count].mean(axis=1)) / spread
        passed |= alive & (t > looks_critical(count))
        if count == 3:
            alive &= np.abs(t) >= 0.5
    return float(passed.mean())


def test_signal_to_noise_by_hand() -> None:
    """Recipes 0.4 to 0.6 around 0.5: dispersion 40 %; checkpoints 0.49 and 0.51: 2.83 % of 0.5."""
    found = signal_to_noise([0.4, 0.5, 0.6], [0.49, 0.51])
    assert found == pytest.approx(0.4 / (0.01 * math.sqrt(2) / 0.5))


@pytest.mark.parametrize(
    ("recipes", "noise"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, 1.0]), ([1.0, -1.0], [1.0, 2.0])]
)
def test_no_signal_to_noise_without_both(recipes: list[float], noise: list[float]) -> None:
    assert signal_to_noise(recipes, noise) is None


@given(factor=st.floats(0.01, 100))
def test_signal_to_noise_has_no_unit(factor: float) -> None:
    recipes, noise = [1.0, 1.5, 1.2], [1.1, 1.2, 1.15]
    scaled = signal_to_noise([factor * one for one in recipes], [factor * one for one in noise])
    assert scaled == pytest.approx(signal_to_noise(recipes, noise))
