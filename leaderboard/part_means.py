"""Differences of means over parts of a task's items, with what is known of their noise (rule 8).

A statistic is Σ_p c_p · (mean over the items of part p), of arms Σ_a k_a · (mean over the runs of arm a). Its variance:
* seeds: parametric, s² pooled over the arms of a pool (a tier), times Σ k_a² / n_a;
* clusters of items: bootstrapped, the same draw for all parts and runs, times G / (G − 1) for G clusters;
* what a seed does to single clusters is in both and is taken off once (`leaderboard.comparison.paired`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curation.numerics import MIN_DEGREES, Floats, Variance, added, pooled_variance, shared_bootstrap_sums, t_interval
from curation.randomness import generator
from curation.significance import two_sided
from leaderboard.comparison.paired import shared_noise, total_variance

SEED = 1
"""Of the bootstrap's draws; fixed, so that an estimate is a function of its scores."""
MIN_CLUSTERS = 10
"""A part of fewer clusters is not judged: equal answers on a handful of items look certain. Source: ours."""


@dataclass(frozen=True, slots=True)
class WeightedPart:
    """Items that enter, and with which sign."""

    mask: npt.NDArray[np.bool_]
    weight: float


@dataclass(frozen=True, slots=True)
class WeightedArm:
    """Runs (columns) that enter, and with which sign; arms of one pool share their seed noise."""

    columns: tuple[int, ...]
    weight: float
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Statistic:
    """Which parts of the items and which arms a number is made of."""

    parts: Sequence[WeightedPart]
    arms: Sequence[WeightedArm]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredItems:
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


def estimate(
    units: ClusteredItems, parts: Sequence[WeightedPart], arms: Sequence[WeightedArm], labels: tuple[str, ...]
) -> Estimate | None:
    """Return the statistic of parts and arms; None when a part has no items. `labels` name the bootstrap's draws."""
    return estimates(units, [Statistic(parts, arms)], labels)[0]


def estimates(units: ClusteredItems, several: Sequence[Statistic], labels: tuple[str, ...]) -> list[Estimate | None]:
    """Return `estimate` of several statistics of the same items; those of the same clusters see the same draws."""
    able = [place for place, one in enumerate(several) if all(part.mask.any() for part in one.parts)]
    clusters = {place: min(_num_clusters(units, part) for part in several[place].parts) for place in able}
    drawn = {place: _draw_table(units, several[place]) for place in able if clusters[place] > 1}
    items = _items(drawn, several, clusters, labels)
    found: list[Estimate | None] = [None] * len(several)
    for place in able:
        parts, arms = several[place].parts, several[place].arms
        by_run = sum((part.weight * units.values[part.mask].mean(axis=0) for part in parts), np.zeros(1))
        seeds, both = _seeds(arms, by_run), _both(arms, _influence(units, parts))
        value = _over(arms, by_run)
        found[place] = _with_interval(value, seeds, items.get(place), both, clusters=clusters[place], by_run=by_run)
    return found


def mean_estimate(several: Sequence[Estimate], arms: Sequence[WeightedArm]) -> Estimate | None:
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
    return _with_interval(_over(arms, by_run), _seeds(arms, by_run), added(*pieces), both, clusters, by_run)


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


def _over(arms: Sequence[WeightedArm], by_run: Floats) -> float:
    return float(sum(arm.weight * by_run[list(arm.columns)].mean() for arm in arms))


def _num_clusters(units: ClusteredItems, part: WeightedPart) -> int:
    return len(np.unique(units.clusters[part.mask]))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What is drawn for a statistic: its clusters, and their sums and sizes by part, sums first."""

    used: npt.NDArray[np.bool_]
    table: Floats


def _draw_table(units: ClusteredItems, statistic: Statistic) -> _Drawn:
    parts, arms = statistic.parts, statistic.arms
    combined = sum((arm.weight * units.values[:, list(arm.columns)].mean(axis=1) for arm in arms), np.zeros(1))
    names, codes = np.unique(units.clusters, return_inverse=True)
    columns = [np.bincount(codes, combined * part.mask, len(names)) for part in parts]
    columns += [np.bincount(codes, part.mask.astype(np.float64), len(names)) for part in parts]
    table = np.stack(columns, axis=1)
    used = np.asarray(table[:, len(parts) :].any(axis=1), np.bool_)
    return _Drawn(used, np.asarray(table[used], np.float64))


def _items(
    drawn: Mapping[int, _Drawn], several: Sequence[Statistic], clusters: Mapping[int, int], labels: tuple[str, ...]
) -> dict[int, Variance]:
    """Return the variance over clusters of each statistic that has draws, by its place."""
    alike: dict[bytes, list[int]] = {}
    for place, one in drawn.items():
        alike.setdefault(one.used.tobytes(), []).append(place)
    found = {}
    for places in alike.values():
        sums = shared_bootstrap_sums([drawn[place].table for place in places], generator(SEED, *labels))
        for place, own in zip(places, sums, strict=True):
            spread = _spread(own, several[place].parts, len(drawn[place].table))
            found[place] = Variance(value=spread, degrees=max(MIN_DEGREES, clusters[place] - 1))
    return found


def _spread(sums: Floats, parts: Sequence[WeightedPart], num_clusters: int) -> float:
    """Return the variance of a statistic over draws of clusters; draws that leave a part empty are set aside."""
    full = sums[(sums[:, len(parts) :] > 0).all(axis=1)]
    draws = sum(
        (part.weight * full[:, place] / full[:, len(parts) + place] for place, part in enumerate(parts)), np.zeros(1)
    )
    return float(np.var(draws, ddof=1)) * num_clusters / (num_clusters - 1)


def _influence(units: ClusteredItems, parts: Sequence[WeightedPart]) -> Floats:
    """Return what each cluster adds to each run's statistic; a column sums to 0."""
    _, codes = np.unique(units.clusters, return_inverse=True)
    found = np.zeros((int(codes.max()) + 1, units.values.shape[1]))
    for part in parts:
        values = units.values[part.mask]
        np.add.at(found, codes[part.mask], part.weight * (values - values.mean(axis=0)) / len(values))
    return found[found.any(axis=1)]


def _seeds(arms: Sequence[WeightedArm], by_run: Floats) -> Variance | None:
    """Return the variance that seeds give the statistic; None when no arm of some pool has two runs."""
    pieces = []
    for pool in dict.fromkeys(arm.pool for arm in arms):
        mine = [arm for arm in arms if arm.pool == pool]
        one_run = pooled_variance([by_run[list(arm.columns)].tolist() for arm in mine])
        if one_run is None:
            return None
        share = sum(arm.weight**2 / len(arm.columns) for arm in mine)
        pieces.append(Variance(value=one_run.value * share, degrees=one_run.degrees))
    return added(*pieces)


def _both(arms: Sequence[WeightedArm], influence: Floats) -> float:
    """Return the part of the variance over clusters that is a seed's doing, and so in that of seeds too."""
    found = 0.0
    for pool in dict.fromkeys(arm.pool for arm in arms):
        mine = [arm for arm in arms if arm.pool == pool]
        share = sum(arm.weight**2 / len(arm.columns) for arm in mine)
        found += shared_noise(influence, [arm.columns for arm in mine]) * share
    return found
