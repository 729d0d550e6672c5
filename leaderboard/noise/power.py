"""What measured noise lets one see: signal to noise, the smallest effect that is found, and the seeds that it takes.

Two arms of `n` seeds each differ by a mean with variance `2 σ² / n`: σ is the spread of one run over seeds with the
questions held fixed, so what a seed does to single items is in it already. What two recipes do to single items is not:
it adds `V / N` over N items, which no number of seeds makes smaller and no pack of one recipe can know; the effect is
the smallest, and the seeds are the fewest, that it takes without it. Judged by Student's t with the prior's degrees
plus `2 (n − 1)`. The minimum detectable effect is the true difference that is found with a power of 80 %: noncentral t.

Seeds may be added by looks at n = 2, 3 and 5 only, with the critical values of t at Pocock's nominal one-sided
p = 0.01105 and `8 + 2 (n − 1)` degrees: 2.71, 2.63, 2.53. The normal value 2.289 would pass 10 % of nothing.
Source: training reference 4.2; Pocock 1977; signal to noise: Heineman et al. 2508.13144, relative dispersion over
recipes against relative standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from curation.errors import RunError
from curation.numerics import Variance
from leaderboard.noise.spread import PRIOR_DEGREES, Spread

LEVEL = 0.05
POWER = 0.80
LOOKS = (2, 3, 5)
POCOCK_LEVEL = 0.01105
"""Nominal one-sided level of each of three looks at 2, 3, 5 seeds that keeps the whole at 2.5 %."""
MAX_SEEDS = 1_000
GAINS: Mapping[str, float] = MappingProxyType({"0.1 %": 0.001, "0.3 %": 0.003, "1 %": 0.01})
SEEDS_SHOWN = (2, 3, 5, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What a difference of two arms scatters by."""

    sigma: float
    """Of one run, on the scale of differences."""
    degrees: float
    """That sigma is known with beforehand; 0 when only the arms themselves will tell."""

    def variance(self, num_seeds: int) -> Variance:
        """Return the variance of the difference of two means over `num_seeds` runs each, questions held fixed."""
        return Variance(value=2 * self.sigma**2 / num_seeds, degrees=self.degrees + 2 * (num_seeds - 1))


def noise_of(spread: Spread) -> Noise:
    """Return the noise of a measured spread, whose prior weighs at most eight degrees."""
    return Noise(sigma=spread.sigma, degrees=min(spread.degrees, PRIOR_DEGREES))


def detectable(noise: Noise, num_seeds: int, *, two_sided: bool = False, power: float = POWER) -> float | None:
    """Return the smallest true difference that is found with `power` at 5 %; None when no t can be formed.

    One-sided by default; `curate compare` judges by two-sided intervals. One seed needs a prior.
    """
    return detectable_at(noise.variance(num_seeds), two_sided=two_sided, power=power)


def detectable_at(variance: Variance, *, two_sided: bool = True, power: float = POWER) -> float | None:
    """Return the smallest true difference that is found with `power` at 5 % where differences have this variance.

    Two-sided, as `curate compare` and the board judge. None without degrees of freedom.
    """
    if variance.degrees <= 0:
        return None
    critical = t_quantile(1 - (LEVEL / 2 if two_sided else LEVEL), variance.degrees)
    return _shift(critical, variance.degrees, power) * math.sqrt(variance.value)


def looks_critical(num_seeds: int) -> float:
    """Return the critical t of the look at `num_seeds` (2, 3 or 5) seeds an arm.

    Raises: ValueError for any other number: there is no look between.
    """
    if num_seeds not in LOOKS:
        raise ValueError(f"a look at {num_seeds} seeds, expected one of {LOOKS}: every look costs certainty")
    return t_quantile(1 - POCOCK_LEVEL, PRIOR_DEGREES + 2 * (num_seeds - 1))


def detectable_by_looks(noise: Noise, num_seeds: int, *, power: float = POWER) -> float:
    """Return the smallest true difference that the look at `num_seeds` alone finds with `power`.

    Looks before it can only add to the power. Raises: ValueError as `looks_critical`.
    """
    critical, degrees = looks_critical(num_seeds), PRIOR_DEGREES + 2 * (num_seeds - 1)
    return _shift(critical, degrees, power) * math.sqrt(noise.variance(num_seeds).value)


def seeds_needed(noise: Noise, gain: float, *, two_sided: bool = False) -> int | None:
    """Return the fewest seeds an arm, from 2 on, that find a true `gain` with 80 %; None beyond 1,000."""
    if noise.sigma <= 0:
        return 2
    low, high = 2, MAX_SEEDS

    def enough(num_seeds: int) -> bool:
        found = detectable(noise, num_seeds, two_sided=two_sided)
        return found is not None and found <= gain

    if not enough(high):
        return None
    while low < high:  # the detectable effect falls with the number of seeds
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def seeds_by_looks(noise: Noise, gain: float) -> int | None:
    """Return the first look that finds a true `gain` with 80 %: 2, 3 or 5 seeds; None when five do not."""
    return next((count for count in LOOKS if detectable_by_looks(noise, count) <= gain), None)


def gains_of(percents: Sequence[float]) -> Mapping[str, float]:
    """Return claimed gains by name, of numbers in per cent; the usual three of none.

    Raises: RunError for one that is not above zero.
    """
    wrong = [value for value in percents if not value > 0]
    if wrong:
        raise RunError(f"--gain: {wrong[0]:g} per cent, expected a number above zero; a gain of 0.3 % is --gain 0.3")
    return {f"{value:g} %": value / 100 for value in percents} or GAINS


def signal_to_noise(recipe_means: Sequence[float], noise_values: Sequence[float]) -> float | None:
    """Return relative dispersion over recipes over relative standard deviation of one recipe's checkpoints or seeds.

    Dispersion is the largest difference of two recipes over their mean. None for fewer than two of either, for a mean
    of zero or without noise.
    """
    if len(recipe_means) < 2 or len(noise_values) < 2:
        return None
    means, values = np.asarray(recipe_means, np.float64), np.asarray(noise_values, np.float64)
    centre, own, sd = float(means.mean()), float(values.mean()), float(values.std(ddof=1))
    if centre == 0 or own == 0 or sd == 0:
        return None
    return abs(float(means.max() - means.min()) / centre) / abs(sd / own)


def t_quantile(level: float, degrees: float) -> float:
    """Return the quantile of Student's t; of the normal for infinite `degrees`."""
    from scipy import special

    return float(special.ndtri(level) if math.isinf(degrees) else special.stdtrit(degrees, level))


def _shift(critical: float, degrees: float, power: float) -> float:
    """Return the noncentrality at which t exceeds `critical` with probability `power`."""
    from scipy import special

    if math.isinf(degrees):
        return critical + float(special.ndtri(power))
    return float(special.nctdtrinc(degrees, 1 - power, critical))
