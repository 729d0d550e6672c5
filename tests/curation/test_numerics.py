"""Intervals: against hand arithmetic, published values, and by simulation of their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.numerics import (
    NoisePrior,
    Variance,
    added,
    bootstrap_sums,
    difference_variance,
    percentile_interval,
    pooled_variance,
    sample_variance,
    shared_bootstrap_sums,
    t_critical,
    t_interval,
    wilson_interval,
)
from curation.randomness import generator


def test_pooling_weighs_each_arm_by_its_degrees_of_freedom() -> None:
    pooled = pooled_variance([[1.0, 3.0], [0.0, 3.0, 6.0]])  # squares 2 and 18, degrees 1 and 2
    assert pooled is not None
    assert (pooled.value, pooled.degrees) == (pytest.approx(20 / 3), 3)


def test_a_prior_counts_like_so_many_degrees_of_freedom() -> None:
    pooled = pooled_variance([[1.0, 3.0]], NoisePrior(sigma=0.5, degrees=8))
    assert pooled is not None
    assert (pooled.value, pooled.degrees) == (pytest.approx((8 * 0.25 + 2) / 9), 9)


def test_one_seed_an_arm_and_no_prior_says_nothing_about_seed_noise() -> None:
    assert pooled_variance([[1.0], [2.0]]) is None


def test_a_single_seed_lives_on_the_prior_alone() -> None:
    pooled = pooled_variance([[1.0], [2.0]], NoisePrior(sigma=0.1, degrees=8))
    assert pooled is not None
    assert (pooled.value, pooled.degrees) == (pytest.approx(0.01), 8)


@pytest.mark.parametrize(("degrees", "expected"), [(1, 12.706), (4, 2.776), (10, 2.228), (math.inf, 1.960)])
def test_critical_values_are_those_of_the_printed_t_table(degrees: float, expected: float) -> None:
    assert t_critical(degrees) == pytest.approx(expected, abs=5e-4)


def test_variances_add_and_degrees_follow_welch() -> None:
    both = added(Variance(value=1.0, degrees=4), Variance(value=1.0, degrees=4))
    assert (both.value, both.degrees) == (pytest.approx(2.0), pytest.approx(8.0))


def test_adding_nothing_changes_nothing() -> None:
    both = added(Variance(value=2.0, degrees=3), Variance(value=0.0, degrees=50))
    assert (both.value, both.degrees) == (pytest.approx(2.0), pytest.approx(3.0))


def test_bootstrap_sums_of_equal_units_never_vary() -> None:
    sums = bootstrap_sums(np.full((7, 2), 3.0), generator(1, "t"), draws=50)
    assert np.all(sums == 21.0)


def test_bootstrap_sums_equal_the_obvious_loop_over_picks() -> None:
    values = np.arange(10.0).reshape(5, 2)
    picks = generator(3, "same").integers(0, 5, (20, 5))
    expected = np.array([values[row].sum(axis=0) for row in picks])
    np.testing.assert_allclose(bootstrap_sums(values, generator(3, "same"), draws=20), expected)


def test_the_bootstrap_standard_error_of_a_mean_is_the_textbook_one() -> None:
    values = generator(5, "data").normal(size=(400, 1))
    sums = bootstrap_sums(values, generator(5, "draws"), draws=4000)[:, 0]
    assert np.std(sums / 400) == pytest.approx(values.std() / 20, rel=0.05)


def test_wilson_matches_the_published_example() -> None:
    interval = wilson_interval(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (interval.low, interval.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


@pytest.mark.parametrize("successes", [0, 50])
def test_wilson_stays_inside_the_unit_interval_at_the_ends(successes: int) -> None:
    interval = wilson_interval(successes, 50)
    assert 0 <= interval.low < interval.high <= 1


def test_wilson_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        wilson_interval(3, 2)


WORLDS = 3_000


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("family_share", [0.0, 0.5])
def test_the_interval_covers_the_true_difference_in_93_to_97_of_100_worlds(num_seeds: int, family_share: float) -> None:
    rng = generator(11, "coverage", num_seeds, str(family_share))
    num_arms, num_families, covered = 4, 60, 0
    for _ in range(WORLDS):
        seeds = rng.normal(size=(num_arms, num_seeds))
        families = rng.normal(scale=math.sqrt(family_share * num_families), size=num_families)
        pooled = pooled_variance([list(row) for row in seeds])
        assert pooled is not None
        variance = difference_variance(pooled, num_seeds, num_seeds)
        if family_share:
            draws = bootstrap_sums(families[:, None], rng, draws=200)[:, 0] / num_families
            variance = added(variance, sample_variance(draws, num_families - 1))
        delta = float(seeds[1].mean() - seeds[0].mean() + families.mean())
        interval = t_interval(delta, variance)
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / WORLDS <= 0.97


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_a_true_prior_keeps_coverage_with_only_two_arms(num_seeds: int) -> None:
    rng = generator(12, "prior", num_seeds)
    covered = 0
    for _ in range(WORLDS):
        sigma = math.sqrt(8 / rng.chisquare(8))  # the prior is an estimate with 8 degrees of freedom
        arms = rng.normal(scale=sigma, size=(2, num_seeds))
        pooled = pooled_variance([list(row) for row in arms], NoisePrior(sigma=1.0, degrees=8))
        assert pooled is not None
        delta = float(arms[1].mean() - arms[0].mean())
        interval = t_interval(delta, difference_variance(pooled, num_seeds, num_seeds))
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / WORLDS <= 0.97


def test_a_percentile_bootstrap_over_two_seeds_covers_far_too_little() -> None:
    rng = generator(13, "naive")
    covered = 0
    for _ in range(1000):
        one = rng.normal(size=(2, 2))
        draws = one[0][rng.integers(0, 2, (200, 2))].mean(axis=1) - one[1][rng.integers(0, 2, (200, 2))].mean(axis=1)
        interval = percentile_interval(draws)
        covered += interval.low <= 0 <= interval.high
    assert covered / 1000 < 0.80


def test_bootstrap_variance_carries_units_minus_one_degrees() -> None:
    assert sample_variance(np.array([1.0, 3.0]), degrees=59).degrees == 59


def test_tables_that_share_draws_have_the_sums_that_each_has_alone() -> None:
    tables = [np.random.default_rng(columns).normal(size=(300, columns)) for columns in (1, 3, 4)]
    shared = shared_bootstrap_sums(tables, np.random.default_rng(7), draws=50)
    for values, sums in zip(tables, shared, strict=True):
        assert np.array_equal(sums, bootstrap_sums(values, np.random.default_rng(7), draws=50))
