"""Error from loss (Gadre): Err = eps - k exp(-gamma L), alone or chained behind the over-training law.

With N and D (or C and M) mapped beside the loss the prediction is chained: the over-training law predicts L, and this
law turns it into the error; both are fitted to measured losses. `in_loss` says which rows the first law is fitted to
(the authors: five small runs; the error law has one larger run more). Minimised: squared residuals of the error.
Source: Gadre et al. 2024 (2403.08540), section 3.3.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from curation.descent import Model, Pullback, Search
from curation.files import Json
from curation.fitting import grid
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Parameter, Settings, Variable
from leaderboard.laws.overtraining import Overtraining, sizes_of, with_sizes

NUM_ERROR_PARAMS = 3
CARD = Card(
    name="error-from-loss",
    title="average downstream error in loss (Gadre), chained behind `overtraining`",
    formula="Err = eps - k exp(-gamma L)",
    source="Gadre et al. 2024 (2403.08540) section 3.3",
    variables=(
        Variable(name="L", unit="nats per token", meaning="loss"),
        Variable(name="Err", unit="fraction", meaning="mean top-1 error over tasks (1 - accuracy)", domain="any"),
        Variable(name="N", unit="parameters", meaning="with D: chains the prediction", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="with M or N: chains the prediction", required=False),
        Variable(name="M", unit="tokens per parameter", meaning="D / N", required=False),
        Variable(
            name="in_loss",
            unit="0 or 1",
            meaning="rows of the loss law (an expression over columns); all without it",
            required=False,
            domain="any",
        ),
    ),
    params=(
        Parameter(name="eps", meaning="error without any skill", low=0.0, high=1.05),
        Parameter(name="k", meaning="how much of it loss takes away"),
        Parameter(name="gamma", meaning="how fast", low=1e-3, high=20.0),
    ),
    target="Err",
    sizes=("L",),
    losses=("mse", "huber", "lad"),
)


class ErrorFromLoss(CurveLaw):
    """The error in the loss."""

    card = CARD
    names = ("eps", "k", "gamma")
    space = "raw"
    search = Search(max_evaluations=800, tolerance=1e-13)
    refits_thin = False

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the chained law where sizes are mapped."""
        return ChainedError() if len({"N", "D", "C", "M"} & set(variables)) >= 2 else self

    def model(self, inputs: Columns) -> Model:
        """Return Err."""
        losses = inputs["L"]

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            gain = np.exp(theta_SP[:, 1:2] - theta_SP[:, 2:3] * losses)

            def pullback(weights_SN: Floats) -> Floats:
                part = weights_SN * gain
                return np.stack([weights_SN.sum(axis=1), -part.sum(axis=1), part @ losses], axis=1)

            return theta_SP[:, 0:1] - gain, pullback

        return values

    def coordinates(self, data: Data) -> Floats:
        """Return the change from the gain at the mean loss."""
        change = np.eye(NUM_ERROR_PARAMS)
        change[1, 2] = float(np.mean(data.columns["L"]))
        return change

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' start (all ones) among others."""
        return grid((0.6, 0.8, 1.0), (-1.0, 0.0, 1.0, 3.0), (0.1, 0.3, 1.0, 3.0))

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return eps, k, gamma."""
        with np.errstate(over="ignore"):
            return {"eps": theta_SP[:, 0], "k": np.exp(theta_SP[:, 1]), "gamma": theta_SP[:, 2]}


class ChainedError(Law):
    """The error in N and D through the predicted loss; theta holds the error law's parameters, then the loss law's."""

    card = CARD

    def __init__(self) -> None:
        self.error, self.loss = ErrorFromLoss(), Overtraining()

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with N and D."""
        return with_sizes(data)

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return both fits; the objective is the error law's."""
        last = self.error.estimate(data, settings)
        first = self.loss.estimate(self._of_loss(data), settings)
        remarks = (*last.warnings, *(f"loss law: {text}" for text in first.warnings))
        theta = np.concatenate([last.theta, first.theta])
        return Estimate(theta=theta, objective=last.objective, warnings=remarks)

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return both refits of the same resampled runs."""
        inner = estimate.theta[:NUM_ERROR_PARAMS], estimate.theta[NUM_ERROR_PARAMS:]
        last, first = (Estimate(theta=theta, objective=0.0) for theta in inner)
        of_loss = self._of_loss(data)
        chosen = self._in_loss(data)
        errors = self.error.resample(data, last, settings, weights_BN)
        return np.hstack([errors, self.loss.resample(of_loss, first, settings, weights_BN[:, chosen])])

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return eps, k, gamma and the loss law's a, b, eta, E."""
        inner = self.loss.parameters(theta_SP[:, NUM_ERROR_PARAMS:])
        kept = {name: inner[name] for name in ("a", "b", "eta", "E")}
        return {**self.error.parameters(theta_SP[:, :NUM_ERROR_PARAMS]), **kept}

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return Err through the predicted loss; at a given L alone, from that."""
        if not {"N", "D", "C", "M"} & set(inputs):
            return self.error.predict(theta_SP[:, :NUM_ERROR_PARAMS], inputs)
        losses = self.loss.predict(theta_SP[:, NUM_ERROR_PARAMS:], sizes_of(inputs))
        with np.errstate(over="ignore"):
            gain = np.exp(theta_SP[:, 1:2] - theta_SP[:, 2:3] * losses)
        return np.asarray(theta_SP[:, 0:1] - gain)

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the error and the chained prediction, which reads no measured loss."""
        return data.columns["Err"], self.predict(theta[None], data.columns)[0]

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return the fit of the loss law, and how well each step alone describes its rows."""
        found: dict[str, Json] = {}
        for name, held in (("fit", fitted.data), ("holdout", fitted.held_out)):
            if held is not None:
                loss = self.loss.predict(fitted.theta[None, NUM_ERROR_PARAMS:], held.columns)[0]
                error = self.error.predict(fitted.theta[None, :NUM_ERROR_PARAMS], held.columns)[0]
                found[name] = {
                    "loss_relative_error": float(np.mean(np.abs(loss / held.columns["L"] - 1))),
                    "error_at_measured_loss_relative_error": float(np.mean(np.abs(error / held.columns["Err"] - 1))),
                }
        return found

    def _in_loss(self, data: Data) -> np.ndarray:  # type: ignore[type-arg]
        return data.columns["in_loss"] > 0 if "in_loss" in data.columns else np.ones(data.n, bool)

    def _of_loss(self, data: Data) -> Data:
        wanted = self._in_loss(data)
        columns = {name: data.columns[name][wanted] for name in ("N", "D", "L")}
        return Data(columns=columns, groups=data.groups[wanted])


ERROR_FROM_LOSS = ErrorFromLoss()
