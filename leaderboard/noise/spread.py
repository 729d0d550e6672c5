"""Spread of runs: standard deviations with chi-square intervals, and variances of one cause with theirs.

A spread is of n independent runs: `s` with `n − 1` degrees, `s √(ν / χ²)` at both ends. Causes are told apart by a
design: in a crossed table (every initialisation with every order) by the two-way analysis of variance

    V_init = (MS_init − MS_rest) / J,   V_order = (MS_order − MS_rest) / I,   V_rest = MS_rest

and one at a time by the plain variance of runs that differ in one number only. An estimate below zero says that the
cause cannot be told from the rest; it is shown as it is, its interval is cut at zero.
Source: Burdick and Graybill, Confidence Intervals on Variance Components, 1992, ch. 3 (difference of mean squares,
Ting et al. 1990; sums, Graybill and Wang 1980); `docs/statistics.md`, "Noise".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.numerics import CONFIDENCE, Floats, NoisePrior

CAUTIOUS = 0.80
"""Level of the upper bound of sigma that gates use: the tier's prior must not be too low (training reference, 4.2)."""
PRIOR_DEGREES = 8.0
"""Most weight that a measured prior carries against the arms' own runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A standard deviation, the degrees of freedom it is known with, and its two-sided 95 % interval."""

    sigma: float
    degrees: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The variance of one cause: an estimate, which may be below zero, and its interval, which is not."""

    variance: float
    degrees: float
    """Of the mean square that it was read from."""
    low: float
    high: float
    design: str
    """How it was told apart: `crossed 3 x 3`, `4 runs`."""

    @property
    def sigma(self) -> float:
        """The standard deviation; 0 where the estimate is not above zero."""
        return math.sqrt(max(0.0, self.variance))


def spread_of(values: Sequence[float] | Floats) -> Spread | None:
    """Return the spread of independent runs; None of fewer than two."""
    if len(values) < 2:
        return None
    return spread_from(float(np.std(np.asarray(values, np.float64), ddof=1)), len(values) - 1)


def spread_from(sigma: float, degrees: float) -> Spread:
    """Return the spread of a standard deviation known with `degrees`."""
    tail = (1 - CONFIDENCE) / 2
    return Spread(
        sigma=sigma,
        degrees=degrees,
        low=sigma * math.sqrt(degrees / chi_square(1 - tail, degrees)),
        high=sigma * math.sqrt(degrees / chi_square(tail, degrees)),
    )


def pooled(spreads: Sequence[Spread]) -> Spread | None:
    """Return the spread of several groups with a centre each; None of none."""
    degrees = sum(one.degrees for one in spreads)
    if degrees <= 0:
        return None
    return spread_from(math.sqrt(sum(one.sigma**2 * one.degrees for one in spreads) / degrees), degrees)


def cautious_sigma(spread: Spread, level: float = CAUTIOUS) -> float:
    """Return the upper bound of sigma that holds with probability `level`."""
    return spread.sigma * math.sqrt(spread.degrees / chi_square(1 - level, spread.degrees))


def prior_of(spread: Spread) -> NoisePrior:
    """Return the prior that intervals use: the estimate itself, with at most `PRIOR_DEGREES`.

    With the upper bound in its place intervals would cover 98 % and more instead of 95 (rule 8).
    """
    return NoisePrior(sigma=spread.sigma, degrees=min(spread.degrees, PRIOR_DEGREES))


def crossed(table: Floats) -> dict[str, Part]:
    """Return the parts `init` (rows), `order` (columns), `rest` and their sum `fixed-subset` of a full table.

    `rest` is what only the pair of the two makes; one run a cell cannot tell it from the arithmetic of the machine.
    Raises: ValueError for fewer than two rows or columns.
    """
    rows, columns = table.shape
    if rows < 2 or columns < 2:
        raise ValueError(f"a table of {rows} x {columns}, expected at least 2 x 2")
    design = f"crossed {rows} x {columns}"
    mean, by_row, by_column = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_rows = float(columns * np.sum((by_row - mean) ** 2) / (rows - 1))
    ms_columns = float(rows * np.sum((by_column - mean) ** 2) / (columns - 1))
    left = table - by_row[:, None] - by_column[None, :] + mean
    free = (rows - 1) * (columns - 1)
    rest = _Square(value=float(np.sum(left**2) / free), degrees=free)
    one, two = _Square(value=ms_rows, degrees=rows - 1), _Square(value=ms_columns, degrees=columns - 1)
    return {
        "init": _difference(one, rest, 1 / columns, design),
        "order": _difference(two, rest, 1 / rows, design),
        "rest": _multiple(rest, design),
        "fixed-subset": _sum(
            [(1 / columns, one), (1 / rows, two), (1 - 1 / columns - 1 / rows, rest)], design
        ),  # MS_rest's share is not below zero: two rows and two columns at least
    }


def one_at_a_time(values: Sequence[float]) -> Part | None:
    """Return the variance among runs that differ in one number; None of fewer than two runs."""
    if len(values) < 2:
        return None
    square = _Square(value=float(np.var(np.asarray(values, np.float64), ddof=1)), degrees=len(values) - 1)
    return _multiple(square, f"{len(values)} runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Square:
    """A mean square and its degrees of freedom."""

    value: float
    degrees: float


def _multiple(square: _Square, design: str) -> Part:
    tail = (1 - CONFIDENCE) / 2
    scaled = square.value * square.degrees
    return Part(
        variance=square.value,
        degrees=square.degrees,
        low=scaled / chi_square(1 - tail, square.degrees),
        high=scaled / chi_square(tail, square.degrees),
        design=design,
    )


def _difference(one: _Square, two: _Square, factor: float, design: str) -> Part:
    """Return `factor · (MS_one − MS_two)` with the interval of Ting et al."""
    from scipy import special

    tail = (1 - CONFIDENCE) / 2
    below_1, above_1 = _shortfall(one.degrees, tail), _excess(one.degrees, tail)
    below_2, above_2 = _shortfall(two.degrees, tail), _excess(two.degrees, tail)
    high = float(special.fdtri(one.degrees, two.degrees, 1 - tail))
    low = float(special.fdtri(one.degrees, two.degrees, tail))
    cross_low = ((high - 1) ** 2 - below_1**2 * high**2 - above_2**2) / high
    cross_high = ((1 - low) ** 2 - above_1**2 * low**2 - below_2**2) / low
    a, b = one.value, two.value
    down = max(0.0, below_1**2 * a**2 + above_2**2 * b**2 + cross_low * a * b)
    up = max(0.0, above_1**2 * a**2 + below_2**2 * b**2 + cross_high * a * b)
    estimate = a - b
    return Part(
        variance=factor * estimate,
        degrees=one.degrees,
        low=max(0.0, factor * (estimate - math.sqrt(down))),
        high=max(0.0, factor * (estimate + math.sqrt(up))),
        design=design,
    )


def _sum(terms: Sequence[tuple[float, _Square]], design: str) -> Part:
    """Return a sum of mean squares with weights not below zero, and the interval of Graybill and Wang."""
    tail = (1 - CONFIDENCE) / 2
    estimate = sum(weight * square.value for weight, square in terms)
    down = sum((_shortfall(square.degrees, tail) * weight * square.value) ** 2 for weight, square in terms)
    up = sum((_excess(square.degrees, tail) * weight * square.value) ** 2 for weight, square in terms)
    shares = sum((weight * square.value) ** 2 / square.degrees for weight, square in terms)
    return Part(
        variance=estimate,
        degrees=estimate**2 / shares if shares > 0 else terms[0][1].degrees,
        low=max(0.0, estimate - math.sqrt(down)),
        high=estimate + math.sqrt(up),
        design=design,
    )


def _shortfall(degrees: float, tail: float) -> float:
    """How far below its expectation a mean square's lower limit lies, as a share of it."""
    return 1 - degrees / chi_square(1 - tail, degrees)


def _excess(degrees: float, tail: float) -> float:
    """How far above its expectation a mean square's upper limit lies, as a share of it."""
    return degrees / chi_square(tail, degrees) - 1


def chi_square(level: float, degrees: float) -> float:
    """Return the quantile of chi-square with `degrees` below which `level` of it lies."""
    from scipy import special

    return float(special.chdtri(degrees, 1 - level))
