"""Spread of runs and its causes: hand arithmetic, and intervals that cover what they claim in simulated worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.randomness import generator
from leaderboard.noise.spread import cautious_sigma, crossed, one_at_a_time, pooled, prior_of, spread_from, spread_of

WORLDS = 2_000


def test_eight_runs_know_sigma_between_two_thirds_and_twice() -> None:
    found = spread_of([-1.0, 1.0] * 4)
    assert found is not None
    assert found.sigma == pytest.approx(math.sqrt(8 / 7))
    assert found.low / found.sigma == pytest.approx(math.sqrt(7 / 16.01276), rel=1e-5)  # chi-square tables, 7 degrees
    assert found.high / found.sigma == pytest.approx(math.sqrt(7 / 1.68987), rel=1e-5)


def test_one_run_has_no_spread() -> None:
    assert spread_of([1.0]) is None
    assert one_at_a_time([1.0]) is None
    assert pooled([]) is None


def test_groups_are_pooled_by_their_degrees() -> None:
    found = pooled([spread_from(1.0, 1), spread_from(3.0, 3)])
    assert found is not None
    assert (found.sigma, found.degrees) == (pytest.approx(math.sqrt((1 + 27) / 4)), 4)


def test_a_table_of_two_by_two_by_hand() -> None:
    parts = crossed(np.array([[1.0, 2.0], [3.0, 6.0]]))  # mean squares 9, 4 and 1
    found = {name: part.variance for name, part in parts.items()}
    assert found == pytest.approx({"init": 4.0, "order": 1.5, "rest": 1.0, "fixed-subset": 6.5})
    assert {part.design for part in parts.values()} == {"crossed 2 x 2"}


def test_a_table_of_two_by_three_and_three_by_two_by_hand() -> None:
    """Rows 2 and 6, columns 2, 4 and 6 around 4: mean squares 24, 8 and 2."""
    table = np.array([[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]])
    wide = {name: part.variance for name, part in crossed(table).items()}
    tall = {name: part.variance for name, part in crossed(table.T).items()}
    assert wide == pytest.approx({"init": 22 / 3, "order": 3.0, "rest": 2.0, "fixed-subset": 37 / 3})
    assert tall == pytest.approx({"init": 3.0, "order": 22 / 3, "rest": 2.0, "fixed-subset": 37 / 3})


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (0, 0)])
def test_a_table_with_one_row_tells_nothing_apart(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 x 2"):
        crossed(np.zeros(shape))


def test_a_cause_below_zero_is_shown_and_its_sigma_is_zero() -> None:
    part = crossed(np.array([[1.0, -1.0], [-1.0, 1.0]]))["init"]
    assert part.variance < 0
    assert (part.sigma, part.low) == (0.0, 0.0)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_a_shift_changes_no_variance_and_a_scale_its_square(seed: int, shift: float, scale: float) -> None:
    table = generator(seed, "table").normal(size=(3, 4))
    before, after = crossed(table), crossed(scale * table + shift)
    for name, part in before.items():
        assert after[name].variance == pytest.approx(scale**2 * part.variance, rel=1e-6, abs=1e-9)
        assert after[name].high == pytest.approx(scale**2 * part.high, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("num_runs", [3, 8])
def test_chi_square_intervals_cover_the_true_sigma(num_runs: int) -> None:
    worlds = generator(1, "spread", num_runs).normal(scale=0.5, size=(WORLDS, num_runs))
    found = [spread_of(world) for world in worlds]
    covered = np.mean([one is not None and one.low <= 0.5 <= one.high for one in found])
    assert 0.935 <= covered <= 0.965


def test_the_cautious_sigma_is_high_enough_in_four_of_five_worlds() -> None:
    worlds = generator(1, "cautious").normal(size=(WORLDS, 8))
    spreads = [spread_of(world) for world in worlds]
    assert np.mean([one is not None and cautious_sigma(one) >= 1 for one in spreads]) == pytest.approx(0.8, abs=0.03)


def world(rng: np.random.Generator, init: float, order: float, rest: float, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = shape
    return (
        rng.normal(scale=init, size=(rows, 1))
        + rng.normal(scale=order, size=(1, columns))
        + rng.normal(scale=rest, size=shape)
    )


@pytest.mark.parametrize("truth", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.3), (0.2, 2.0, 1.0)])
def test_causes_are_unbiased_and_their_intervals_cover(truth: tuple[float, float, float]) -> None:
    init, order, rest = truth
    rng = generator(2, "crossed", *truth)
    found = [crossed(world(rng, init, order, rest, (4, 4))) for _ in range(WORLDS)]
    true = {"init": init**2, "order": order**2, "rest": rest**2, "fixed-subset": init**2 + order**2 + rest**2}
    for name, variance in true.items():
        estimates = np.array([one[name].variance for one in found])
        assert abs(estimates.mean() - variance) < 4 * estimates.std() / math.sqrt(WORLDS), name
        covered = np.mean([one[name].low <= variance <= one[name].high for one in found])
        assert 0.93 <= covered <= 0.99, (name, covered)


def test_a_prior_weighs_at_most_eight_degrees() -> None:
    assert prior_of(spread_from(0.01, 31)).degrees == 8
    assert prior_of(spread_from(0.01, 7)).degrees == 7
