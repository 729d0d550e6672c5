"""Critical batch size (Zhang): steps to a target loss against batch size, per model size, then a power law.

Per size ln steps = ln(a + b / B) is fitted by least squares. A batch B then needs a B + b samples; the critical batch
is where that is (1 + overhead) times the samples at the reference batch: CBS = overhead b / a + (1 + overhead)
B_ref, with the authors' overhead 0.2 and B_ref 256 sequences. Across sizes ln CBS is regressed on ln of the size in
millions of parameters (or of D in tokens, when D is mapped and not N): CBS = coef N^exp.
Held-out sizes are the test of the power law: their own batches give a measured CBS, compared with coef N^exp.
Source: Zhang et al. 2024 (2410.21676), section 4 and appendix.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from curation.descent import Loss, Model, Problem, Pullback
from curation.errors import InsufficientError, LawError
from curation.files import Json
from curation.fitting import grid, minimise, refit
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.power import at, power_law

MIN_BATCHES = 3
MIN_SIZES = 2
UNIT = 1e6
"""Sizes and tokens enter the power law in millions, as in the authors' figures."""
HEAD = 2
"""theta: ln coef, exp, then (ln a, ln b) of each size."""

CARD = Card(
    name="critical-batch",
    title="critical batch size in model size or tokens (Zhang)",
    formula="steps = a + b / B per size; CBS = overhead b / a + (1 + overhead) B_ref; CBS = coef (N / 1e6)^exp",
    source="Zhang et al. 2024 (2410.21676)",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size", required=False),
        Variable(name="D", unit="tokens", meaning="tokens, when the law is wanted in D", required=False),
        Variable(name="B", unit="sequences (or tokens)", meaning="batch size"),
        Variable(name="steps", unit="optimiser steps", meaning="steps to the target loss of its size"),
    ),
    params=(
        Parameter(name="coef", meaning="CBS at a million parameters (or tokens)"),
        Parameter(name="exp", meaning="exponent of the size", low=-1.0, high=3.0),
    ),
    target="steps",
    predicts="CBS (with B: steps)",
    sizes=("N", "D"),
    losses=(),
    options=(
        Option(name="overhead", meaning="extra samples allowed at the critical batch", default="0.2"),
        Option(name="B_ref", meaning="batch of no overhead, in the unit of B", default="256"),
    ),
)


class CriticalBatch(Law):
    """Unbound: the sizes and options are not known yet."""

    card = CARD
    scatter = False

    def __init__(self, *, size: str = "N", overhead: float = 0.2, reference: float = 256.0) -> None:
        self.size, self.overhead, self.reference = size, overhead, reference
        self.sizes: Floats = np.zeros(0)

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law in N (or D), with its options.

        Raises: LawError without a size, or for options that are no numbers.
        """
        if not {"N", "D"} & set(variables):
            raise LawError("critical-batch: needs N or D, which no column is mapped to; add --map N=COLUMN")
        numbers = {}
        for name in ("overhead", "B_ref"):
            text = settings.option(CARD, name)
            try:
                numbers[name] = float(text)
            except ValueError:
                numbers[name] = -1.0
            if not 0 < numbers[name] < np.inf:
                raise LawError(f"critical-batch: option {name} is `{text}`, expected a positive number")
        size = "N" if "N" in variables else "D"
        return CriticalBatch(size=size, overhead=numbers["overhead"], reference=numbers["B_ref"])

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return the rows of sizes with enough batches."""
        sizes = data.columns[self.size]
        batches = {size: len(np.unique(data.columns["B"][sizes == size])) for size in np.unique(sizes).tolist()}
        enough = np.array([batches[size] >= MIN_BATCHES for size in sizes.tolist()], bool)
        known = np.isin(sizes, self.sizes)  # of a fitted size; none before the fit
        data = data.keep(enough | known, f"its {self.size} has fewer than {MIN_BATCHES} batch sizes")
        if not len(self.sizes) or known.all():
            return data
        new = np.setdiff1d(data.columns[self.size], self.sizes).tolist()
        listed = ", ".join(f"{size:.4g}" for size in new)
        note = f"{self.size} {listed} was not fitted: its measured critical batch is compared with coef {self.size}^exp"
        return replace(data, notes=(*data.notes, note)) if new else data

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return a and b of every size, and the power law."""
        self.sizes = np.unique(data.columns[self.size])
        if len(self.sizes) < MIN_SIZES:
            raise InsufficientError(
                f"critical-batch: insufficient: {len(self.sizes)} sizes with {MIN_BATCHES} or more batch sizes, "
                f"expected at least {MIN_SIZES}; measure steps to a target loss at another size"
            )
        parts = self._measured(data, self.sizes)
        objectives = [
            float(problem.objective(one[None])[0])
            for problem, one in zip(self._problems(data, self.sizes).values(), parts, strict=True)
        ]
        theta = np.concatenate([np.zeros(HEAD), *parts])[None]
        theta[:, :HEAD] = self._power_law(theta)
        warnings = _flat(self.sizes, theta[0], data, self.size)
        return Estimate(theta=theta[0], objective=sum(objectives), warnings=warnings)

    def _measured(self, data: Data, sizes: Floats) -> list[Floats]:
        """Return ln a and ln b of each size, from its own batches."""
        batches = np.array([data.columns["B"].min(), data.columns["B"].max()])
        problems = self._problems(data, sizes).values()
        return [minimise(problem, _starts(problem, batches)).theta for problem in problems]

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits; sizes with fewer than three batches in a resample make it NaN."""
        parts = [np.zeros((len(weights_BN), HEAD))]
        for number, (size, problem) in enumerate(self._problems(data, self.sizes).items()):
            rows = np.flatnonzero(data.columns[self.size] == size)
            start = estimate.theta[HEAD + 2 * number : HEAD + 2 * number + 2]
            draws = np.concatenate(list(refit(problem, start, weights_BN[:, rows])))
            thin = np.sum(weights_BN[:, rows] > 0, axis=1) < MIN_BATCHES
            parts.append(np.where(thin[:, None], np.nan, draws))
        theta = np.hstack(parts)
        theta[:, :HEAD] = self._power_law(theta)
        return theta

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return coef and exp, and the critical batch of every fitted size."""
        batches = self._critical(theta_SP)
        named = {f"CBS({self.size}={size:.4g})": batches[:, i] for i, size in enumerate(self.sizes.tolist())}
        return {"coef": np.exp(theta_SP[:, 0]), "exp": theta_SP[:, 1], **named}

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return steps at a fitted size and batch; without B the critical batch of any size."""
        sizes = inputs[self.size]
        if "B" not in inputs:
            return at(theta_SP, sizes / UNIT)
        found = np.full((len(theta_SP), len(sizes)), np.nan)
        for number, size in enumerate(self.sizes.tolist()):
            ln_a, ln_b = (theta_SP[:, HEAD + 2 * number + i : HEAD + 2 * number + i + 1] for i in range(2))
            steps = np.exp(ln_a) + np.exp(ln_b) / inputs["B"]
            found = np.where(sizes == size, steps, found)
        return found

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return measured and fitted steps; of sizes not fitted the critical batch, measured and by the law."""
        known = np.isin(data.columns[self.size], self.sizes)
        expected = self.predict(theta[None], data.columns)[0][known]
        new = np.setdiff1d(data.columns[self.size], self.sizes)
        if not len(new):
            return data.columns["steps"], expected
        measured = self._critical(np.concatenate([np.zeros(HEAD), *self._measured(data, new)])[None])[0]
        by_law = self.predict(theta[None], {self.size: new})[0]
        return np.concatenate([data.columns["steps"][known], measured]), np.concatenate([expected, by_law])

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return a, b and the critical batch of every size."""
        rows: list[Json] = []
        for number, size in enumerate(self.sizes.tolist()):
            ln_a, ln_b = fitted.theta[HEAD + 2 * number : HEAD + 2 * number + 2].tolist()
            batch = float(self._critical(fitted.theta[None])[0, number])
            rows.append({self.size: size, "a": float(np.exp(ln_a)), "b": float(np.exp(ln_b)), "CBS": batch})
        return {"sizes": rows, "overhead": self.overhead, "B_ref": self.reference}

    def _problems(self, data: Data, sizes: Floats) -> dict[float, Problem]:
        found = {}
        for size in sizes.tolist():
            rows = data.columns[self.size] == size
            batches = np.log(data.columns["B"][rows])
            targets = np.log(data.columns["steps"][rows])
            found[size] = Problem(model=_curve(batches), targets=targets, loss=Loss(kind="mse"))
        return found

    def _critical(self, theta_SP: Floats) -> Floats:
        ratio = np.exp(theta_SP[:, HEAD + 1 :: 2] - theta_SP[:, HEAD::2])
        return np.asarray(self.overhead * ratio + (1 + self.overhead) * self.reference)

    def _power_law(self, theta_SP: Floats) -> Floats:
        """Return ln coef and exp of the log-log regression."""
        batches = self._critical(theta_SP)
        return power_law(self.sizes / UNIT, batches, np.ones_like(batches))


def _curve(batches: Floats) -> Model:
    """Return ln(a + b / B) in (ln a, ln b)."""

    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        few, many = theta_SP[:, 0:1] + 0 * batches, theta_SP[:, 1:2] - batches
        total = np.logaddexp(few, many)

        def pullback(weights_SN: Floats) -> Floats:
            share = np.exp(few - total)
            return np.stack([(weights_SN * share).sum(axis=1), (weights_SN * (1 - share)).sum(axis=1)], axis=1)

        return total, pullback

    return values


def _starts(problem: Problem, batches: Floats) -> Floats:
    """Return starts with the least steps as a, and the samples of the smallest batch as b, both up and down."""
    low, high = float(problem.targets.min()), float(problem.targets.max())
    return grid((low - 2.0, low - 0.5, low), (high + np.log(batches[0]) - 1.0, high + np.log(batches[0])))


def _flat(sizes: Floats, theta: Floats, data: Data, name: str) -> tuple[str, ...]:
    """Return a warning for each size whose batches are all on one side of the bend."""
    found = []
    for number, size in enumerate(sizes.tolist()):
        bend = float(np.exp(theta[HEAD + 2 * number + 1] - theta[HEAD + 2 * number]))
        batches = data.columns["B"][data.columns[name] == size]
        if not batches.min() < bend < batches.max():
            found.append(
                f"{name} = {size:.4g}: batches {batches.min():g} to {batches.max():g} all lie on one side of the bend "
                f"b / a = {bend:.4g}; its critical batch is not identified"
            )
    return tuple(found)


CRITICAL_BATCH = CriticalBatch()
