"""Statistics of decisions: pooled t with a prior, looks at 2, 3 and 5 seeds, screening, scales, equivalence.

`s² = (ν0 σ0² + Σ_arms Σ (n_a − 1) s_a²) / (ν0 + Σ_arms (n_a − 1))` over all arms and controls of the tier, and
`t = Δ / √(s² (1/n + 1/m) + SE²_families)` with the degrees of s². The prior is dropped when the arm's own s, or that of
all recipes together, is more than 1.5 σ0; five seeds must then do without, in one look at one-sided 5 %: the level
of a gain tested once (G1). A side that scatters twice as much as all others has no s² in common with them: the
prior is dropped for the baseline's side too, and the two sides' variances are taken alone, with Welch's degrees.
Looks: n = 2, 3, 5 an arm with critical t 2.71, 2.63, 2.53 (nominal one-sided p = 0.01105 at the degrees of two arms and
a prior of eight; with more degrees Student's t at that p); |t| < 0.5 at n = 3 is futile; there is no look between: four
seeds are read as three. What all this lets pass and finds is in docs/gates.md, by benchmarks/gates_simulation.py. Plain
floats only, so that ten thousand worlds are judged in seconds. Source: training reference 4.2; Pocock 1977; Welch 1947;
Holm 1979; Benjamini and Hochberg 1995; Stouffer 1949; Schuirmann 1987.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from curation.numerics import NoisePrior
from curation.significance import holm
from leaderboard.comparison.multiple import benjamini_hochberg

Verdict = Literal["passes", "goes-on", "futile", "worse", "not-found"]
TABLE_PRIOR = 8
"""Degrees of the prior that the table of critical values was made for, beside two arms."""
LOUDER = 2.0
"""Own spread over the other recipes' from which no spread is shared. With equal spreads, five seeds and four recipes it
comes by chance in 3 % of worlds (F of 4 and 12 degrees)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """When seeds may be looked at, and what t it takes."""

    critical: Mapping[int, float]
    """Seeds an arm -> critical t with the prior's degrees."""
    level: float
    """Nominal one-sided level of each look; used where degrees are not those of the table."""
    futile_below: float
    futile_from: int
    """At this look and later ones before the last, |t| below `futile_below` stops."""
    excess: float
    """Own spread over the prior's above which the prior is dropped."""
    seeds_without_prior: int
    level_without_prior: float
    """One-sided; without the prior there is one look alone, at `seeds_without_prior`."""

    @property
    def last(self) -> int:
        """Seeds at the last look."""
        return max(self.critical)

    def seeds_read(self, num_seeds: int) -> int:
        """Return how many of `num_seeds` a look reads: the largest look that they reach, all beyond the last."""
        if num_seeds >= self.last:
            return num_seeds
        return max((count for count in self.critical if count <= num_seeds), default=num_seeds)

    def next_look(self, num_seeds: int) -> int | None:
        """Return the seeds of the next look; None after the last."""
        return min((count for count in self.critical if count > num_seeds), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GainTest:
    """A gain with what it was tested by; positive is better."""

    gain: float
    se: float | None
    degrees: float
    num_seeds: int
    sigma: float | None
    """Pooled spread of one run."""
    own_sigma: float | None
    """Spread of the arm's own runs; None of one run."""
    prior_dropped: bool

    @property
    def t(self) -> float | None:
        """The statistic; None without a standard error."""
        if self.se is None:
            return None
        return self.gain / self.se if self.se > 0 else math.copysign(math.inf, self.gain) if self.gain else 0.0

    @property
    def p(self) -> float | None:
        """One-sided p of no gain; None without a standard error."""
        return None if self.t is None else upper_tail(self.t, self.degrees)


def pooled_t(
    arm: Sequence[float],
    other: Sequence[float],
    prior: NoisePrior | None,
    looks: Looks,
    *,
    se_families: float = 0.0,
    others: Sequence[Sequence[float]] = (),
) -> GainTest | None:
    """Return the gain of `arm` over `other` (log bits per byte by run, less is better); None when one has no runs.

    `others` are the runs of the tier's further recipes, whose spread is pooled too.
    """
    if not arm or not other:
        return None
    own, side = _squares(arm), _squares(other)
    rest = _together([_squares(runs) for runs in others if runs])
    whole = _together([own, side, rest])
    unlike = _is_louder(own, _together([side, rest])) or _is_louder(side, _together([own, rest]))
    dropped = False
    if prior is not None:
        bound = (looks.excess * prior.sigma) ** 2
        dropped = own.exceeds(bound) or whole.exceeds(bound) or (unlike and side.exceeds(bound))
        if not dropped:
            whole = _together([whole, _Squares(prior.degrees * prior.sigma**2, prior.degrees)])
    variance, degrees = whole.variance, whole.degrees
    of_gain = None if variance is None else variance * (1 / len(arm) + 1 / len(other))
    if unlike and (dropped or prior is None):
        of_gain, degrees = _welch(own, len(arm), side, len(other))
        variance = of_gain / (1 / len(arm) + 1 / len(other))
    return GainTest(
        gain=sum(other) / len(other) - sum(arm) / len(arm),
        se=None if of_gain is None else math.sqrt(of_gain + se_families**2),
        degrees=degrees,
        num_seeds=min(len(arm), len(other)),
        sigma=None if variance is None else math.sqrt(variance),
        own_sigma=None if own.variance is None else math.sqrt(own.variance),
        prior_dropped=dropped,
    )


def critical_t(found: GainTest, looks: Looks) -> float:
    """Return the critical t of a look: the table's at the degrees it was made for or fewer, else Student's."""
    if found.prior_dropped:
        return quantile(1 - looks.level_without_prior, found.degrees)
    tabled = looks.critical.get(found.num_seeds)
    if tabled is not None and found.degrees <= TABLE_PRIOR + 2 * (found.num_seeds - 1):
        return tabled
    return quantile(1 - looks.level, found.degrees)


def sequential(found: GainTest, looks: Looks) -> Verdict:
    """Return what a look says: a gain, a loss, nothing to be found any more, or another look."""
    t, count = found.t, found.num_seeds
    if t is None or count < min(looks.critical):
        return "goes-on"
    enough = not found.prior_dropped or count >= looks.seeds_without_prior
    critical = critical_t(found, looks)
    if enough and t >= critical:
        return "passes"
    if enough and t <= -critical:
        return "worse"
    if count >= looks.last:
        return "not-found"
    return "futile" if count >= looks.futile_from and abs(t) < looks.futile_below else "goes-on"


def is_fragile(
    arm: Sequence[float],
    other: Sequence[float],
    prior: NoisePrior | None,
    looks: Looks,
    *,
    se_families: float = 0.0,
    others: Sequence[Sequence[float]] = (),
) -> bool:
    """Whether a gain that passes would not pass without one of the runs: an outlier may carry it."""
    whole = pooled_t(arm, other, prior, looks, se_families=se_families, others=others)
    if whole is None or sequential(whole, looks) != "passes":
        return False
    for left, right in _without_one(arm, other):
        less = pooled_t(left, right, prior, looks, se_families=se_families, others=others)
        if less is None or less.t is None:
            return True
        if less.t < quantile(1 - looks.level, less.degrees):
            return True
    return False


def screened(p_values: Mapping[str, float], *, q: float, earlier: int = 0) -> dict[str, bool]:
    """Return which arms pass Benjamini and Hochberg's screening; `earlier` looks count as tries that found nothing."""
    return _marked(p_values, benjamini_hochberg([*p_values.values(), *[1.0] * earlier], q))


def family_wise(p_values: Mapping[str, float], *, alpha: float, earlier: int = 0) -> dict[str, bool]:
    """Return which arms pass Holm's procedure; `earlier` looks count as tries that found nothing."""
    return _marked(p_values, holm([*p_values.values(), *[1.0] * earlier], alpha))


def stouffer(p_values: Sequence[float]) -> float | None:
    """Return the one-sided p of several scales together, equal weights; None of none."""
    from scipy import special

    if not p_values:
        return None
    tiny = 1e-300
    total = sum(-float(special.ndtri(min(max(p, tiny), 1 - 1e-16))) for p in p_values)
    return float(special.ndtr(-total / math.sqrt(len(p_values))))


def neutral(low: float | None, high: float | None, margin: float) -> bool | None:
    """Whether the interval lies inside ±margin, which alone may be called neutral (TOST); None without an interval."""
    return None if low is None or high is None else -margin <= low and high <= margin


def upper_tail(t: float, degrees: float) -> float:
    """Return the probability that Student's t exceeds `t`."""
    from scipy import special

    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    return float(special.ndtr(-t) if math.isinf(degrees) else special.stdtr(degrees, -t))


@lru_cache(maxsize=4096)
def quantile(level: float, degrees: float) -> float:
    """Return the quantile of Student's t; infinity without a degree of freedom."""
    from scipy import special

    if degrees <= 0:
        return math.inf
    return float(special.ndtri(level) if math.isinf(degrees) else special.stdtrit(degrees, level))


@dataclass(frozen=True, slots=True)
class _Squares:
    """Squares around means, and their degrees of freedom."""

    total: float
    degrees: float

    @property
    def variance(self) -> float | None:
        return self.total / self.degrees if self.degrees > 0 else None

    def exceeds(self, bound: float) -> bool:
        return self.variance is not None and self.variance > bound


def _squares(values: Sequence[float]) -> _Squares:
    mean = sum(values) / len(values)
    return _Squares(sum((value - mean) ** 2 for value in values), len(values) - 1)


def _together(parts: Sequence[_Squares]) -> _Squares:
    return _Squares(sum(one.total for one in parts), sum(one.degrees for one in parts))


def _is_louder(one: _Squares, rest: _Squares) -> bool:
    return rest.variance is not None and one.exceeds(LOUDER**2 * rest.variance)


def _welch(left: _Squares, num_left: int, right: _Squares, num_right: int) -> tuple[float, float]:
    """Return the variance of a difference of means of unequal spread, and its degrees."""
    parts = [((one.variance or 0.0) / count, one.degrees) for one, count in ((left, num_left), (right, num_right))]
    variance = sum(value for value, _ in parts)
    return variance, variance**2 / sum(value**2 / degrees for value, degrees in parts if degrees > 0)


def _without_one(arm: Sequence[float], other: Sequence[float]) -> list[tuple[Sequence[float], Sequence[float]]]:
    fewer: list[tuple[Sequence[float], Sequence[float]]] = []
    fewer += [([*arm[:place], *arm[place + 1 :]], other) for place in range(len(arm)) if len(arm) > 1]
    fewer += [(arm, [*other[:place], *other[place + 1 :]]) for place in range(len(other)) if len(other) > 1]
    return fewer


def _marked(p_values: Mapping[str, float], marks: Sequence[bool]) -> dict[str, bool]:
    return dict(zip(p_values, marks, strict=False))
