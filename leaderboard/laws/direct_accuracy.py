"""Accuracy straight from compute, sizes or samples (Apple): what is a power law is the negative log of accuracy.

Q' = (Q - chance) / (1 - chance). Forms, by what is mapped (or option `form`):
compute (Eq. 2)  ln(-ln Q') = ln A - alpha ln C, ordinary least squares, at ONE ratio of tokens to parameters;
sizes (Eq. 4)    -ln Q' = A / N^alpha + B / D^beta, sum of Huber(1e-3) of logs, 81 starts, over ratios;
passk (Eq. 5)    ln(-ln Q) = ln A + alpha ln C + beta ln k + delta ln C ln k, ordinary least squares;
ceiling (Eq. 6)  -ln Q' = A C^-alpha + E, sum of Huber(1e-3) of logs: accuracy never passes exp(-E).
At or below chance (and at 1) ln(-ln Q') does not exist: such rows are dropped and counted, never clipped; neither are
rows below `min_accuracy`.
Source: Apple's direct downstream law (equations as numbered there).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from curation.descent import Model, Problem, Pullback
from curation.errors import LawError
from curation.fitting import grid
from leaderboard.laws.compute import completed, derived
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Estimate, Floats, Law, Option, Parameter, Settings, Variable

FORMS = ("auto", "compute", "sizes", "passk", "ceiling")
SAME_RATIO = 1.25
"""Tokens per parameter count as one ratio within this factor (rows called 20 are 21.8 in the authors' own table)."""

CARD = Card(
    name="direct-accuracy",
    title="downstream accuracy in compute, in sizes, or in samples (Apple)",
    formula="-ln Q' = A C^-alpha | A N^-alpha + B D^-beta | A C^alpha k^(beta + delta ln C) | A C^-alpha + E",
    source="Apple's direct downstream law, Eq. 2, 4, 5, 6",
    variables=(
        Variable(name="Q", unit="fraction", meaning="accuracy (or pass rate)", domain="any"),
        Variable(name="C", unit="FLOPs", meaning="training compute; without it 6 N D", required=False),
        Variable(name="N", unit="parameters", meaning="model size; with D: the N-D form", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="k", unit="samples", meaning="tries a problem: the pass@k form", required=False),
        Variable(name="chance", unit="fraction", meaning="accuracy of guessing", required=False, domain="any"),
    ),
    usual=("C", "Q"),
    params=(
        Parameter(name="A", meaning="scale"),
        Parameter(name="alpha", meaning="exponent of C or N (passk: coefficient of ln C)", low=-5.0, high=5.0),
        Parameter(name="B", meaning="sizes: scale of the data term"),
        Parameter(name="beta", meaning="sizes: exponent of D; passk: coefficient of ln k", low=-5.0, high=5.0),
        Parameter(name="delta", meaning="passk: coefficient of ln C ln k"),
        Parameter(name="E", meaning="ceiling: -ln of the best accuracy there is"),
        Parameter(name="ceiling", meaning="ceiling: the best accuracy, chance included"),
    ),
    target="Q",
    sizes=("N", "D", "C"),
    losses=("mse", "huber", "lad"),
    options=(
        Option(name="form", meaning="which equation; auto: by what is mapped", choices=FORMS),
        Option(name="chance", meaning="accuracy of guessing, where no column is mapped", default="0"),
        Option(name="min_accuracy", meaning="rows below are dropped (beside those at chance)", default="0"),
    ),
)
PARTS: dict[str, tuple[str, ...]] = {
    "compute": ("A", "alpha"),
    "sizes": ("A", "B", "alpha", "beta"),
    "passk": ("A", "alpha", "beta", "delta"),
    "ceiling": ("A", "alpha", "E"),
}


class DirectAccuracy(CurveLaw):
    """One form of the law; the unbound one has the form `compute` and no chance."""

    space = "raw"
    refits_thin = False

    def __init__(self, form: str | None = None, *, chance: float = 0.0, least: float = 0.0) -> None:
        self.form, self.chance, self.least = form or "compute", chance, least
        self.names: tuple[str, ...] = PARTS[self.form]
        self.card = CARD  # of every form, for `curate fit list`
        if form is None:
            return
        robust = form in ("sizes", "ceiling")
        params = tuple(one for one in CARD.params if one.name in self.names or one.name == form)
        self.card = replace(CARD, params=params, losses=("huber", "lad", "mse") if robust else CARD.losses)

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the form that the mapped variables and the options ask for.

        Raises: LawError for options that are no fractions.
        """
        return DirectAccuracy(
            form_of(variables, settings.option(CARD, "form")),
            chance=fraction(CARD.name, settings.option(CARD, "chance"), "chance"),
            least=fraction(CARD.name, settings.option(CARD, "min_accuracy"), "min_accuracy"),
        )

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows above chance, with the form's inputs."""
        data = completed(data, ("N", "D") if self.form == "sizes" else ("C",), CARD.name)
        if self.form == "passk" and "k" not in data.columns:
            raise LawError("direct-accuracy: form passk needs k, which no column is mapped to; add --map k=COLUMN")
        return above_chance(data, CARD.name, chance=self.chance, least=self.least)

    def problem(self, data: Data, settings: Settings) -> Problem:
        """Return the problem in ln(-ln Q')."""
        targets = self.even(data.columns["Q"], data.columns)
        loss = settings.loss_of(self.card)
        return Problem(model=self.model(data.columns), targets=targets, loss=loss, of_rows=self.model_of_rows(data))

    def model(self, inputs: Columns) -> Model:
        """Return ln(-ln Q')."""
        if self.form in ("compute", "passk"):
            return _linear(self._design(inputs))
        if self.form == "sizes":
            return _two_terms(np.log(inputs["N"]), np.log(inputs["D"]))
        return _with_floor(np.log(self._compute(inputs)))

    def _compute(self, inputs: Columns) -> Floats:
        if "C" in inputs:
            return inputs["C"]
        found, _ = derived(inputs, "C")
        if found is None:
            raise KeyError("C")
        return found

    def _design(self, inputs: Columns) -> Floats:
        compute = np.log(self._compute(inputs))
        if self.form == "compute":
            return np.stack([np.ones_like(compute), -compute], axis=1)
        tries = np.log(inputs["k"])
        return np.stack([np.ones_like(compute), compute, tries, compute * tries], axis=1)

    def coordinates(self, data: Data) -> Floats:
        """Return the change from scales at the middle of the data (and, in linear forms, whitened columns)."""
        if self.form in ("compute", "passk"):
            _, upper = np.linalg.qr(self._design(data.columns))
            sound = np.linalg.matrix_rank(upper) == len(upper)
            return np.linalg.inv(upper) * np.sqrt(data.n) if sound else np.eye(len(upper))
        change = np.eye(len(self.names))
        if self.form == "sizes":
            change[0, 2] = np.mean(np.log(data.columns["N"]))
            change[1, 3] = np.mean(np.log(data.columns["D"]))
        else:
            change[0, 1] = np.mean(np.log(self._compute(data.columns)))
        return change

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' starts; one suffices for least squares of a linear form."""
        if self.form in ("compute", "passk"):
            return np.zeros((1, len(self.names)))
        if self.form == "sizes":
            return grid((5.0, 10.0, 15.0), (5.0, 10.0, 15.0), (0.5, 1.0, 1.5), (0.5, 1.0, 1.5))
        middle = float(np.mean(np.log(self._compute(data.columns))))
        rows = grid((-3.0, 0.0, 2.0), (0.05, 0.15, 0.3, 0.5), (-4.0, -2.0, -1.0))
        rows[:, 0] += rows[:, 1] * middle
        return rows

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the point fit, with a remark where one ratio was asked for and several are there."""
        found = super().estimate(data, settings)
        if self.form != "sizes" and {"N", "D"} <= set(data.columns):
            ratio = data.columns["D"] / data.columns["N"]
            if ratio.max() > SAME_RATIO * ratio.min():
                text = f"tokens per parameter range from {ratio.min():.3g} to {ratio.max():.3g}"
                remark = f"{text}: the law in C holds at one ratio; use option form=sizes"
                found = replace(found, warnings=(*found.warnings, remark))
        return found

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the form's parameters."""
        logged = ("A", "E") if self.form == "ceiling" else ("A", "B") if self.form == "sizes" else ("A",)
        with np.errstate(over="ignore"):
            found = {name: np.exp(v) if name in logged else v for name, v in zip(self.names, theta_SP.T, strict=True)}
            if self.form == "ceiling":
                found["ceiling"] = self.chance + (1 - self.chance) * np.exp(-found["E"])
        return found

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return Q, chance included."""
        return self.uneven(self.model(inputs)(theta_SP)[0], inputs)

    def even(self, values: Floats, inputs: Columns) -> Floats:
        """Return ln(-ln Q'), in which the law is fitted."""
        chance = inputs.get("chance", np.full(1, self.chance))
        found: Floats = np.log(-np.log((values - chance) / (1 - chance)))
        return found

    def uneven(self, values: Floats, inputs: Columns) -> Floats:
        """Return Q."""
        chance = inputs.get("chance", np.full(1, self.chance))
        with np.errstate(over="ignore"):
            return np.asarray(chance + (1 - chance) * np.exp(-np.exp(values)))


def form_of(variables: Collection[str], chosen: str) -> str:
    """Return the form for the mapped variables, unless one is chosen."""
    if chosen != "auto":
        return chosen
    if "k" in variables:
        return "passk"
    return "sizes" if {"N", "D"} <= set(variables) else "compute"


def fraction(law: str, text: str, option: str) -> float:
    """Return an option as a number in [0, 1).

    Raises: LawError.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise LawError(f"{law}: option {option} is `{text}`, expected a fraction from 0 to below 1")
    return value


def above_chance(data: Data, law: str, *, chance: float, least: float = 0.0) -> Data:
    """Return the rows whose accuracy lies between chance and 1, both excluded, and not below `least`.

    Raises: LawError for accuracies in percent.
    """
    if data.n and float(np.median(data.columns["Q"])) > 1:
        middle = float(np.median(data.columns["Q"]))
        raise LawError(f"{law}: the median accuracy is {middle:.4g}, expected fractions; map Q=COLUMN/100")
    if "chance" in data.columns:
        data = data.keep((data.columns["chance"] >= 0) & (data.columns["chance"] < 1), "chance is not in [0, 1)")
    guess = data.columns.get("chance", np.full(data.n, chance))
    kept = data.columns["Q"] > guess
    data = data.keep(kept, "accuracy is at or below chance")
    data = data.keep(data.columns["Q"] < 1, "accuracy is 1 or more")
    return data.keep(data.columns["Q"] >= least, f"accuracy is below {least:g}") if least else data


def _linear(design_NP: Floats) -> Model:
    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        return theta_SP @ design_NP.T, lambda weights_SN: weights_SN @ design_NP

    return values


def _two_terms(sizes: Floats, tokens: Floats) -> Model:
    """Return ln(A N^-alpha + B D^-beta) in (ln A, ln B, alpha, beta)."""

    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        first = theta_SP[:, 0:1] - theta_SP[:, 2:3] * sizes
        second = theta_SP[:, 1:2] - theta_SP[:, 3:4] * tokens
        total = np.logaddexp(first, second)

        def pullback(weights_SN: Floats) -> Floats:
            share = np.exp(first - total)
            one, other = weights_SN * share, weights_SN * (1 - share)
            return np.stack([one.sum(axis=1), other.sum(axis=1), -(one @ sizes), -(other @ tokens)], axis=1)

        return total, pullback

    return values


def _with_floor(compute: Floats) -> Model:
    """Return ln(A C^-alpha + E) in (ln A, alpha, ln E)."""

    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        first = theta_SP[:, 0:1] - theta_SP[:, 1:2] * compute
        total = np.logaddexp(first, theta_SP[:, 2:3])

        def pullback(weights_SN: Floats) -> Floats:
            share = np.exp(first - total)
            one, other = weights_SN * share, weights_SN * (1 - share)
            return np.stack([one.sum(axis=1), -(one @ compute), other.sum(axis=1)], axis=1)

        return total, pullback

    return values


DIRECT_ACCURACY = DirectAccuracy()
