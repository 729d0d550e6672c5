"""How far a mixture law can be believed: error on held-out mixtures, and what other samples of runs would propose.

Held out are whole mixtures, in five folds; a law of the other four predicts them. The bootstrap draws mixtures with
replacement, refits and proposes again: percentiles of its weights, and what the refits say of the gain of the one
proposal. The gain is of a chosen minimum, so it is optimistic; fresh runs decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from curation.errors import LawError
from curation.numerics import spearman
from curation.randomness import generator
from mixtures.laws.fitted import LossFit, MixFit, fit_all, no_report
from mixtures.laws.folds import NUM_FOLDS, fold_numbers
from mixtures.laws.proposal import Goal, propose, shortlist
from mixtures.laws.table import Floats, MixTable

COUNTED = ("regmix-lightgbm",)
"""Methods whose refit is only told how many trees to grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of one loss: root mean square, mean absolute, mean relative (a share), and the rank correlation."""

    num_rows: int
    rmse: float
    mae: float
    relative: float
    spearman: float | None
    """None with fewer than three rows or without any spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Weights, what is predicted there and at the centre, and both ends of 95 % where there was a bootstrap."""

    weights_K: Floats
    predicted_M: Floats
    value: float
    """Weighted mean of ln L there."""
    centre_value: float
    low_K: Floats | None = None
    high_K: Floats | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    better: float | None = None
    """Share of refits that predict the proposal to be better than the centre."""
    num_refits: int = 0
    failed_refits: int = 0

    @property
    def gain(self) -> float:
        """How much lower the target is predicted to be than at the centre: a weighted mean log ratio."""
        return self.centre_value - self.value


def errors_of(fit: MixFit, table: MixTable) -> dict[str, Errors]:
    """Return the errors of a fit on the rows of `table` whose losses are known; losses without any are left out."""
    return errors_between(fit.predict(table), table)


def errors_between(predicted_NM: Floats, table: MixTable) -> dict[str, Errors]:
    """Return the errors of predictions of the table's rows, by loss; rows with NaN on either side do not count."""
    found = {}
    for place, name in enumerate(table.losses):
        seen = table.losses_NM[:, place]
        known = np.isfinite(seen) & np.isfinite(predicted_NM[:, place])
        if known.any():
            found[name] = _errors(predicted_NM[known, place], seen[known])
    return found


def _errors(predicted: Floats, seen: Floats) -> Errors:
    miss = predicted - seen
    return Errors(
        num_rows=len(seen),
        rmse=float(np.sqrt(np.mean(miss**2))),
        mae=float(np.mean(np.abs(miss))),
        relative=float(np.mean(np.abs(miss) / np.abs(seen))),
        spearman=spearman(predicted, seen),
    )


def held_out(fit: MixFit, done: Callable[[], None] = no_report) -> Mapping[str, Errors]:
    """Return the errors of laws that never saw the mixtures they predict, over five folds of mixtures.

    Trees keep the number of the whole table's fit. Empty where the folds leave too few runs to fit.
    """
    table = fit.table
    folds = fold_numbers(table.groups)
    predicted = np.full(table.losses_NM.shape, np.nan)
    for fold in range(min(NUM_FOLDS, int(folds.max()) + 1)):
        out, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        try:
            law = fit_all(table.rows(kept), fit.method, fit.fits if fit.method.name in COUNTED else None)
        except LawError:
            return {}
        predicted[out] = law.predict(table.rows(out))
        done()
    return errors_between(predicted, table)


def proposal(fit: MixFit, goal: Goal, draws: int, done: Callable[[], None] = no_report) -> Proposed:
    """Return the proposal with its uncertainty from `draws` refits, each told to `done`; none for 0."""
    weights = propose(fit, goal)
    predicted = fit.predict(goal.table(fit.table, weights[None, :]))[0]
    point = Proposed(
        weights_K=weights,
        predicted_M=predicted,
        value=float(goal.of_losses(predicted[None, :])[0]),
        centre_value=float(goal.value(fit, goal.centre_K[None, :])[0]),
    )
    return point if draws == 0 else _with_bounds(fit, goal, point, draws=draws, done=done)


def _with_bounds(fit: MixFit, goal: Goal, point: Proposed, *, draws: int, done: Callable[[], None]) -> Proposed:
    rng = generator(1, "mixture-bootstrap")
    groups = fit.table.groups
    num_groups = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(num_groups)]
    both = np.stack([point.weights_K, goal.centre_K])
    among = shortlist(fit, goal, point.weights_K)
    found, gains, failed = [], [], 0
    for _ in range(draws):
        rows = np.concatenate([members[group] for group in rng.integers(0, num_groups, num_groups)])
        law = _refit(fit, rows)
        done()
        if law is None:
            failed += 1
            continue
        found.append(propose(law, goal, among))
        value, centre = goal.value(law, both)
        gains.append(centre - value)
    if len(found) < 2:
        return point
    low, high = np.percentile(np.array(found), [2.5, 97.5], axis=0)
    ends = np.percentile(gains, [2.5, 97.5])
    return Proposed(
        weights_K=point.weights_K,
        predicted_M=point.predicted_M,
        value=point.value,
        centre_value=point.centre_value,
        low_K=low,
        high_K=high,
        gain_low=float(ends[0]),
        gain_high=float(ends[1]),
        better=float(np.mean(np.array(gains) > 0)),
        num_refits=len(found),
        failed_refits=failed,
    )


def _refit(fit: MixFit, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> MixFit | None:
    """Return the law of resampled rows, started from the point estimate; None where they tell no domains apart."""
    starts: list[LossFit] = list(fit.fits)
    table = fit.table.rows(rows)
    if np.linalg.matrix_rank(table.weights_NK) < len(table.domains):
        return None
    try:
        law = fit_all(table, fit.method, starts)
    except (LawError, ValueError):
        return None
    finite = all(np.isfinite(one.objective) for one in law.fits)
    return law if finite else None
