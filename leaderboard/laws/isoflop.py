"""IsoFLOP (Chinchilla, approach 2): the best N and D at each compute budget grow as powers of it.

Per budget the valley of the loss over log N (or log D), see `leaderboard.laws.valleys`; then ordinary least squares of
ln X* on ln C over the budgets that have a valley. With N and D mapped both are fitted, each on its own: the exponents
then sum to 1 only if C = 6 N D holds in the table. With one of them the other follows from C = 6 N D.
Intervals: `parabola` resamples runs; `akima` and noise weights draw seed noise, as their authors do.
Source: Hoffmann et al. 2022, section 3.2; Porian et al. 2024 (interpolation, weights).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from curation.errors import InsufficientError, LawError
from curation.files import Json
from curation.randomness import generator
from leaderboard.laws.compute import completed
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.power import at, power_law
from leaderboard.laws.valleys import NOISE_DRAWS, Budget, Valley, budgets, parabola, valley

CARD = Card(
    name="isoflop",
    title="compute-optimal size and tokens (Chinchilla, approach 2)",
    formula="N* = N_coefficient C^N_exponent, D* = D_coefficient C^D_exponent, from the valley of each budget",
    source="Hoffmann et al. 2022 (2203.15556) section 3.2; Porian et al. 2024 (2406.19146)",
    variables=(
        Variable(name="C", unit="FLOPs", meaning="compute budget, shared by several runs; else 6 N D", required=False),
        Variable(name="N", unit="parameters", meaning="model size (N or D or both)", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen (N or D or both)", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="final loss"),
    ),
    usual=("C", "N", "L"),
    params=(
        Parameter(name="N_exponent", meaning="N* grows as C^this", low=0.0, high=1.0),
        Parameter(name="N_coefficient", meaning="N* at 1 FLOP"),
        Parameter(name="D_exponent", meaning="D* grows as C^this", low=0.0, high=1.0),
        Parameter(name="D_coefficient", meaning="D* at 1 FLOP"),
    ),
    target="L",
    sizes=("C",),
    losses=(),
    options=(
        Option(name="variant", meaning="how a valley is found", choices=("parabola", "akima")),
        Option(
            name="weights",
            meaning="noise: budgets weigh 1 / variance of ln X* under seed noise",
            choices=("none", "noise"),
        ),
        Option(name="predict", meaning="what --predict C=... gives; both: N* and D*", choices=("both", "N", "D")),
    ),
    r2_of_logs=True,
    predicts="N* and D* (labelled)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoFlop(Law):
    """Approach 2 for the mapped quantities; theta = (ln k, exponent) of each, in their order."""

    quantities: tuple[str, ...] = ("N", "D")
    shown: tuple[str, ...] = ("N", "D")
    """What is predicted, in this order."""
    card = CARD
    scatter = False

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law for what is mapped of N and D."""
        mapped = tuple(name for name in ("N", "D") if name in variables)
        if not mapped:
            raise LawError("isoflop: needs N or D beside C and L; add --map N=COLUMN or D=COLUMN")
        asked = settings.option(CARD, "predict")
        both = ("D", "N") if mapped == ("D",) else ("N", "D")
        return IsoFlop(quantities=mapped, shown=both if asked == "both" else (asked,))

    def outputs(self) -> tuple[str, ...]:
        """Return N* and D*, what was mapped first."""
        return tuple(f"{name}*" for name in self.shown)

    def output(self, label: str) -> Law:
        """Return the law that predicts the labelled optimum."""
        return replace(self, shown=(label.removesuffix("*"),))

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return the rows, with a note where C = 6 N D is assumed."""
        data = completed(data, ("C",), self.card.name)
        if len(self.quantities) == 2:
            return data
        mine = self.quantities[0]
        other = "D" if mine == "N" else "N"
        return data.with_column(
            "C", data.columns["C"], f"{other} is not mapped: its exponent and coefficient follow from C = 6 N D"
        )

    def valleys(self, data: Data, settings: Settings, quantity: str) -> list[Valley]:
        """Return the valley of every budget, kept or not."""
        groups = budgets(data.columns["C"], data.columns[quantity], data.columns["L"])
        return [self._valley(group, settings, quantity) for group in groups]

    def _valley(self, group: Budget, settings: Settings, quantity: str) -> Valley:
        variant = settings.option(self.card, "variant")
        asked = settings.option(self.card, "weights") == "noise"
        normals = None
        if asked or variant == "akima":
            rng = generator(settings.seed, "law", "isoflop", quantity, f"{group.flops:.6g}")
            normals = rng.standard_normal((NOISE_DRAWS, len(group.x)))
        found = valley(group, variant=variant, normals=normals)
        if variant == "akima" and asked and not found.reason and found.draws is not None:
            return replace(found, lowest=float(np.nanmedian(found.draws)))
        return found

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return ln k and exponent of each quantity by least squares over the kept valleys."""
        theta, objective, warnings, extras = [], 0.0, [], {}
        for quantity in self.quantities:
            found = self.valleys(data, settings, quantity)
            kept = [item for item in found if not item.reason]
            warnings += [f"{quantity}: budget {v.flops:.3g} left out: {v.reason}" for v in found if v.reason]
            if len(kept) < 2:
                raise InsufficientError(
                    f"isoflop: insufficient: {len(kept)} of {len(found)} budgets have a valley in {quantity}, expected "
                    f"at least 2 (3 for a trend); {'; '.join(warnings) or 'train more sizes at more budgets'}"
                )
            if len(kept) < 3:
                warnings.append(f"{quantity}: only {len(kept)} valleys, expected at least 3: no trend can be told")
            line, misses = _line(kept, settings.option(self.card, "weights"))
            theta.append(line)
            objective += misses
            extras.update({f"{quantity}*({item.flops:.4g})": item.lowest for item in kept})
        return Estimate(theta=np.concatenate(theta), objective=objective, warnings=tuple(warnings), extras=extras)

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits under resampled runs (parabola) or seed noise (akima, noise weights)."""
        parts = []
        noisy = settings.option(self.card, "variant") == "akima" or settings.option(self.card, "weights") == "noise"
        with settings.progress.task("bootstrap", total=len(self.quantities)) as task:
            for quantity in self.quantities:
                if noisy:
                    parts.append(self._under_noise(data, settings, quantity, len(weights_BN)))
                else:
                    groups = budgets(data.columns["C"], data.columns[quantity], data.columns["L"])
                    lowest = np.stack(
                        [parabola(group, weights_BN=weights_BN[:, group.rows])[0] for group in groups], axis=1
                    )
                    flops = np.array([group.flops for group in groups])
                    parts.append(power_law(flops, lowest, np.isfinite(lowest).astype(np.float64)))
                task.advance()
        return np.concatenate(parts, axis=1)

    def _under_noise(self, data: Data, settings: Settings, quantity: str, draws: int) -> Floats:
        """Return one line a draw of noise; draws beyond those made repeat none: at most 1,000 are returned."""
        kept = [item for item in self.valleys(data, settings, quantity) if not item.reason and item.draws is not None]
        lowest = np.stack([item.draws for item in kept if item.draws is not None], axis=1)[:draws]
        weights = np.isfinite(lowest) * _weights(kept, settings.option(self.card, "weights"))
        return power_law(np.array([item.flops for item in kept]), lowest, weights)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return exponents and coefficients of N* and D*."""
        lines = self.lines(theta_SP)
        found = {}
        for name in ("N", "D"):
            found[f"{name}_exponent"] = lines[name][:, 1]
            found[f"{name}_coefficient"] = np.exp(lines[name][:, 0])
        return found

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the optimum at C: the first of what is shown."""
        return at(self.lines(theta_SP)[self.shown[0]], inputs["C"])

    def lines(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return ln k and exponent of N* and of D*; what was not mapped follows from C = 6 N D."""
        lines = {name: theta_SP[:, 2 * i : 2 * i + 2] for i, name in enumerate(self.quantities)}
        for name, other in (("N", "D"), ("D", "N")):
            if name not in lines:
                lines[name] = np.stack([-np.log(6) - lines[other][:, 0], 1 - lines[other][:, 1]], axis=1)
        return lines

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the valleys and the lines there, of all quantities."""
        observed, expected = [], []
        for number, quantity in enumerate(self.quantities):
            kept = [item for item in self.valleys(data, settings, quantity) if not item.reason]
            flops = np.array([item.flops for item in kept])
            observed.append(np.array([item.lowest for item in kept]))
            expected.append(at(theta[None, 2 * number : 2 * number + 2], flops)[0])
        return np.concatenate(observed), np.concatenate(expected)

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return every valley: budget, optimum, loss there, curvature, or why it was left out."""
        valleys = {name: self.valleys(fitted.data, fitted.settings, name) for name in self.quantities}
        return {name: [_told(item) for item in found] for name, found in valleys.items()}


def _told(item: Valley) -> dict[str, Json]:
    numbers = {"lowest": item.lowest, "loss": item.loss, "curvature": item.curvature, "sd": item.sd}
    found = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
    return {"flops": item.flops, "num_runs": item.num_runs, "reason": item.reason, **found}


def _weights(kept: list[Valley], choice: str) -> Floats:
    return np.array([1 / item.sd**2 if choice == "noise" else 1.0 for item in kept])


def _line(kept: list[Valley], choice: str) -> tuple[Floats, float]:
    """Return (ln k, exponent) and the weighted sum of squared log residuals."""
    flops, lowest = np.array([item.flops for item in kept]), np.array([item.lowest for item in kept])
    weights = _weights(kept, choice)
    line = power_law(flops, lowest[None], weights[None])[0]
    misses = np.log(lowest) - np.log(at(line[None], flops)[0])
    return line, float(np.sum(weights * misses**2))


ISOFLOP = IsoFlop()
