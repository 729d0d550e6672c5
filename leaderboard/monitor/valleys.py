"""IsoFLOP valleys of a monitor: whether the best size of a budget stays on the path of the other budgets.

Per budget the parabola of the loss in log10 N (`leaderboard.laws.valleys`); the path is the line of ln N* on ln C of
the other budgets (of the earlier ones for a new budget). Noise of a loss is what the parabolas leave over, pooled over
budgets (or as given); 1,000 draws of it move every valley and so the path, and give the sigma of their distance.
Flagged: a distance of more than 2 sigma (Student's t at few degrees), and a curvature of 0 or less.
A lowest point beyond the sampled sizes is no flag but a note: that budget tells nothing until it is widened.
Source: training reference 4.4; Hoffmann et al. 2022 section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.files import Json
from curation.randomness import generator
from leaderboard.laws.law import Floats
from leaderboard.laws.levels import groups_of
from leaderboard.laws.power import at, power_law
from leaderboard.laws.valleys import Budget, budgets, parabola
from leaderboard.monitor.flags import Flag
from leaderboard.monitor.rows import Rows

SIGMAS = 2.0
DRAWS = 1_000
MIN_SIZES = 3
MIN_OTHERS = 2
NUM_TERMS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget with its valley, the path there and their distance; None where there is none."""

    flops: float
    is_new: bool
    num_runs: int
    curvature: float
    lowest: float | None
    path: float | None
    sigmas: float | None
    state: str
    """`on the path`, `valley-moved`, `valley-flat`, `outside the sizes`, or `not judged`."""

    def as_json(self) -> dict[str, Json]:
        """Return the budget."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Valleys:
    """All budgets of at least three sizes, by compute, and the noise of one loss that was used."""

    budgets: tuple[BudgetState, ...]
    sigma: float | None
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]


def check_valleys(rows: Rows, *, noise: float | None = None) -> Valleys | None:
    """Return the state of every budget; None without a budget of three sizes. `noise` is relative, of one loss."""
    if "N" not in rows.columns:
        return None
    last = rows.keep(rows.finals())
    groups = [
        group
        for group in budgets(last.compute, last.columns["N"], last.columns["L"])
        if len(groups_of(group.x)) >= MIN_SIZES
    ]
    if not groups:
        return None
    fresh = [bool(np.any(last.is_new[group.rows])) for group in groups]
    places = [_place(group) for group in groups]
    sigma, degrees = _noise(groups, noise)
    draws = None if sigma is None else _draws(groups, sigma, relative=noise is not None)
    states, flags, notes = [], [], []
    for number, group in enumerate(groups):
        others = [other for other in range(len(groups)) if other != number and (not fresh[other] or not any(fresh))]
        kind = _Kind(is_new=fresh[number], num_runs=len(group.x))
        state = _state(places, number, others, draws=draws, limit=_limit(degrees), budget=kind)
        states.append(state)
        if state.state in ("valley-moved", "valley-flat") and (state.is_new or not any(fresh)):
            flags.append(_flag(state))
        elif state.state == "outside the sizes":
            notes.append(
                f"budget {group.flops:.3g}: the lowest point lies outside the sizes that were run; add sizes there"
            )
    return Valleys(budgets=tuple(states), sigma=sigma, flags=tuple(flags), notes=tuple(notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    flops: float
    lowest: float
    curvature: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    is_new: bool
    num_runs: int


def _place(group: Budget) -> _Place:
    lowest, _, curvature = (float(values[0]) for values in parabola(group))
    return _Place(flops=group.flops, lowest=lowest, curvature=curvature)


def _noise(groups: Sequence[Budget], noise: float | None) -> tuple[float | None, float]:
    """Return the noise of a loss (relative when given, else of the losses themselves) and its degrees of freedom."""
    if noise is not None:
        return noise, np.inf
    misses, degrees = 0.0, 0
    for group in groups:
        x = np.log10(group.x) - np.log10(group.x).mean()
        terms = x[:, None] ** np.arange(NUM_TERMS)
        rest = group.loss - terms @ np.linalg.lstsq(terms, group.loss, rcond=None)[0]
        misses += float(rest @ rest)
        degrees += len(group.x) - NUM_TERMS
    return (float(np.sqrt(misses / degrees)), degrees) if degrees > 0 else (None, 0)


def _draws(groups: Sequence[Budget], sigma: float, *, relative: bool) -> Floats:
    """Return ln N* of every budget under noise, shape draws x budgets; NaN where no valley is left."""
    columns = []
    for group in groups:
        normals = generator(0, "monitor", "valleys", f"{group.flops:.6g}").standard_normal((DRAWS, len(group.x)))
        scale = sigma * group.loss if relative else sigma
        columns.append(np.log(parabola(group, loss_BN=group.loss + scale * normals)[0]))
    return np.stack(columns, axis=1)


def _limit(degrees: float) -> float:
    from scipy import special

    if np.isinf(degrees) or degrees < 1:
        return SIGMAS
    return max(SIGMAS, float(special.stdtrit(degrees, special.ndtr(SIGMAS))))


def _state(
    places: Sequence[_Place], number: int, others: Sequence[int], *, draws: Floats | None, limit: float, budget: _Kind
) -> BudgetState:
    lowest, curvature = places[number].lowest, places[number].curvature
    found: dict[str, float | None] = {"lowest": lowest if np.isfinite(lowest) else None, "path": None, "sigmas": None}
    usable = [other for other in others if np.isfinite(places[other].lowest)]
    state = "not judged"
    if not curvature > 0:
        state = "valley-flat"
    elif not np.isfinite(lowest):
        state = "outside the sizes"
    elif len(usable) >= MIN_OTHERS and draws is not None:
        flops = np.array([places[other].flops for other in usable])
        path = _path(flops, np.array([places[other].lowest for other in usable])[None], places[number].flops)[0]
        moved = draws[:, number] - _path(flops, np.exp(draws[:, usable]), places[number].flops)
        sound = moved[np.isfinite(moved)]
        found["path"] = float(np.exp(path))
        if 2 * len(sound) >= len(moved):
            moved_by = float((np.log(lowest) - path) / max(float(np.std(sound)), 1e-12))
            found["sigmas"] = moved_by
            state = "valley-moved" if abs(moved_by) > limit else "on the path"
    return BudgetState(
        flops=places[number].flops,
        is_new=budget.is_new,
        num_runs=budget.num_runs,
        curvature=curvature,
        state=state,
        **found,
    )


def _path(flops: Floats, lowest_SN: Floats, there: float) -> Floats:
    """Return ln N* of the line through budgets, at one compute, a row a draw; budgets without a valley do not count."""
    line = power_law(flops, lowest_SN, np.isfinite(lowest_SN).astype(np.float64))
    return np.log(at(line, np.array([there]))[:, 0])


def _flag(state: BudgetState) -> Flag:
    said = f"curvature {state.curvature:.3g}: the losses do not open upward"
    if state.state == "valley-moved" and state.lowest and state.path and state.sigmas is not None:
        said = f"best size {state.lowest:.3g}, the path says {state.path:.3g}: {state.sigmas:+.1f} sigma"
    return Flag(kind=state.state, where=f"budget {state.flops:.3g} FLOPs", said=said, sigmas=state.sigmas)
