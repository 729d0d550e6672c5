"""P(rank = 1): how probable it is that a row's true value is the best of its table (rule 8).

Model: what was seen scatters around the true values with the covariance `V = seeds + units`, seeds parametric with a
variance known by its degrees of freedom, units as the joint bootstrap has it. The true values themselves scatter around
a common centre by a normal of unknown width τ (flat prior on centre and τ). The width is what keeps the lucky one of
twenty equal candidates from looking like a winner: where rows differ by no more than their noise, τ may be near zero
and all rows are alike; where they differ by much, τ is large and drops out. Without it (τ = ∞) the best of ten rows is
called first with 44 % on average and is it in 21 % when their true spread is a quarter of one run's noise (n = 2).

Integrated by simulation: 10,000 draws over a grid of τ and of the seeds' variance, each weighted by its likelihood.
Source: random-effects model of Gelman et al., Bayesian Data Analysis, 5.4; calibration: tests, docs/leaderboard.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.numerics import Floats
from curation.randomness import generator

Whole = npt.NDArray[np.int64]

DRAWS = 10_000
SEED = 1
WIDTHS = 40
"""Midpoints of a grid of τ up to `WIDEST` times the larger of the rows' spread and their noise."""
WIDEST = 5.0
SCALES = 15
"""Values of the seeds' true variance over its estimate, at equal steps of probability."""
SCALES_OF_MANY = 5
MANY_ROWS = 40
TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstModel:
    """What is known of the rows' means; lower is better."""

    means: Floats
    num_seeds: Floats
    seed_variance: float
    """Of one run, without what units share."""
    seed_degrees: float
    unit_covariance: Floats


def first_probabilities(model: FirstModel, label: str, draws: int = DRAWS) -> Floats:
    """Return each row's probability to be truly first; rows that draw alike share it."""
    rng = generator(SEED, "first", label)
    count = len(model.means)
    widths = _widths(model, float(np.std(model.means, ddof=1)))
    centred = model.means - model.means.mean()
    parts = [_part(model, centred, scale, widths) for scale in _scales(model)]
    weights = np.stack([part.log_weights for part in parts])
    shares = np.exp(weights - weights.max())
    drawn = rng.multinomial(draws, (shares / shares.sum()).ravel()).reshape(shares.shape)
    wins = np.zeros(count)
    for part, numbers in zip(parts, drawn, strict=True):
        own = np.repeat(np.arange(len(widths)), numbers)
        if len(own):
            wins += np.bincount(part.values(own, rng).argmin(axis=1), minlength=count)
    found: Floats = wins / draws
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The true values' distribution at one seed variance: a row a width τ, in coordinates where noise is independent.

    With `V = Q Λ Qᵀ` the true values given the common centre have precision `1/λ + 1/τ²` in each direction of Q.
    """

    axes: Floats
    """Q: a column a direction."""
    log_weights: Floats
    """Likelihood of what was seen, by width."""
    centres: Floats
    spreads: Floats
    lifts: Floats
    """How all values move with the common centre, a standard deviation of it."""

    def values(self, widths: Whole, rng: np.random.Generator) -> Floats:
        """Return draws of the true values, one for each of `widths` (numbers of rows)."""
        own = rng.standard_normal((len(widths), len(self.axes)))
        common = rng.standard_normal((len(widths), 1))
        turned = self.centres[widths] + self.spreads[widths] * own + self.lifts[widths] * common
        found: Floats = turned @ self.axes.T
        return found


def _part(model: FirstModel, centred: Floats, scale: float, widths: Floats) -> _Part:
    """Return the posterior of the true values (up to the mean of all) given the seed variance, at every width."""
    noise = np.diag(scale * model.seed_variance / model.num_seeds) + model.unit_covariance
    values, axes = np.linalg.eigh((noise + noise.T) / 2)
    variances = np.clip(values, 0, None)[None, :]
    squares = widths[:, None] ** 2
    total = variances + squares
    seen, ones = axes.T @ centred, axes.T @ np.ones(len(centred))
    precision = (ones**2 / total).sum(axis=1)
    middle = (ones * seen / total).sum(axis=1) / precision
    residual = seen - middle[:, None] * ones
    fit = np.log(total).sum(axis=1) + np.log(precision) + (residual**2 / total).sum(axis=1)
    return _Part(
        axes=axes,
        log_weights=-0.5 * fit,
        centres=middle[:, None] * ones + squares / total * residual,
        spreads=np.sqrt(squares * variances / total),
        lifts=variances / total * ones / np.sqrt(precision)[:, None],
    )


def _scales(model: FirstModel) -> Floats:
    """Return values of (true variance / estimated one) of equal probability: ν over quantiles of chi-square."""
    from scipy import special

    if not np.isfinite(model.seed_degrees) or model.seed_variance <= 0:
        return np.ones(1)
    count = SCALES if len(model.means) <= MANY_ROWS else SCALES_OF_MANY
    levels = (np.arange(count) + 0.5) / count
    found: Floats = model.seed_degrees / special.chdtri(model.seed_degrees, levels)
    return found


def _widths(model: FirstModel, spread: float) -> Floats:
    noise = float(np.sqrt(np.mean(model.seed_variance / model.num_seeds + np.diag(model.unit_covariance))))
    found: Floats = (np.arange(WIDTHS) + 0.5) / WIDTHS * WIDEST * max(spread, noise, TINY)
    return found
