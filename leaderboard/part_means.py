"""Differences of means over parts of a task's items, with what is known of their noise (rule 8).

A statistic is Σ_p c_p · (mean over the items of part p), of arms Σ_a k_a · (mean over the runs of arm a). Its variance:
* seeds: parametric, s² pooled over the arms of a pool (a tier), times Σ k_a² / n_a;
* clusters of items: bootstrapped, the same draw for all parts and runs, times G / (G − 1) for G clusters;
* what a seed does to single clusters is in both and is taken off once (`leaderboard.comparison.paired`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curation.numerics import MIN_DEGREES, Floats, Variance, bootstrap_sums, pooled_variance, t_interval
from curation.randomness import generator
from leaderboard.comparison.paired import sum_of, total_variance, two_sided

SEED = 1
"""Of the bootstrap's draws; fixed, so that an estimate is a function of its scores."""
MIN_CLUSTERS = 10
"""A part of fewer clusters is not judged: equal answers on a handful of items look certain. Source: ours."""


@dataclass(frozen=True, slots=True)
class Part:
    """Items that enter, and with which sign."""

    mask: npt.NDArray[np.bool_]
    weight: float


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs (columns) that enter, and with which sign; arms of one pool share their seed noise."""

    columns: tuple[int, ...]
    weight: float
    pool: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Values of items (rows) and runs (columns), more is better, and the cluster of each item."""

    values: Floats
    clusters: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A statistic; without interval where a part has one cluster only."""

    value: float
    low: float | None
    high: float | None
    p_value: float | None
    se_seeds: float | None
    """None when no arm has two runs: the interval is over items alone."""
    se_items: float | None
    num_clusters: int
    by_run: Floats
    """The statistic of every run alone."""
    both: float = 0.0
    measured: bool = False
    """Whether run noise was measured beforehand: p leaves only then (rule 9)."""
    total: Variance | None = None
    """Of the statistic; None without interval."""

    def as_json(self) -> dict[str, float | int | None]:
        """Return the numbers for people and programs."""
        return {
            "value": self.value, "low": self.low, "high": self.high,
            "p_value": self.p_value if self.measured else None,
            "se_seeds": self.se_seeds, "se_items": self.se_items, "num_clusters": self.num_clusters,
        }  # fmt: skip


def estimate(units: Units, parts: Sequence[Part], arms: Sequence[Arm], labels: tuple[str, ...]) -> Estimate | None:
    """Return the statistic of parts and arms; None when a part has no items. `labels` name the bootstrap's draws."""
    if not all(part.mask.any() for part in parts):
        return None
    by_run = sum((part.weight * units.values[part.mask].mean(axis=0) for part in parts), np.zeros(1))
    value = _over(arms, by_run)
    clusters = min(len(np.unique(units.clusters[part.mask])) for part in parts)
    seeds, both = _seeds(arms, by_run), _both(arms, _influence(units, parts))
    items = _items(units, parts, arms, labels) if clusters > 1 else None
    return _with_interval(value, seeds, items, both, clusters=clusters, by_run=by_run)


def mean_estimate(several: Sequence[Estimate], arms: Sequence[Arm]) -> Estimate | None:
    """Return the mean of one statistic over tasks, whose items are drawn independently; runs are the same in all."""
    share = 1 / len(several)
    by_run = np.mean([one.by_run for one in several], axis=0)
    pieces = [
        Variance(value=(one.se_items * share) ** 2, degrees=max(MIN_DEGREES, one.num_clusters - 1))
        for one in several
        if one.se_items is not None
    ]
    if len(pieces) < len(several):
        return None
    clusters = sum(one.num_clusters for one in several)
    both = sum(one.both for one in several) * share**2
    return _with_interval(_over(arms, by_run), _seeds(arms, by_run), sum_of(pieces), both, clusters, by_run)


def _with_interval(
    value: float, seeds: Variance | None, items: Variance | None, both: float, clusters: int, by_run: Floats
) -> Estimate:
    total = total_variance(seeds, items, both) if items else None
    interval = t_interval(value, total) if total else None
    return Estimate(
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p_value=two_sided(value, total) if total else None,
        se_seeds=math.sqrt(seeds.value) if seeds else None,
        se_items=math.sqrt(items.value) if items else None,
        num_clusters=clusters,
        by_run=by_run,
        both=both,
        total=total,
    )


def at_confidence(one: Estimate, confidence: float) -> Estimate:
    """Return the estimate with an interval of another confidence."""
    if one.total is None:
        return one
    interval = t_interval(one.value, one.total, confidence)
    return replace(one, low=interval.low, high=interval.high)


def _over(arms: Sequence[Arm], by_run: Floats) -> float:
    return float(sum(arm.weight * by_run[list(arm.columns)].mean() for arm in arms))


def _items(units: Units, parts: Sequence[Part], arms: Sequence[Arm], labels: tuple[str, ...]) -> Variance:
    """Return the variance over clusters, drawn with replacement; draws that leave a part empty are set aside."""
    combined = sum((arm.weight * units.values[:, list(arm.columns)].mean(axis=1) for arm in arms), np.zeros(1))
    names, codes = np.unique(units.clusters, return_inverse=True)
    columns = [np.bincount(codes, combined * part.mask, len(names)) for part in parts]
    columns += [np.bincount(codes, part.mask.astype(np.float64), len(names)) for part in parts]
    table = np.stack(columns, axis=1)
    used = table[table[:, len(parts) :].any(axis=1)]
    sums = bootstrap_sums(np.asarray(used, np.float64), generator(SEED, *labels))
    full = sums[(sums[:, len(parts) :] > 0).all(axis=1)]
    draws = sum(
        (part.weight * full[:, place] / full[:, len(parts) + place] for place, part in enumerate(parts)), np.zeros(1)
    )
    degrees = min(len(np.unique(units.clusters[part.mask])) for part in parts) - 1
    return Variance(value=float(np.var(draws, ddof=1)) * len(used) / (len(used) - 1), degrees=max(MIN_DEGREES, degrees))


def _influence(units: Units, parts: Sequence[Part]) -> Floats:
    """Return what each cluster adds to each run's statistic; a column sums to 0."""
    _, codes = np.unique(units.clusters, return_inverse=True)
    found = np.zeros((int(codes.max()) + 1, units.values.shape[1]))
    for part in parts:
        values = units.values[part.mask]
        np.add.at(found, codes[part.mask], part.weight * (values - values.mean(axis=0)) / len(values))
    return found[found.any(axis=1)]


def _seeds(arms: Sequence[Arm], by_run: Floats) -> Variance | None:
    """Return the variance that seeds give the statistic; None when no arm of some pool has two runs."""
    pieces = []
    for pool in dict.fromkeys(arm.pool for arm in arms):
        mine = [arm for arm in arms if arm.pool == pool]
        one_run = pooled_variance([by_run[list(arm.columns)].tolist() for arm in mine])
        if one_run is None:
            return None
        share = sum(arm.weight**2 / len(arm.columns) for arm in mine)
        pieces.append(Variance(value=one_run.value * share, degrees=one_run.degrees))
    return sum_of(pieces)


def _both(arms: Sequence[Arm], influence: Floats) -> float:
    """Return the part of the variance over clusters that is a seed's doing, and so in that of seeds too."""
    count, found = len(influence), 0.0
    for pool in dict.fromkeys(arm.pool for arm in arms):
        squares, degrees = 0.0, 0
        mine = [arm for arm in arms if arm.pool == pool]
        for arm in mine:
            own = influence[:, list(arm.columns)]
            squares += float(np.sum((own - own.mean(axis=1, keepdims=True)) ** 2))
            degrees += len(arm.columns) - 1
        if degrees and count > 1:
            share = sum(arm.weight**2 / len(arm.columns) for arm in mine)
            found += squares / degrees * count / (count - 1) * share
    return found
