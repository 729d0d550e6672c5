"""`compare_recipes`: predicted gain of one recipe over another at a target, its gate, crossing, multiplier, picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.errors import InsufficientError
from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.laws.difference import judge
from leaderboard.laws.difference.fitted import Averaged, average, ends
from leaderboard.laws.difference.paired import Pairs, Points, Rows, Scale, pairs_of
from leaderboard.laws.difference.shared import REACH, SharedLaw, fit_shared
from leaderboard.laws.law import Floats
from leaderboard.laws.levels import levels
from leaderboard.laws.warn import MIN_SIZES

HOW_GIVEN, HOW_LARGEST = "--holdout", "largest size left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is compared and how. `sigma`: measured standard deviation of a run's ln L (or L), known with 8 degrees."""

    baseline: str
    candidate: str
    target: Points | None = None
    scale: Scale = "log"
    draws: int = 1000
    seed: int = 0
    sigma: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number with its 95 % interval (None without draws)."""

    value: float
    interval: tuple[float, float] | None

    @property
    def half(self) -> float | None:
        """Return the larger distance to an end of the interval: the Z of X - Y +- Z."""
        if self.interval is None:
            return None
        return max(self.value - self.interval[0], self.interval[1] - self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The comparison of two recipes by law."""

    asked: Asked
    pairs: Pairs
    held_out: Pairs | None
    unpaired: tuple[int, int]
    """Sizes that only the baseline, only the candidate has."""
    fitted: Averaged
    target: Points
    delta: Value
    """Candidate minus baseline at the target, in the scale of the comparison."""
    baseline: Value | None
    candidate: Value | None
    gain: Value | None
    """X - Y at the target in units of the loss; positive is better. None without a law for X."""
    gate: judge.Gate
    gate_predictions: Floats
    """Predicted difference of each held-out size."""
    gate_pairs: Pairs | None
    """The sizes that the gate was measured on."""
    trend: judge.Trend | None
    crossing: judge.Crossing | None
    multiplier: Value | None
    """Compute that the candidate needs for the baseline's loss, as a share: 0.8 means 0.8x compute."""
    multiplier_at_target: Value | None
    picture: judge.Picture
    verdict: str
    warnings: tuple[str, ...]


def compare_recipes(rows: Rows, asked: Asked, *, held_out: Rows | None = None) -> Difference:
    """Return the comparison; `held_out` runs only measure the error of the difference.

    Raises: InsufficientError when no size has both recipes.
    """
    prior = NoisePrior(sigma=asked.sigma, degrees=8.0) if asked.sigma else None
    pairs, unpaired = pairs_of(rows, scale=asked.scale, prior=prior)
    if not pairs.n:
        raise InsufficientError(
            f"compare: insufficient: no size has runs of both `{asked.baseline}` ({unpaired[0]} sizes) and "
            f"`{asked.candidate}` ({unpaired[1]} sizes); train both at the same N and D"
        )
    rng = generator(asked.seed, "law", "difference", asked.baseline, asked.candidate)
    law, fitted = _both(rows, pairs, draws=asked.draws, rng=rng)
    target = _next_size(pairs) if asked.target is None else _with_sizes(asked.target, pairs)
    value, draws = float(fitted.value(target)[0]), fitted.draws(target)
    delta = _value(value, draws)
    apart = pairs_of(held_out, scale=asked.scale, prior=prior)[0] if held_out is not None else None
    gate, predicted, gate_pairs = _gate(rows, pairs, apart, fitted, value)
    picture = judge.picture_of(pairs, fitted, target)
    far = judge.beyond(pairs, target)
    losses = _losses(law, fitted, target, value, draws)
    return Difference(
        asked=asked,
        pairs=pairs,
        held_out=apart,
        unpaired=unpaired,
        fitted=fitted,
        target=target,
        delta=delta,
        baseline=losses[0] if losses else None,
        candidate=losses[1] if losses else None,
        gain=losses[2] if losses else None,
        gate=gate,
        gate_predictions=predicted,
        gate_pairs=gate_pairs,
        trend=judge.trend_of(pairs),
        crossing=judge.crossing_of(pairs, float(np.squeeze(target.flops))),
        multiplier=_multiplier(fitted),
        multiplier_at_target=_local_multiplier(law, fitted, target, delta),
        picture=picture,
        verdict=_verdict(picture, gate, pairs, far),
        warnings=tuple(_warnings(pairs, unpaired, asked, law, far)),
    )


def _both(rows: Rows, pairs: Pairs, *, draws: int, rng: np.random.Generator) -> tuple[SharedLaw | None, Averaged]:
    """Return the shared law and the models of the difference, each fitted twice.

    The first law takes the candidate's difference for a multiple of compute; where it is none, the law would bend. So
    the averaged difference is taken off the candidate's losses, and the law is fitted again, to all runs as if the
    baseline's.
    """
    first = fit_shared(rows, draws=0, rng=rng)
    if first is None:
        return None, average(pairs, None, draws=draws, rng=rng)
    places = Points(sizes=rows.sizes, tokens=rows.tokens, flops=rows.flops)
    change = average(pairs, first, draws=0, rng=rng).value(places) * rows.is_candidate
    loss = rows.loss * np.exp(-change) if pairs.scale == "log" else rows.loss - change
    law = fit_shared(replace(rows, loss=loss, is_candidate=np.zeros_like(loss)), draws=draws, rng=rng)
    return law, average(pairs, law, draws=draws, rng=rng)


def _verdict(picture: judge.Picture, gate: judge.Gate, pairs: Pairs, far: Sequence[str]) -> str:
    if judge.num_sizes(pairs) < MIN_SIZES or far:
        return judge.INSUFFICIENT
    claims = picture.name in (judge.WINS, judge.LOSES)
    return judge.INSUFFICIENT if claims and not gate.passed else picture.name


def _warnings(
    pairs: Pairs, unpaired: tuple[int, int], asked: Asked, law: SharedLaw | None, far: Sequence[str]
) -> list[str]:
    told = []
    if (num := judge.num_sizes(pairs)) < MIN_SIZES:
        told.append(f"only {num} sizes have both recipes, expected at least {MIN_SIZES}: insufficient")
    for count, name in zip(unpaired, (asked.baseline, asked.candidate), strict=True):
        if count:
            told.append(
                f"{count} sizes have runs of `{name}` alone: no difference there (they help the shared law only)"
            )
    if pairs.noise is None:
        told.append(
            "no size has repeated seeds: noise is taken from the scatter around the fit; repeat seeds or give --sigma"
        )
    if law is None:
        told.append("one budget only: no law of the loss, so no X, Y and no compute multiplier")
    elif not law.has_floor:
        told.append("two budgets only: the shared law has no irreducible loss; X and Y far off are too low")
    return [*told, *far]


def _next_size(pairs: Pairs) -> Points:
    """Return ten times the largest compute, N and D each by the square root of it."""
    last = pairs.points.at(np.array([int(np.argmax(pairs.points.flops))]))
    root = np.sqrt(10.0)
    return Points(sizes=last.sizes * root, tokens=last.tokens * root, flops=last.flops * 10)


def _with_sizes(target: Points, pairs: Pairs) -> Points:
    """Return a target of compute alone with N and D, at the tokens per parameter of the largest pair (C = 6 N D)."""
    last = int(np.argmax(pairs.points.flops))
    ratio = pairs.points.tokens[last] / pairs.points.sizes[last]
    if not np.isnan(target.sizes).any() or np.isnan(ratio):
        return target
    sizes = np.sqrt(target.flops / 6 / ratio)
    return Points(sizes=sizes, tokens=ratio * sizes, flops=target.flops)


def _value(value: float, draws: Floats) -> Value:
    band = ends(draws.reshape(len(draws), -1)[:, :1]) if len(draws) else None
    return Value(value=value, interval=(float(band[0][0]), float(band[1][0])) if band else None)


def _losses(
    law: SharedLaw | None, fitted: Averaged, target: Points, delta: float, draws: Floats
) -> tuple[Value, Value, Value] | None:
    """Return X, Y and X - Y; a new run's scatter is in the intervals of X and Y, and cancels in X - Y."""
    if law is None:
        return None
    log = fitted.point.scale == "log"

    def candidate(x: Floats, change: Floats) -> Floats:
        return x * np.exp(change) if log else x + change

    point = np.exp(law.log_loss(law.theta[None], target)[:, 0])
    y = candidate(point, np.array([delta]))
    if not len(draws):
        return tuple(Value(value=float(v[0]), interval=None) for v in (point, y, point - y))  # type: ignore[return-value]
    curve = np.exp(law.log_loss(law.draws_SP, target)[:, 0])
    rng = generator(0, "law", "difference", "scatter")
    drawn_y = candidate(curve, draws[:, 0])
    noise = np.exp(law.residual_sd * rng.standard_normal(len(curve)))
    return (
        _value(float(point[0]), (curve * noise)[:, None]),
        _value(float(y[0]), (drawn_y * noise)[:, None]),
        _value(float(point[0] - y[0]), (curve - drawn_y)[:, None]),
    )


def _gate(
    rows: Rows, pairs: Pairs, apart: Pairs | None, fitted: Averaged, delta: float
) -> tuple[judge.Gate, Floats, Pairs | None]:
    """Return rule 12's gate: on the rows that were held out, else on the largest size left out of a second fit."""
    how, predicted = HOW_GIVEN, np.empty(0)
    if apart is not None and apart.n:
        predicted = fitted.value(apart.points)
    elif apart is None:
        how = HOW_LARGEST
        sizes = pairs.points.flops if np.isnan(pairs.points.sizes).any() else pairs.points.sizes
        largest = levels(sizes) == levels(sizes).max()
        if judge.num_sizes(pairs) >= MIN_SIZES:
            apart, train = pairs.only(largest), pairs.only(~largest)
            rng = np.random.default_rng(0)  # no draws are made: only point fits count here
            known = rows.only(~np.isin(rows.cells, apart.cells))
            predicted = _both(known, train, draws=0, rng=rng)[1].value(apart.points)
    if apart is None or not apart.n:
        return judge.Gate(how=how, n=0, error=None, claimed=delta, passed=False), predicted, None
    error = float(np.mean(np.abs(predicted - apart.delta)))
    passed = error <= judge.ALLOWED_ERROR * abs(delta)
    return judge.Gate(how=how, n=apart.n, error=error, claimed=delta, passed=passed), predicted, apart


def _multiplier(fitted: Averaged) -> Value | None:
    """Return the share of compute that the candidate needs, by the model with one multiplier at all scales."""
    one = fitted.named("multiplier")
    if one is None:
        return None
    draws = one.theta[0] + one.stretch * (one.draws_SK[:, :1] - one.theta[0])
    return _value(float(np.exp(-one.theta[0])), np.exp(-draws))


def _local_multiplier(law: SharedLaw | None, fitted: Averaged, target: Points, delta: Value) -> Value | None:
    """Return the share of the target's compute with which the averaged difference there is made up for."""
    if law is None:
        return None

    def share(change: float) -> float:
        grid = np.linspace(-REACH, REACH, 4001)
        gained = law.change(np.tile(law.theta, (len(grid), 1)), target, fitted.point.scale, ln_m=grid)[
            :, 0
        ]  # falls as m grows
        if not gained[-1] <= change <= gained[0]:
            return 0.0 if change < gained[-1] else float("inf")
        return float(np.exp(-np.interp(-change, -gained, grid)))

    interval = None if delta.interval is None else (share(delta.interval[0]), share(delta.interval[1]))
    return Value(value=share(delta.value), interval=interval)
