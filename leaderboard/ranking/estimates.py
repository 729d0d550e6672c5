"""Places with their doubt: interval of each mean, tie groups, rank intervals, smallest detectable difference (rule 8).

Rows are recipes; what is ranked is a mean over seeds, less is better. Three noises, never resampled seeds:

* seeds: `s²` pooled over all rows with the tier's measured prior; a mean over n seeds has `s²/n` (parametric, t);
* units (families of documents, clusters of items): bootstrapped with the same draw for all rows, so that what a draw
  does to every row alike drops out of differences;
* what a seed does to single units is in both and is subtracted once (`leaderboard.comparison.paired`).

The differences of all pairs are tested at a family-wise 5 % by Holm. From these tests alone follow

* the **rank interval** of a row: 1 + the rows significantly better, up to K − the rows significantly worse; all
  intervals of a table hold together with 95 %. Source: Mogstad, Romano, Shaikh and Wilhelm 2024;
* the **tie group**: rows connected by a chain of differences that are not significant. That is transitive by
  construction; two ends of a long chain may well differ, but nothing in the group can be split off from all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.numerics import MIN_DEGREES, Floats, Interval, Variance, t_interval
from curation.significance import holm, two_sided
from leaderboard.comparison.paired import total_variance
from leaderboard.noise.power import detectable_at
from leaderboard.ranking.first import FirstModel, first_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Means of rows and their noise; lower is better."""

    means: Floats
    num_seeds: tuple[int, ...]
    one_run: Variance
    """Seed variance of one run, pooled over rows and the prior."""
    both: float
    """Part of it that is in the units' noise too, of one run."""
    draws: Floats
    """Joint bootstrap draws of the means over units: a column a row."""
    num_units: int

    @property
    def unit_covariance(self) -> Floats:
        """Covariance of the means over units, with the bootstrap's own shortfall mended."""
        larger = self.num_units / (self.num_units - 1)
        found: Floats = np.atleast_2d(np.cov(self.draws, rowvar=False)) * larger
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One row's place."""

    rank: int
    """By the mean; equal means share the better one."""
    rank_low: int
    rank_high: int
    p_first: float
    mean: float
    interval: Interval
    """Of the mean itself; what units do to all rows alike is in it, so it is wider than that of differences."""
    tie_group: int
    """1 for the group of the best row, then 2, 3, …"""
    detectable: float | None
    """Smallest true difference to the best other row that is found with 80 % at two-sided 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """All rows' places, in the order of `Measured`."""

    rows: tuple[Estimate, ...]
    detectable: float | None
    """Median over pairs of the smallest detectable difference."""


def estimate(found: Measured, label: str) -> Places:
    """Return the places of two rows or more; `label` names the stream of random draws."""
    count = len(found.means)
    variances = [[_difference(found, one, two) for two in range(count)] for one in range(count)]
    better = significant(found.means, variances)
    ranks = [1 + int(np.sum(found.means < mean)) for mean in found.means]
    groups = tie_groups(found.means, better)
    first = first_probabilities(
        FirstModel(
            means=found.means,
            num_seeds=np.array(found.num_seeds, np.float64),
            seed_variance=max(0.0, found.one_run.value - found.both),
            seed_degrees=found.one_run.degrees,
            unit_covariance=found.unit_covariance,
        ),
        label,
    )
    smallest = [[detectable_at(one) for one in row] for row in variances]
    rows = []
    for row in range(count):
        others = [one for one in range(count) if one != row]
        best = min(others, key=lambda one: float(found.means[one]))
        rows.append(
            Estimate(
                rank=ranks[row],
                rank_low=1 + int(better[:, row].sum()),
                rank_high=count - int(better[row].sum()),
                p_first=float(first[row]),
                mean=float(found.means[row]),
                interval=t_interval(float(found.means[row]), _own(found, row)),
                tie_group=groups[row],
                detectable=smallest[row][best],
            )
        )
    pairs = [smallest[one][two] for one in range(count) for two in range(one)]
    known = [one for one in pairs if one is not None]
    return Places(rows=tuple(rows), detectable=float(np.median(known)) if known else None)


def significant(means: Floats, variances: Sequence[Sequence[Variance]]) -> npt.NDArray[np.bool_]:
    """Return which row (first index) is better than which other, significant under Holm over all pairs."""
    count = len(means)
    pairs = [(one, two) for one in range(count) for two in range(one + 1, count)]
    marks = holm([two_sided(float(means[one] - means[two]), variances[one][two]) for one, two in pairs])
    better = np.zeros((count, count), np.bool_)
    for (one, two), mark in zip(pairs, marks, strict=True):
        if mark:
            left, right = (one, two) if means[one] < means[two] else (two, one)
            better[left, right] = True
    return better


def tie_groups(means: Floats, better: npt.NDArray[np.bool_]) -> list[int]:
    """Return each row's group, numbered from the best mean on: rows connected by differences that are no finding."""
    count = len(means)
    groups = [0] * count
    last = 0
    for start in sorted(range(count), key=lambda row: (float(means[row]), row)):
        if groups[start]:
            continue
        last += 1
        waiting = [start]
        while waiting:
            row = waiting.pop()
            if groups[row]:
                continue
            groups[row] = last
            waiting += [
                one for one in range(count) if not groups[one] and not better[row, one] and not better[one, row]
            ]
    return groups


def _difference(found: Measured, one: int, two: int) -> Variance:
    """Return the variance of the difference of two rows' means."""
    runs = 1 / found.num_seeds[one] + 1 / found.num_seeds[two]
    seeds = Variance(value=found.one_run.value * runs, degrees=found.one_run.degrees)
    return total_variance(seeds, _units(found, found.draws[:, one] - found.draws[:, two]), found.both * runs)


def _own(found: Measured, row: int) -> Variance:
    runs = 1 / found.num_seeds[row]
    seeds = Variance(value=found.one_run.value * runs, degrees=found.one_run.degrees)
    return total_variance(seeds, _units(found, found.draws[:, row]), found.both * runs)


def _units(found: Measured, draws: Floats) -> Variance:
    spread = float(np.var(draws, ddof=1)) * found.num_units / (found.num_units - 1)
    return Variance(value=spread, degrees=max(MIN_DEGREES, found.num_units - 1))
