"""Fitting of small smooth models from many starts at once, and their bootstrap.

A model gives the predictions of many parameter rows in one call, with a pullback for exact gradients. All starts
descend together by BFGS with a weak Wolfe line search, which also ends well on the kinks of Huber and LAD (Lewis and
Overton 2013). The objective is a SUM over rows, never a mean, and is divided by delta inside: with a mean and common
tolerances the search stops short (Besiroglu et al. 2024 trace Hoffmann's error to this). What is kept is the lowest
objective, not the first success.

A bootstrap is the same search with other weights of rows: every resample starts from the point estimate.
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
LossKind = Literal["huber", "lad", "mse"]
LOSS_KINDS: tuple[LossKind, ...] = ("huber", "lad", "mse")

HUBER_DELTA = 1e-3
"""Hoffmann et al. 2022, on the log of the loss."""
LAD_DELTAS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""LAD is met as the limit of Huber's loss: each minimum starts the next, narrower one."""
BLOCK_CELLS = 65_536
"""Starts x observations held at once: half a megabyte of float64, which a core's cache keeps."""
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

    def objective(self, theta_SP: Floats) -> Floats:
        """Return the weighted sum of losses of each parameter row."""
        predictions, _ = self.model(np.atleast_2d(theta_SP))
        with np.errstate(all="ignore"):
            losses = self.loss.value(predictions - self.targets)
        summed: Floats = np.sum(losses if self.weights is None else losses * self.weights, axis=1)
        return summed

    def jacobian(self, theta: Floats) -> Floats:
        """Return the gradient of every prediction at one parameter row, shape NP."""
        num_rows = len(self.targets)
        _, pullback = self.model(np.tile(theta, (num_rows, 1)))
        return pullback(np.eye(num_rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How far every start descends: evaluations, and the relative decrease that counts as none.

    On Chinchilla's 4,500 starts 200 evaluations bring a fifth of them to the optimum's basin; the best are polished.
    """

    max_evaluations: int = 200
    tolerance: float = 1e-8
    polished: int = 24
    """Best starts that are descended again, with fresh curvature, until nothing is gained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """The lowest point found."""

    theta: Floats
    objective: float
    num_starts: int
    agreeing: int
    """Polished starts that ended within 1e-6 (relative) of the lowest objective."""


def minimise(problem: Problem, starts_SP: Floats, search: Search = Search()) -> Minimum:
    """Return the lowest objective reached from all starts; every start is descended.

    Raises: ValueError when the objective is finite at no start.
    """
    starts = np.atleast_2d(np.asarray(starts_SP, np.float64))
    first = _stages(problem.loss)[0]
    rough = _descend_all(problem, first, starts, search)
    values = problem.objective(rough)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    if not np.isfinite(values[order[0]]):
        raise ValueError("the objective is finite at no start")
    best = polish(problem, rough[order[: search.polished]])
    ends = problem.objective(best)
    lowest = int(np.nanargmin(ends))
    near = np.abs(ends - ends[lowest]) <= 1e-6 * abs(ends[lowest]) + 1e-15
    return Minimum(
        theta=best[lowest], objective=float(ends[lowest]), num_starts=len(starts), agreeing=int(np.sum(near))
    )


def polish(problem: Problem, theta_SP: Floats, rounds: int = 8) -> Floats:
    """Return the rows after descents with fresh curvature, repeated until no row gains."""
    best = np.atleast_2d(theta_SP)
    search = Search(max_evaluations=600, tolerance=1e-14)
    for number in range(rounds):
        before = problem.objective(best)
        trial = best
        for scale in _stages(problem.loss) if number == 0 else _stages(problem.loss)[-1:]:
            trial = _descend_all(problem, scale, trial, search)
        after = problem.objective(trial)
        gained = after < before
        best = np.where(gained[:, None], trial, best)
        if not np.any(before - after > 1e-13 * np.abs(before)):
            break
    return best


def refit(problem: Problem, theta: Floats, weights_BN: Floats) -> Iterator[Floats]:
    """Yield blocks of minima, one row a resample, each started at `theta`, for other weights of the rows."""
    rows = max(1, BLOCK_CELLS // weights_BN.shape[1])
    search = Search(max_evaluations=400, tolerance=1e-12)
    for start in range(0, len(weights_BN), rows):
        weights = weights_BN[start : start + rows]
        trial = np.tile(theta, (len(weights), 1))
        for scale in _stages(problem.loss):
            trial = _descend(problem, scale, trial, search, weights)
        yield trial


def resample_weights(groups: Ints, draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each row is drawn, shape (draws, N), when whole groups are drawn with replacement."""
    _, members = np.unique(groups, return_inverse=True)
    num_groups = int(members.max()) + 1
    picks = rng.integers(0, num_groups, (draws, num_groups))
    cells = (picks + np.arange(draws)[:, None] * num_groups).ravel()
    counts = np.bincount(cells, minlength=draws * num_groups).reshape(draws, num_groups)
    return counts[:, members].astype(np.float64)


def grid(*axes: tuple[float, ...]) -> Floats:
    """Return every combination of the axes' values, one a row."""
    meshes = np.meshgrid(*(np.asarray(axis, np.float64) for axis in axes), indexing="ij")
    return np.stack([mesh.ravel() for mesh in meshes], axis=1)


def _stages(loss: Loss) -> tuple[Loss, ...]:
    """Return the smooth losses that are minimised one after another to minimise `loss`."""
    if loss.kind == "lad":
        return tuple(Loss(kind="huber", delta=delta) for delta in LAD_DELTAS)
    return (loss,)


def _descend_all(problem: Problem, loss: Loss, starts: Floats, search: Search) -> Floats:
    rows = max(1, BLOCK_CELLS // len(problem.targets))
    parts = []
    for start in range(0, len(starts), rows):
        block = starts[start : start + rows]
        weights = (
            None if problem.weights is None else np.broadcast_to(problem.weights, (len(block), len(problem.targets)))
        )
        parts.append(_descend(problem, loss, block, search, weights))
    return np.concatenate(parts)


class _Descent:
    """The state of all starts of one block; every step is one evaluation of those still under way."""

    def __init__(self, problem: Problem, loss: Loss, starts: Floats, weights: Floats | None) -> None:
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
        gone = self._take(active[accepted], trial[accepted], value[accepted], slope[accepted], tolerance)
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

    def _take(self, which: Ints, theta: Floats, value: Floats, slope: Floats, tolerance: float) -> Ints:
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


def _descend(problem: Problem, loss: Loss, starts: Floats, search: Search, weights: Floats | None) -> Floats:
    state = _Descent(problem, loss, starts, weights)
    active: Ints = np.flatnonzero(np.isfinite(state.value) & np.any(state.slope != 0, axis=1))
    for _ in range(search.max_evaluations):
        if not len(active):
            break
        active = state.advance(active, search.tolerance)
    return state.theta
