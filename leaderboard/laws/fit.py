"""`fit(law, table)`: what every law shares, from a table of columns to a `Fit` with intervals and warnings.

The bootstrap draws whole runs (variable `run`, else rows) with replacement and refits from the point estimate;
intervals are the 2.5 and 97.5 percentiles. A prediction's interval adds the scatter of runs around the law to the
spread of the curve: it is meant to hold a new run, not only the curve.
Source: Besiroglu et al. 2024 (bootstrap); `docs/scaling.md`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from curation.fitting import resample_weights
from curation.randomness import generator
from leaderboard.laws.law import (
    Data,
    Estimate,
    Fit,
    Floats,
    Holdout,
    InsufficientError,
    Law,
    LawError,
    Prediction,
    Settings,
)
from leaderboard.laws.registry import LAWS
from leaderboard.laws.rows import checked_rows
from leaderboard.laws.warn import MIN_SIZES, all_warnings, extrapolations

MAX_LOST_DRAWS = 0.05
"""Share of resamples without a fit from which it is told."""
Table = Mapping[str, Sequence[object] | npt.NDArray[np.generic]]


def fit(law: Law | str, table: Table, settings: Settings | None = None, *, holdout: Table | None = None) -> Fit:
    """Return the fitted law; `table` holds one column a variable of the law (and `run`, the unit of the bootstrap).

    Rows with missing, negative or zero values are dropped and counted; `holdout` rows only measure the error.
    Raises: LawError for a table that does not have the law's variables; InsufficientError for too few rows.
    """
    settings = settings or Settings()
    general = LAWS.get(law) if isinstance(law, str) else law
    _check_options(general, settings)
    chosen = general.adapted(frozenset(table), settings)
    data = _usable(chosen, table, settings)
    _check_points(chosen, data)
    estimate = chosen.estimate(data, settings)
    draws = _bootstrap(chosen, data, estimate, settings)
    observed, expected = chosen.fitted(estimate.theta, data, settings)
    params = {name: float(values[0]) for name, values in chosen.parameters(estimate.theta[None]).items()}
    params.update(estimate.extras)
    held_out = _usable(chosen, holdout, settings) if holdout is not None and len(_first(holdout)) else None
    found = Fit(
        law=chosen,
        data=data,
        settings=settings,
        theta=estimate.theta,
        draws_SP=draws,
        params=params,
        ci95=_intervals(chosen, draws),
        objective=estimate.objective,
        r2=_r_squared(observed, expected, logs=chosen.card.r2_of_logs),
        observed=observed,
        expected=expected,
        warnings=(*all_warnings(chosen, data, estimate, params, held_out), *_lost_draws(settings, draws)),
        holdout=_holdout_error(chosen, estimate, held_out, settings),
        held_out=held_out,
    )
    return replace(found, details=chosen.details(found))


def predict(fitted: Fit, inputs: Mapping[str, float]) -> tuple[Prediction, tuple[str, ...]]:
    """Return the predicted value with its interval, and warnings about the inputs.

    Raises: LawError for inputs the law does not have or that do not suffice.
    """
    law, card = fitted.law, fitted.law.card
    known = {variable.name for variable in card.variables} - {card.target}
    wrong = sorted(set(inputs) - known)
    if wrong:
        raise LawError(f"predict: {card.name} has no input {', '.join(wrong)}; it has {', '.join(sorted(known))}")
    columns = {name: np.array([value], np.float64) for name, value in inputs.items()}
    try:
        value = float(law.predict(fitted.theta[None], columns)[0, 0])
    except KeyError as error:
        raise LawError(f"predict: {card.name} also needs {error.args[0]}, got {', '.join(sorted(inputs))}") from error
    notes = extrapolations(law, fitted.data, inputs)
    return Prediction(inputs=dict(inputs), value=value, interval=_interval(fitted, columns)), notes


def _interval(fitted: Fit, columns: Mapping[str, Floats]) -> tuple[float, float] | None:
    """Return percentiles of the refitted curves, each with a residual of the fit drawn on top."""
    if not len(fitted.draws_SP):
        return None
    draws = fitted.law.predict(fitted.draws_SP, columns)[:, 0]
    if fitted.law.scatter:
        rng = generator(fitted.settings.seed, "law", fitted.law.card.name, "scatter")
        residuals = rng.choice(fitted.residuals, len(draws))
        positive = bool(np.all(fitted.observed > 0) and np.all(fitted.expected > 0))
        draws = draws * np.exp(residuals) if positive else draws + residuals
    sound = draws[np.isfinite(draws)]
    if not len(sound):
        return None
    low, high = np.percentile(sound, [2.5, 97.5])
    return float(low), float(high)


def _first(table: Table) -> Sequence[object] | npt.NDArray[np.generic]:
    return next(iter(table.values()), [])


def _usable(law: Law, table: Table, settings: Settings) -> Data:
    data = law.prepare(checked_rows(law.card, table), settings)
    if data.n:
        return data
    reasons = ", ".join(f"{count} {reason}" for reason, count in data.dropped.items()) or "the table has none"
    raise InsufficientError(f"{law.card.name}: insufficient: no row is left ({reasons}); check --map and --where")


def _check_points(law: Law, data: Data) -> None:
    """Refuse fewer than three different rows, whatever the law.

    Raises: InsufficientError.
    """
    distinct = len(np.unique(np.stack(list(data.columns.values()), axis=1), axis=0))
    if distinct < MIN_SIZES:
        dropped = "; ".join(f"dropped {count} where {reason}" for reason, count in data.dropped.items())
        raise InsufficientError(
            f"{law.card.name}: insufficient: {data.n} rows, {distinct} of them different, expected at least {MIN_SIZES}"
            f"{'; ' + dropped if dropped else ''}; add runs of other sizes"
        )


def _check_options(law: Law, settings: Settings) -> None:
    card = law.card
    known = {option.name: option for option in card.options}
    for name, value in settings.options.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise LawError(f"{card.name}: no option `{name}`; it has {listed}")
        if known[name].choices and value not in known[name].choices:
            raise LawError(f"{card.name}: {name} is `{value}`, expected one of {', '.join(known[name].choices)}")
    if settings.loss is not None and settings.loss.kind not in card.losses:
        listed = ", ".join(card.losses) or "its own only"
        raise LawError(f"{card.name}: loss function `{settings.loss.kind}` is not allowed; expected {listed}")


def _bootstrap(law: Law, data: Data, estimate: Estimate, settings: Settings) -> Floats:
    """Return refits of resampled runs, without those that have no fit (NaN)."""
    if not settings.draws or len(np.unique(data.groups)) < 2:
        return np.empty((0, len(estimate.theta)))
    rng = generator(settings.seed, "law", law.card.name, "bootstrap")
    weights = resample_weights(data.groups, settings.draws, rng)
    draws = law.resample(data, estimate, settings, weights)
    sound: Floats = draws[~np.any(np.isnan(draws), axis=1)]
    return sound


def _lost_draws(settings: Settings, draws: Floats) -> tuple[str, ...]:
    """Return a warning when many resamples had no fit: the intervals of the others are too narrow."""
    lost = settings.draws - len(draws)
    if not len(draws) or lost <= MAX_LOST_DRAWS * settings.draws:
        return ()
    return (f"intervals rest on {len(draws)} of {settings.draws} resamples: the others drew too few different runs",)


def _intervals(law: Law, draws: Floats) -> dict[str, tuple[float, float]]:
    if not len(draws):
        return {}
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a parameter may be undefined in some resamples
        for name, values in law.parameters(draws).items():
            low, high = np.nanpercentile(np.where(np.isfinite(values), values, np.nan), [2.5, 97.5])
            found[name] = (float(low), float(high))
    return found


def _r_squared(observed: Floats, expected: Floats, *, logs: bool) -> float:
    if logs:
        observed, expected = np.log(observed), np.log(expected)
    total = float(np.sum((observed - observed.mean()) ** 2))
    return 1 - float(np.sum((observed - expected) ** 2)) / total if total > 0 else float("nan")


def _holdout_error(law: Law, estimate: Estimate, held_out: Data | None, settings: Settings) -> Holdout:
    if held_out is None:
        return Holdout(n=0, mean_relative_error=None)
    observed, expected = law.fitted(estimate.theta, held_out, settings)
    errors = np.abs(expected / observed - 1)
    return Holdout(n=len(observed), mean_relative_error=float(np.mean(errors)) if len(observed) else None)
