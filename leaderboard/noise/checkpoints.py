"""Noise between checkpoints: how far scores of one training scatter around its trend, and averaging the last ones.

The last `LAST` scores before the learning rate begins to fall are detrended by a parabola over the logarithm of the
tokens seen; what is left, over `k − 3` degrees, is `sigma_ckpt`, pooled over the runs of a tier. (A straight line
misses a fall like `2 + 1.5 D^-0.3` by 0.005 nats, more than the noise that is looked for, the parabola by 0.0003.) A
mean of the last five scores has `sigma_ckpt / √5` of it. With fewer than three seeds their own spread is hardly known,
so the larger of the two counts.
Source: training reference 4.2; Heineman et al. 2508.13144 (averaging last checkpoints).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.noise.spread import Spread, pooled, spread_from

LAST = 5
"""Scores that are looked at, and over which `sigma_ckpt` is divided when it stands in for seeds."""
MIN_POINTS = 4
"""Fewer leave nothing after the parabola."""
FEW_SEEDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A score of a run on its way; `value` on the scale that differences are taken on."""

    tokens: float
    value: float


def before_decay(points: Sequence[Point], decay_start_tokens: float, last: int = LAST) -> list[Point]:
    """Return the last points at which the rate had not yet begun to fall, in order."""
    return sorted((one for one in points if one.tokens <= decay_start_tokens), key=lambda one: one.tokens)[-last:]


def checkpoint_spread(points: Sequence[Point]) -> Spread | None:
    """Return the scatter of one run's points around their own trend; None of fewer than `MIN_POINTS`.

    Raises: ValueError for a point without tokens.
    """
    if len(points) < MIN_POINTS:
        return None
    if min(one.tokens for one in points) <= 0:
        raise ValueError("a score before the first token, expected points after training began")
    logs = np.log([one.tokens for one in points])
    values = np.array([one.value for one in points])
    centred = logs - logs.mean()
    design = np.stack([np.ones_like(logs), centred, centred**2], axis=1)
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    degrees = len(points) - design.shape[1]
    return spread_from(math.sqrt(float(np.sum((values - fitted) ** 2)) / degrees), degrees)


def pooled_checkpoint_spread(runs: Sequence[Sequence[Point]]) -> Spread | None:
    """Return `sigma_ckpt` over the runs of a tier, each around its own trend; None when no run has enough points."""
    return pooled([one for one in map(checkpoint_spread, runs) if one is not None])


def working_sigma(seeds: Spread | None, checkpoints: Spread | None, num_seeds: int) -> float | None:
    """Return the sigma of one run that a gate works with: with fewer than three seeds the larger of the two noises.

    None when nothing was measured.
    """
    own = seeds.sigma if seeds else None
    if num_seeds >= FEW_SEEDS or checkpoints is None:
        return own
    return max(own or 0.0, checkpoints.sigma / math.sqrt(LAST))
