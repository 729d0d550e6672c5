"""Serving, repetition and over-training: published examples and brute force."""

from __future__ import annotations

import math

import pytest

from leaderboard.planning.surface import PUBLISHED
from leaderboard.planning.trade_offs import at_ratio, for_serving, repeated_loss, with_repeats, worth

BEST, C4, SARDANA = PUBLISHED["besiroglu"], PUBLISHED["muennighoff"], PUBLISHED["sardana"]


def test_a_13b_model_that_serves_2t_tokens_is_better_made_7b() -> None:
    """Sardana et al., figure 1: 1.7e22 FLOPs, 17 %, are saved by a 7B model of the same loss."""
    flops = 6 * (13e9 / SARDANA.balance) ** (1 / SARDANA.exponent)
    found = for_serving(SARDANA, flops, 2e12)
    saved = found.cost(found.optimum) - found.cost(found.allocation)
    assert found.optimum.params == pytest.approx(13e9)
    assert found.allocation.params == pytest.approx(7e9, rel=0.01)
    assert saved == pytest.approx(1.7e22, rel=0.01)
    assert saved / found.cost(found.optimum) == pytest.approx(0.17, abs=0.005)


def test_serving_keeps_the_loss_and_beats_every_size_of_a_grid() -> None:
    found = for_serving(BEST, 1e22, 1e12)
    assert BEST.loss(found.allocation.params, found.allocation.tokens) == pytest.approx(found.optimum.loss)
    sizes = [found.optimum.params * math.exp(-step / 200) for step in range(400)]
    costs = [6 * n * BEST.tokens_for(n, found.optimum.loss) + 2 * n * 1e12 for n in sizes]
    assert found.cost(found.allocation) <= min(costs) * (1 + 1e-9)


def test_without_serving_the_cheapest_model_is_the_compute_optimum() -> None:
    found = for_serving(BEST, 1e22, 1.0)
    assert found.allocation.params == pytest.approx(found.optimum.params, rel=1e-3)


def test_repeats_lose_their_worth_as_published() -> None:
    """Worth of R repeats is R* (1 - exp(-R / R*)): 4 epochs of 1 token are worth 3.73, endless ones 1 + R*."""
    r_star = 15.387756
    assert worth(1.0, 2.0, r_star) == 1.0
    assert worth(4.0, 1.0, r_star) == pytest.approx(1 + r_star * (1 - math.exp(-3 / r_star)))
    assert worth(1e9, 1.0, r_star) == pytest.approx(1 + r_star)


def test_muennighoffs_example_wants_fewer_parameters_and_more_epochs() -> None:
    """9.3e21 FLOPs, 25B unique tokens: 6.34B for 9.7 epochs beat 8.67B for 7.1; the loss there is as flat as ours."""
    found = with_repeats(C4, 9.3e21, 25e9)
    assert found.optimum.params == pytest.approx(8.67e9, rel=0.03)
    assert found.allocation.params < 0.8 * found.optimum.params
    assert found.epochs == pytest.approx(9.7, rel=0.08)
    assert repeated_loss(C4, 6.34e9, 242e9, 25e9) == pytest.approx(found.allocation.loss, rel=5e-4)


def test_enough_unique_tokens_change_nothing() -> None:
    found = with_repeats(C4, 1e21, 1e14)
    assert not found.limited
    assert found.allocation.params == pytest.approx(found.optimum.params, rel=1e-3)
    assert found.allocation.loss == pytest.approx(found.optimum.loss, rel=1e-9)


def test_the_repeated_optimum_is_the_lowest_of_a_grid() -> None:
    found = with_repeats(BEST, 1e22, 5e9)
    sizes = [found.allocation.params * math.exp(step / 50) for step in range(-300, 300)]
    losses = [repeated_loss(BEST, n, 1e22 / 6 / n, 5e9) for n in sizes]
    assert found.allocation.loss <= min(losses) + 1e-12


def test_the_optimal_ratio_costs_nothing() -> None:
    best = BEST.optimum(1e22)
    found = at_ratio(BEST, 1e22, best.tokens / best.params)
    assert found.allocation.loss == pytest.approx(best.loss, rel=1e-12)
    assert found.allocation.flops / found.optimal_flops == pytest.approx(1, rel=1e-6)
    assert found.needed_flops == pytest.approx(1e22, rel=1e-6)


@pytest.mark.parametrize("ratio", [5.0, 100.0, 600.0])
def test_another_ratio_costs_loss_and_compute_both_ways(ratio: float) -> None:
    found = at_ratio(BEST, 1e22, ratio)
    assert found.allocation.tokens / found.allocation.params == pytest.approx(ratio)
    assert BEST.optimum(found.optimal_flops).loss == pytest.approx(found.allocation.loss)
    params = math.sqrt(found.needed_flops / 6 / ratio)
    assert BEST.loss(params, ratio * params) == pytest.approx(found.optimum.loss)
    assert found.allocation.loss > found.optimum.loss
