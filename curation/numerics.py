"""Intervals for small experiments: pooled seed variance, family bootstrap, t and Wilson intervals (rule 8).

Two noises enter a difference of two arms, and they are handled apart:

* **Seeds** are few, so their variance is parametric: pooled over the arms of one tier and slice, optionally with a
  prior, `s² = (ν0 σ0² + Σ (n_a − 1) s_a²) / (ν0 + Σ (n_a − 1))`; a difference of two means has `s² (1/n_b + 1/n_c)`.
* **Families** (sites, books, repositories) are many, so they are bootstrapped.

The variances add; the degrees of freedom follow Welch and Satterthwaite. Seeds are never resampled: a percentile
bootstrap over 2, 3 or 5 seeds covers about 66, 80, 89 % instead of 95.
Source: pooled t with a prior: `docs/statistics.md`; Wilson 1927.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
DRAWS = 2_000
"""Bootstrap draws; the standard error of a standard error is then 1.6 %."""
CHUNK_CELLS = 8_000_000
"""Draws × units held at once: 64 MB of float64."""
MIN_PAIRS = 3
"""Fewest pairs that have a correlation."""
MIN_DEGREES = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance:
    """A variance and the degrees of freedom it is known with (`inf` when it is known exactly)."""

    value: float
    degrees: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePrior:
    """Measured run noise of a tier and slice: standard deviation and the weight it carries."""

    sigma: float
    degrees: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided interval with the confidence it claims."""

    low: float
    high: float
    confidence: float = CONFIDENCE


def pooled_variance(groups: Sequence[Sequence[float]], prior: NoisePrior | None = None) -> Variance | None:
    """Return the variance of one run around its group's mean, pooled over groups and the prior.

    None when nothing is known: every group has one value and there is no prior.
    """
    squares = prior.sigma**2 * prior.degrees if prior else 0.0
    degrees = prior.degrees if prior else 0.0
    for group in groups:
        if len(group) > 1:
            values = np.asarray(group, np.float64)
            squares += float(np.sum((values - values.mean()) ** 2))
            degrees += len(group) - 1
    return Variance(value=squares / degrees, degrees=degrees) if degrees > 0 else None


def difference_variance(one_run: Variance, num_left: int, num_right: int) -> Variance:
    """Return the variance of the difference of two arms' means over `num_left` and `num_right` runs."""
    return Variance(value=one_run.value * (1 / num_left + 1 / num_right), degrees=one_run.degrees)


def added(*parts: Variance) -> Variance:
    """Return the sum of independent variances with Welch and Satterthwaite's degrees of freedom."""
    total = sum(part.value for part in parts)
    shares = sum(part.value**2 / part.degrees for part in parts)
    return Variance(value=total, degrees=max(MIN_DEGREES, total**2 / shares) if shares > 0 else math.inf)


def t_interval(centre: float, variance: Variance, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval `centre ± t · √variance`."""
    half = t_critical(variance.degrees, confidence) * math.sqrt(variance.value)
    return Interval(low=centre - half, high=centre + half, confidence=confidence)


def t_critical(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided critical value of Student's t; the normal one for infinite `degrees`."""
    from scipy import special

    level = 0.5 + confidence / 2
    return float(special.ndtri(level) if math.isinf(degrees) else special.stdtrit(degrees, level))


def bootstrap_sums(values: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return sums over resampled units: shape (draws, columns) for `values` of shape (units, columns).

    Every column sees the same draws, so differences between columns are paired.
    """
    return shared_bootstrap_sums([values], rng, draws)[0]


def shared_bootstrap_sums(several: Sequence[Floats], rng: np.random.Generator, draws: int = DRAWS) -> list[Floats]:
    """Return `bootstrap_sums` of tables of the same units, which all see the same draws.

    Making the draws is what takes time. Each table's sums are to the bit what it alone has under an equal `rng`.
    """
    num_units = len(several[0])
    sums: list[Floats] = [np.empty((draws, values.shape[1])) for values in several]
    rows = max(1, CHUNK_CELLS // max(1, num_units))
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        picks = rng.integers(0, num_units, (count, num_units))
        cells = (picks + np.arange(count)[:, None] * num_units).ravel()
        counts = np.bincount(cells, minlength=count * num_units).reshape(count, num_units)
        weights = counts.astype(np.float64)
        for own, values in zip(sums, several, strict=True):
            own[start : start + count] = weights @ values
    return sums


def sample_variance(samples: Floats, degrees: float) -> Variance:
    """Return the variance of bootstrap draws, known with `degrees` (units − 1)."""
    return Variance(value=float(np.var(samples, ddof=1)), degrees=max(MIN_DEGREES, degrees))


def percentile_interval(samples: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval between the percentiles of bootstrap draws."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), confidence=confidence)


def wilson_interval(successes: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a share; counts need not be whole (effective sizes of weighted samples).

    Raises: ValueError unless 0 <= successes <= trials and trials > 0.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials, expected 0 <= successes <= trials and trials > 0")
    z = t_critical(math.inf, confidence)
    share = successes / trials
    scale = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / scale
    return Interval(low=max(0.0, centre - half), high=min(1.0, centre + half), confidence=confidence)


def pearson(one: npt.ArrayLike, two: npt.ArrayLike) -> float | None:
    """Return the correlation; None of fewer than `MIN_PAIRS` pairs, or if either does not vary."""
    first, second = np.asarray(one, np.float64), np.asarray(two, np.float64)
    if len(first) < MIN_PAIRS:
        return None
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0 else None


def spearman(one: npt.ArrayLike, two: npt.ArrayLike) -> float | None:
    """Return the correlation of ranks, ties sharing theirs; None as `pearson`."""
    from scipy.stats import rankdata

    return pearson(rankdata(one), rankdata(two))
