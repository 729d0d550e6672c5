"""Places with their doubt: hand-made worlds, and coverage by simulation (rule 8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curation.numerics import Variance
from curation.randomness import generator
from leaderboard.ranking.estimates import Measured, estimate, tie_groups
from leaderboard.ranking.first import FirstModel, first_probabilities

NU = 8


def world(
    means: list[float], *, sigma: float = 1.0, seeds: int = 2, units: float = 0.05, both: float = 0.0
) -> Measured:
    """Rows with these means; units move every row alike but for a part of the given size."""
    rng = generator(3, "draws")
    shared = rng.normal(0, 1.0, (2_000, 1))
    return Measured(
        means=np.array(means),
        num_seeds=(seeds,) * len(means),
        one_run=Variance(value=sigma**2, degrees=NU + len(means) * (seeds - 1)),
        both=both,
        draws=shared + rng.normal(0, units, (2_000, len(means))),
        num_units=100,
    )


def test_rows_far_apart_have_their_place_for_sure() -> None:
    rows = estimate(world([0.0, 20.0, 40.0]), "x").rows
    assert [(row.rank, row.rank_low, row.rank_high, row.tie_group) for row in rows] == [
        (1, 1, 1, 1),
        (2, 2, 2, 2),
        (3, 3, 3, 3),
    ]
    assert rows[0].p_first > 0.999


def test_what_units_do_to_all_rows_alike_is_in_a_mean_and_not_in_a_difference() -> None:
    """The shared part has standard deviation 1 and sigma is 0.01: the mean is known to ± 2, differences to ± 0.02."""
    first = estimate(world([0.0, 1.0], sigma=0.01, units=0.001), "x")
    assert first.rows[0].interval.high - first.rows[0].interval.low == pytest.approx(2 * 1.98, rel=0.08)
    assert [row.tie_group for row in first.rows] == [1, 2]


def test_equal_rows_share_rank_one_and_their_probability() -> None:
    rows = estimate(world([1.0, 1.0, 1.0, 1.0]), "x").rows
    assert {row.rank for row in rows} == {1}
    assert [row.p_first for row in rows] == pytest.approx([0.25] * 4, abs=0.02)
    assert sum(row.p_first for row in rows) == pytest.approx(1.0)


def test_a_chain_of_ties_is_one_group_though_its_ends_differ() -> None:
    """0 and 3 differ, each is level with 1.5: by transitivity one group; 9 stands apart."""
    better = np.zeros((4, 4), np.bool_)
    better[0, 2] = True
    better[:3, 3] = True
    assert tie_groups(np.array([0.0, 1.5, 3.0, 9.0]), better) == [1, 1, 1, 2]


def test_the_detectable_difference_is_that_of_a_two_sided_t() -> None:
    """Known sigma 1, n = 2, no units: (1.96 + 0.8416) · sqrt(2 / 2) = 2.80."""
    found = replace(world([0.0, 1.0], units=1e-6), one_run=Variance(value=1.0, degrees=np.inf))
    assert estimate(found, "x").detectable == pytest.approx(2.802, abs=0.02)


def test_more_seeds_of_one_row_narrow_that_row_alone() -> None:
    found = replace(world([0.0, 1.0, 2.0], units=0.01), num_seeds=(2, 2, 8))
    narrow = [row.detectable or 0.0 for row in estimate(found, "x").rows]
    assert narrow[2] < narrow[1]


def test_draws_depend_on_the_label_alone() -> None:
    found = world([0.0, 0.3, 0.5])
    assert estimate(found, "a") == estimate(found, "a")
    assert estimate(found, "a") != estimate(found, "b")


def test_p_first_of_two_rows_under_a_wide_spread_is_the_normal_tail() -> None:
    """Two of 40 rows spread over ±1000 differ by one standard error of the difference: Φ(1) = 0.841."""
    rest = np.linspace(100, 2_000, 38)
    model = FirstModel(
        means=np.array([0.0, np.sqrt(2.0), *rest]),
        num_seeds=np.ones(40),
        seed_variance=1.0,
        seed_degrees=np.inf,
        unit_covariance=np.zeros((40, 40)),
    )
    assert first_probabilities(model, "x")[0] == pytest.approx(0.841, abs=0.015)


def test_the_lucky_one_of_twenty_equal_recipes_is_no_winner() -> None:
    """The best of 20 draws of pure noise lies 1.87 standard errors out, and every one is as likely to be first."""
    values = generator(4, "lucky").standard_normal((40, 20)) / np.sqrt(2)
    sure = []
    for means in values:
        model = FirstModel(
            means=means,
            num_seeds=np.full(20, 2.0),
            seed_variance=1.0,
            seed_degrees=28.0,
            unit_covariance=np.zeros((20, 20)),
        )
        sure.append(first_probabilities(model, "x", draws=2_000).max())
    assert np.mean(sure) < 0.3
    assert np.mean(np.array(sure) > 0.9) <= 0.025


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_p_first_is_calibrated(num_seeds: int, spread: float) -> None:
    """The leader's P(rank = 1) is how often the leader is truly first; `spread` is in standard errors of a mean.

    10 recipes; sigma comes from a pack of 9 seeds and the rows' own seeds.
    """
    rng = generator(6, "calibration", num_seeds, int(10 * spread))
    said, was = [], []
    for _ in range(500):
        truth = rng.normal(0, spread / np.sqrt(num_seeds), 10)
        runs = truth[:, None] + rng.standard_normal((10, num_seeds))
        squares = rng.chisquare(NU) + float(((runs - runs.mean(axis=1, keepdims=True)) ** 2).sum())
        degrees = NU + 10 * (num_seeds - 1)
        model = FirstModel(
            means=runs.mean(axis=1),
            num_seeds=np.full(10, float(num_seeds)),
            seed_variance=squares / degrees,
            seed_degrees=degrees,
            unit_covariance=np.zeros((10, 10)),
        )
        found = first_probabilities(model, "x", draws=2_000)
        leader = int(runs.mean(axis=1).argmin())
        said.append(float(found[leader]))
        was.append(leader == int(truth.argmin()))
    error = np.std(np.array(said) - np.array(was)) / np.sqrt(len(said))
    assert abs(np.mean(said) - np.mean(was)) < 0.04 + 2 * error


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_rank_intervals_hold_together_in_95_per_cent(num_seeds: int) -> None:
    """Simultaneous coverage over 6 recipes with seeds and families both random; never under 94 %."""
    rng = generator(7, "coverage", num_seeds)
    held = 0
    worlds = 400
    for _ in range(worlds):
        truth = rng.normal(0, 1.0, 6)
        seeds = rng.standard_normal((6, num_seeds))
        units = 0.3 * rng.standard_normal((60, 6))
        squares = rng.chisquare(NU) + float(((seeds - seeds.mean(axis=1, keepdims=True)) ** 2).sum())
        picks = rng.integers(0, 60, (400, 60))
        found = Measured(
            means=truth + seeds.mean(axis=1) + units.mean(axis=0),
            num_seeds=(num_seeds,) * 6,
            one_run=Variance(value=squares / (NU + 6 * (num_seeds - 1)), degrees=NU + 6 * (num_seeds - 1)),
            both=0.0,
            draws=units[picks].mean(axis=1),
            num_units=60,
        )
        true_ranks = 1 + truth.argsort().argsort()
        rows = estimate(found, "x").rows
        held += all(row.rank_low <= rank <= row.rank_high for row, rank in zip(rows, true_ranks, strict=True))
    assert held / worlds >= 0.94
