"""Ranges of downstream scores at the final run: what a family of tasks may gain there, with a prediction interval.

A straight line in ln(compute) through the arm's points against the baseline at the study's own scales, by least
squares; the interval is that of one new measurement,

    points(target) ± t(0.975, n − 2) · s · sqrt(1 + 1/n + (x − mean x)² / Σ (x − mean x)²)

with s the residual's standard deviation, at least that of the points themselves by their own intervals. Three scales
leave one degree of freedom, t = 12.7: wide, and honestly so. Source: any text on regression; that families are straight
in ln(compute) over so short a reach is ours and untested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from leaderboard.gates.evidence import TierEvidence
from leaderboard.gates.slice_checks import eligible
from leaderboard.gates.statistics import quantile

LEVEL = 0.975
MIN_SCALES = 3
NORMAL = 1.959964


def score_ranges(tiers: Sequence[TierEvidence], target_flops: float) -> dict[str, tuple[float, float]]:
    """Return by family the interval of its points at `target_flops`; families on fewer than three tiers have none."""
    points: dict[str, list[tuple[float, float, float]]] = {}
    for tier in tiers:
        for item in eligible(tier):
            fact = item.fact
            if fact.low is not None and fact.high is not None and tier.flops > 0:
                own = (fact.high - fact.low) / (2 * NORMAL)
                points.setdefault(fact.family, []).append((math.log(tier.flops), fact.points, own))
    return {
        family: _range(several, math.log(target_flops))
        for family, several in sorted(points.items())
        if len({x for x, _, _ in several}) >= MIN_SCALES
    }


def _range(points: Sequence[tuple[float, float, float]], target: float) -> tuple[float, float]:
    x, y, own = (np.array(column, np.float64) for column in zip(*points, strict=True))
    count, mean = len(x), float(x.mean())
    spread = float(((x - mean) ** 2).sum())
    slope = float(((x - mean) * (y - y.mean())).sum()) / spread
    residual = float(((y - y.mean() - slope * (x - mean)) ** 2).sum()) / (count - 2)
    deviation = math.sqrt(max(residual, float((own**2).mean())))
    value = float(y.mean()) + slope * (target - mean)
    half = quantile(LEVEL, count - 2) * deviation * math.sqrt(1 + 1 / count + (target - mean) ** 2 / spread)
    return value - half, value + half
