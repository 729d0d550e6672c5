"""`fit(law, table)`: what every law shares, from a table of columns to a `Fit` with intervals and warnings.

The bootstrap draws whole runs (variable `run`, else rows) with replacement and refits from the point estimate;
intervals are its 2.5 and 97.5 percentiles, wider for few rows (`leaderboard.laws.intervals`). A prediction's interval
adds the scatter of runs around the law to the spread of the curve: it is meant to hold a new run, not only the curve.
Source: Besiroglu et al. 2024 (bootstrap); `docs/scaling.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from curation.errors import InsufficientError, LawError
from curation.fitting import resample_weights
from curation.randomness import generator
from leaderboard.laws import intervals
from leaderboard.laws.law import Data, Estimate, Fit, Floats, Holdout, Law, Prediction, Settings
from leaderboard.laws.registry import LAWS
from leaderboard.laws.rows import checked_rows
from leaderboard.laws.warn import MIN_SIZES, all_warnings, extrapolations, few_units

MAX_LOST_DRAWS = 0.05
"""Share of resamples without a fit from which it is told."""
SAME_TARGET = 1e-12
WEIGHT_CELLS = 4_000_000
"""Resamples x rows whose weights are held at once: 32 MB."""
MIN_DRAWS_AT_ONCE = 10
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
    drawn = chosen.parameters(draws) if len(draws) else {}
    widen = intervals.stretch(chosen, estimate.theta, len(np.unique(data.groups)))
    unknown = intervals.undetermined(chosen, data, estimate)
    observed, expected = chosen.fitted(estimate.theta, data, settings)
    params = {name: float(values[0]) for name, values in chosen.parameters(estimate.theta[None]).items()}
    params.update(estimate.extras)
    held_out = _held_out(chosen, holdout, settings)
    found = Fit(
        law=chosen,
        data=data,
        settings=settings,
        theta=estimate.theta,
        draws_SP=draws,
        params=params,
        ci95=intervals.of_parameters(drawn, params, widen=widen, unknown=unknown),
        objective=estimate.objective,
        r2=_r_squared(observed, expected, logs=chosen.card.r2_of_logs) if chosen.is_regression else float("nan"),
        observed=observed,
        expected=expected,
        warnings=(
            *all_warnings(chosen, data, estimate=estimate, params=params, held_out=held_out),
            *few_units(data, settings.draws),
            *_lost_draws(settings, draws),
            *_told_of_held_out(data, held_out),
        ),
        holdout=_holdout_error(chosen, estimate, held_out, settings),
        held_out=held_out,
        se=intervals.spread(drawn),
        stretch=widen,
    )
    return replace(found, details=chosen.details(found))


def predict(fitted: Fit, inputs: Mapping[str, float], of: str = "") -> tuple[Prediction, tuple[str, ...]]:
    """Return the predicted value with its interval, and warnings about the inputs.

    `of` is one of the law's outputs, the first when it is not given.
    Raises: LawError for inputs the law does not have or that do not suffice.
    """
    label = of or next(iter(fitted.law.outputs()), "")
    law, card = fitted.law.output(label), fitted.law.card
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
    interval = intervals.of_prediction(fitted, law, columns)
    return Prediction(inputs=dict(inputs), value=value, interval=interval, of=label), notes


def predictions(fitted: Fit, inputs: Mapping[str, float]) -> tuple[list[Prediction], tuple[str, ...]]:
    """Return every output of the law at the inputs (most laws have one), and warnings about the inputs."""
    found = [predict(fitted, inputs, label) for label in fitted.law.outputs() or ("",)]
    return [value for value, _ in found], found[0][1]


def _first(table: Table) -> Sequence[object] | npt.NDArray[np.generic]:
    return next(iter(table.values()), [])


def _usable(law: Law, table: Table, settings: Settings) -> Data:
    data = law.prepare(checked_rows(law.card, table), settings)
    if data.n:
        return data
    reasons = ", ".join(f"{count} {reason}" for reason, count in data.dropped.items()) or "the table has none"
    raise InsufficientError(f"{law.card.name}: insufficient: no row is left ({reasons}); check --map and --where")


def _held_out(law: Law, table: Table | None, settings: Settings) -> Data | None:
    if table is None or not len(_first(table)):
        return None
    try:
        return _usable(law, table, settings)
    except InsufficientError as error:
        raise InsufficientError(f"held-out rows: {error}; choose other rows with --holdout") from error


def _told_of_held_out(data: Data, held_out: Data | None) -> tuple[str, ...]:
    """Return what was dropped from and assumed of held-out rows."""
    if held_out is None:
        return ()
    dropped = [f"dropped {count} where {reason}" for reason, count in held_out.dropped.items()]
    return tuple(f"held-out rows: {text}" for text in (*dropped, *(t for t in held_out.notes if t not in data.notes)))


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
    target = data.columns.get(law.card.target, np.zeros(0))
    if law.card.sizes and len(target) and np.ptp(target) <= SAME_TARGET * np.abs(target).max():
        raise InsufficientError(
            f"{law.card.name}: insufficient: {law.card.target} is {target[0]:.6g} in all {data.n} rows, expected "
            "values that change with size; check --map"
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
    at_once = max(MIN_DRAWS_AT_ONCE, WEIGHT_CELLS // data.n)
    parts = []
    for start in range(0, settings.draws, at_once):
        weights = resample_weights(data.groups, min(at_once, settings.draws - start), rng)
        parts.append(law.resample(data, estimate, settings, weights))
    draws = np.concatenate(parts)
    sound: Floats = draws[~np.any(np.isnan(draws), axis=1)]
    return sound


def _lost_draws(settings: Settings, draws: Floats) -> tuple[str, ...]:
    """Return a warning when many resamples had no fit: the intervals of the others are too narrow."""
    lost = settings.draws - len(draws)
    if not len(draws) or lost <= MAX_LOST_DRAWS * settings.draws:
        return ()
    return (f"intervals rest on {len(draws)} of {settings.draws} resamples: the others drew too few different runs",)


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
