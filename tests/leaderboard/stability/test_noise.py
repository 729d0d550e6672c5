"""Noise of seeds: what it resolves, which inversions are significant, and how sure the winner is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from curation.numerics import Variance
from leaderboard.stability.noise import AtTier, Resolved, noise_draws, resolved_pairs


def at(
    means: list[float], sigma: float | None = 1.0, *, seeds: int = 2, degrees: float = 10, tier: str = "a"
) -> AtTier:
    noise = None if sigma is None else Variance(value=sigma**2, degrees=degrees)
    return AtTier(tier=tier, means=np.array(means), num_seeds=np.full(len(means), seeds), noise=noise)


def test_a_pair_is_resolved_just_above_t_times_its_standard_error() -> None:
    bound = stats.t.ppf(0.975, 10) * np.sqrt(1 / 2 + 1 / 2)
    for gap, count in ((bound * 0.999, 0), (bound * 1.001, 1)):
        found = resolved_pairs(at([0.0, gap]), at([0.0, 9.0]))
        assert isinstance(found, Resolved)
        assert (found.at_from, found.at_to, found.at_both) == (count, 1, count)


def test_an_inversion_needs_both_tiers_to_resolve_it() -> None:
    found = resolved_pairs(at([9.0, 0.0, 0.1]), at([0.0, 9.0, 9.1]))
    assert isinstance(found, Resolved)
    assert [(one.ahead, one.behind) for one in found.inversions] == [(0, 2), (0, 1)]
    assert found.inversions[0].gap_to == pytest.approx(-9.1)


def test_without_two_seeds_nothing_is_resolved_and_the_tier_is_named() -> None:
    assert resolved_pairs(at([0.0, 1.0]), at([0.0, 1.0], None, tier="big")) == (
        "no recipe has two seeds at `big`: its noise is unknown"
    )
    assert noise_draws(at([0.0, 1.0]), at([0.0, 1.0], None)) is None


def test_a_winner_far_ahead_is_kept_and_one_among_equals_by_chance() -> None:
    sure = noise_draws(at([0.0, 0.0, 50.0]), at([0.0, 0.0, 50.0]))
    equal = noise_draws(at([0.0, 0.0, 0.0]), at([0.0, 0.0, 0.0]))
    assert sure is not None
    assert equal is not None
    assert sure.winner_kept == 1.0
    assert equal.winner_kept == pytest.approx(1 / 3, abs=0.04)


def test_p_winner_kept_of_two_recipes_is_that_of_two_t_distributions() -> None:
    """Kept when both gaps have one sign: p q + (1 - p)(1 - q) with p, q from t with the gap's standard error."""
    found = noise_draws(at([0.0, 1.0]), at([0.0, 1.5]))
    p, q = stats.t.cdf(1.0, 10), stats.t.cdf(1.5, 10)
    assert found is not None
    assert found.winner_kept == pytest.approx(p * q + (1 - p) * (1 - q), abs=0.03)
