"""Problems of fitting, and the descent of many starts at once.

BFGS with a weak Wolfe line search, which also ends well on the kinks of Huber and LAD (Lewis and Overton 2013). The
objective is divided by delta inside. Every step is one evaluation of all starts still under way; what is held at once
is bounded by `BLOCK_CELLS`, however many starts and rows there are.
Shapes: S parameter rows, N observations, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Pullback = Callable[[Floats], Floats]
Model = Callable[[Floats], tuple[Floats, Pullback]]
"""theta_SP -> predictions_SN and the map weights_SN -> sum over N of weights times the gradient, shape SP."""
ModelOfRows = Callable[[Ints], Model]
"""The model of some rows alone, for the places of those rows."""
LossKind = Literal["huber", "lad", "mse"]
LOSS_KINDS: tuple[LossKind, ...] = ("huber", "lad", "mse")

HUBER_DELTA = 1e-3
"""Hoffmann et al. 2022, on the log of the loss."""
BLOCK_CELLS = 65_536
"""Starts x observations held at once: half a megabyte of float64, which a core's cache keeps."""
JACOBIAN_ROWS = 256
"""Rows whose gradients are taken at once, each as a parameter row of its own."""
ARMIJO, CURVATURE = 1e-4, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How a residual counts: `huber` (r²/2 inside delta, delta (|r| - delta/2) outside), `lad` |r|, `mse` r²."""

    kind: LossKind = "huber"
    delta: float = HUBER_DELTA

    def value(self, residuals: Floats) -> Floats:
        """Return the loss of each residual."""
        if self.kind == "mse":
            return residuals**2
        size = np.abs(residuals)
        if self.kind == "lad":
            return size
        inside = np.minimum(size, self.delta)
        return inside * (size - inside / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Observations to be met by a model: `targets` has shape N, `weights` shape N (1 a row unless given)."""

    model: Model
    targets: Floats
    loss: Loss = Loss()
    weights: Floats | None = None
    of_rows: ModelOfRows | None = None
    """Where given, a large table is looked at in parts: gradients by row cost N x P, and starts descend on a sample."""

    def objective(self, theta_SP: Floats) -> Floats:
        """Return the weighted sum of losses of each parameter row."""
        theta = np.atleast_2d(theta_SP)
        return np.concatenate([self._objective(theta[part]) for part in blocks(len(theta), len(self.targets))])

    def _objective(self, theta_SP: Floats) -> Floats:
        predictions, _ = self.model(theta_SP)
        with np.errstate(all="ignore"):
            losses = self.loss.value(predictions - self.targets)
        summed: Floats = np.sum(losses if self.weights is None else losses * self.weights, axis=1)
        return summed

    def jacobian(self, theta: Floats) -> Floats:
        """Return the gradient of every prediction at one parameter row, shape NP."""
        num, parts = len(self.targets), []
        for part in blocks(num, min(num, JACOBIAN_ROWS) if self.of_rows else num):
            places = np.arange(num)[part]
            model = self.of_rows(places) if self.of_rows else self.model
            _, pullback = model(np.tile(theta, (len(places), 1)))
            picks = np.eye(len(places)) if self.of_rows else (np.arange(num) == places[:, None]).astype(np.float64)
            parts.append(pullback(picks))
        return np.concatenate(parts)

    def sample(self, num_rows: int) -> Problem:
        """Return the problem on `num_rows` rows whose targets are evenly spread in rank; itself where it has no more.

        Without `of_rows` all rows stay.
        """
        num = len(self.targets)
        if self.of_rows is None or num <= num_rows:
            return self
        ranked = np.argsort(self.targets, kind="stable")
        places = np.sort(ranked[np.linspace(0, num - 1, num_rows).astype(np.int64)])
        of_rows = self.of_rows
        return Problem(
            model=of_rows(places),
            targets=self.targets[places],
            loss=self.loss,
            weights=None if self.weights is None else self.weights[places],
            of_rows=lambda inner: of_rows(places[inner]),
        )


def blocks(num: int, width: int) -> Iterator[slice]:
    """Yield the parts of `num` rows of `width` cells that are held at once."""
    rows = max(1, BLOCK_CELLS // max(1, width))
    for start in range(0, num, rows):
        yield slice(start, min(num, start + rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How far every start descends: evaluations, and the relative decrease that counts as none.

    On Chinchilla's 4,500 starts 200 evaluations bring a fifth of them to the optimum's basin; the best are polished.
    """

    max_evaluations: int = 200
    tolerance: float = 1e-8
    polished: int = 24
    """Best starts that are descended again, with fresh curvature, until nothing is gained."""


class _Descent:
    """The state of all starts of one block; every step is one evaluation of those still under way."""

    def __init__(self, problem: Problem, loss: Loss, starts: Floats, *, weights: Floats | None) -> None:
        self.problem, self.loss, self.weights = problem, loss, weights
        self.theta = starts.copy()
        num, size = starts.shape
        self.value, self.slope = self.evaluate(self.theta, np.arange(num))
        self.inverse = np.broadcast_to(np.eye(size), (num, size, size)).copy()
        self.fresh = np.ones(num, bool)
        self.direction = -self.slope
        self.low, self.high, self.tries, self.stalls = (np.zeros(num) for _ in range(4))
        self.high[:] = np.inf
        self.step = 1.0 / np.maximum(1.0, np.sqrt(np.sum(self.slope**2, axis=1)))

    def evaluate(self, theta: Floats, which: Ints) -> tuple[Floats, Floats]:
        """Return objective / delta and its gradient; infinite where it cannot be computed."""
        unit = self.loss.delta if self.loss.kind == "huber" else 1.0
        with np.errstate(all="ignore"):
            predictions, pullback = self.problem.model(theta)
            residuals = predictions - self.problem.targets
            losses = self.loss.value(residuals)
            if self.loss.kind == "huber":
                pulls = np.clip(residuals, -unit, unit)
            else:
                pulls = 2 * residuals
            if self.weights is not None:
                losses, pulls = losses * self.weights[which], pulls * self.weights[which]
            value = losses.sum(axis=1) / unit
            slope = pullback(pulls) / unit
            sound = np.isfinite(value) & np.all(np.isfinite(slope), axis=1)
        return np.where(sound, value, np.inf), np.where(sound[:, None], slope, 0.0)

    def advance(self, active: Ints, tolerance: float) -> Ints:
        """Try one step of every active start; return those that go on."""
        trial = self.theta[active] + self.step[active, None] * self.direction[active]
        value, slope = self.evaluate(trial, active)
        falling = np.sum(self.slope[active] * self.direction[active], axis=1)
        enough = np.isfinite(value) & (value <= self.value[active] + ARMIJO * self.step[active] * falling)
        curved = np.sum(slope * self.direction[active], axis=1) >= CURVATURE * falling
        self.tries[active] += 1
        accepted = enough & (curved | (self.tries[active] >= 30))
        self._shrink(active[~accepted], enough[~accepted])
        gone = self._take(
            active[accepted], trial[accepted], value=value[accepted], slope=slope[accepted], tolerance=tolerance
        )
        lost = self._restart(active[~accepted])
        left: Ints = np.setdiff1d(active, np.concatenate([gone, lost]), assume_unique=True)
        return left

    def _shrink(self, which: Ints, enough: npt.NDArray[np.bool_]) -> None:
        self.high[which[~enough]] = self.step[which[~enough]]
        self.low[which[enough]] = self.step[which[enough]]
        open_end = np.isinf(self.high[which])
        middle = (self.low[which] + np.where(open_end, 0.0, self.high[which])) / 2
        self.step[which] = np.where(open_end, 2 * self.step[which], middle)

    def _restart(self, which: Ints) -> Ints:
        """Return the starts whose line search failed with fresh curvature; give the others fresh curvature."""
        failed = which[self.tries[which] > 40]
        again = failed[~self.fresh[failed]]
        self.inverse[again] = np.eye(self.theta.shape[1])
        self.fresh[again] = True
        self._aim(again)
        self.step[again] = 1.0 / np.maximum(1.0, np.sqrt(np.sum(self.slope[again] ** 2, axis=1)))
        lost: Ints = failed[np.isin(failed, again, invert=True)]
        return lost

    def _take(self, which: Ints, theta: Floats, *, value: Floats, slope: Floats, tolerance: float) -> Ints:
        """Move to the accepted points; return the starts that no longer gain."""
        moved, turned = theta - self.theta[which], slope - self.slope[which]
        gain = self.value[which] - value
        small = gain <= tolerance * np.abs(value)
        self.stalls[which] = np.where(small, self.stalls[which] + 1, 0)
        self.theta[which], self.value[which], self.slope[which] = theta, value, slope
        self._learn(which, moved, turned)
        self._aim(which)
        ended: Ints = which[(self.stalls[which] >= 3) | (value == 0) | ~np.any(slope, axis=1)]
        return ended

    def _learn(self, which: Ints, moved: Floats, turned: Floats) -> None:
        """Update the inverse curvature (BFGS), scaled once by the first step."""
        product = np.sum(moved * turned, axis=1)
        sound = product > 1e-300
        which, moved, turned, product = which[sound], moved[sound], turned[sound], product[sound]
        with np.errstate(all="ignore"):  # what is not finite is not kept
            scale = np.where(self.fresh[which], product / np.sum(turned**2, axis=1), 1.0)
            inverse = self.inverse[which] * scale[:, None, None]
            image = np.einsum("spq,sq->sp", inverse, turned)
            outer = moved[:, :, None] * image[:, None, :]
            extra = (product + np.sum(turned * image, axis=1)) / product**2
            inverse = inverse + extra[:, None, None] * moved[:, :, None] * moved[:, None, :]
            inverse -= (outer + outer.transpose(0, 2, 1)) / product[:, None, None]
        kept = np.all(np.isfinite(inverse), axis=(1, 2))
        self.inverse[which[kept]] = inverse[kept]
        self.fresh[which[kept]] = False

    def _aim(self, which: Ints) -> None:
        direction = -np.einsum("spq,sq->sp", self.inverse[which], self.slope[which])
        uphill = np.sum(direction * self.slope[which], axis=1) >= 0
        self.direction[which] = np.where(uphill[:, None], -self.slope[which], direction)
        self.low[which], self.high[which], self.tries[which], self.step[which] = 0.0, np.inf, 0.0, 1.0


def descend(problem: Problem, loss: Loss, starts: Floats, *, search: Search, weights: Floats | None = None) -> Floats:
    """Return where each start ends; `weights` (shape SN) are other weights of rows, a row of them for each start."""
    parts = []
    for part in blocks(len(starts), len(problem.targets)):
        own = None if weights is None else weights[part]
        if own is None and problem.weights is not None:
            own = np.broadcast_to(problem.weights, (part.stop - part.start, len(problem.targets)))
        parts.append(_descend(_Descent(problem, loss, starts[part], weights=own), search))
    return np.concatenate(parts)


def _descend(state: _Descent, search: Search) -> Floats:
    active: Ints = np.flatnonzero(np.isfinite(state.value) & np.any(state.slope != 0, axis=1))
    for _ in range(search.max_evaluations):
        if not len(active):
            break
        active = state.advance(active, search.tolerance)
    return state.theta
