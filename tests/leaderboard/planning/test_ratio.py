"""Kaplan against Chinchilla: published exponents and ratios."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboard.planning.ratio import EMBEDDING_SCALE, explain, frontier_flops, kaplan_params, params_at, slope
from leaderboard.planning.surface import PUBLISHED

BEST = PUBLISHED["besiroglu"]


def test_kaplans_optimum_is_1_3b_at_a_petaflop_day() -> None:
    assert kaplan_params(8.64e19) == pytest.approx(1.3e9)
    assert kaplan_params(8.64e21) / kaplan_params(8.64e19) == pytest.approx(100**0.73)


def test_counting_without_embeddings_turns_chinchilla_into_kaplan() -> None:
    """Pearce and Song 2024: 0.78 for this surface, 0.74 to 0.78 over surfaces; 0.51 again at large compute."""
    assert slope(BEST) == pytest.approx(0.78, abs=0.01)
    assert slope(PUBLISHED["hoffmann"]) == pytest.approx(0.74, abs=0.01)
    assert slope(BEST, (1e23, 1e26)) == pytest.approx(BEST.exponent, abs=0.01)


def test_without_embeddings_to_leave_out_the_frontier_is_chinchillas() -> None:
    best = BEST.optimum(1e22)
    assert frontier_flops(BEST, best.params, embedding_scale=0.0) == pytest.approx(1e22, rel=1e-9)


def test_the_frontier_is_the_lowest_loss_at_its_compute() -> None:
    """Slow twin: among sizes at equal non-embedding compute, the loss in all parameters is least there."""
    flops = 1e18
    params = params_at(BEST, flops)

    def loss(own: float) -> float:
        return BEST.loss(own + EMBEDDING_SCALE * own ** (1 / 3), flops / 6 / own)

    assert loss(params) < min(loss(params * 0.98), loss(params * 1.02))


def test_the_accounts_disagree_about_the_ratio_and_say_so() -> None:
    found: Any = explain(BEST, 1e23)
    ratios = {row["law"]: row["tokens_per_param"] for row in found["rows"] if row["C"] == 1e23}
    assert ratios["kaplan"] < 1 < 15 < ratios["besiroglu"] < 25 < ratios["hoffmann"]
