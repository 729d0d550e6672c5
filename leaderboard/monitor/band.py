"""The fitted band: the prediction interval of the law of earlier runs, and checks of that law's own residuals.

Of the logarithm of the loss: s^2 = sum r^2 / (n - p) over the earlier rows, v the variance of the fitted curve over
bootstrap refits (by run); a new run lies within t(level, runs - p) sqrt(s^2 + v) of the curve.
Residuals, one a run (the mean of its checkpoints): each is divided by the s of the others, so that one bad run does not
hide itself; beyond 3 sigma, widened to Student's t for few runs, it is an outlier, and s is taken without it. Runs
test: the exact distribution of the number of runs of signs along compute, two-sided p < 0.01: a curve of the wrong
form leaves few.
Source: training reference 4.4; Wald and Wolfowitz 1940.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.errors import InsufficientError
from curation.numerics import t_critical
from leaderboard.laws.fit import fit
from leaderboard.laws.law import Fit, Floats, Ints, Settings
from leaderboard.laws.registry import LAWS
from leaderboard.monitor.rows import Rows

SIGMAS = 3.0
RUNS_LEVEL = 0.01
MIN_SPARE = 3
"""Rows beyond the parameters that a band needs."""
LEVEL = 0.99
FLOOR = 1e-12
"""Residuals below it are none: the fit goes through the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """What the residuals of the earlier rows say of the law."""

    values: Floats
    """ln(observed / fitted)."""
    studentised: Floats
    limit: float
    outliers: npt.NDArray[np.bool_]
    sigma: float
    """Without the outliers."""
    degrees: int
    num_runs: int
    runs_p: float

    @property
    def trend(self) -> bool:
        """Whether signs come in too few or too many runs."""
        return self.runs_p < RUNS_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The law of the earlier rows with its band."""

    fitted: Fit
    residuals: Residuals
    level: float

    def at(self, rows: Rows) -> tuple[Floats, Floats]:
        """Return the expected loss of rows and the standard deviation of a new run's ln L there."""
        inputs = {name: values for name, values in rows.columns.items() if name in self.inputs}
        expected = self.fitted.law.predict(self.fitted.theta[None], inputs)[0]
        spread = np.zeros_like(expected)
        if len(self.fitted.draws_SP):
            with np.errstate(all="ignore"):
                draws = np.log(self.fitted.law.predict(self.fitted.draws_SP, inputs))
            spread = np.nanvar(np.where(np.isfinite(draws), draws, np.nan), axis=0)
        return expected, np.sqrt(self.residuals.sigma**2 + spread)

    @property
    def inputs(self) -> frozenset[str]:
        """Variables that the law was fitted on, without the loss."""
        return frozenset(self.fitted.data.columns) - {"L"}

    @property
    def critical(self) -> float:
        """Half the width of the band in standard deviations."""
        return t_critical(self.residuals.degrees, self.level)


def fit_band(rows: Rows, *, law: str | None, level: float = LEVEL, settings: Settings | None = None) -> Band:
    """Return the band of earlier `rows`.

    Raises: InsufficientError for too few of them; LawError as the law.
    """
    name = law or ("chinchilla" if {"N", "D"} <= set(rows.columns) else "kaplan")
    card = LAWS.get(name).card
    known = {variable.name for variable in card.variables}
    wanted = {"N", "D", "L", "U"} if "N" in rows.columns and {"N", "D"} <= known else {"C", "L"}
    table = {column: rows.columns[column] for column in wanted & known & set(rows.columns)}
    fitted = fit(name, {**table, "run": rows.run}, settings or Settings(draws=200))
    num_params = fitted.law.num_fitted(fitted.theta)
    spare = fitted.data.n - num_params
    if spare < MIN_SPARE:
        raise InsufficientError(
            f"monitor: insufficient: {fitted.data.n} earlier rows for {num_params} parameters of `{name}`, expected at "
            f"least {num_params + MIN_SPARE}; add earlier runs, or choose a smaller law with --law"
        )
    found = check_residuals(fitted.residuals, num_params=num_params, run=rows.run, compute=rows.compute)
    return Band(fitted=fitted, residuals=found, level=level)


def check_residuals(values: Floats, *, num_params: int, run: Ints, compute: Floats) -> Residuals:
    """Return outliers and the runs test of the mean residual of each run, and the sigma of rows without the outliers.

    Checkpoints of a run miss together: as single rows they would be called a trend, and an outlier, far too often.
    """
    from scipy import special

    runs, place, count = np.unique(run, return_inverse=True, return_counts=True)
    means = np.bincount(place, values) / count
    degrees = max(1, len(runs) - num_params)
    left = max(1, degrees - 1)
    others = np.sqrt(np.maximum(np.sum(means**2) - means**2, 0.0) / left)
    studentised = means / np.maximum(others, FLOOR)
    limit = max(SIGMAS, float(special.stdtrit(left, special.ndtr(SIGMAS))))
    outliers = np.abs(studentised) > limit
    order = np.argsort(np.bincount(place, np.log(compute)) / count, kind="stable")
    signs = np.sign(means[order][np.abs(means[order]) > FLOOR])
    kept = ~outliers[place]
    row_degrees = max(1, int(kept.sum()) - num_params)
    return Residuals(
        values=values,
        studentised=studentised[place],
        limit=limit,
        outliers=outliers[place],
        sigma=max(float(np.sqrt(np.sum(values[kept] ** 2) / row_degrees)), FLOOR),
        degrees=max(1, degrees - int(outliers.sum())),
        num_runs=int(1 + np.sum(signs[1:] != signs[:-1])) if len(signs) else 0,
        runs_p=runs_test(signs.tolist()),
    )


def runs_test(signs: list[float]) -> float:
    """Return the exact two-sided p of the number of runs of signs; 1 when all are equal or there are none."""
    above, below = sum(sign > 0 for sign in signs), sum(sign < 0 for sign in signs)
    if not above or not below:
        return 1.0
    seen = 1 + sum(left != right for left, right in itertools.pairwise(signs))
    chances = {}
    for number in range(2, above + below + 1):
        half, odd = divmod(number, 2)
        if odd:
            ways = math.comb(above - 1, half) * math.comb(below - 1, half - 1)
            ways += math.comb(above - 1, half - 1) * math.comb(below - 1, half)
        else:
            ways = 2 * math.comb(above - 1, half - 1) * math.comb(below - 1, half - 1)
        chances[number] = ways / math.comb(above + below, above)
    low = sum(chance for number, chance in chances.items() if number <= seen)
    high = sum(chance for number, chance in chances.items() if number >= seen)
    return min(1.0, 2 * min(low, high))
