"""The fitted law beside the plain ranking: right where curves cross as fitted, and no better where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard.stability.forecast import Forecast, forecast
from leaderboard.stability.scores import Scores

TIERS = ("a", "b", "c")
FLOPS = {"a": 1e18, "b": 1e19, "c": 1e20}


def scores(means: np.ndarray, tiers: tuple[str, ...] = TIERS, *, lower: bool = True) -> Scores:
    return Scores(
        recipes=tuple(f"r{k}" for k in range(len(means))),
        tiers=tiers,
        target=tiers[-1],
        means=means,
        num_seeds=np.ones(means.shape, np.int64),
        noise=(None,) * len(tiers),
        has_seeds=False,
        lower_is_better=lower,
    )


def test_power_laws_that_cross_are_ranked_right_by_the_law_alone() -> None:
    slopes = np.linspace(0.05, 0.15, 9)
    means = np.exp(2.0 * slopes * 46)[:, None] * np.array([1e18, 1e19, 1e20])[None, :] ** -slopes[:, None]
    found = forecast(scores(means), FLOPS)
    assert isinstance(found, Forecast)
    assert found.fitted.decision_accuracy == 1.0
    assert (found.law, found.tiers, found.num_recipes) == ("k C^a", ("a", "b"), 9)
    assert (found.fitted.flops, found.plain.flops) == (pytest.approx(9 * 1.1e19), pytest.approx(9e19))


def test_lines_that_cross_beat_the_plain_ranking() -> None:
    x = np.array([0.0, 1.0, 3.0])
    slopes = np.linspace(0, 1, 9)
    means = slopes[:, None] * (x[None, :] - 2)
    found = forecast(scores(means, lower=False), {"a": 1.0, "b": 10.0, "c": 1000.0})
    assert isinstance(found, Forecast)
    assert (found.fitted.decision_accuracy, found.plain.decision_accuracy, found.beats) == (1.0, 0.0, True)


def test_noise_is_not_beaten_by_a_curve_through_it() -> None:
    rng = np.random.default_rng(0)
    level = rng.standard_normal(25)
    means = level[:, None] + 0.5 * rng.standard_normal((25, 3))
    found = forecast(scores(means, lower=False), FLOPS)
    assert isinstance(found, Forecast)
    assert found.fitted.decision_accuracy < found.plain.decision_accuracy
    assert found.beats is not True


@pytest.mark.parametrize(
    ("flops", "tiers", "reason"),
    [
        ({}, TIERS, "give --flops"),
        ({"a": 1.0, "c": 2.0}, TIERS, "1 tiers with fewer FLOPs"),
        ({"nano-1x": 1.0, "micro-1x": 2.0, "small-1x": 3.0}, ("nano-1x", "micro-1x", "small-1x"), "rule 6"),
    ],
)
def test_without_a_curve_the_reason_is_given(flops: dict[str, float], tiers: tuple[str, ...], reason: str) -> None:
    found = forecast(scores(np.ones((5, 3)), tiers), flops)
    assert isinstance(found, str)
    assert reason in found
