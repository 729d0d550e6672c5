"""The interface of a law: what it is (card), what it is fitted on (data), and what a fit holds.

A law is an object with a `Card` and the methods of `Law`. `leaderboard.laws.fit.fit` does what every law shares:
choosing and dropping rows, bootstrap by run, intervals, r2, held-out error, warnings. Laws that are one smooth curve
derive from `leaderboard.laws.curve.CurveLaw` and only state their curve, its gradient and its starts.
Shapes: S parameter rows, N observations, P parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from curation.descent import Loss, LossKind
from curation.files import Json
from curation.progress import Progress, SilentProgress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A column that a law reads. `domain`: `positive`, `any` finite number, or `text` (kept as codes of its values)."""

    name: str
    unit: str
    meaning: str
    required: bool = True
    domain: Literal["positive", "any", "text"] = "positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that a fit gives; outside `low` to `high` it is at a bound and the fit warns."""

    name: str
    meaning: str
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A choice of procedure: `--option NAME=VALUE`; the first of `choices` is the default (empty: any number)."""

    name: str
    meaning: str
    choices: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What `curate fit list` tells of a law."""

    name: str
    title: str
    formula: str
    source: str
    variables: tuple[Variable, ...]
    params: tuple[Parameter, ...]
    usual: tuple[str, ...] = ()
    """Variables of the usual --map, for hints: the required ones and those that one of several forms needs."""
    target: str = "L"
    """The variable that is predicted."""
    sizes: tuple[str, ...] = ("N",)
    """Variables that need three distinct values, and beyond which 100x is extrapolation."""
    losses: tuple[LossKind, ...] = ("huber", "lad", "mse")
    """Loss functions that the law allows, its own first; empty when the procedure fixes it."""
    delta: float = 1e-3
    options: tuple[Option, ...] = ()
    predicts: str = ""
    """What a prediction is of, where that is not the target."""
    r2_of_logs: bool = False
    """Whether r2 is of the logarithms, as for power laws over decades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows that a law is fitted on: one float64 array a variable, and the run (cluster) of each row."""

    columns: Columns
    groups: Ints
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows that were left out, by reason."""
    notes: tuple[str, ...] = ()
    """What was assumed; shown with the warnings."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the codes of a text variable stand for."""

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.groups)

    def keep(self, kept: npt.NDArray[np.bool_], reason: str) -> Data:
        """Return the rows where `kept`, counting the others under `reason`."""
        num = int(np.sum(~kept))
        dropped = {**self.dropped, reason: self.dropped.get(reason, 0) + num} if num else dict(self.dropped)
        columns = {name: values[kept] for name, values in self.columns.items()}
        return replace(self, columns=columns, groups=self.groups[kept], dropped=dropped)

    def with_column(self, name: str, values: Floats, note: str = "") -> Data:
        """Return the data with one more column, and a note of how it was made."""
        notes = (*self.notes, note) if note and note not in self.notes else self.notes
        return replace(self, columns={**self.columns, name: values}, notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a fit is done. `loss` None means the law's own; `draws` 0 means no intervals."""

    loss: Loss | None = None
    draws: int = 1000
    seed: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default_factory=SilentProgress)

    def option(self, card: Card, name: str) -> str:
        """Return the chosen value of a law's option."""
        known = {option.name: option for option in card.options}
        option = known[name]
        return self.options.get(name, option.default or (option.choices[0] if option.choices else ""))

    def loss_of(self, card: Card) -> Loss:
        """Return the loss function of the fit."""
        return self.loss or Loss(kind=card.losses[0] if card.losses else "mse", delta=card.delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A point fit: internal parameters, the objective that was minimised (a SUM over rows), and remarks on it."""

    theta: Floats
    objective: float
    warnings: tuple[str, ...] = ()
    extras: Mapping[str, float] = field(default_factory=dict)
    """Further public numbers of the point fit, without intervals (e.g. the optimum of each budget)."""
    unidentified: tuple[str, ...] = ()
    """Parameters that the rows do not determine at all: they get no interval."""


class Law(ABC):
    """A scaling law."""

    card: Card
    scatter: ClassVar[bool] = True
    """Whether a prediction is of a run, which scatters around the law (else of an optimum or another derived value)."""
    is_regression: ClassVar[bool] = True
    """Whether r2 and an objective mean something (not for plain means)."""
    needs_three: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Parameters, derived ones included, that fewer than three different values of a size leave undetermined."""

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the form of the law for the mapped variables and options; itself unless there are several forms."""
        return self

    def num_fitted(self, theta: Floats) -> int:
        """Return how many parameters spend degrees of freedom in a regression on the rows; 0 where it is none."""
        return 0

    def outputs(self) -> tuple[str, ...]:
        """Return the labels of what is predicted for one set of inputs; none for a law with one unnamed prediction."""
        return ()

    def output(self, label: str) -> Law:
        """Return the law whose `predict` gives the labelled output."""
        return self

    def even(self, values: Floats, inputs: Columns) -> Floats | None:
        """Return targets (any shape ending in N) on the scale where runs scatter evenly; None for the usual one.

        The usual scale is the logarithm, or the value itself where one is not positive.
        """
        return None

    def uneven(self, values: Floats, inputs: Columns) -> Floats:
        """Return targets from the scale of `even`."""
        return values

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return the rows that can be used, with derived columns; called on training and held-out rows alike."""
        return data

    @abstractmethod
    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the point fit.

        Raises: InsufficientError when the rows cannot determine it.
        """

    @abstractmethod
    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits, one internal parameter row a resample; NaN rows where a resample has no fit."""

    @abstractmethod
    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the public parameters, derived ones included, for every row."""

    @abstractmethod
    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the predicted target for every row and input, shape SN; NaN where the inputs do not suffice."""

    @abstractmethod
    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return observed and fitted values of what the law describes (for r2, residuals and held-out error)."""

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return what the law tells beyond parameters, e.g. the error of each curve."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A predicted value of a new run and its 95 % interval (parameters and scatter of runs; None without draws)."""

    inputs: Mapping[str, float]
    value: float
    interval: tuple[float, float] | None
    of: str = ""
    """What the value is of, where a law predicts several things at the same inputs (N*, D*)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Rows that were kept out of the fit and how far the fit misses them: mean of |predicted / observed - 1|."""

    n: int
    mean_relative_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted law."""

    law: Law
    data: Data
    settings: Settings
    theta: Floats
    draws_SP: Floats
    """Bootstrap refits (internal parameters); no rows without draws."""
    params: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    objective: float
    r2: float
    observed: Floats
    expected: Floats
    warnings: tuple[str, ...]
    holdout: Holdout
    held_out: Data | None = None
    se: Mapping[str, float] = field(default_factory=dict)
    """Standard deviation of each parameter over the bootstrap; empty without draws."""
    stretch: float = 1.0
    """By how much intervals are wider than the bootstrap's, for few rows (`leaderboard.laws.intervals`)."""
    details: Mapping[str, Json] = field(default_factory=dict)
    """What this law tells beyond the others (`Law.details`)."""

    @property
    def residuals(self) -> Floats:
        """Log of observed over fitted, every row (plain differences where a value is not positive)."""
        if np.all(self.observed > 0) and np.all(self.expected > 0):
            difference: Floats = np.log(self.observed) - np.log(self.expected)
            return difference
        return self.observed - self.expected

    def curve(self, inputs: Mapping[str, Sequence[float] | Floats | float]) -> tuple[Floats, Floats, Floats]:
        """Return the fitted curve at inputs and the 95 % band of the curve itself: value, low, high."""
        columns = {name: np.atleast_1d(np.asarray(value, np.float64)) for name, value in inputs.items()}
        value = self.law.predict(self.theta[None], columns)[0]
        if not len(self.draws_SP):
            return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
        draws = self.law.predict(self.draws_SP, columns)
        low, high = np.nanpercentile(draws, [2.5, 97.5], axis=0)
        return value, value + self.stretch * (low - value), value + self.stretch * (high - value)
