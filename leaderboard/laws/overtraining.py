"""Over-training (Gadre): L(C, M) = E + (a M^eta + b M^-eta) C^-eta with C = 6 N D and M = D / N.

At every ratio M of tokens to parameters the loss falls with the same power of compute; off the optimal ratio only the
factor grows. In N and D this is E + a (6 N²)^-eta + b (6 D²)^-eta: exponents of N and D are both 2 eta.
Minimised: the sum of squared residuals of the raw loss, from the authors' 128 starts (given there in alpha = a 6^-eta,
beta = b and -2 eta). `N` counts all parameters, embeddings included.
Source: Gadre et al. 2024 (2403.08540), section 3 and appendix.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from curation.descent import Model, Pullback, Search
from leaderboard.laws.compute import completed
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Floats, Parameter, Settings, Variable

SCALES = (1e2, 3e2, 1e3, 3e3)
ETAS = (0.05, 0.15)
FLOORS = (0.0, 1.0, 2.0, 10.0)

CARD = Card(
    name="overtraining",
    title="loss in compute and tokens per parameter (Gadre)",
    formula="L = E + (a M^eta + b M^-eta) C^-eta, C = 6 N D, M = D / N",
    source="Gadre et al. 2024 (2403.08540) section 3.2",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size, embeddings included", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="training compute; without it 6 N D", required=False),
        Variable(name="M", unit="tokens per parameter", meaning="D / N; with C instead of N, D", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="final loss"),
    ),
    usual=("N", "D", "L"),
    params=(
        Parameter(name="a", meaning="scale of the size term"),
        Parameter(name="b", meaning="scale of the data term"),
        Parameter(name="eta", meaning="exponent of compute", low=0.005, high=1.0),
        Parameter(name="E", meaning="irreducible loss", low=0.0),
        Parameter(name="alpha", meaning="a 6^-eta, the scale of N^(-2 eta) in the authors' code"),
        Parameter(
            name="M_opt", meaning="tokens per parameter of the least loss at given compute: (b / a)^(1 / (2 eta))"
        ),
    ),
    losses=("mse", "huber", "lad"),
)


class Overtraining(CurveLaw):
    """Gadre's law."""

    card = CARD
    names = ("a", "b", "eta", "E")
    space = "raw"
    search = Search(max_evaluations=800, tolerance=1e-13)
    refits_thin = False

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with N and D."""
        return with_sizes(data)

    def model(self, inputs: Columns) -> Model:
        """Return L."""
        of_size = -np.log(6 * np.square(inputs["N"]))
        of_data = -np.log(6 * np.square(inputs["D"]))

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            eta = theta_SP[:, 2:3]
            size = np.exp(theta_SP[:, 0:1] + eta * of_size)
            data = np.exp(theta_SP[:, 1:2] + eta * of_data)

            def pullback(weights_SN: Floats) -> Floats:
                size_part, data_part = weights_SN * size, weights_SN * data
                slope = size_part @ of_size + data_part @ of_data
                sums = (size_part.sum(axis=1), data_part.sum(axis=1), slope, weights_SN.sum(axis=1))
                return np.stack(sums, axis=1)

            return theta_SP[:, 3:4] + size + data, pullback

        return values

    def coordinates(self, data: Data) -> Floats:
        """Return the change from scales at the middle of the data."""
        change = np.eye(4)
        change[0, 2] = np.mean(np.log(6 * np.square(data.columns["N"])))
        change[1, 2] = np.mean(np.log(6 * np.square(data.columns["D"])))
        return change

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' 128 starts."""
        rows = [
            (np.log(alpha) + eta * np.log(6), np.log(beta), eta, floor)
            for alpha, beta, eta, floor in product(SCALES, SCALES, ETAS, FLOORS)
        ]
        return np.array(rows)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return a, b, eta, E, the code's alpha, and the best ratio."""
        scale_a, scale_b, eta, floor = theta_SP.T
        with np.errstate(all="ignore"):
            values = {"a": np.exp(scale_a), "b": np.exp(scale_b), "eta": eta, "E": floor}
            best = np.exp((scale_b - scale_a) / (2 * eta))
            return {**values, "alpha": np.exp(scale_a - eta * np.log(6)), "M_opt": best}

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return L at any two of N, D, C, M."""
        return super().predict(theta_SP, sizes_of(inputs))


def sizes_of(inputs: Columns) -> Columns:
    """Return the inputs with N and D, from any two of N, D, C = 6 N D and M = D / N.

    Raises: KeyError naming what is missing.
    """
    given = dict(inputs)
    if "N" not in given and "M" in given:
        given["N"] = given["D"] / given["M"] if "D" in given else np.sqrt(given["C"] / 6 / given["M"])
    if "D" not in given and "M" in given:
        given["D"] = given["N"] * given["M"]
    if "N" not in given:
        given["N"] = given["C"] / 6 / given["D"]
    if "D" not in given:
        given["D"] = given["C"] / 6 / given["N"]
    return given


def with_sizes(data: Data) -> Data:
    """Return the data with N and D."""
    if "M" in data.columns and not {"N", "D"} <= set(data.columns):
        try:
            sizes = sizes_of(data.columns)
        except KeyError:
            return completed(data, ("N", "D"), CARD.name)
        for name in ("N", "D"):
            if name not in data.columns:
                data = data.with_column(name, sizes[name], f"{name} is not mapped: taken from M = D / N and the other")
        return data
    return completed(data, ("N", "D"), CARD.name)


OVERTRAINING = Overtraining()
