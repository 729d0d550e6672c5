"""IsoFLOP valleys: at each compute budget, the size (or tokens) with the lowest loss.

* `parabola`: least squares of the loss on a quadratic in log10 X. A valley is kept only if it opens upward and its
  lowest point lies inside the sampled range.
* `akima`: Akima interpolation of ln loss in ln X (the best run of each X) on 25 (n - 1) geometric points; the valley is
  the lowest of them and is dropped at an edge.
* noise (for weights, and for the intervals of `akima`): the same on losses with seed noise added, 1,000 times; its
  standard deviation is 0.005 at a loss of 3, growing log-linearly to 0.1 at 6. A valley that is at an edge in half of
  the draws is dropped; sd of ln X* is at least 0.33 x 25 grid steps and grows as draws are lost at the edges.
Source: Hoffmann et al. 2022, section 3.2; Porian et al. 2024 (2406.19146), appendix D and their published code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leaderboard.laws.law import Floats, Ints
from leaderboard.laws.levels import SAME_BUDGET, groups_of

MIN_POINTS = 3
POINTS_A_GAP = 25
NOISE_LOSSES, NOISE_SDS = (3.0, 6.0), (0.005, 0.1)
MIN_STEPS_SD = 0.33 * POINTS_A_GAP
NOISE_DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Valley:
    """The lowest point of one budget: `lowest` X* (NaN with a `reason` when dropped), loss there, and curvature."""

    flops: float
    lowest: float
    loss: float
    curvature: float
    """Second derivative of the loss in log10 X; NaN for interpolation."""
    num_runs: int
    sd: float = float("nan")
    """Standard deviation of ln X* under seed noise; NaN unless asked."""
    reason: str = ""
    draws: Floats | None = None
    """X* under seed noise, NaN at an edge; None unless asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The runs at one compute budget, in order of X."""

    flops: float
    x: Floats
    loss: Floats
    rows: Ints


def budgets(flops: Floats, x: Floats, loss: Floats) -> list[Budget]:
    """Return the rows grouped by compute: a group ends 5 % above its smallest budget; its FLOPs are their mean."""
    found = []
    for group in groups_of(flops, SAME_BUDGET):
        rows = group[np.argsort(x[group], kind="stable")]
        centre = float(np.exp(np.mean(np.log(flops[rows]))))
        exact = float(flops[rows[0]]) if np.all(flops[rows] == flops[rows[0]]) else centre
        found.append(Budget(flops=exact, x=x[rows], loss=loss[rows], rows=rows))
    return found


def parabola(
    budget: Budget, *, weights_BN: Floats | None = None, loss_BN: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return X*, loss there and curvature of every resample (other weights of the runs, or other losses).

    X* is NaN where no valley can be told.
    """
    losses = budget.loss[None] if loss_BN is None else loss_BN
    weights = np.ones_like(losses) if weights_BN is None else weights_BN
    middle, scale = np.mean(np.log10(budget.x)), max(float(np.ptp(np.log10(budget.x))), 1e-12)
    u = (np.log10(budget.x) - middle) / scale
    powers = u[:, None] ** np.arange(3)
    squares = np.einsum("bn,np,nq->bpq", weights, powers, powers)
    sides = (weights * losses) @ powers
    seen = weights > 0
    places = np.unique(np.round(u, 9), return_inverse=True)[1]
    distinct = np.sum((seen.astype(np.float64) @ np.eye(places.max() + 1)[places]) > 0, axis=1)
    sound = distinct >= MIN_POINTS
    squares[~sound] = np.eye(3)
    level, slope, bend = np.linalg.solve(squares, sides[:, :, None])[:, :, 0].T
    with np.errstate(all="ignore"):
        lowest = -slope / (2 * bend)
    low = np.min(np.where(seen, u, np.inf), axis=1)
    high = np.max(np.where(seen, u, -np.inf), axis=1)
    kept = sound & (bend > 0) & (lowest > low) & (lowest < high)
    place = np.where(kept, 10 ** (middle + scale * np.where(kept, lowest, 0.0)), np.nan)
    bend = np.where(sound, bend, np.nan)
    return place, np.where(kept, level - slope**2 / (4 * np.where(bend == 0, 1, bend)), np.nan), 2 * bend / scale**2


def interpolated(x: Floats, loss_NB: Floats) -> tuple[Floats, Floats, float]:
    """Return X* (NaN at an edge) and loss of each column of losses by Akima interpolation, and the grid's ln step."""
    from scipy.interpolate import Akima1DInterpolator

    points = np.geomspace(x[0], x[-1], POINTS_A_GAP * (len(x) - 1))
    inside = np.clip(np.log(points), np.log(x[0]), np.log(x[-1]))
    with np.errstate(over="ignore"):  # runs of almost equal X can bend the curve without bound
        curve = np.exp(Akima1DInterpolator(np.log(x), np.log(loss_NB))(inside))
    place = np.argmin(np.where(np.isnan(curve), np.inf, curve), axis=0)
    edge = (place == 0) | (place == len(points) - 1)
    step = float(np.log(points[1] / points[0]))
    return np.where(edge, np.nan, points[place]), np.min(curve, axis=0), step


def noise_sd(loss: Floats) -> Floats:
    """Return the standard deviation of seed noise at a loss."""
    return np.exp(np.interp(np.log(loss), np.log(NOISE_LOSSES), np.log(NOISE_SDS)))


def best_runs(budget: Budget) -> Budget:
    """Return the run with the lowest loss of each X."""
    order = np.lexsort((budget.loss, budget.x))
    first = np.concatenate([[True], np.diff(budget.x[order]) > 0])
    rows = order[first]
    return Budget(flops=budget.flops, x=budget.x[rows], loss=budget.loss[rows], rows=budget.rows[rows])


def valley(budget: Budget, *, variant: str, normals: Floats | None) -> Valley:
    """Return the valley of a budget; `normals` (draws x runs of the budget) ask for its spread under seed noise."""
    if len(np.unique(budget.x)) < MIN_POINTS:
        nan = float("nan")
        few = f"fewer than {MIN_POINTS} sizes"
        return Valley(flops=budget.flops, lowest=nan, loss=nan, curvature=nan, num_runs=len(budget.x), reason=few)
    found = _by_parabola(budget) if variant == "parabola" else _by_interpolation(budget)
    if normals is None:
        return found
    if variant == "parabola":
        draws, least = parabola(budget, loss_BN=_noisy(budget, normals))[0], 0.0
    else:
        best = best_runs(budget)
        draws, _, step = interpolated(best.x, _noisy(best, normals).T)
        least = MIN_STEPS_SD * step
    valid = draws[np.isfinite(draws)]
    if 2 * len(valid) < len(draws):
        reason = found.reason or "at an edge in half of the noisy draws"
        return replace(found, lowest=float("nan"), reason=reason, draws=draws)
    return replace(found, sd=max(float(np.std(np.log(valid))), least) * len(draws) / len(valid), draws=draws)


def _by_parabola(budget: Budget) -> Valley:
    lowest, loss, curvature = (float(values[0]) for values in parabola(budget))
    reason = _fault(curvature, lowest)
    return Valley(
        flops=budget.flops, lowest=lowest, loss=loss, curvature=curvature, num_runs=len(budget.x), reason=reason
    )


def _by_interpolation(budget: Budget) -> Valley:
    best = best_runs(budget)
    places, losses, _ = interpolated(best.x, best.loss[:, None])
    reason = "" if np.isfinite(places[0]) else "lowest at an edge of the sampled range"
    return Valley(
        flops=budget.flops,
        lowest=float(places[0]),
        loss=float(losses[0]),
        curvature=float("nan"),
        num_runs=len(best.x),
        reason=reason,
    )


def _fault(curvature: float, lowest: float) -> str:
    if not curvature > 0:
        return "opens downward"
    return "" if np.isfinite(lowest) else "lowest outside the sampled range"


def _noisy(budget: Budget, normals: Floats) -> Floats:
    noisy: Floats = budget.loss + noise_sd(budget.loss) * normals[:, : len(budget.loss)]
    return noisy
