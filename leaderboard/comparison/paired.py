"""Paired difference of two arms on the same units, with seeds and units both random (rule 8).

A score of run r is `t_r = Σ sums[g, r] / Σ sizes[g]` over units g: families of a slice, clusters of a task's items.
`y_r` is `ln t_r` (bits per byte) or `t_r` (shares, probabilities); the difference is the mean of `y_left − y_right`
over pairs of runs. Its variance is `V_seeds + V_units − V_both`:

* `V_seeds = s² (1/n + 1/n)` with s² pooled over all arms and the tier's prior (`curation.numerics`): parametric.
* `V_units`: bootstrap over units, the same draw for all runs, times G/(G − 1) for G units.
* `V_both`: what a seed does to single units is in both; subtracting it once keeps two-way noise from counting twice.
  Estimated from the residuals of each unit's influence over the seeds of an arm. Source: ours, the variance of a mean
  under crossed random effects (Cornfield and Tukey 1956); coverage is simulated in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from curation.numerics import (
    MIN_DEGREES,
    Floats,
    Interval,
    NoisePrior,
    Variance,
    added,
    bootstrap_sums,
    difference_variance,
    pooled_variance,
    t_interval,
)
from curation.significance import two_sided

FLOOR = 0.5
"""Least total variance as a share of its larger part. Source: simulated; 1 covers 98 %, none 94 to 99 % at n = 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Scores by unit and run: rows of `sums` are units, columns runs."""

    names: tuple[str, ...]
    sums: Floats
    sizes: Floats
    log: bool
    """Whether runs are compared by the logarithm of their score."""

    @property
    def scores(self) -> Floats:
        """`t` of every run."""
        totals: Floats = self.sums.sum(axis=0) / self.sizes.sum()
        return totals

    @property
    def values(self) -> Floats:
        """`y` of every run."""
        return np.log(self.scores) if self.log else self.scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which runs are compared: the arm of every column, and the columns of each pair, left first."""

    arms: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    against: tuple[tuple[int, int], ...] = ()
    """Pairs of the same seeds whose difference is taken off: an interaction is a difference of two differences."""

    @property
    def left(self) -> list[int]:
        """Columns of the first side."""
        return [pair[0] for pair in self.pairs]

    @property
    def right(self) -> list[int]:
        """Columns of the second side."""
        return [pair[1] for pair in self.pairs]

    @property
    def columns(self) -> dict[str, list[int]]:
        """Columns of each arm's runs."""
        return columns_by_arm(self.arms)

    def by_arm(self, values: Floats) -> list[list[float]]:
        """Return one number a run as lists by arm."""
        return [values[columns].tolist() for columns in self.columns.values()]

    def difference(self, values: Floats) -> Floats:
        """Return the mean over pairs of left minus right along the last axis."""
        found: Floats = (values[..., self.left] - values[..., self.right]).mean(axis=-1)
        for left, right in self.against:
            found = found - (values[..., left] - values[..., right]) / len(self.against)
        return found

    @property
    def runs_a_seed(self) -> int:
        """Runs that the difference takes of every seed: 2, or 4 of two differences."""
        return 4 if self.against else 2

    def seeds_variance(self, one_run: Variance) -> Variance:
        """Return the variance of the difference by seeds, from that of one run; runs of a seed count as independent."""
        num = len(self.pairs)
        plain = difference_variance(one_run, num, num)
        return Variance(value=plain.value * self.runs_a_seed / 2, degrees=plain.degrees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A difference and what is known of its noise."""

    delta: float
    values: Floats
    """`y` of every run."""
    seeds: Variance | None
    """None when no arm has two seeds and there is no prior."""
    units: Variance | None
    """None with fewer than two units."""
    both: float
    """Part of `units` that is in `seeds` too."""
    draws: Floats | None
    """Bootstrap draws of the difference over units."""
    num_units: int
    num_pairs: int
    measured: bool = False
    """Whether run noise was measured beforehand (rule 9)."""

    @property
    def total(self) -> Variance | None:
        """Variance of the difference; of units alone when nothing is known of seeds, None without units."""
        return total_variance(self.seeds, self.units, self.both) if self.units else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None without units to draw from."""
        return t_interval(self.delta, self.total) if self.total else None

    @property
    def p_value(self) -> float | None:
        """Two-sided p of no difference under the interval's own noise."""
        return two_sided(self.delta, self.total) if self.total else None


def paired(units: Units, design: Design, rng: np.random.Generator, prior: NoisePrior | None = None) -> Paired:
    """Return the difference of a design's sides; `prior` is measured run noise on the scale of `y`."""
    return paired_together([units], design, rng=rng, priors=[prior])[0]


def paired_together(
    several: Sequence[Units], design: Design, *, rng: np.random.Generator, priors: Sequence[NoisePrior | None]
) -> list[Paired]:
    """Return `paired` of each of several measures; those of the same units see the same draws, which are made once."""
    drawn = unit_draws(several, design, rng)
    return [_paired(*one, design) for one in zip(several, drawn, priors, strict=True)]


def paired_designs(
    units: Units, designs: Sequence[Design], *, rng: np.random.Generator, prior: NoisePrior | None = None
) -> list[Paired]:
    """Return `paired` of several designs over the same runs; all see the same draws, which are made once."""
    values = None
    if len(units.names) > 1:
        sums = bootstrap_sums(np.concatenate([units.sums, units.sizes[:, None]], axis=1), rng)
        scores = sums[:, :-1] / sums[:, -1:]
        values = np.log(scores) if units.log else scores
    return [_paired(units, None if values is None else one.difference(values), prior, one) for one in designs]


def _paired(units: Units, draws: Floats | None, prior: NoisePrior | None, design: Design) -> Paired:
    values = units.values
    num = len(design.pairs)
    one_run = pooled_variance(design.by_arm(values), prior)
    count = len(units.names)
    spread = None if draws is None else float(np.var(draws, ddof=1)) * count / (count - 1)
    return Paired(
        delta=float(design.difference(values)),
        values=values,
        seeds=design.seeds_variance(one_run) if one_run else None,
        units=None if spread is None else Variance(value=spread, degrees=max(MIN_DEGREES, count - 1)),
        both=shared_noise(influences(units), design.columns.values()) * design.runs_a_seed / num if one_run else 0.0,
        draws=draws,
        num_units=count,
        num_pairs=num,
        measured=prior is not None,
    )


def mean_of(parts: Sequence[Paired], design: Design, prior: NoisePrior | None = None) -> Paired:
    """Return the mean of differences over tasks whose units are drawn independently."""
    share = 1 / len(parts)
    values = np.asarray(np.mean([part.values for part in parts], axis=0), np.float64)
    one_run = pooled_variance(design.by_arm(values), prior)
    num = len(design.pairs)
    known = [part for part in parts if part.units is not None and part.draws is not None]
    whole = len(known) == len(parts)
    pieces = [Variance(value=part.units.value * share**2, degrees=part.units.degrees) for part in known if part.units]
    return Paired(
        delta=float(np.mean([part.delta for part in parts])),
        values=values,
        seeds=difference_variance(one_run, num, num) if one_run else None,
        units=added(*pieces) if whole else None,
        both=sum(part.both for part in parts) * share**2,
        draws=np.mean([part.draws for part in known if part.draws is not None], axis=0) if whole else None,
        num_units=sum(part.num_units for part in parts),
        num_pairs=num,
        measured=prior is not None,
    )


def total_variance(seeds: Variance | None, units: Variance, both: float) -> Variance:
    """Return `V_seeds + V_units − V_both`, at least half the larger of two; degrees by Satterthwaite."""
    if seeds is None:
        return units
    value = max(seeds.value + units.value - both, FLOOR * max(seeds.value, units.value))
    doubt = seeds.value**2 / seeds.degrees + units.value**2 / units.degrees
    return Variance(value=value, degrees=max(MIN_DEGREES, value**2 / doubt) if doubt > 0 else math.inf)


def unit_draws(several: Sequence[Units], design: Design, rng: np.random.Generator) -> list[Floats | None]:
    """Return bootstrap draws of the difference of each measure; None of fewer than two units.

    Units come with their sizes. Measures of the same units are drawn side by side: making the draws is what takes time.
    """
    found: list[Floats | None] = [None] * len(several)
    by_names: dict[tuple[str, ...], list[int]] = {}
    for number, units in enumerate(several):
        by_names.setdefault(units.names, []).append(number)
    for names, numbers in by_names.items():
        if len(names) < 2:
            continue
        tables = [np.concatenate([several[one].sums, several[one].sizes[:, None]], axis=1) for one in numbers]
        sums = bootstrap_sums(np.concatenate(tables, axis=1), rng)
        for number, own in zip(numbers, np.split(sums, len(numbers), axis=1), strict=True):
            scores = own[:, :-1] / own[:, -1:]
            found[number] = design.difference(np.log(scores) if several[number].log else scores)
    return found


def influences(units: Units) -> Floats:
    """Return what each unit adds to each run's `y`: a column sums to about 0."""
    total = units.sizes.sum()
    if units.log:
        found: Floats = units.sums / units.sums.sum(axis=0) - (units.sizes / total)[:, None]
    else:
        found = (units.sums - units.sizes[:, None] * units.scores) / total
    return found


def columns_by_arm(arms: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of each arm, given the arm of every column."""
    found: dict[str, list[int]] = {}
    for number, arm in enumerate(arms):
        found.setdefault(arm, []).append(number)
    return found


def shared_noise(influence: Floats, arms: Iterable[Sequence[int]]) -> float:
    """Return the variance of one run's `y` that comes from what its seed does to single units, pooled over `arms`.

    An arm is the columns of its runs.
    """
    squares, degrees = 0.0, 0
    for columns in arms:
        if len(columns) > 1:
            own = influence[:, list(columns)]
            squares += float(np.sum((own - own.mean(axis=1, keepdims=True)) ** 2))
            degrees += len(columns) - 1
    count = len(influence)
    return squares / degrees * count / (count - 1) if degrees and count > 1 else 0.0
