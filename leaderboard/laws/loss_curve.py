"""Loss curves under any learning-rate schedule: the multi-power law, fitted on some curves, predicting others.

One row a logged step: step, rate, loss, and the curve's name. The rate of every step is rebuilt from the logged rows
(`leaderboard.laws.schedules`); before the first logged row it warms up linearly from 0, over `warmup` steps.
Parameters given as options are not fitted; with all seven given the law is only evaluated. Neighbouring rows of a
curve are alike: without a mapped `run` the bootstrap draws blocks of a tenth of a curve.
Source: Luo et al. 2025 (2503.12811).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from curation.errors import InsufficientError, LawError
from curation.files import Json
from leaderboard.laws.curve_rows import blocks, by_curve, errors
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.multi_power import BLOCK_STEPS, NAMES, Changes, changes_of, losses
from leaderboard.laws.multi_power_fit import (
    PEAK,
    Curves,
    authors_start,
    converge,
    public,
    searched,
    starts,
    stopped_early,
    unscaled,
)
from leaderboard.laws.schedules import Schedule, described, rebuild

MIN_ROWS = 14
"""Two rows a parameter."""
RESAMPLE_BLOCK_STEPS = 128
FINE_BLOCK_STEPS = 4
"""Of the last descent; the starts use coarser blocks."""

CARD = Card(
    name="loss-curve",
    title="loss under any learning-rate schedule (multi-power law)",
    formula="L(t) = L0 + A S(t)^-alpha + B sum_k (eta_k - eta_{k-1}) (1 - (1 + C eta_k^-gamma S_k(t))^-beta)",
    source="Luo et al. 2025 (2503.12811)",
    variables=(
        Variable(name="step", unit="optimiser steps", meaning="from 0", domain="any"),
        Variable(name="lr", unit="learning rate", meaning="rate at that step", domain="any"),
        Variable(name="L", unit="nats per token", meaning="loss at that step"),
        Variable(name="curve", unit="name", meaning="which curve; one without it", required=False, domain="text"),
        Variable(name="warmup", unit="steps", meaning="--predict: warm-up steps", required=False),
        Variable(name="decay_from", unit="step", meaning="--predict: where the decay begins", required=False),
        Variable(name="end_lr", unit="learning rate", meaning="--predict: rate at the last step", required=False),
        Variable(name="linear", unit="1", meaning="--predict: decay linearly, not exponentially", required=False),
    ),
    params=(
        Parameter(name="L0", meaning="loss after endless training at a constant rate", low=0.0),
        Parameter(name="A", meaning="scale of the power law in the sum of rates"),
        Parameter(name="alpha", meaning="its exponent", low=0.01, high=3.0),
        Parameter(name="B", meaning="loss per unit of rate that a decay takes away"),
        Parameter(name="C", meaning="how soon"),
        Parameter(name="beta", meaning="exponent of how soon", low=1e-3, high=10.0),
        Parameter(name="gamma", meaning="how it depends on the rate", low=-2.0, high=4.0),
    ),
    sizes=(),
    losses=(),
    options=(
        Option(name="warmup", meaning="steps of linear warm-up; `auto`: the first logged step", default="auto"),
        Option(
            name="procedure", meaning="search to the end, or stop as the authors did", choices=("authors", "converged")
        ),
        *(Option(name=name, meaning=f"{name} given, not fitted") for name in NAMES),
    ),
)


class LossCurve(Law):
    """The multi-power law; `given` holds parameters that are not fitted."""

    card = CARD

    def __init__(self, given: dict[str, float] | None = None) -> None:
        self.given = given or {}
        self.warmup: int | None = None
        self.known: dict[str, tuple[Floats, Floats]] = {}
        """Steps and rates of the fitted curves: what a held-out tail of one has behind it."""

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law with its given parameters.

        Raises: LawError for options that are no numbers.
        """
        given = {}
        for name in NAMES:
            text = settings.option(CARD, name)
            if not text:
                continue
            try:
                given[name] = float(text)
            except ValueError:
                given[name] = np.nan
            if not np.isfinite(given[name]) or (name in ("A", "B", "C") and given[name] <= 0):
                raise LawError(f"loss-curve: option {name} is `{text}`, expected a number (positive for A, B, C)")
        return LossCurve(given)

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return the rows by curve and step, with blocks to draw."""
        data = data.keep(data.columns["step"] >= 0, "step is negative")
        data = data.keep(data.columns["lr"] >= 0, "lr is negative")
        if "curve" not in data.columns:
            data = data.with_column("curve", np.zeros(data.n))
        order = np.lexsort((data.columns["step"], data.columns["curve"]))
        columns = {name: values[order] for name, values in data.columns.items()}
        data = replace(data, columns=columns, groups=data.groups[order])
        same = (np.diff(data.columns["step"]) == 0) & (np.diff(data.columns["curve"]) == 0)
        data = data.keep(
            np.concatenate([[True], ~same]) if data.n else np.ones(0, bool), "step appears twice in a curve"
        )
        if len(np.unique(data.groups)) == data.n:
            data = replace(data, groups=blocks(data))
        return data

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the point fit."""
        if data.n < MIN_ROWS:
            raise InsufficientError(
                f"loss-curve: insufficient: {data.n} logged steps for {len(NAMES)} parameters, expected {MIN_ROWS} "
                "or more; log more often, or fit more curves"
            )
        self.warmup = _warmup(data, settings)
        self.known = {name: (steps, rates) for name, steps, rates in by_curve(data)}
        schedules = self._schedules(data)
        peak = max(float(one.rates.max()) for one in schedules)
        curves = self._curves(data, BLOCK_STEPS)
        free = np.array([name not in self.given for name in NAMES])
        base = self._fixed(starts(curves, peak))
        remarks = self._remarks(schedules, data)
        if not free.any():
            theta = base[0]
            exact = self._curves(data, 1)
            return Estimate(theta=theta, objective=exact.objective(theta), warnings=remarks)
        if settings.option(CARD, "procedure") == "authors":
            curves = self._curves(data, 1)  # as the authors: every step
            unit = PEAK / peak if free.all() else 1.0
            scaled = curves.times(unit)
            begin = self._fixed(authors_start(scaled, unit * self._rates(schedules, data), unit * peak)[None])[0]
            found = unscaled(stopped_early(scaled, begin, free), unit)
        else:
            ends = [converge(curves, begin, free=free) for begin in base]
            fine = self._curves(data, FINE_BLOCK_STEPS)
            found = converge(fine, min(ends, key=curves.objective), free=free)
        return Estimate(
            theta=found, objective=curves.objective(found), warnings=(*remarks, *_ridge(curves, found, free))
        )

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits from the point estimate."""
        free = np.array([name not in self.given for name in NAMES])
        if not free.any():
            return np.empty((0, len(NAMES)))
        curves = self._curves(data, RESAMPLE_BLOCK_STEPS)
        centre = converge(curves, estimate.theta, free=free)
        shift = estimate.theta - centre  # what the authors' stop, or coarser blocks, leave
        rows = []
        with settings.progress.task("bootstrap", total=len(weights_BN)) as task:
            for weights in weights_BN:
                rows.append(converge(curves, centre, free=free, counts=weights.astype(np.int64)) + shift)
                task.advance(1)
        return np.array(rows)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the seven parameters."""
        return dict(zip(NAMES, public(theta_SP).T, strict=True))

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the loss at the last step of a described schedule (see `leaderboard.laws.schedules.described`)."""
        found = np.full((len(theta_SP), len(inputs["step"])), np.nan)
        for number, (step, peak) in enumerate(zip(inputs["step"].tolist(), inputs["lr"].tolist(), strict=True)):
            value = {name: float(values[number]) for name, values in inputs.items()}
            rates = described(
                int(step),
                peak,
                warmup=int(value.get("warmup", self.warmup or 0)),
                decay_from=int(value["decay_from"]) if "decay_from" in value else None,
                end=value.get("end_lr"),
                linear=bool(value.get("linear", 0)),
            )
            seen = changes_of(rates, np.array([int(step)]), block_steps=1 if len(theta_SP) == 1 else BLOCK_STEPS)
            found[:, number] = [losses(theta, seen)[0] for theta in public(theta_SP)]
        return found

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return measured and fitted losses, summed over every step."""
        seen = self._seen(data, 1)
        return data.columns["L"], np.concatenate([losses(public(theta), one) for one in seen])

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return the errors of every curve, and their means as the authors print them."""
        found: dict[str, Json] = {"warmup_steps": self.warmup}
        for name, held in (("fitted_curves", fitted.data), ("held_out_curves", fitted.held_out)):
            if held is None:
                continue
            observed, expected = self.fitted(fitted.theta, held, fitted.settings)
            shapes = [one.shape for one in self._schedules(held)]
            codes = held.columns["curve"]
            rows: dict[str, Json] = {}
            for (curve, _, _), code, shape in zip(by_curve(held), np.unique(codes), shapes, strict=True):
                rows[curve] = {"schedule": shape, **errors(observed[codes == code], expected[codes == code])}
            found[name] = rows
            each = [errors(observed[codes == code], expected[codes == code]) for code in np.unique(codes)]
            found[f"mean_of_{name}"] = {key: float(np.mean([one[key] for one in each])) for key in each[0]}
        return found

    def _fixed(self, search_SP: Floats) -> Floats:
        """Return searched rows with the given parameters put in."""
        theta = public(search_SP)
        for name, value in self.given.items():
            theta[:, NAMES.index(name)] = value
        return searched(theta)

    def _schedules(self, data: Data) -> list[Schedule]:
        found = []
        for name, steps, rates in by_curve(data):
            if name in self.known:
                steps = np.concatenate([self.known[name][0], steps])
                rates = np.concatenate([self.known[name][1], rates])
                steps, first = np.unique(steps, return_index=True)
                rates = rates[first]
            found.append(rebuild(steps.astype(np.int64), rates, warmup=self.warmup or 0))
        return found

    def _seen(self, data: Data, block_steps: int) -> list[Changes]:
        pairs = zip(self._schedules(data), by_curve(data), strict=True)
        return [changes_of(one.rates, steps.astype(np.int64), block_steps=block_steps) for one, (_, steps, _) in pairs]

    def _rates(self, schedules: list[Schedule], data: Data) -> Floats:
        """Return the rates at the logged steps, unrounded."""
        pairs = zip(schedules, by_curve(data), strict=True)
        return np.concatenate([one.rates[steps.astype(np.int64)] for one, (_, steps, _) in pairs])

    def _curves(self, data: Data, block_steps: int) -> Curves:
        return Curves(seen=self._seen(data, block_steps), losses=data.columns["L"])

    def _remarks(self, schedules: list[Schedule], data: Data) -> tuple[str, ...]:
        names = [name for name, _, _ in by_curve(data)]
        rough = [name for name, one in zip(names, schedules, strict=True) if one.shape == "interpolated"]
        remarks = []
        if rough:
            remarks.append(f"rates between logged steps are interpolated in {', '.join(rough)}: no known shape")
        if self.warmup:
            remarks.append(f"a linear warm-up from 0 over {self.warmup} steps is assumed (option warmup)")
        if all(one.shape == "constant" for one in schedules):
            remarks.append("all fitted curves have a constant rate: B, C, beta, gamma rest on the warm-up alone")
        return tuple(remarks)


def _warmup(data: Data, settings: Settings) -> int:
    """Return the steps of warm-up: given, or up to the first logged step of any curve.

    Raises: LawError for an option that is no whole number.
    """
    text = settings.option(CARD, "warmup")
    if text == "auto":
        first = int(data.columns["step"].min())
        return first if first > 1 else 0
    if not text.isdigit():
        raise LawError(f"loss-curve: option warmup is `{text}`, expected a number of steps or `auto`")
    return int(text)


def _ridge(curves: Curves, theta: Floats, free: np.ndarray) -> tuple[str, ...]:  # type: ignore[type-arg]
    """Return a warning that names parameters whose standard error is beyond an e-fold."""
    residuals, slopes = curves.residuals(theta)
    slopes = slopes[:, free]
    spread = float(np.std(residuals)) * np.sqrt(len(residuals) / max(1, len(residuals) - int(free.sum())))
    _, singular, axes = np.linalg.svd(slopes, full_matrices=False)
    if singular[-1] <= 1e-12 * singular[0]:
        wide = np.abs(axes[-1]) > 0.1
    else:
        wide = spread * np.sqrt(np.sum((axes / singular[:, None]) ** 2, axis=0)) > 1.0
    names = [name for name, is_free in zip(NAMES, free, strict=True) if is_free]
    told = [name for name, is_wide in zip(names, wide, strict=True) if is_wide]
    return (f"flat ridge: {', '.join(told)} not identified by these curves",) if told else ()


LOSS_CURVE = LossCurve()
