"""The law that both recipes share: nuisance parameters of the difference, and the predicted loss of the baseline.

ln L = ln(E + A / N^alpha + B / D^beta) with N and D (form `sizes`), else ln(E + K / C^gamma) (form `compute`). The
candidate has the same parameters but for its compute: it counts as m-fold, N and D as sqrt(m)-fold each (m = 1
where its losses were already freed of the difference). Minimised: sum of Huber(1e-3) of ln L over all runs of both.
With two sizes only E is taken as 0 (form `line`).
Draws are a Bayesian bootstrap (Rubin 1981): exponential weights of whole sizes, so that no draw loses a size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from curation.descent import Model, Problem, Pullback, Search
from curation.fitting import minimise, refit
from leaderboard.laws.difference.paired import Points, Rows, Scale
from leaderboard.laws.law import Floats, Ints
from leaderboard.laws.levels import levels
from leaderboard.laws.warn import MIN_SIZES, SAME_DIRECTION

MIN_CELLS_OF_SIZES = 6
NO_FLOOR = -700.0
"""ln E of a law without a floor: exp of it is 0 beside any loss."""
FRACTIONS, EXPONENTS, FLOORS = (0.1, 0.4), (0.1, 0.3, 0.6), (0.4, 0.8)
REACH = np.log(1e4)
"""Compute multipliers are looked for up to this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLaw:
    """theta: ln scale and exponent of each term (at the centre of the data), ln E, ln m."""

    form: str
    centres: Floats
    theta: Floats
    draws_SP: Floats
    params: dict[str, float]
    residual_sd: float
    """Of ln L around the law: how far a new run lies off."""

    def logs(self, points: Points) -> Floats:
        """Return the centred logarithms of the law's sizes, shape TN."""
        return _logs(self.form, points) - self.centres[:, None]

    def log_loss(
        self, law_SP: Floats, points: Points, *, ln_m: Floats | None = None, ln_floor: Floats | None = None
    ) -> Floats:
        """Return ln L, shape SN, with compute m-fold and the floor E changed by a factor."""
        logs = self.logs(points)
        step = _share(self.form) * (np.zeros(len(law_SP)) if ln_m is None else ln_m)[:, None]
        num = len(logs)
        parts = [law_SP[:, t : t + 1] - law_SP[:, num + t : num + t + 1] * (logs[t] + step) for t in range(num)]
        floor = law_SP[:, 2 * num : 2 * num + 1] + (0.0 if ln_floor is None else ln_floor[:, None])
        parts.append(np.broadcast_to(floor, parts[0].shape))
        return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))

    def change(
        self,
        law_SP: Floats,
        points: Points,
        scale: Scale,
        *,
        ln_m: Floats | None = None,
        ln_floor: Floats | None = None,
    ) -> Floats:
        """Return the difference of loss that a multiple of compute or of the floor makes, shape SN."""
        before = self.log_loss(law_SP, points)
        after = self.log_loss(law_SP, points, ln_m=ln_m, ln_floor=ln_floor)
        return after - before if scale == "log" else np.exp(after) - np.exp(before)

    @property
    def has_floor(self) -> bool:
        """Whether E was fitted."""
        return self.form != "line"


def fit_shared(rows: Rows, *, draws: int, rng: np.random.Generator) -> SharedLaw | None:
    """Return the law of all runs; None with fewer than two sizes, or where no start has a finite loss."""
    num_sizes = int(levels(rows.flops).max()) + 1
    if num_sizes < 2:
        return None
    points = Points(sizes=rows.sizes, tokens=rows.tokens, flops=rows.flops)
    form = _form(rows, num_sizes)
    logs = _logs(form, points)
    centres = logs.mean(axis=1)
    problem = Problem(model=_model(logs - centres[:, None], rows.is_candidate, _share(form)), targets=np.log(rows.loss))
    try:
        found = minimise(problem, _starts(rows.loss, len(logs), form), Search(max_evaluations=400, polished=12))
    except ValueError:
        return None
    sampled = np.empty((0, len(found.theta)))
    if draws:
        sampled = np.concatenate(list(refit(problem, found.theta, _weights(rows.cells, draws, rng))))
    misses = problem.model(found.theta[None])[0][0] - problem.targets
    degrees = max(1, len(misses) - len(found.theta))
    return SharedLaw(
        form=form,
        centres=centres,
        theta=found.theta,
        draws_SP=np.where(np.isfinite(sampled), sampled, found.theta),
        params=_public(found.theta, centres, form),
        residual_sd=float(np.sqrt(np.sum(misses**2) / degrees)),
    )


def _form(rows: Rows, num_sizes: int) -> str:
    if num_sizes < MIN_SIZES:
        return "line"
    if np.isnan(rows.sizes).any() or len(np.unique(rows.cells)) < MIN_CELLS_OF_SIZES:
        return "compute"
    if min(int(levels(values).max()) + 1 for values in (rows.sizes, rows.tokens)) < MIN_SIZES:
        return "compute"
    together = abs(float(np.corrcoef(np.log(rows.sizes), np.log(rows.tokens))[0, 1]))
    return "compute" if together > SAME_DIRECTION else "sizes"


def _logs(form: str, points: Points) -> Floats:
    columns = (points.sizes, points.tokens) if form == "sizes" else (points.flops,)
    return np.log(np.stack(columns))


def _share(form: str) -> float:
    """Return the power of m by which each size of the law grows."""
    return 0.5 if form == "sizes" else 1.0


def _starts(loss: Floats, num: int, form: str) -> Floats:
    middle, lowest = float(np.median(loss)), float(loss.min())
    floors = [NO_FLOOR] if form == "line" else [np.log(part * lowest) for part in FLOORS]
    scales = [np.log(middle)] if form == "line" else [np.log(part * middle) for part in FRACTIONS]
    rows = product(*([scales] * num), *([EXPONENTS] * num), floors, [0.0])
    return np.array(list(rows), np.float64)


def _weights(cells: Ints, draws: int, rng: np.random.Generator) -> Floats:
    _, members = np.unique(cells, return_inverse=True)
    of_cells = rng.standard_exponential((draws, int(members.max()) + 1))
    of_cells /= of_cells.mean(axis=1, keepdims=True)
    return np.asarray(of_cells[:, members])


def _model(logs_TN: Floats, is_candidate: Floats, share: float) -> Model:
    num = len(logs_TN)

    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        step = share * theta_SP[:, -1:] * is_candidate
        moved = [logs_TN[t] + step for t in range(num)]
        terms = [theta_SP[:, t : t + 1] - theta_SP[:, num + t : num + t + 1] * moved[t] for t in range(num)]
        floor = np.broadcast_to(theta_SP[:, 2 * num : 2 * num + 1], terms[0].shape)
        logs = np.logaddexp.reduce(np.stack([*terms, floor]), axis=0)

        def pullback(weights_SN: Floats) -> Floats:
            parts = [weights_SN * np.exp(term - logs) for term in terms]
            slopes = [part.sum(axis=1) for part in parts]
            slopes += [-(part * place).sum(axis=1) for part, place in zip(parts, moved, strict=True)]
            slopes.append((weights_SN * np.exp(floor - logs)).sum(axis=1))
            pulls = [(part @ is_candidate) * theta_SP[:, num + t] for t, part in enumerate(parts)]
            slopes.append(-share * np.sum(pulls, axis=0))
            return np.stack(slopes, axis=1)

        return logs, pullback

    return values


def _public(theta: Floats, centres: Floats, form: str) -> dict[str, float]:
    num = len(centres)
    names = (("A", "alpha"), ("B", "beta")) if form == "sizes" else (("K", "gamma"),)
    found = {"E": float(np.exp(theta[2 * num]))}
    for t, (scale, exponent) in enumerate(names):
        found[scale] = float(np.exp(theta[t] + theta[num + t] * centres[t]))
        found[exponent] = float(theta[num + t])
    return found
