"""Statistics of decisions against hand arithmetic, tables of Student's t and planted worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.numerics import NoisePrior
from leaderboard.gates.definition import load_gates
from leaderboard.gates.statistics import (
    GainTest,
    Looks,
    critical_t,
    family_wise,
    is_fragile,
    neutral,
    pooled_t,
    quantile,
    screened,
    sequential,
    stouffer,
)

PRIOR = NoisePrior(sigma=0.002, degrees=8)


@pytest.fixture(scope="module")
def looks() -> Looks:
    """Looks of the shipped gates."""
    return load_gates().looks


def known(gain: float, num_seeds: int, *, dropped: bool = False) -> GainTest:
    """A gain measured in standard errors."""
    return GainTest(
        gain=gain,
        se=1.0,
        degrees=8 + 2 * (num_seeds - 1),
        num_seeds=num_seeds,
        sigma=1.0,
        own_sigma=1.0,
        prior_dropped=dropped,
    )


def test_the_variance_is_pooled_over_prior_and_both_arms(looks: Looks) -> None:
    # s² = (8·0.002² + 2·0.001² + 2·0.001²) / 12 for two arms of -0.001, 0, +0.001
    found = pooled_t([0.999, 1.0, 1.001], [1.005, 1.006, 1.007], PRIOR, looks)
    assert found is not None
    assert found.sigma == pytest.approx(math.sqrt((8 * 0.002**2 + 4 * 0.001**2) / 12))
    assert found.t == pytest.approx(0.006 / (found.sigma * math.sqrt(2 / 3)))
    assert found.degrees == 12


def test_every_further_recipe_of_the_tier_adds_its_squares_and_degrees(looks: Looks) -> None:
    # squares 2·0.001² of each of four recipes of three runs, and of one of two runs 0.5·0.002²; a single run has none
    three, two = [0.999, 1.0, 1.001], [1.0, 1.002]
    found = pooled_t(three, [1.005, 1.006, 1.007], PRIOR, looks, others=[three, three, two, [1.3], []])
    assert found is not None
    assert found.degrees == 8 + 4 * 2 + 1
    assert found.sigma == pytest.approx(math.sqrt((8 * 0.002**2 + 8 * 0.001**2 + 0.5 * 0.002**2) / 17))
    assert found.num_seeds == 3
    assert critical_t(found, looks) == pytest.approx(quantile(1 - 0.01105, 17))
    assert critical_t(found, looks) < looks.critical[3]


@pytest.mark.parametrize("side", ["arm", "baseline"])
def test_one_outlier_among_many_quiet_recipes_carries_no_gain(looks: Looks, side: str) -> None:
    # shared over 20 recipes the spread of one outlier would vanish: t 3.2; of two sides alone t is 1.0 at any size
    quiet = [1.0, 1.001, 0.999, 1.0005, 0.9995]
    loud = [quiet[0] + (-0.5 if side == "arm" else 0.5), *quiet[1:]]
    arm, other = (loud, quiet) if side == "arm" else (quiet, loud)
    found = pooled_t(arm, other, PRIOR, looks, others=[quiet] * 18)
    assert found is not None
    assert found.prior_dropped
    assert found.t == pytest.approx(1.0, abs=0.01)
    assert found.degrees == pytest.approx(4.0, abs=0.01)  # Welch: those of the loud side
    assert sequential(found, looks) == "not-found"


def test_variance_of_families_adds_to_that_of_seeds(looks: Looks) -> None:
    without = pooled_t([1.0, 1.001], [1.0, 1.001], PRIOR, looks)
    with_it = pooled_t([1.0, 1.001], [1.0, 1.001], PRIOR, looks, se_families=0.003)
    assert with_it.se**2 == pytest.approx(without.se**2 + 0.003**2)


@pytest.mark.parametrize(("num_seeds", "expected"), [(2, 2.71), (3, 2.63), (5, 2.53)])
def test_the_table_of_critical_values_is_students_at_the_nominal_level(
    looks: Looks, num_seeds: int, expected: float
) -> None:
    assert critical_t(known(1.0, num_seeds), looks) == expected
    assert round(quantile(1 - looks.level, 8 + 2 * (num_seeds - 1)), 2) == pytest.approx(expected, abs=0.011)


@pytest.mark.parametrize(
    ("t", "num_seeds", "expected"),
    [
        (2.72, 2, "passes"),
        (2.70, 2, "goes-on"),
        (0.1, 2, "goes-on"),
        (2.64, 3, "passes"),
        (0.49, 3, "futile"),
        (-0.49, 3, "futile"),
        (0.51, 3, "goes-on"),
        (-2.64, 3, "worse"),
        (2.54, 5, "passes"),
        (2.52, 5, "not-found"),
        (9.0, 1, "goes-on"),
    ],
)
def test_a_look_passes_goes_on_or_stops(looks: Looks, t: float, num_seeds: int, expected: str) -> None:
    assert sequential(known(t, num_seeds), looks) == expected


def test_four_seeds_are_read_as_three(looks: Looks) -> None:
    assert [looks.seeds_read(count) for count in (1, 2, 3, 4, 5, 8)] == [1, 2, 3, 3, 5, 8]


def test_runs_that_scatter_half_as_much_again_drop_the_prior_and_need_five_seeds(looks: Looks) -> None:
    arm = [1.0, 1.008]  # s = 0.0057, 2.8 times the prior's
    found = pooled_t(arm, [1.1, 1.108], PRIOR, looks)
    assert found is not None
    assert found.prior_dropped
    assert found.degrees == 2
    assert sequential(found, looks) == "goes-on"


def test_five_seeds_decide_without_the_prior(looks: Looks) -> None:
    arm = [1.0 + 0.008 * place for place in range(5)]
    found = pooled_t(arm, [value + 0.2 for value in arm], PRIOR, looks)
    assert found is not None
    assert found.prior_dropped
    assert sequential(found, looks) == "passes"


def test_a_gain_that_one_run_carries_is_fragile(looks: Looks) -> None:
    # gains 0.0028, 0.0028, 0.0079: t = 2.7 with all, 1.8 without the best
    assert is_fragile([0.9972, 0.9972, 0.9921], [1.0, 1.0, 1.0], PRIOR, looks)
    assert not is_fragile([0.99, 0.99, 0.99], [1.0, 1.0, 1.0], PRIOR, looks)


def test_earlier_looks_count_as_tries_that_found_nothing() -> None:
    # Benjamini and Hochberg: alone p = 0.04 falls at q = 0.10; one of four needs 0.025
    assert screened({"mine": 0.04}, q=0.10) == {"mine": True}
    assert screened({"mine": 0.04}, q=0.10, earlier=3) == {"mine": False}


def test_holm_steps_down() -> None:
    # 0.01 ≤ 0.05/3, 0.02 ≤ 0.05/2, 0.06 > 0.05
    assert family_wise({"a": 0.01, "b": 0.02, "c": 0.06}, alpha=0.05) == {"a": True, "b": True, "c": False}


def test_two_scales_at_five_per_cent_are_one_per_cent_together() -> None:
    # z = 1.645 each, 2.326 together
    assert stouffer([0.05, 0.05]) == pytest.approx(0.01, abs=2e-5)
    assert stouffer([]) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.001, 0.002, True), (-0.001, 0.003, False), (-0.003, 0.0, False), (None, None, None)],
)
def test_neutral_is_an_interval_inside_the_margin(low: float | None, high: float | None, expected: bool | None) -> None:
    assert neutral(low, high, 0.0025) is expected


@pytest.mark.parametrize(("sigma", "most"), [(0.0015, 0.006), (0.002, 0.022), (0.003, 0.062)])
def test_nothing_passes_by_chance_more_often_than_the_reference_says(looks: Looks, sigma: float, most: float) -> None:
    # Reference, 200,000 worlds: 0.3 %, 1.5 %, 5.5 % at prior 0.0020; bounds are four standard errors above at 4,000
    rng = np.random.default_rng(7)
    assert _passing(0.0, sigma, rng, looks, worlds=4_000) <= most


@pytest.mark.parametrize(("sigma", "least"), [(0.0015, 0.99), (0.002, 0.97), (0.003, 0.86)])
def test_six_thousandths_are_found(looks: Looks, sigma: float, least: float) -> None:
    # Reference: 99.9 %, 99 %, 88 % at 0.006 nats; bounds are three standard errors below
    rng = np.random.default_rng(8)
    assert _passing(0.006, sigma, rng, looks, worlds=2_000) >= least


def _passing(gain: float, sigma: float, rng: np.random.Generator, looks: Looks, *, worlds: int) -> float:
    passed = 0
    for _ in range(worlds):
        arm, base = rng.normal(-gain, sigma, 5).tolist(), rng.normal(0.0, sigma, 5).tolist()
        for count in (2, 3, 5):
            found = pooled_t(arm[:count], base[:count], PRIOR, looks)
            verdict = sequential(found, looks)
            if verdict != "goes-on":
                passed += verdict == "passes"
                break
    return passed / worlds
