"""Accuracy in two steps (OLMo ladder, Apple's baseline): compute or sizes -> task loss -> accuracy.

Step 1: L = A / N^alpha + B / D^beta + E, sum of Huber(1e-3) of logs, from the ladder's start (ln A 3, ln B 6, .1, .2,
E 1) and its neighbours; without sizes L = (C / C_N)^-alpha by a straight line on logarithms. Step 2: accuracy =
a / (1 + exp(-k (L - x0))) + b by bounded least squares from the ladder's start, optionally with the anchor (loss 0,
accuracy 1); or a straight line in L. With `step` mapped a run's rows are its checkpoints: step 1 reads the last D and
the mean of the last five losses; step 2 all checkpoints after the first tenth, both axes smoothed over five.
With neither sizes nor compute mapped (form `link`) step 2 is fitted alone and predicts from a loss.
It is there to be compared: `details` puts its errors on held-out runs beside those of the direct law on the same runs.
Source: Bhagia et al. 2024 (2412.04403); the C form: Apple's direct downstream law, its baselines.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from curation.errors import InsufficientError, LawError
from curation.files import Json
from leaderboard.laws.chinchilla import Chinchilla
from leaderboard.laws.compute import completed, derived
from leaderboard.laws.direct_accuracy import DirectAccuracy, fraction
from leaderboard.laws.ladder import final_rows, is_stepwise, smoothed_rows
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.link import LINKS, fit_link, link_names, linked
from leaderboard.laws.power import at, power_law

CARD = Card(
    name="two-stage",
    title="accuracy through the task's loss (OLMo ladder), beside the direct law",
    formula="L = A / N^alpha + B / D^beta + E (or (C / C_N)^-alpha); Q = a / (1 + exp(-k (L - x0))) + b",
    source="Bhagia et al. 2024 (2412.04403); Apple's baselines",
    variables=(
        Variable(name="L", unit="bits per byte (or nats)", meaning="loss of the task's right answers"),
        Variable(name="Q", unit="fraction", meaning="accuracy of the task", domain="any"),
        Variable(name="N", unit="parameters", meaning="model size", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="training compute, where sizes are not mapped", required=False),
        Variable(
            name="step", unit="steps", meaning="rows are checkpoints of their `run`", required=False, domain="any"
        ),
        Variable(name="chance", unit="fraction", meaning="for the direct law beside it", required=False, domain="any"),
    ),
    usual=("N", "D", "L", "Q"),
    params=(
        Parameter(name="A", meaning="step 1: scale of the size term"),
        Parameter(name="B", meaning="step 1: scale of the data term"),
        Parameter(name="E", meaning="step 1: irreducible loss"),
        Parameter(name="alpha", meaning="step 1: exponent of N (or C)", low=0.0, high=3.0),
        Parameter(name="beta", meaning="step 1: exponent of D", low=0.0, high=3.0),
        Parameter(name="C_N", meaning="step 1 in C: compute at which the loss is 1"),
        Parameter(name="a", meaning="step 2: height (negative: accuracy falls with loss)"),
        Parameter(name="x0", meaning="step 2: loss of the steepest place"),
        Parameter(name="k", meaning="step 2: steepness"),
        Parameter(name="b", meaning="step 2: accuracy at loss 0"),
    ),
    target="Q",
    sizes=("N", "D", "C"),
    losses=("huber", "lad", "mse"),
    options=(
        Option(name="link", meaning="step 2: logistic or a straight line in the loss", choices=LINKS),
        Option(name="anchor", meaning="step 2: add the point loss 0, accuracy 1", choices=("auto", "yes", "no")),
        Option(name="chance", meaning="for the direct law beside it", default="0"),
    ),
)


NUM_FIRST = {"sizes": 5, "compute": 2, "link": 0}
"""Parameters of step 1 by form."""


class _Ladder(Chinchilla):
    """Step 1 in N and D, from the ladder's start."""

    refits_thin = False

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the ladder's start and eight around it."""
        first = np.array([3.0, 6.0, 0.0, 0.1, 0.2])
        moves = np.array([[a, b, e, 0.05 * a, 0.05 * b] for a in (0, 3) for b in (0, 3) for e in (-1.0, 0.0)])
        return np.vstack([first, first + moves])


class TwoStage(Law):
    """Both steps; theta holds step 1 (5 in N and D, 2 in C, none in form `link`), then step 2."""

    card = CARD

    def __init__(
        self, *, form: str = "sizes", link: str = "logistic", anchor: bool = False, chance: float = 0.0
    ) -> None:
        self.form, self.link, self.anchor, self.chance = form, link, anchor, chance
        self.num_first = NUM_FIRST[form]
        self.ladder = _Ladder()
        if form == "link":
            self.card = replace(CARD, sizes=("L",), formula=CARD.formula.partition("; ")[2])

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law in N and D where both are mapped, else in C; step 2 alone where none of them is.

        Raises: LawError for one of N and D without the other.
        """
        pairs = len({"N", "D", "C"} & set(variables))
        if pairs == 1 and "C" not in variables:
            raise LawError("two-stage: needs N and D, or C, which no column is mapped to; add --map N=COLUMN,D=COLUMN")
        anchor = settings.option(CARD, "anchor")
        return TwoStage(
            form="sizes" if pairs >= 2 else "compute" if pairs else "link",
            link=settings.option(CARD, "link"),
            anchor=anchor == "yes" or (anchor == "auto" and "step" in variables),
            chance=fraction(CARD.name, settings.option(CARD, "chance"), "chance"),
        )

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with the inputs of step 1."""
        if data.n and float(np.median(data.columns["Q"])) > 1:
            raise LawError("two-stage: the median accuracy is above 1, expected fractions; map Q=COLUMN/100")
        if self.form == "link":
            return replace(data, notes=(*data.notes, "only L and Q are mapped: step 2 alone (form link), no step 1"))
        return completed(data, ("N", "D") if self.form == "sizes" else ("C",), CARD.name)

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return both fits; the objective is step 1's (in form `link` the sum of squares of step 2)."""
        final, rows = final_rows(data), smoothed_rows(data)
        second, remarks = fit_link(self.link, rows.columns["L"], rows.columns["Q"], anchor=self.anchor)
        if self.form == "link":
            missed = rows.columns["Q"] - linked(self.link, second[None], rows.columns["L"][None])[0]
            return Estimate(theta=second, objective=float(np.sum(missed**2)), warnings=remarks)
        if self.form == "sizes":
            first = self.ladder.estimate(final, settings)
        else:
            if final.n < 2 or np.ptp(final.columns["C"]) == 0:
                raise InsufficientError(f"two-stage: insufficient: {final.n} runs of one compute; add other budgets")
            theta = power_law(final.columns["C"], final.columns["L"][None], np.ones((1, final.n)))[0]
            gap = np.log(final.columns["L"]) - np.log(at(theta[None], final.columns["C"])[0])
            first = Estimate(theta=theta, objective=float(np.sum(gap**2)))
        return replace(first, theta=np.concatenate([first.theta, second]), warnings=(*first.warnings, *remarks))

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits of both steps for the same resampled runs."""
        final, rows = final_rows(data), smoothed_rows(data)
        of_final, of_rows = _weights(data, final, weights_BN), _weights(data, rows, weights_BN)
        if self.form == "link":
            first = np.empty((len(weights_BN), 0))
        elif self.form == "sizes":
            start = replace(estimate, theta=estimate.theta[: self.num_first])
            first = self.ladder.resample(final, start, settings, of_final)
        else:
            first = power_law(final.columns["C"], np.tile(final.columns["L"], (len(of_final), 1)), of_final)
        begin = estimate.theta[self.num_first :]
        second = [
            fit_link(self.link, rows.columns["L"], rows.columns["Q"], anchor=self.anchor, weights=weights, begin=begin)[
                0
            ]
            for weights in of_rows
        ]
        return np.hstack([first, np.array(second)])

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the parameters of both steps."""
        second = dict(zip(link_names(self.link), theta_SP[:, self.num_first :].T, strict=True))
        if self.form == "link":
            return second
        if self.form == "sizes":
            first = self.ladder.parameters(theta_SP[:, :5])
            return {name: first[name] for name in ("A", "B", "E", "alpha", "beta")} | second
        with np.errstate(all="ignore"):
            return {"alpha": -theta_SP[:, 1], "C_N": np.exp(-theta_SP[:, 0] / theta_SP[:, 1]), **second}

    def loss(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the predicted task loss; the given one in form `link`."""
        if self.form == "link":
            return np.tile(inputs["L"], (len(theta_SP), 1))
        if self.form == "sizes":
            return self.ladder.predict(
                theta_SP[:, :5], {name: inputs[name] for name in ("N", "D", "C") if name in inputs}
            )
        compute = inputs["C"] if "C" in inputs else derived(inputs, "C")[0]
        if compute is None:
            raise KeyError("C")
        return at(theta_SP[:, :2], compute)

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the accuracy through the predicted loss; at a given L alone, from that."""
        if not {"N", "D", "C"} & set(inputs) and "L" in inputs:
            return linked(self.link, theta_SP[:, self.num_first :], np.tile(inputs["L"], (len(theta_SP), 1)))
        return linked(self.link, theta_SP[:, self.num_first :], self.loss(theta_SP, inputs))

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the accuracy of every run (its last five checkpoints) and the chained prediction."""
        final = final_rows(data)
        return final.columns["Q"], self.predict(theta[None], final.columns)[0]

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return mean relative errors of both laws and of each step, on fitted and held-out runs."""
        if self.form == "link":
            return {}
        direct, reason = self._direct(fitted)
        found: dict[str, Json] = {"direct_law": reason or {k: float(v) for k, v in direct[1].items()}}
        for name, held in (("fit", fitted.data), ("holdout", fitted.held_out)):
            if held is None:
                continue
            final = final_rows(held)
            accuracy, loss = final.columns["Q"], final.columns["L"]
            theta = fitted.theta[None]
            at_loss = linked(self.link, theta[:, self.num_first :], loss[None])[0]
            found[name] = {
                "n": final.n,
                "two_stage": _error(self.predict(theta, final.columns)[0], accuracy),
                "direct": None if reason else _error(direct[0].predict(direct[2], final.columns)[0], accuracy),
                "step_1_loss": _error(self.loss(theta, final.columns)[0], loss),
                "step_2_at_measured_loss": _error(at_loss, accuracy),
            }
        return found

    def _direct(self, fitted: Fit) -> tuple[tuple[DirectAccuracy, dict[str, float], Floats], str]:
        """Return the direct law on the same runs with its parameters, or why there is none."""
        law = DirectAccuracy(self.form, chance=self.chance)
        settings = replace(fitted.settings, loss=None, options={})
        try:
            data = law.prepare(final_rows(fitted.data), settings)
            theta = law.estimate(data, settings).theta[None]
        except LawError as error:
            return (law, {}, np.zeros((1, 0))), str(error)
        params = {name: float(values[0]) for name, values in law.parameters(theta).items()}
        return (law, params, theta), ""


def _error(expected: Floats, observed: Floats) -> float:
    return float(np.mean(np.abs(expected / observed - 1)))


def _weights(data: Data, rows: Data, weights_BN: Floats) -> Floats:
    """Return the weights of derived rows: those of their run."""
    if not is_stepwise(data):
        return weights_BN
    _, first = np.unique(data.groups, return_index=True)
    place = np.searchsorted(np.unique(data.groups), rows.groups)
    return weights_BN[:, first[place]]


TWO_STAGE = TwoStage()
