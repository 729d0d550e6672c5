"""Recipes that change places: pairs whose order is not the same at every tier, and how fast each recipe gains.

The slope of a recipe is the least-squares slope of its score (higher is better) over the tiers it has: a decade of
training FLOPs where every tier's are known, else a tier. `relative` is the slope less the mean slope of recipes with
the same tiers: who gains with scale against the others. A pair's slope is that of its gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaderboard.stability.pairs import Floats

MAX_LISTED = 1_000
MAX_RECIPES = 1_000
"""Above so many recipes pairs are counted, not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Two recipes whose order at `to` (the target where both have it) is turned round at the tiers `at`."""

    ahead: int
    """Better at `to`."""
    behind: int
    at: tuple[int, ...]
    to: int
    gaps: dict[int, float]
    """By tier: how far `ahead` leads, negative where it trails."""
    slope: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """How fast one recipe's score rises with scale."""

    slope: float | None
    relative: float | None
    num_tiers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Pairs that cross, widest gap at the target first; at most `MAX_LISTED` are listed."""

    found: tuple[Crossing, ...]
    total: int | None
    """None when there are too many recipes to look at every pair."""


def crossings(oriented: Floats, target: int, scale: Floats) -> Crossings:
    """Return pairs that change places; rows are recipes, columns tiers in order, higher is better, NaN is absent."""
    num, num_tiers = oriented.shape
    if num > MAX_RECIPES:
        return Crossings(found=(), total=None)
    first, second = np.triu_indices(num, 1)
    gaps = oriented[first] - oriented[second]
    both = np.isfinite(gaps)
    last = num_tiers - 1 - np.argmax(both[:, ::-1], axis=1)
    to = np.where(both[:, target], target, last)
    final = np.sign(gaps[np.arange(len(gaps)), to]) if len(gaps) else np.zeros(0)
    turned = both & (np.sign(np.where(both, gaps, 0.0)) * np.nan_to_num(final)[:, None] < 0)
    crossing = np.flatnonzero(turned.any(axis=1))
    size = np.abs(gaps[crossing, to[crossing]])
    order = crossing[np.lexsort((second[crossing], first[crossing], -size))][:MAX_LISTED]
    found = []
    for row in order.tolist():
        sign = float(final[row])
        ahead, behind = (first[row], second[row]) if sign > 0 else (second[row], first[row])
        places = np.flatnonzero(both[row])
        own = {int(place): sign * float(gaps[row, place]) for place in places}
        found.append(
            Crossing(
                ahead=int(ahead),
                behind=int(behind),
                at=tuple(np.flatnonzero(turned[row]).tolist()),
                to=int(to[row]),
                gaps=own,
                slope=_slope(scale[places], np.array(list(own.values()))),
            )
        )
    return Crossings(found=tuple(found), total=len(crossing))


def slopes(oriented: Floats, scale: Floats) -> list[Slope]:
    """Return each recipe's slope over the tiers it has."""
    present = np.isfinite(oriented)
    if not np.isfinite(scale).all():
        return [Slope(slope=None, relative=None, num_tiers=int(num)) for num in present.sum(axis=1)]
    num = present.sum(axis=1)
    own = np.where(present, oriented, 0.0)
    centred = np.where(present, scale - (present * scale).sum(axis=1, keepdims=True) / num[:, None], 0.0)
    spread = (centred**2).sum(axis=1)
    told = (num >= 2) & (spread > 0)
    values = (centred * own).sum(axis=1) / np.where(told, spread, 1.0)
    pattern = np.unique(present, axis=0, return_inverse=True)[1].ravel()
    mean = np.bincount(pattern, np.where(told, values, 0.0)) / np.bincount(pattern)
    return [
        Slope(slope=float(value), relative=float(value - shared), num_tiers=int(count))
        if known
        else Slope(slope=None, relative=None, num_tiers=int(count))
        for value, shared, count, known in zip(values, mean[pattern], num, told, strict=True)
    ]


def _slope(scale: Floats, values: Floats) -> float | None:
    if len(scale) < 2 or not np.isfinite(scale).all():
        return None
    centred = scale - scale.mean()
    spread = float(centred @ centred)
    return float(centred @ (values - values.mean())) / spread if spread > 0 else None
