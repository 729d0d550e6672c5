"""Chinchilla, approach 3: L = E + A / N^alpha + B / D^beta, Huber on the log of the loss.

Minimised: the sum of Huber_delta(LSE(a - alpha ln N, b - beta ln D, e) - ln L) with a = ln A, b = ln B, e = ln E and
delta = 1e-3, from all 4,500 starts of the authors. At compute C = 6 N D the optimum is N* = G (C/6)^a and
D* = (C/6)^b / G with a = beta / (alpha + beta), b = 1 - a, G = (alpha A / (beta B))^(1 / (alpha + beta)).
The search runs on centred ln N and ln D: the same minimum in half the evaluations.
Source: Hoffmann et al. 2022, section 3.3 and D.3; tolerances and data: Besiroglu et al. 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from curation.descent import Model, Pullback
from curation.fitting import grid
from leaderboard.laws.compute import completed, derived
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Floats, Parameter, Settings, Variable

SCALES = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
FLOORS = (-1.0, -0.5, 0.0, 0.5, 1.0)
EXPONENTS = (0.0, 0.5, 1.0, 1.5, 2.0)

CARD = Card(
    name="chinchilla",
    title="loss in parameters and tokens (Chinchilla, approach 3)",
    formula="L = E + A / N^alpha + B / D^beta",
    source="Hoffmann et al. 2022 (2203.15556) section 3.3; Besiroglu et al. 2024 (2404.10102)",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size"),
        Variable(name="D", unit="tokens", meaning="tokens seen; without it C / (6 N)", required=False),
        Variable(name="C", unit="FLOPs", meaning="training compute, used when D is not mapped", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="final loss"),
    ),
    usual=("N", "D", "L"),
    params=(
        Parameter(name="A", meaning="scale of the size term"),
        Parameter(name="B", meaning="scale of the data term"),
        Parameter(name="E", meaning="irreducible loss"),
        Parameter(name="alpha", meaning="exponent of N", low=0.01, high=2.0),
        Parameter(name="beta", meaning="exponent of D", low=0.01, high=2.0),
        Parameter(name="a", meaning="N* grows as C^a: beta / (alpha + beta)"),
        Parameter(name="b", meaning="D* grows as C^b: 1 - a"),
        Parameter(name="G", meaning="N* = G (C/6)^a, D* = (C/6)^b / G"),
    ),
    sizes=("N", "D"),
)


class Chinchilla(CurveLaw):
    """Approach 3."""

    card = CARD
    needs_three: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "N": ("A", "alpha", "E", "a", "b", "G"),
        "D": ("B", "beta", "E", "a", "b", "G"),
    }
    names = ("A", "B", "E", "alpha", "beta")  # the first three as logarithms

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with N and D."""
        return completed(data, ("N", "D"), self.card.name)

    def model(self, inputs: Columns) -> Model:
        """Return ln L."""
        sizes, tokens = np.log(inputs["N"]), np.log(inputs["D"])

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            of_size = theta_SP[:, 0:1] - theta_SP[:, 3:4] * sizes
            of_data = theta_SP[:, 1:2] - theta_SP[:, 4:5] * tokens
            of_floor = theta_SP[:, 2:3]
            top = np.maximum(np.maximum(of_size, of_data), of_floor)
            size, data, floor = np.exp(of_size - top), np.exp(of_data - top), np.exp(of_floor - top)
            total = size + data + floor

            def pullback(weights_SN: Floats) -> Floats:
                shared = weights_SN / total
                size_part, data_part = shared * size, shared * data
                floor_part = np.einsum("sn,sn->s", shared, floor)
                sums = (size_part.sum(axis=1), data_part.sum(axis=1), floor_part)
                return np.stack([*sums, -(size_part @ sizes), -(data_part @ tokens)], axis=1)

            return top + np.log(total), pullback

        return values

    def coordinates(self, data: Data) -> Floats:
        """Return the change from centred scales: lnA = u0 + alpha mean(ln N), likewise lnB."""
        change = np.eye(5)
        change[0, 3] = np.mean(np.log(data.columns["N"]))
        change[1, 4] = np.mean(np.log(data.columns["D"]))
        return change

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' 4,500 starts."""
        return grid(SCALES, SCALES, FLOORS, EXPONENTS, EXPONENTS)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return A, B, E, alpha, beta and the optimum's a, b, G."""
        scale_n, scale_d, floor, alpha, beta = theta_SP.T
        with np.errstate(all="ignore"):
            optimum = beta / (alpha + beta)
            ratio = (np.log(alpha) + scale_n - np.log(beta) - scale_d) / (alpha + beta)
            values = {"A": np.exp(scale_n), "B": np.exp(scale_d), "E": np.exp(floor), "alpha": alpha, "beta": beta}
            return {**values, "a": optimum, "b": 1 - optimum, "G": np.exp(ratio)}

    def optimum(self, theta_SP: Floats, flops: Floats) -> tuple[Floats, Floats]:
        """Return the compute-optimal N and D at `flops`, shapes SN."""
        values = self.parameters(theta_SP)
        with np.errstate(all="ignore"):
            budget = flops[None, :] / 6
            size = values["G"][:, None] * budget ** values["a"][:, None]
            return size, budget / size

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return L at N and D; with C alone the loss of the compute-optimal model; with C and N, D = C / (6 N)."""
        given = dict(inputs)
        if set(given) == {"C"}:
            size, tokens = self.optimum(theta_SP, given["C"])
            values = self.parameters(theta_SP)
            with np.errstate(all="ignore"):
                of_size = values["A"][:, None] / size ** values["alpha"][:, None]
                return values["E"][:, None] + of_size + values["B"][:, None] / tokens ** values["beta"][:, None]
        for name in ("N", "D"):
            if name not in given:
                values_of, _ = derived(given, name)
                if values_of is None:
                    raise KeyError(f"{name} or C")
                given[name] = values_of
        return super().predict(theta_SP, given)


CHINCHILLA = Chinchilla()
