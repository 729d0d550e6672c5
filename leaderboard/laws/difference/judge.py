"""What a difference means: the gate of rule 12, where the curves cross, and which of the three pictures it is.

Gap = -difference: positive where the candidate is better. Pictures, by the gap against compute:
* keeps-winning     the gap's interval is above 0 at the largest measured size and at the target, and no size is lost;
* small-model-trap  won at the smallest size (interval above 0), the gap shrinks significantly, and at the target even
                    the upper end of its interval is at most a tenth of the gap at the smallest size;
* keeps-losing      the mirror of keeps-winning;
* needs-evidence    everything else.
A claim of gain stands only if the held-out error of the difference is at most half the claimed gain (rule 12), with
three sizes or more and no more than 100 times beyond them; else the verdict is `insufficient`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation.numerics import t_critical
from leaderboard.laws.difference.fitted import Averaged, trend_line
from leaderboard.laws.difference.paired import Pairs, Points
from leaderboard.laws.levels import levels
from leaderboard.laws.warn import MAX_EXTRAPOLATION, MIN_SIZES

WINS, LOSES, TRAP, OPEN, INSUFFICIENT = (
    "keeps-winning",
    "keeps-losing",
    "small-model-trap",
    "needs-evidence",
    "insufficient",
)
LEFT_OF_GAP = 0.1
"""Share of the smallest size's gap that a trap leaves at the target at most."""
ALLOWED_ERROR = 0.5
"""Rule 12: held-out error of the difference, as a share of the claimed gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Change of the gap a decade of compute, and in a word: shrinks, grows, level (not told apart from level)."""

    per_decade: float
    interval: tuple[float, float]
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Compute at which the straight line of the gap is 0; ends are None where the interval is open."""

    flops: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Rule 12: the held-out error of the difference against what the claimed gain allows."""

    how: str
    n: int
    error: float | None
    """Mean of |predicted - observed difference| over the held-out sizes."""
    claimed: float
    passed: bool

    @property
    def allowed(self) -> float:
        """Return the largest error that the claim can bear."""
        return ALLOWED_ERROR * abs(self.claimed)


def num_sizes(pairs: Pairs) -> int:
    """Return how many model sizes (or budgets, where only compute is known) the pairs have."""
    values = pairs.points.flops if np.isnan(pairs.points.sizes).any() else pairs.points.sizes
    return int(levels(values).max()) + 1 if pairs.n else 0


def trend_of(pairs: Pairs) -> Trend | None:
    """Return the slope of the gap with its interval by t; None with fewer than three pairs or one budget."""
    if pairs.n < 3 or len(np.unique(pairs.points.flops)) < 2:
        return None
    theta, covariance, degrees = trend_line(pairs)
    decade = float(np.log(10))
    slope, half = -float(theta[1]) * decade, t_critical(degrees) * float(np.sqrt(covariance[1, 1])) * decade
    word = "shrinks" if slope + half < 0 else "grows" if slope - half > 0 else "level"
    return Trend(per_decade=slope, interval=(slope - half, slope + half), word=word)


def crossing_of(pairs: Pairs, target_flops: float) -> Crossing | None:
    """Return where the straight line of the gap crosses 0 between the smallest size and the target (or largest size).

    The interval is Fieller's: all compute at which the line's 95 % interval holds 0. None when there is no such place.
    """
    if pairs.n < 3 or len(np.unique(pairs.points.flops)) < 2:
        return None
    theta, covariance, degrees = trend_line(pairs)
    centre = float(np.mean(np.log(pairs.points.flops)))
    grid = np.linspace(np.log(pairs.points.flops.min()), np.log(max(target_flops, pairs.points.flops.max())), 2001)
    x = grid - centre
    values = theta[0] + theta[1] * x
    errors = np.sqrt(covariance[0, 0] + 2 * x * covariance[0, 1] + x**2 * covariance[1, 1])
    inside = np.flatnonzero(np.abs(values) <= t_critical(degrees) * errors)
    flips = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    if not len(flips):
        return None
    flops = float(np.exp(centre - theta[0] / theta[1]))
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (int(flips[0]), int(flips[0]))
    low = float(np.exp(grid[first])) if first > 0 else None
    high = float(np.exp(grid[last])) if last < len(grid) - 1 else None
    return Crossing(flops=flops, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One of the pictures, and why."""

    name: str
    reasons: tuple[str, ...]


def picture_of(pairs: Pairs, fitted: Averaged, target: Points) -> Picture:
    """Return which picture the gap against scale is."""
    if num_sizes(pairs) < MIN_SIZES:
        return Picture(name=OPEN, reasons=(f"{num_sizes(pairs)} sizes, expected {MIN_SIZES}: no trend can be told",))
    order = np.argsort(pairs.points.flops)
    places = Points(
        sizes=np.append(pairs.points.sizes[order[[0, -1]]], target.sizes),
        tokens=np.append(pairs.points.tokens[order[[0, -1]]], target.tokens),
        flops=np.append(pairs.points.flops[order[[0, -1]]], target.flops),
    )
    gap, band = -fitted.value(places), fitted.interval(places)
    if band is None:
        return Picture(name=OPEN, reasons=("no interval was asked (--bootstrap 0)",))
    low, high = -band[1], -band[0]
    lost, won = _decided(pairs)
    trend = trend_of(pairs)
    if low[1] > 0 and low[2] > 0 and not lost and high[0] >= 0:
        return Picture(name=WINS, reasons=("gap above 0 at the largest measured size and at the target",))
    if high[1] < 0 and high[2] < 0 and not won and low[0] <= 0:
        return Picture(name=LOSES, reasons=("gap below 0 at the largest measured size and at the target",))
    shrinks = trend is not None and trend.word == "shrinks"
    if shrinks and low[0] > 0 and high[2] <= LEFT_OF_GAP * gap[0]:
        told = f"won at the smallest size ({gap[0]:+.4f}), shrinks significantly, {gap[2]:+.4f} at the target"
        return Picture(name=TRAP, reasons=(told,))
    return Picture(name=OPEN, reasons=tuple(_doubts(low, high, lost, won)))


def _doubts(low: np.ndarray, high: np.ndarray, lost: int, won: int) -> list[str]:  # type: ignore[type-arg]
    told = []
    for number, where in ((0, "smallest measured size"), (1, "largest measured size"), (2, "target")):
        if low[number] <= 0 <= high[number]:
            told.append(f"the gap's interval holds 0 at the {where}")
    if lost and won:
        told.append(f"the candidate is better at {won} sizes and worse at {lost}, each beyond its noise")
    return told or ["better at one end of the scale and worse at the other"]


def _decided(pairs: Pairs) -> tuple[int, int]:
    """Return at how many sizes the candidate is worse and better beyond seed noise; none where noise is unknown."""
    if pairs.noise is None:
        return 0, 0
    # a family of sizes is looked at: Bonferroni keeps one lucky size from deciding
    half = t_critical(pairs.noise.degrees, 1 - 0.05 / pairs.n) * np.sqrt(pairs.noise.value * pairs.share)
    return int(np.sum(pairs.delta > half)), int(np.sum(pairs.delta < -half))


def beyond(pairs: Pairs, target: Points) -> list[str]:
    """Return a warning for each of C, N, D of the target more than 100 times beyond the pairs."""
    told = []
    for name, values, value in (
        ("C", pairs.points.flops, target.flops),
        ("N", pairs.points.sizes, target.sizes),
        ("D", pairs.points.tokens, target.tokens),
    ):
        at, low, high = float(np.squeeze(value)), float(np.min(values)), float(np.max(values))
        if np.isfinite(at) and np.isfinite(low) and not low / MAX_EXTRAPOLATION <= at <= high * MAX_EXTRAPOLATION:
            factor = at / high if at > high else low / at
            told.append(
                f"target: {name} = {at:.3g} is {factor:,.0f}x beyond the pairs ({low:.3g} to {high:.3g}); beyond "
                f"{MAX_EXTRAPOLATION:.0f}x no law has been checked"
            )
    return told
