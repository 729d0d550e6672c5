"""Optimal learning rate and batch size as power laws of compute, or of size and tokens.

ln lr* = ln coef + p ln N + q ln D (or p ln C; whatever is mapped and varies), by least squares; batch size likewise.
With losses mapped the rows are a sweep: at each size the optimum is the lowest point of a quadratic of the loss in
log lr (the best run of each value), kept only if it opens upward with the lowest point inside the sweep; without
losses the rows are optima already. An optimum at the edge of its
sweep is dropped and told.
Source: Bi et al. 2024 (2401.02954, in C); Li et al. 2025 (2503.04715, in N and D); valleys as Hoffmann et al. 2022.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from curation.errors import InsufficientError, LawError
from curation.files import Json
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.valleys import Budget, best_runs, parabola

TARGETS = ("lr", "B")
SIZES = ("N", "D", "C")

CARD = Card(
    name="lr-batch",
    title="optimal learning rate and batch size",
    formula="lr* = coef N^p D^q (or C^p); B* likewise; optima from a quadratic valley per size",
    source="Bi et al. 2024 (2401.02954); Li et al. 2025 (2503.04715)",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="training compute", required=False),
        Variable(name="lr", unit="learning rate", meaning="peak rate", required=False),
        Variable(name="B", unit="tokens (or sequences)", meaning="batch size", required=False),
        Variable(name="L", unit="nats per token", meaning="loss: rows are a sweep", required=False),
    ),
    params=(
        Parameter(name="lr_coef", meaning="lr* where all sizes are 1"),
        Parameter(name="B_coef", meaning="B* where all sizes are 1"),
        *(
            Parameter(name=f"{t}_{s}", meaning=f"exponent of {s} in {t}*", low=-3, high=3)
            for t in TARGETS
            for s in SIZES
        ),
    ),
    target="lr",
    predicts="optimum (option target)",
    sizes=SIZES,
    losses=(),
    options=(Option(name="target", meaning="what --predict gives", choices=TARGETS),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optima:
    """The optimum of a target at every size, and for every resample (NaN where there is none)."""

    sizes_GK: Floats
    """ln of the size variables of each group."""
    best_SG: Floats


class LrBatch(Law):
    """Power laws of optima; theta holds ln coef and exponents of each target, one after the other."""

    card = CARD
    scatter = False

    def __init__(
        self, *, targets: tuple[str, ...] = ("lr",), sizes: tuple[str, ...] = ("C",), shown: str = "lr"
    ) -> None:
        self.targets, self.sizes, self.shown = targets, sizes, shown

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law for what is mapped.

        Raises: LawError without lr and B, or without a size.
        """
        targets = tuple(name for name in TARGETS if name in variables)
        sizes = tuple(name for name in ("N", "D") if name in variables) or tuple({"C"} & set(variables))
        if not targets or not sizes:
            raise LawError("lr-batch: needs lr or B, and N, D or C; add e.g. --map lr=COLUMN,C=COLUMN")
        shown = settings.option(CARD, "target")
        return LrBatch(targets=targets, sizes=sizes, shown=shown if shown in targets else targets[0])

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the power laws."""
        ones = np.ones((1, data.n))
        parts, objective, warnings = [], 0.0, []
        for target in self.targets:
            optima = self._optima(data, target, ones)
            told = np.isfinite(optima.best_SG[0])
            if np.sum(~told):
                warnings.append(f"{target}: {int(np.sum(~told))} sizes have no valley inside their sweep; widen it")
            if np.sum(told) < len(self.sizes) + 1 or np.linalg.matrix_rank(_design(optima.sizes_GK[told])) <= len(
                self.sizes
            ):
                raise InsufficientError(
                    f"lr-batch: insufficient: {int(np.sum(told))} optima of {target} at sizes "
                    f"({', '.join(self.sizes)}) that do not tell the exponents apart; add sizes, or map fewer of them"
                )
            theta = _line(optima)[0]
            parts.append(theta)
            objective += float(np.nansum((np.log(optima.best_SG[0]) - _design(optima.sizes_GK) @ theta) ** 2))
        return Estimate(theta=np.concatenate(parts), objective=objective, warnings=tuple(warnings))

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits; NaN where too few optima are left."""
        return np.hstack([_line(self._optima(data, target, weights_BN)) for target in self.targets])

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return coefficient and exponents of each target."""
        found = {}
        for target in self.targets:
            part = self._part(theta_SP, target)
            with np.errstate(over="ignore"):
                found[f"{target}_coef"] = np.exp(part[:, 0])
            found |= {f"{target}_{size}": part[:, 1 + i] for i, size in enumerate(self.sizes)}
        return found

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the optimum of the shown target."""
        logs = np.stack([np.log(inputs[size]) for size in self.sizes], axis=1)
        return np.asarray(np.exp(self._part(theta_SP, self.shown) @ _design(logs).T))

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the optima of the shown target, and the law there."""
        optima = self._optima(data, self.shown, np.ones((1, data.n)))
        told = np.isfinite(optima.best_SG[0])
        expected = np.exp(_design(optima.sizes_GK[told]) @ self._part(theta[None], self.shown)[0])
        return optima.best_SG[0][told], expected

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return the optimum of every size."""
        found: dict[str, Json] = {}
        for target in self.targets:
            optima = self._optima(fitted.data, target, np.ones((1, fitted.data.n)))
            rows: list[Json] = []
            for logs, best in zip(optima.sizes_GK, optima.best_SG[0], strict=True):
                named = dict(zip(self.sizes, np.exp(logs).tolist(), strict=True))
                rows.append({**named, target: float(best) if np.isfinite(best) else None})
            found[f"optima_{target}"] = rows
        return found

    def _part(self, theta_SP: Floats, target: str) -> Floats:
        width = 1 + len(self.sizes)
        start = self.targets.index(target) * width
        return theta_SP[:, start : start + width]

    def _optima(self, data: Data, target: str, weights_BN: Floats) -> Optima:
        logs = np.stack([np.log(data.columns[size]) for size in self.sizes], axis=1)
        values = data.columns[target]
        if "L" not in data.columns:
            best = np.where(weights_BN > 0, values, np.nan)
            return Optima(sizes_GK=logs, best_SG=best)
        groups, members = np.unique(logs, axis=0, return_inverse=True)
        columns = []
        for number in range(len(groups)):
            rows = np.flatnonzero(members.ravel() == number)
            sweep = best_runs(Budget(flops=1.0, x=values[rows], loss=data.columns["L"][rows], rows=rows))
            columns.append(parabola(sweep, weights_BN=weights_BN[:, sweep.rows])[0])
        return Optima(sizes_GK=groups, best_SG=np.stack(columns, axis=1))


def _design(logs: Floats) -> Floats:
    return np.hstack([np.ones((len(logs), 1)), logs])


def _line(optima: Optima) -> Floats:
    """Return least squares of ln optimum for every resample; NaN where it is not determined."""
    design = _design(optima.sizes_GK)
    centre = design.mean(axis=0) * np.array([0.0, *np.ones(design.shape[1] - 1)])
    moved = design - centre
    sound = np.isfinite(optima.best_SG)
    values = np.log(np.where(sound, optima.best_SG, 1.0))
    squares = np.einsum("sg,gp,gq->spq", sound.astype(np.float64), moved, moved)
    determined = np.linalg.matrix_rank(squares, hermitian=True) == design.shape[1]
    squares[~determined] = np.eye(design.shape[1])
    found = np.linalg.solve(squares, (sound * values @ moved)[:, :, None])[:, :, 0]
    found[:, 0] -= found[:, 1:] @ centre[1:]
    return np.where(determined[:, None], found, np.nan)


LR_BATCH = LrBatch()
