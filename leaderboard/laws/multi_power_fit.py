"""Fitting the multi-power law to loss curves: to convergence, or stopped early as its authors did.

Both minimise the sum over rows of Huber(1e-3) of ln L. `converged`: Levenberg-Marquardt (trust region) with exact
gradients from twelve starts. `authors`: their start (grid and L-BFGS-B on the law without memory of the decay, then
C = 1, beta = gamma = 0.5) and AdamW (rate 0.05 for L0, A, B, C and 0.005 for the exponents), at most 200 steps, until
20 steps bring no gain; what is kept is one step beyond the best. Their parameters come back to five digits. The
authors' points are not converged: their own training objective is 2 to 20 times the converged one, yet they predict
unseen schedules slightly better.
Source: Luo et al. 2025 (2503.12811), section 3 and the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from curation.descent import Loss
from leaderboard.laws.multi_power import Changes, losses_and_slopes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DELTA = 1e-3
HUBER = Loss(kind="huber", delta=DELTA)
LOGGED = np.array([False, True, False, True, True, False, False])
"""A, B and C are searched as logarithms."""
LOW = np.array([0.0, -30.0, 1e-3, -30.0, -30.0, 1e-4, -3.0])
HIGH = np.array([np.inf, 30.0, 5.0, 40.0, 40.0, 20.0, 5.0])
ADAM_RATES = np.array([5e-2, 5e-2, 5e-3, 5e-2, 5e-2, 5e-3, 5e-3])
PEAK = 3e-4
"""Peak rate of the authors: their steps of A, B and C fit parameters in its unit, so other rates are scaled to it."""
ADAM_DECAY, PATIENCE, MAX_STEPS, LEAST_SLOPE = 0.01, 20, 200, 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Loss curves as the law sees them; rows of all curves are concatenated in order."""

    seen: Sequence[Changes]
    losses: Floats

    def residuals(self, search: Floats) -> tuple[Floats, Floats]:
        """Return ln of fitted over measured, and its gradient in the searched parameters."""
        theta = public(search)
        parts = [losses_and_slopes(theta, one) for one in self.seen]
        fitted, slopes = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        slopes[:, LOGGED] *= theta[LOGGED]
        sound = np.maximum(fitted, 1e-9)
        return np.log(sound) - np.log(self.losses), slopes / sound[:, None]

    def times(self, unit: float) -> Curves:
        """Return the curves with every rate multiplied by `unit`."""
        seen = [
            replace(
                one,
                total_R=unit * one.total_R,
                size_K=unit * one.size_K,
                rate_K=unit * one.rate_K,
                before_K=unit * one.before_K,
            )
            for one in self.seen
        ]
        return replace(self, seen=seen)

    def objective(self, search: Floats) -> float:
        """Return the sum of Huber losses."""
        return float(np.sum(HUBER.value(self.residuals(search)[0])))


def public(search: Floats) -> Floats:
    """Return L0, A, alpha, B, C, beta, gamma of searched rows."""
    found: Floats = np.where(LOGGED, np.exp(np.where(LOGGED, search, 0.0)), search)
    return found


def searched(theta: Floats) -> Floats:
    """Return the searched form of L0, A, alpha, B, C, beta, gamma."""
    found: Floats = np.where(LOGGED, np.log(np.where(LOGGED, theta, 1.0)), theta)
    return found


def unscaled(search: Floats, unit: float) -> Floats:
    """Return parameters for the rates themselves, from those for `unit` times the rates."""
    found = search.copy()
    found[1] -= search[2] * np.log(unit)
    found[3] += np.log(unit)
    found[4] += (1 - search[6]) * np.log(unit)
    return found


def starts(curves: Curves, peak: float) -> Floats:
    """Return twelve starts in the unit of the rates."""
    total = np.median(np.concatenate([one.total_R for one in curves.seen]))
    floor = 0.93 * float(curves.losses.min())
    height = max(float(np.median(curves.losses)) - floor, 1e-3)
    rows = [
        (floor, np.log(height) + alpha * np.log(total), alpha, np.log(drop / peak), 0.0, 0.5, gamma)
        for alpha, drop, gamma in product((0.3, 0.5, 0.8), (0.03, 0.15), (0.3, 0.6))
    ]
    return np.array(rows)


def converge(curves: Curves, begin: Floats, *, free: npt.NDArray[np.bool_], counts: Ints | None = None) -> Floats:
    """Return the minimum from one start; only `free` parameters move; `counts` repeats rows (a resample)."""
    from scipy.optimize import least_squares

    rows = None if counts is None else np.repeat(np.arange(len(counts)), counts)

    def full(part: Floats) -> Floats:
        search = begin.copy()
        search[free] = part
        return search

    seen: dict[bytes, tuple[Floats, Floats]] = {}  # the last point: its gradient is asked for after its residuals

    def both(part: Floats) -> tuple[Floats, Floats]:
        key = part.tobytes()
        if key not in seen:
            seen.clear()
            seen[key] = curves.residuals(full(part))
        return seen[key]

    def values(part: Floats) -> Floats:
        found = both(part)[0]
        return found if rows is None else found[rows]

    def slopes(part: Floats) -> Floats:
        found = both(part)[1][:, free]
        return found if rows is None else found[rows]

    span = LOW[free], HIGH[free]
    inside = np.clip(begin[free], span[0] + 1e-6, span[1] - 1e-6)
    with np.errstate(all="ignore"):
        found = least_squares(
            values, inside, slopes, bounds=span, loss="huber", f_scale=DELTA, x_scale="jac",
            max_nfev=400 if counts is None else 40, ftol=1e-10 if counts is None else 1e-6,
        )  # fmt: skip
    return full(found.x)


def stopped_early(curves: Curves, begin: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Return the point that the authors keep: one step of AdamW beyond the lowest objective (searched form).

    Their loop measures the objective, takes the step and only then stores the parameters of a new best.
    """
    theta = public(begin)
    first, second = np.zeros(7), np.zeros(7)
    best, best_value, since, is_best = theta.copy(), np.inf, 0, False
    for step in range(1, MAX_STEPS + 1):
        residuals, slopes = curves.residuals(searched(theta))
        slopes[:, LOGGED] /= theta[LOGGED]
        value = float(np.sum(HUBER.value(residuals)))
        is_best = value < best_value
        since = 0 if is_best else since + 1
        best_value = min(value, best_value)
        slope = np.clip(residuals, -DELTA, DELTA) @ slopes
        if (step > PATIENCE + 1 and since >= PATIENCE) or np.linalg.norm(slope) < LEAST_SLOPE:
            break
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        moved = ADAM_RATES * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        theta = np.where(free, theta * (1 - ADAM_RATES * ADAM_DECAY) - moved, theta)
        theta[LOGGED] = np.maximum(theta[LOGGED], 1e-12)
        best = theta.copy() if is_best else best
    return searched(best)


def authors_start(curves: Curves, rates: Floats, peak: float) -> Floats:
    """Return L0, A, alpha, B of the law without memory, L = L0 + A S^-alpha - B (peak - eta), with C, beta, gamma."""
    from scipy.optimize import minimize

    total = np.concatenate([one.total_R for one in curves.seen])
    losses, floor = curves.losses, float(curves.losses.min())
    slope, level = np.polyfit(np.log(total), np.log(losses - floor + 0.01), 1)

    def objective(part: Floats) -> float:
        with np.errstate(all="ignore"):
            fitted = part[0] + part[1] * total ** -part[2] - part[3] * (peak - rates)
            value = float(np.sum(HUBER.value(np.log(losses) - np.log(fitted))))
        return value if np.isfinite(value) else 1e9

    best, lowest = np.zeros(4), np.inf
    scale = float(np.exp(level))
    for begin in product(
        np.linspace(floor - 0.2, floor + 0.2, 5), np.linspace(scale - 0.1, scale + 0.1, 3),
        np.linspace(-slope - 0.1, -slope + 0.1, 3), np.linspace(100.0, 1000.0, 3) * 3e-4 / peak,
    ):  # fmt: skip
        found = minimize(
            objective,
            begin,
            method="L-BFGS-B",
            bounds=[(0, None)] * 4,
            options={"maxiter": 100_000, "ftol": 1e-9, "gtol": 1e-6, "eps": 1e-8},
        )
        if found.fun < lowest:
            best, lowest = found.x, found.fun
    return searched(np.array([*np.maximum(best, 1e-6), 1.0, 0.5, 0.5]))
