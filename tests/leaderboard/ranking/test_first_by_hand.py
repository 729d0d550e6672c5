"""P(rank = 1) of two rows by one integral over the width of the true values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from leaderboard.ranking.first import WIDEST, FirstModel, first_probabilities

NOISE = 1.0
"""Variance of one row's mean."""


def by_hand(gap: float) -> float:
    """Return P(the lower row is truly lower): δ ~ N(0, 2τ²), its estimate N(δ, 2 v), τ flat up to the model's bound."""
    widest = WIDEST * max(gap / math.sqrt(2), math.sqrt(NOISE))

    def likelihood(width: float) -> float:
        return float(stats.norm.pdf(gap, scale=math.sqrt(2 * (NOISE + width**2))))

    def first(width: float) -> float:
        kept = width**2 / (NOISE + width**2)
        spread = math.sqrt(2 * NOISE * kept)
        return likelihood(width) * float(stats.norm.cdf(gap * kept / spread)) if width > 0 else likelihood(0.0) / 2

    return float(integrate.quad(first, 0, widest)[0] / integrate.quad(likelihood, 0, widest)[0])


@pytest.mark.parametrize("gap", [0.0, 0.7, 2.0, 4.0])
def test_two_rows_are_first_as_the_integral_says(gap: float) -> None:
    model = FirstModel(
        means=np.array([0.0, gap]),
        num_seeds=np.array([2.0, 2.0]),
        seed_variance=2 * NOISE,
        seed_degrees=math.inf,
        unit_covariance=np.zeros((2, 2)),
    )
    found = first_probabilities(model, "two", draws=200_000)
    assert found[0] == pytest.approx(by_hand(gap), abs=0.005)
