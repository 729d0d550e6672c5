"""Data mixing laws: L = c + exp(sum_j t_j r_j) in the shares r, which sum to 1.

Ye et al. write L = c + k exp(sum_j t_j r_j); adding s to every t and taking s from ln k changes nothing, so only
ln k + t_j is a number (the gauge). Two domains follow the authors' notebook: c is the value on a grid of 1,000 from 0
to the lowest loss where ln(L - c) correlates most with r, then Huber(0.02) on the loss. More domains: every c of a
grid gives a start by least squares, then c = exp(.) and t descend together under Huber(0.05).
`log-linear` is the form that Olmix fits: the same curve for any number of domains with Huber(0.02).
Sources: Ye et al. 2403.16952 and its notebook; Olmix 2602.12237.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from curation.descent import Loss, Model, Problem, Pullback
from curation.files import Json
from curation.fitting import minimise, polish
from mixtures.laws.fitted import LossFit
from mixtures.laws.table import Floats, MixTable

GRID = 1000
NUM_FLOORS = 24
"""Values of c that a search over more than two domains starts from."""
LARGEST_EXPONENT = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Either of the two: `notebook` says that two domains follow the authors' notebook."""

    name: str
    formula: str
    source: str
    delta: float
    notebook: bool
    scaled: bool = False

    def min_rows(self, num_domains: int) -> int:
        """C and one t a domain, and one run more to see an error with."""
        return num_domains + 2

    def fit(self, table: MixTable, loss: int, start: LossFit | None = None) -> LossFit:
        """Return the lowest objective found."""
        values = table.losses_NM[:, loss]
        two = self.notebook and len(table.domains) == 2
        theta, objective = _two(table, loss) if two else self._many(table, values, start)
        return LossFit(
            params=_params(theta, table.domains, table.losses[loss]),
            objective=objective,
            theta=theta,
            predict=lambda weights, size, tokens: curve(theta, weights),
            notes=_notes(theta, values, table.losses[loss]),
        )

    def _many(self, table: MixTable, values: Floats, start: LossFit | None) -> tuple[Floats, float]:
        problem = Problem(model=_model(table.weights_NK), targets=values, loss=Loss(kind="huber", delta=self.delta))
        if start is not None:
            best = polish(problem, start.theta[None, :], rounds=2)[0]
            return best, float(problem.objective(best)[0])
        found = minimise(problem, _starts(table.weights_NK, values))
        return found.theta, found.objective


MIXING_LAW = Exponential(
    name="mixing-law",
    formula="L = c + k exp(sum_j t_j r_j)",
    source="Ye et al. 2403.16952",
    delta=0.05,
    notebook=True,
)
LOG_LINEAR = Exponential(
    name="log-linear",
    formula="L = c + exp(sum_j t_j r_j)",
    source="Olmix 2602.12237",
    delta=0.02,
    notebook=False,
)


def curve(theta: Floats, weights_NK: Floats) -> Floats:
    """Return the loss of each mixture; `theta` is ln c and the K numbers ln k + t_j."""
    exponent = np.minimum(weights_NK @ theta[1:], LARGEST_EXPONENT)
    found: Floats = np.exp(theta[0]) + np.exp(exponent)
    return found


def _model(weights_NK: Floats) -> Model:
    def model(theta_SP: Floats) -> tuple[Floats, Pullback]:
        with np.errstate(all="ignore"):
            floor = np.exp(theta_SP[:, :1])
            above = np.exp(np.minimum(theta_SP[:, 1:] @ weights_NK.T, LARGEST_EXPONENT))

        def back(weights_SN: Floats) -> Floats:
            inner = weights_SN * above
            return np.concatenate([weights_SN.sum(axis=1, keepdims=True) * floor, inner @ weights_NK], axis=1)

        return floor + above, back

    return model


def _starts(weights_NK: Floats, values: Floats) -> Floats:
    """Return one start a floor: the least squares of ln(L - c) on the shares."""
    lowest = float(values.min())
    floors = lowest * np.concatenate([np.linspace(0.02, 0.9, NUM_FLOORS - 6), [0.93, 0.96, 0.98, 0.99, 0.995, 0.999]])
    rows = []
    for floor in floors:
        slopes, *_ = np.linalg.lstsq(weights_NK, np.log(values - floor), rcond=None)
        rows.append(np.concatenate([[np.log(floor)], slopes]))
    return np.array(rows)


def _two(table: MixTable, loss: int) -> tuple[Floats, float]:
    """Return (ln c, ln k + t_1, ln k + t_2) and the objective by the authors' procedure for two domains."""
    place = own_domain(table.losses[loss], table.domains)
    share, values = table.weights_NK[:, place], table.losses_NM[:, loss]
    floor = _floor(share, values)
    slope, level = np.polyfit(share, np.log(values - floor), 1)
    design = np.column_stack([share, np.ones_like(share)])

    def model(theta_SP: Floats) -> tuple[Floats, Pullback]:
        with np.errstate(all="ignore"):
            above = np.exp(np.minimum(theta_SP @ design.T, LARGEST_EXPONENT))
        return floor + above, lambda weights_SN: (weights_SN * above) @ design

    problem = Problem(model=model, targets=values, loss=Loss(kind="huber", delta=0.02))
    theta = polish(problem, np.array([[slope, level]]))[0]
    both = np.full(2, theta[1])
    both[place] += theta[0]
    with np.errstate(divide="ignore"):
        return np.concatenate([[np.log(floor)], both]), float(problem.objective(theta)[0])


def _floor(share: Floats, values: Floats) -> float:
    """Return the c of the grid at which ln(L - c) is closest to a straight line in the share."""
    grid = np.linspace(0.0, float(values.min()), GRID)
    grid = grid[grid < values.min()]
    logs = np.log(values[None, :] - grid[:, None])
    logs = logs - logs.mean(axis=1, keepdims=True)
    centred = share - share.mean()
    strength = np.abs(logs @ centred) / np.sqrt((logs**2).sum(axis=1))
    return float(grid[int(np.argmax(strength))])


def own_domain(loss: str, domains: tuple[str, ...]) -> int:
    """Return the place of the domain that a loss is of, by its name; the first where no name says it."""
    plain = _plain(loss)
    hits = [place for place, name in enumerate(domains) if _plain(name) and _plain(name) in plain]
    hits += [place for place, name in enumerate(domains) if plain and plain in _plain(name)]
    return hits[0] if hits else 0


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _params(theta: Floats, domains: tuple[str, ...], loss: str) -> Mapping[str, Json]:
    sums = theta[1:]
    params: dict[str, Json] = {
        "c": float(np.exp(theta[0])),
        "log_k_plus_t": {name: float(value) for name, value in zip(domains, sums, strict=True)},
        "log_k": float(sums[-1]),
        "t": {name: float(value - sums[-1]) for name, value in zip(domains, sums, strict=True)},
    }
    if len(domains) == 2:
        own = own_domain(loss, domains)
        params["of"] = domains[own]
        params["k"] = float(sums[own] - sums[1 - own])
        params["b"] = float(sums[1 - own])
    return params


def _notes(theta: Floats, values: Floats, loss: str) -> tuple[str, ...]:
    if not np.isfinite(theta[0]) or np.exp(theta[0]) < 1e-3 * values.min():
        return (f"{loss}: the floor c ended at 0, a degenerate fit: the curve is an exponential without a floor",)
    return ()
