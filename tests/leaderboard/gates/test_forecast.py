"""Forecasts from a study's own scales: planted laws come back, and gains that turn are off by more than half."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.gates.forecast import forecast_of
from train.tiers import load_tier

TIERS = ("micro-0.5x", "micro-1x", "smoke-0.5x", "smoke-1x", "small-0.5x", "small-1x", "100m-0.5x", "100m-1x")


def planted(world: Any, gain_of: Any) -> Any:
    """Evidence at four models whose baseline follows L = 0.4 + 40 / N^0.34 + 40 / D^0.28, and the arm gains on it."""
    tiers = []
    for name in TIERS:
        loaded = load_tier(name)
        loss = 0.4 + 40 / loaded.shape.matmul_params**0.34 + 40 / loaded.num_tokens**0.28
        base = world.runs("baseline", math.log(loss), 3)
        gain = gain_of(loaded)
        own = replace(base, arm="mine", log_bpb=tuple(value - gain for value in base.log_bpb))
        tiers.append(world.tier(name, arm=own, baseline=base))
    return world.evidence(*tiers, forecast=None)


def test_a_gain_that_is_the_same_everywhere_is_forecast_and_held_out_exactly(world: Any) -> None:
    found = forecast_of(planted(world, lambda _: 0.006), draws=20)
    assert found is not None
    assert found.fact.gain == pytest.approx(0.006, abs=0.002)
    assert found.fact.held_out_error is not None
    assert found.fact.held_out_error <= 0.003
    assert found.fact.loss_error == pytest.approx(0, abs=0.01)
    assert (found.fact.num_points, found.fact.num_scales, found.fact.largest_tier) == (8, 4, "100m-1x")


def test_a_gain_that_turns_at_the_largest_model_is_not_forecast_within_half_of_it(world: Any) -> None:
    found = forecast_of(planted(world, lambda tier: -0.006 if tier.model == "100m" else 0.006), draws=20)
    assert found is not None
    assert found.fact.held_out_error is not None
    assert found.fact.gain is not None
    assert found.fact.held_out_error > 0.5 * abs(found.fact.gain)


def test_two_models_and_laptop_tiers_give_no_forecast(world: Any) -> None:
    assert forecast_of(world.evidence(world.tier("micro-1x"), world.tier("100m-1x"))) is None
    assert forecast_of(world.evidence(*(world.tier(name) for name in ("pico-1x", "nano-1x", "micro-1x")))) is None
