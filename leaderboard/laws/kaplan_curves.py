"""The curves of Kaplan's laws with their gradients: one power of one variable, or the joint form in N and D.

theta of one variable X: (p, alpha[, ln E]) with L = [E +] exp(p - alpha ln X), so Xc = exp(p / alpha).
theta of the joint form: (p, q, alpha, beta[, ln E]) with u = p - alpha ln N, v = q - beta ln D and
L = [E +] (exp(u / beta) + exp(v / beta))^beta, so A = exp(p / alpha), B = exp(q / beta).
Scales as p and q rather than ln A and ln B: the curve is then linear in them, and they can be centred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation.descent import Model, Pullback
from curation.fitting import grid
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Floats, Settings

FLOOR_SHARES = (0.02, 0.3, 0.7, 0.95)
"""Starts of E, as shares of the lowest loss."""
EXPONENTS = (0.08, 0.2, 0.5)
SCALES = (5.0, 10.0, 15.0, 20.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve(CurveLaw):
    """One form: `variables` is one of N, D, C, or N and D; with or without E."""

    card: Card
    variables: tuple[str, ...]
    has_floor: bool

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns of theta."""
        one = self.variables[0]
        own = ("A", "B", "alpha", "beta") if len(self.variables) == 2 else (f"{one}c", f"alpha_{one}")
        return (*own, "E") if self.has_floor else own

    def model(self, inputs: Columns) -> Model:
        """Return ln L."""
        logs = [np.log(inputs[name]) for name in self.variables]

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            with np.errstate(all="ignore"):
                power, pull_power = _joint(theta_SP, *logs) if len(logs) == 2 else _single(theta_SP, logs[0])
                if not self.has_floor:
                    return power, pull_power
                floor = theta_SP[:, -1:]
                total = np.logaddexp(power, floor)
                share = np.exp(power - total)

            def pullback(weights_SN: Floats) -> Floats:
                of_floor = np.sum(weights_SN * (1 - share), axis=1, keepdims=True)
                return np.concatenate([pull_power(weights_SN * share), of_floor], axis=1)

            return total, pullback

        return values

    def coordinates(self, data: Data) -> Floats:
        """Return the change from centred logarithms."""
        change = np.eye(len(self.names))
        num = len(self.variables)
        for place, name in enumerate(self.variables):
            change[place, num + place] = np.mean(np.log(data.columns[name]))
        return change

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the grid: scales and exponents (and floors), or the straight line and floors for one variable."""
        lowest = float(data.columns["L"].min())
        floors = tuple(float(np.log(share * lowest)) for share in FLOOR_SHARES)
        if len(self.variables) == 2:
            axes = (SCALES, SCALES, EXPONENTS, EXPONENTS, *((floors,) if self.has_floor else ()))
            rows = grid(*axes)
            rows[:, 0] *= rows[:, 2]
            rows[:, 1] *= rows[:, 3]
            return rows
        logs = np.log(data.columns[self.variables[0]])
        found = []
        for share in FLOOR_SHARES if self.has_floor else (0.0,):
            slope, level = np.polyfit(logs, np.log(data.columns["L"] - share * lowest), 1)
            found += [[level, -slope, *([np.log(share * lowest)] if self.has_floor else [])]]
        return np.array(found)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return exponents, scales and E, the joint form's under both of its names."""
        found = {}
        num = len(self.variables)
        with np.errstate(all="ignore"):
            for place, name in enumerate(self.variables):
                exponent = theta_SP[:, num + place]
                found[f"alpha_{name}"], found[f"{name}c"] = exponent, np.exp(theta_SP[:, place] / exponent)
            if num == 2:
                found |= {"A": found["Nc"], "B": found["Dc"], "alpha": found["alpha_N"], "beta": found["alpha_D"]}
            if self.has_floor:
                found["E"] = np.exp(theta_SP[:, -1])
        return found


def _single(theta_SP: Floats, logs: Floats) -> tuple[Floats, Pullback]:
    def pullback(weights_SN: Floats) -> Floats:
        return np.stack([weights_SN.sum(axis=1), -(weights_SN @ logs)], axis=1)

    return theta_SP[:, 0:1] - theta_SP[:, 1:2] * logs, pullback


def _joint(theta_SP: Floats, sizes: Floats, tokens: Floats) -> tuple[Floats, Pullback]:
    """Return beta ln(exp(u / beta) + exp(v / beta)); nothing is finite where beta is not positive."""
    beta = np.where(theta_SP[:, 3:4] > 0, theta_SP[:, 3:4], np.nan)
    of_size = theta_SP[:, 0:1] - theta_SP[:, 2:3] * sizes
    of_data = theta_SP[:, 1:2] - theta_SP[:, 3:4] * tokens
    summed = np.logaddexp(of_size / beta, of_data / beta)
    size = np.exp(of_size / beta - summed)
    data = np.exp(of_data / beta - summed)

    def pullback(weights_SN: Floats) -> Floats:
        with np.errstate(all="ignore"):
            on_size, on_data = weights_SN * size, weights_SN * data
            direct = np.sum(weights_SN * (summed - (size * of_size + data * of_data) / beta), axis=1)
            sums = (on_size.sum(axis=1), on_data.sum(axis=1))
            return np.stack([*sums, -(on_size @ sizes), direct - on_data @ tokens], axis=1)

    return beta * summed, pullback
