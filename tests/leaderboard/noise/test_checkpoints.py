"""Checkpoint noise: a trend is no noise, what scatters around it is measured, and a mean of five has a fifth of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.randomness import generator
from leaderboard.noise.checkpoints import (
    Point,
    before_decay,
    checkpoint_spread,
    pooled_checkpoint_spread,
    working_sigma,
)
from leaderboard.noise.spread import spread_from


def curve(noise: np.ndarray, *, slope: float = -0.1) -> list[Point]:
    return [
        Point(tokens=1e6 * (n + 4), value=3.0 + slope * math.log(n + 4) + float(one)) for n, one in enumerate(noise)
    ]


def test_a_fall_over_log_tokens_is_no_noise() -> None:
    found = checkpoint_spread(curve(np.zeros(5)))
    assert found is not None
    assert found.sigma == pytest.approx(0, abs=1e-12)
    assert found.degrees == 2


def test_three_points_say_too_little() -> None:
    assert checkpoint_spread(curve(np.zeros(3))) is None
    assert pooled_checkpoint_spread([curve(np.zeros(3))]) is None


def test_only_the_last_scores_before_the_fall_of_the_rate_count() -> None:
    points = [Point(tokens=float(n), value=0.0) for n in range(1, 11)]
    assert [one.tokens for one in before_decay(points, 8.0)] == [4, 5, 6, 7, 8]
    assert before_decay(points, 0.5) == []


def test_the_noise_that_was_put_in_is_found_whatever_the_slope() -> None:
    rng = generator(3, "checkpoints")
    runs = [curve(rng.normal(scale=0.004, size=5), slope=-0.2 * float(rng.random())) for _ in range(600)]
    found = pooled_checkpoint_spread(runs)
    assert found is not None
    assert found.low <= 0.004 <= found.high
    assert found.degrees == 600 * 2


def test_a_power_law_fall_adds_little_to_it() -> None:
    """5 points between 0.4 and 0.8 of a budget, 2 + 1.5 (D/D1)^-0.3: a line would miss it by 0.005."""
    points = [Point(tokens=share, value=2 + 1.5 * share**-0.3) for share in (0.4, 0.5, 0.6, 0.7, 0.8)]
    found = checkpoint_spread(points)
    assert found is not None
    assert found.sigma < 0.0004


def test_a_score_before_the_first_token_is_refused() -> None:
    with pytest.raises(ValueError, match="before the first token"):
        checkpoint_spread([Point(tokens=float(n), value=1.0) for n in range(5)])


@pytest.mark.parametrize(("num_seeds", "expected"), [(1, 0.01), (2, 0.01), (3, 0.004), (8, 0.004)])
def test_with_fewer_than_three_seeds_the_larger_noise_counts(num_seeds: int, expected: float) -> None:
    ckpt = spread_from(0.01 * math.sqrt(5), 10)
    assert working_sigma(spread_from(0.004, 7), ckpt, num_seeds) == pytest.approx(expected)
    assert working_sigma(spread_from(0.02, 7), ckpt, num_seeds) == pytest.approx(0.02)


def test_what_was_not_measured_is_not_invented() -> None:
    assert working_sigma(None, None, 2) is None
    assert working_sigma(None, spread_from(1.0, 3), 5) is None
    assert working_sigma(None, spread_from(math.sqrt(5), 3), 2) == pytest.approx(1.0)
