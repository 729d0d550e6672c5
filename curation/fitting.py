"""Fitting of small smooth models from many starts at once, and their bootstrap.

All starts descend together (`curation.descent`). The objective is a SUM over rows, never a mean: with a mean and common
tolerances the search stops short (Besiroglu et al. 2024 trace Hoffmann's error to this). What is kept is the lowest
objective, not the first success.

A bootstrap is the same search with other weights of rows: every resample starts from the point estimate.
Shapes: S parameter rows, N observations, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from curation.descent import Floats, Ints, Loss, Problem, Search, blocks, descend

LAD_DELTAS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""LAD is met as the limit of Huber's loss: each minimum starts the next, narrower one."""
SAMPLE_CELLS = 1_200_000
"""Starts x rows of the first descent: beyond, the starts descend on a sample of rows (Chinchilla's 4,500 on 266)."""
MIN_SAMPLE_ROWS = 256
FIRST_SEARCH = Search()


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """The lowest point found."""

    theta: Floats
    objective: float
    num_starts: int
    agreeing: int
    """Polished starts that ended within 1e-6 (relative) of the lowest objective."""


def minimise(problem: Problem, starts_SP: Floats, search: Search = FIRST_SEARCH) -> Minimum:
    """Return the lowest objective reached from all starts; every start is descended, the best of them on all rows.

    Raises: ValueError when the objective is finite at no start.
    """
    starts = np.atleast_2d(np.asarray(starts_SP, np.float64))
    sample = problem.sample(max(MIN_SAMPLE_ROWS, SAMPLE_CELLS // len(starts)))
    rough = descend(sample, _stages(problem.loss)[0], starts, search=search)
    values = sample.objective(rough)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    if not np.isfinite(values[order[0]]):
        raise ValueError("the objective is finite at no start")
    best = rough[order[: search.polished]]
    if sample is not problem:
        best = polish(sample, best)
    best = polish(problem, best)
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
            trial = descend(problem, scale, trial, search=search)
        after = problem.objective(trial)
        gained = after < before
        best = np.where(gained[:, None], trial, best)
        if not np.any(before - after > 1e-13 * np.abs(before)):
            break
    return best


def refit(problem: Problem, theta: Floats, weights_BN: Floats) -> Iterator[Floats]:
    """Yield blocks of minima, one row a resample, each started at `theta`, for other weights of the rows."""
    search = Search(max_evaluations=400, tolerance=1e-12)
    for part in blocks(*weights_BN.shape):
        weights = weights_BN[part]
        trial = np.tile(theta, (len(weights), 1))
        for scale in _stages(problem.loss):
            trial = descend(problem, scale, trial, search=search, weights=weights)
        yield trial


def resample_weights(groups: Ints, draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each row is drawn, shape (draws, N), when whole groups are drawn with replacement.

    Called again with the same generator it goes on: 10 and then 5 draws are the 15 of one call.
    """
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
