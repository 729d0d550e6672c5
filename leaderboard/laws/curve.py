"""Laws that are one smooth curve: multi-start fit, bootstrap and checks from the curve and its gradient alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from curation.descent import Model, ModelOfRows, Problem, Pullback, Search
from curation.errors import InsufficientError
from curation.fitting import minimise, refit
from leaderboard.laws.law import Columns, Data, Estimate, Floats, Law, Settings

UNIDENTIFIED_SD = 1.0
"""Standard error of a log-scale parameter from which it is called not identified: an e-fold."""
RANK_TOLERANCE = 1e-9


class CurveLaw(Law):
    """A law `target = f(inputs; theta)`; `theta` holds one column a name of `names`, in coordinates of one's choice.

    Put scales as logarithms: then no bounds are needed, and the ridge check reads their spread as a factor.
    """

    names: tuple[str, ...]
    """Columns of theta, by the public parameter that each stands for (warnings use these names)."""
    space: ClassVar[Literal["log", "raw"]] = "log"
    """Whether residuals are of the logarithm of the target or of the target."""
    search: ClassVar[Search] = Search()
    refits_thin: ClassVar[bool] = True
    """Whether a resample of fewer distinct rows than parameters is refitted as well (else it has no fit: NaN)."""

    @abstractmethod
    def model(self, inputs: Columns) -> Model:
        """Return the curve at `inputs`: theta_SP -> (values SN in `space`, pullback); values broadcast over N."""

    @abstractmethod
    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the grid of starts, one row a start."""

    def coordinates(self, data: Data) -> Floats:
        """Return the matrix T of theta = T u, in which the search runs (e.g. centred logarithms); any invertible."""
        return np.eye(len(self.names))

    def problem(self, data: Data, settings: Settings) -> Problem:
        """Return what is minimised, in theta."""
        target = data.columns[self.card.target]
        targets = np.log(target) if self.space == "log" else target
        return Problem(
            model=self.model(data.columns),
            targets=targets,
            loss=settings.loss_of(self.card),
            of_rows=self.model_of_rows(data),
        )

    def model_of_rows(self, data: Data) -> ModelOfRows:
        """Return the curve at some rows of the data alone."""
        return lambda rows: self.model({name: values[rows] for name, values in data.columns.items()})

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the lowest objective over all starts, with remarks on what is not identified."""
        self.check_enough(data)
        problem, change = self.problem(data, settings), self.coordinates(data)
        starts = self.starts(data, settings) @ np.linalg.inv(change).T
        try:
            found = minimise(_moved(problem, change), starts, self.search)
        except ValueError as error:
            raise InsufficientError(f"{self.card.name}: {error}; check the units of the mapped columns") from error
        theta = change @ found.theta
        remarks, unidentified = self.ridges(problem, theta)
        return Estimate(theta=theta, objective=found.objective, warnings=remarks, unidentified=unidentified)

    def num_fitted(self, theta: Floats) -> int:
        """Return the number of parameters."""
        return len(self.names)

    def check_enough(self, data: Data) -> None:
        """Refuse fewer distinct rows than parameters.

        Raises: InsufficientError.
        """
        inputs = [values for name, values in data.columns.items() if name != self.card.target]
        distinct = len(np.unique(np.stack(inputs, axis=1), axis=0)) if inputs and data.n else 0
        if distinct < len(self.names):
            raise InsufficientError(
                f"{self.card.name}: insufficient: {data.n} rows with {distinct} distinct inputs for "
                f"{len(self.names)} parameters ({', '.join(self.names)}), expected at least {len(self.names)} "
                "distinct; add runs of other sizes"
            )

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits from the point estimate, one row a resample; NaN for a thin one unless `refits_thin`."""
        change = self.coordinates(data)
        moved = _moved(self.problem(data, settings), change)
        start: Floats = np.linalg.inv(change) @ estimate.theta
        parts = []
        with settings.progress.task("bootstrap", total=len(weights_BN)) as task:
            for block in refit(moved, start, weights_BN):
                parts.append(block @ change.T)
                task.advance(len(block))
        draws = np.concatenate(parts)
        if not self.refits_thin:
            draws[np.sum(weights_BN > 0, axis=1) < len(self.names)] = np.nan
        return draws

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the curve in the target's own unit."""
        values, _ = self.model(inputs)(theta_SP)
        return np.exp(values) if self.space == "log" else values

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the target of every row and the curve there."""
        return data.columns[self.card.target], self.predict(theta[None], data.columns)[0]

    def ridges(self, problem: Problem, theta: Floats) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return a warning that names the parameters along which the objective is flat, and those without any value."""
        slopes = problem.jacobian(theta)
        lengths = np.sqrt(np.sum(slopes**2, axis=0))
        dead = [name for name, length in zip(self.names, lengths, strict=True) if not length > 0]
        if dead:
            return (f"not identified: {', '.join(dead)}; the data do not depend on them",), tuple(dead)
        _, singular, axes = np.linalg.svd(slopes / lengths, full_matrices=False)
        if singular[-1] < RANK_TOLERANCE * singular[0]:
            flat = axes[singular < RANK_TOLERANCE * singular[0]]
            involved = np.any(np.abs(flat) > 0.1, axis=0)
            names = _list(self.names, involved)
            return (f"flat ridge: {names} can only be told together; not identified apart",), tuple(names.split(", "))
        residuals = problem.model(theta[None])[0][0] - problem.targets
        spread = float(np.sqrt(np.mean(residuals**2) * len(residuals) / max(1, len(residuals) - len(theta))))
        errors = spread * np.sqrt(np.sum((axes / singular[:, None]) ** 2, axis=0)) / lengths
        wide = errors > UNIDENTIFIED_SD
        if np.any(wide):
            return (f"flat ridge: {_list(self.names, wide)} not identified by these data (standard error above 1)",), ()
        return (), ()


def _list(names: tuple[str, ...], chosen: Floats | np.ndarray) -> str:  # type: ignore[type-arg]
    return ", ".join(name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen)


def _moved(problem: Problem, change: Floats) -> Problem:
    """Return the problem in coordinates u with theta = `change` u."""

    def moved(model: Model) -> Model:
        def values(rows: Floats) -> tuple[Floats, Pullback]:
            found, pullback = model(rows @ change.T)
            return found, lambda weights: pullback(weights) @ change

        return values

    of_rows = problem.of_rows
    return replace(
        problem, model=moved(problem.model), of_rows=None if of_rows is None else lambda rows: moved(of_rows(rows))
    )
