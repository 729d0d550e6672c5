"""The models of a difference fitted and averaged: value and interval of the difference at any scale.

Noise of a difference is known from seeds (or a prior), or else is the scatter around the model. Draws of a model:
below eight pairs parametric (new differences around the fit, their spread drawn by chi-square, refitted), from eight
pairs on by resampling pairs, with the usual small-sample factor sqrt(n / (n - p)) t / z (rule 8: few are never
resampled). Models are weighed by exp(-BIC / 2); with unknown noise a model needs a degree of freedom to count. The
averaged draws hold each model's share, so an interval tells the doubt between models as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leaderboard.laws.difference.models import CONSTANT, DeltaModel, Setting, usable
from leaderboard.laws.difference.paired import Pairs, Points
from leaderboard.laws.difference.shared import SharedLaw
from leaderboard.laws.intervals import small_sample
from leaderboard.laws.law import Floats

MIN_RESAMPLED = 8
TINY = 1e-7
"""Scatter below this (of ln L) is rounding: differences that a model meets exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """One model: its point fit, draws, and weight among the models."""

    model: DeltaModel
    theta: Floats
    draws_SK: Floats
    stretch: float
    """Factor on the spread of the draws (small samples)."""
    bic: float
    weight: float
    spread: float
    """Standard deviation of a difference of one pair, in units of the square root of its share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaged:
    """All models of a difference."""

    models: tuple[FittedModel, ...]
    law: SharedLaw | None
    point: Setting
    drawn: Setting
    picks: np.ndarray  # type: ignore[type-arg]
    """Which model each averaged draw is of."""

    def value(self, points: Points) -> Floats:
        """Return the averaged difference at places."""
        parts = [one.weight * one.model.predict(self.point, points, one.theta[None])[0] for one in self.models]
        return np.asarray(np.sum(parts, axis=0))

    def draws(self, points: Points) -> Floats:
        """Return averaged draws, shape SM; no rows without draws."""
        found = np.empty((len(self.picks), len(points.flops)))
        for number, one in enumerate(self.models):
            mine = self.picks == number
            if mine.any():
                found[mine] = self.draws_of(one, points)[mine]
        return found

    def draws_of(self, one: FittedModel, points: Points) -> Floats:
        """Return one model's draws at places, shape SM."""
        if not len(one.draws_SK):
            return np.empty((0, len(points.flops)))
        centre = one.model.predict(self.point, points, one.theta[None])
        drawn = one.model.predict(self.drawn, points, one.draws_SK)
        return np.asarray(centre + one.stretch * (drawn - centre))

    def interval(self, points: Points) -> tuple[Floats, Floats] | None:
        """Return the 95 % interval of the averaged difference at places."""
        return ends(self.draws(points))

    def named(self, name: str) -> FittedModel | None:
        """Return the model of a name, if the data allow it."""
        return next((one for one in self.models if one.model.name == name), None)

    @property
    def best(self) -> FittedModel:
        """Return the model with the largest weight."""
        return max(self.models, key=lambda one: one.weight)


def ends(draws_SM: Floats) -> tuple[Floats, Floats] | None:
    """Return the 2.5 and 97.5 percentiles of draws; None without draws."""
    if not len(draws_SM):
        return None
    low, high = np.nanpercentile(draws_SM, [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def average(pairs: Pairs, law: SharedLaw | None, *, draws: int, rng: np.random.Generator) -> Averaged:
    """Return every usable model fitted to the pairs, with weights and draws."""
    points = pairs.points
    centre = Points(sizes=_middle(points.sizes), tokens=_middle(points.tokens), flops=_middle(points.flops))
    none = np.empty((1, 0))
    own = Setting(centre=centre, law=law, law_SP=none if law is None else law.theta[None], scale=pairs.scale)
    rows = np.empty((draws, 0)) if law is None else law.draws_SP
    drawn = Setting(centre=centre, law=law, law_SP=rows, scale=pairs.scale)
    found = [_fitted(model, pairs, own, drawn, rng) for model in usable(own, points)]
    weights = _weights(found, pairs)
    models = tuple(replace(one, weight=float(weight)) for one, weight in zip(found, weights, strict=True))
    picks = np.searchsorted(np.cumsum(weights), rng.random(draws) * weights.sum(), side="right")
    return Averaged(models=models, law=law, point=own, drawn=drawn, picks=np.minimum(picks, len(models) - 1))


def trend_line(pairs: Pairs) -> tuple[Floats, Floats, float]:
    """Return the straight line in ln C, its covariance, and the degrees of freedom, centred at the mean of ln C.

    With seeds the known noise is used, grown where the scatter around the line is larger than it explains.
    """
    x = np.log(pairs.points.flops / _middle(pairs.points.flops))
    design = np.stack([np.ones(pairs.n), x], axis=1)
    weights = 1 / pairs.share
    squares = np.linalg.pinv((design * weights[:, None]).T @ design, hermitian=True)
    theta = squares @ (design.T @ (weights * pairs.delta))
    spread, degrees = _spread(pairs, design @ theta, 2)
    return theta, squares * spread**2, degrees


def _middle(values: Floats) -> Floats:
    return np.asarray(np.exp(np.mean(np.log(values))))


def _fitted(model: DeltaModel, pairs: Pairs, own: Setting, drawn: Setting, rng: np.random.Generator) -> FittedModel:
    weights = 1 / pairs.share
    theta = model.fit(own, pairs.points, pairs.delta[None], weights[None])[0]
    expected = model.predict(own, pairs.points, theta[None])[0]
    num = len(model.params)
    spread, degrees = _spread(pairs, expected, num)
    draws, stretch = len(drawn.law_SP), 1.0
    if pairs.n >= MIN_RESAMPLED:
        picks = rng.multinomial(pairs.n, np.full(pairs.n, 1 / pairs.n), draws).astype(np.float64)
        sampled = model.fit(drawn, pairs.points, np.tile(pairs.delta, (draws, 1)), picks * weights)
        left = max(1, pairs.n - num)
        stretch = small_sample(pairs.n, left)
    else:
        noise = rng.standard_normal((draws, pairs.n)) * np.sqrt(pairs.share) * spread
        if np.isfinite(degrees):
            noise *= np.sqrt(degrees / rng.chisquare(degrees, (draws, 1)))
        sampled = model.fit(drawn, pairs.points, expected + noise, np.tile(weights, (draws, 1)))
    return FittedModel(
        model=model,
        theta=theta,
        draws_SK=sampled,
        stretch=stretch,
        bic=_bic(pairs, expected, num),
        weight=1.0,
        spread=spread,
    )


def _spread(pairs: Pairs, expected: Floats, num_params: int) -> tuple[float, float]:
    """Return the standard deviation of a unit of noise and its degrees of freedom."""
    left = pairs.n - num_params
    squares = float(np.sum((pairs.delta - expected) ** 2 / pairs.share))
    scatter = squares / left if left > 0 else 0.0
    if pairs.noise is None:
        return float(np.sqrt(max(scatter, TINY**2))), float(max(1, left))
    if scatter > pairs.noise.value:
        return float(np.sqrt(scatter)), float(max(1, left))
    return float(np.sqrt(max(pairs.noise.value, TINY**2))), pairs.noise.degrees


def _bic(pairs: Pairs, expected: Floats, num_params: int) -> float:
    squares = float(np.sum((pairs.delta - expected) ** 2 / pairs.share))
    price = num_params * float(np.log(pairs.n))
    if pairs.noise is not None and pairs.noise.value > 0:
        return squares / pairs.noise.value + price
    return pairs.n * float(np.log(max(squares / pairs.n, TINY**2))) + price


def _weights(found: list[FittedModel], pairs: Pairs) -> Floats:
    known = pairs.noise is not None and pairs.noise.value > 0
    counts = [known or pairs.n > len(one.model.params) or one.model is CONSTANT for one in found]
    score = np.array([one.bic if counted else np.inf for one, counted in zip(found, counts, strict=True)])
    weights = np.exp(-(score - score.min()) / 2)
    return np.asarray(weights / weights.sum())
