"""Intervals from a bootstrap: percentiles about the fit, wider for few rows.

With n rows and p parameters a resample's refits are too alike by sqrt((n - p) / n), and so are the residuals; and what
is estimated from few rows has the tails of Student's t. Both distances from the fit to the percentiles are therefore
multiplied by sqrt(n / (n - p)) t(0.975, n - p) / 1.96 (`stretch`), on the logarithm of what is positive. At 240 rows
and 5 parameters that is 1.6 %, at 8 rows and 2 parameters 44 %. n counts what the bootstrap draws.
A prediction adds the scatter of runs: with fewer than 30 degrees of freedom normal of the residual spread, widened by
the same t; else a drawn residual, times sqrt(n / (n - p)).
Source: Davison and Hinkley 1997, sections 6.2 and 6.3; coverage is simulated in the tests.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from curation.numerics import t_critical
from curation.randomness import generator
from leaderboard.laws.law import Columns, Data, Estimate, Fit, Floats, Law
from leaderboard.laws.warn import MIN_SIZES, moving_together, num_sizes

MIN_EMPIRICAL = 30
"""Degrees of freedom from which residuals stand for themselves."""


def stretch(law: Law, theta: Floats, num_units: int) -> float:
    """Return by how much distances between the fit and its bootstrap percentiles grow; 1 where the law is none."""
    num_params = law.num_fitted(theta)
    left = num_units - num_params
    return small_sample(num_units, left) if num_params and left > 0 else 1.0


def small_sample(num_units: int, degrees: int) -> float:
    """Return sqrt(n / (n - p)) t / z, with `degrees` for n - p."""
    return float(np.sqrt(num_units / degrees)) * _tails(degrees)


def _tails(degrees: int) -> float:
    return t_critical(degrees) / t_critical(math.inf)


def undetermined(law: Law, data: Data, estimate: Estimate) -> frozenset[str]:
    """Return the parameters that the rows do not determine at all: too few sizes, one ratio, or an exact ridge."""
    found = set(estimate.unidentified)
    for name, params in law.needs_three.items():
        if name in data.columns and num_sizes(data, name) < MIN_SIZES:
            found.update(params)
    if moving_together(law, data):
        found.update(name for params in law.needs_three.values() for name in params if name != "E")
    if found & {"A", "B", "alpha", "beta"}:
        found.update(name for params in law.needs_three.values() for name in params if name in ("a", "b", "G"))
    return frozenset(found)


def of_parameters(
    draws: Mapping[str, Floats], params: Mapping[str, float], *, widen: float, unknown: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each parameter; NaN for those that are not identified, or have no finite draw."""
    found = {}
    for name, values in draws.items():
        sound = values[np.isfinite(values)]
        if name in unknown or not len(sound) or not np.isfinite(params[name]):
            found[name] = (np.nan, np.nan)
            continue
        low, high = (float(end) for end in np.percentile(sound, [2.5, 97.5]))
        value = params[name]
        with np.errstate(over="ignore"):
            if min(low, value) > 0 and np.isfinite(high):
                ends = np.exp(np.log(value) + widen * (np.log([low, high]) - np.log(value)))
            else:
                ends = value + widen * (np.array([low, high]) - value)
        found[name] = (float(ends[0]), float(ends[1]))
    return found


def spread(draws: Mapping[str, Floats]) -> dict[str, float]:
    """Return the standard deviation of each parameter over the finite draws."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return {name: float(np.nanstd(np.where(np.isfinite(v), v, np.nan), ddof=1)) for name, v in draws.items()}


def of_prediction(fitted: Fit, law: Law, inputs: Columns) -> tuple[float, float] | None:
    """Return the 95 % interval of a new run (of the curve, where runs do not scatter); None without draws."""
    if not len(fitted.draws_SP):
        return None
    value, draws = law.predict(fitted.theta[None], inputs)[:, 0], law.predict(fitted.draws_SP, inputs)[:, 0]
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not np.isfinite(value[0]):
        return None
    with np.errstate(all="ignore"):
        even, centre = law.even(draws[:, None], inputs), law.even(value[:, None], inputs)
        has_own = even is not None and centre is not None
        residuals = _residuals(fitted, law) if has_own else fitted.residuals
        logs = not has_own and min(draws.min(), value[0], fitted.observed.min(), fitted.expected.min()) > 0
        places = even[:, 0] if even is not None else np.log(draws) if logs else draws
        middle = float(centre[0, 0]) if centre is not None else float(np.log(value[0]) if logs else value[0])
        places = middle + fitted.stretch * (places - middle)
        if law.scatter:
            places = places + _scatter(fitted, residuals, len(places))
        ends = np.percentile(places[np.isfinite(places)], [2.5, 97.5])
        back = law.uneven(ends[:, None], inputs)[:, 0] if has_own else np.exp(ends) if logs else ends
    return float(back.min()), float(back.max())


def _residuals(fitted: Fit, law: Law) -> Floats:
    observed, expected = (law.even(values, fitted.data.columns) for values in (fitted.observed, fitted.expected))
    assert observed is not None
    assert expected is not None
    return observed - expected


def _scatter(fitted: Fit, residuals: Floats, draws: int) -> Floats:
    rng = generator(fitted.settings.seed, "law", fitted.law.card.name, "scatter")
    num_params = fitted.law.num_fitted(fitted.theta)
    left = len(residuals) - num_params
    if not num_params or left < 1:
        return rng.choice(residuals, draws)
    if left >= MIN_EMPIRICAL:
        return np.asarray(rng.choice(residuals, draws) * np.sqrt(len(residuals) / left))
    size = float(np.sqrt(np.sum(residuals**2) / left)) * _tails(left)
    return np.asarray(size * rng.standard_normal(draws))
