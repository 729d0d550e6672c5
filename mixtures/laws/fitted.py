"""What every mixture law gives: predictions for any weights, and the numbers behind them.

A method fits one loss at a time on the rows that have it. `fit_all` checks that there are enough runs and that the
design tells the domains apart, then fits every loss. Shapes: N runs, K domains, M losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from curation.errors import InsufficientError, LawError
from curation.files import Json
from mixtures.laws.table import Floats, MixTable

Predict = Callable[[Floats, Floats | None, Floats | None], Floats]
"""Weights_NK, sizes, tokens -> the loss of each row."""
MIN_SPREAD = 1e-6
"""Smallest singular value of the weights, over the largest, that still tells domains apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossFit:
    """One loss's fit."""

    params: Mapping[str, Json]
    objective: float
    predict: Predict
    theta: Floats = field(default_factory=lambda: np.zeros(0))
    """What a refit on other rows starts from."""
    notes: tuple[str, ...] = ()


class Method(Protocol):
    """One way from runs to a law."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def formula(self) -> str:
        """The law in words of arithmetic."""

    @property
    def source(self) -> str:
        """Who published it."""

    @property
    def scaled(self) -> bool:
        """Whether model size and tokens are part of it."""

    def min_rows(self, num_domains: int) -> int:
        """Return the fewest runs that it can be fitted on."""

    def fit(self, table: MixTable, loss: int, start: LossFit | None = None) -> LossFit:
        """Return the fit of column `loss`, whose rows are all known; from `start` where a refit is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixFit:
    """A method fitted to every loss of a table."""

    method: Method
    table: MixTable
    fits: tuple[LossFit, ...]
    dropped: tuple[int, ...]
    """Rows without the loss, by loss."""

    @property
    def objective(self) -> float:
        """The sum over losses of what was minimised."""
        return float(sum(one.objective for one in self.fits))

    def predict(self, table: MixTable) -> Floats:
        """Return the losses of the table's mixtures, shape NM."""
        return np.column_stack([self.predict_loss(table, place) for place in range(len(self.fits))])

    def predict_loss(self, table: MixTable, loss: int) -> Floats:
        """Return one loss of the table's mixtures, shape N."""
        return self.fits[loss].predict(table.weights_NK, table.size_N, table.tokens_N)


def known_rows(table: MixTable, loss: int) -> MixTable:
    """Return the rows whose loss is known."""
    return table.rows(np.flatnonzero(np.isfinite(table.losses_NM[:, loss])))


def check_design(table: MixTable, method: Method) -> None:
    """Refuse tables that cannot tell domains apart, have too few runs, or lack sizes where they are needed.

    Raises: InsufficientError with the number of runs needed, or LawError with the domains that go together.
    """
    needed = method.min_rows(len(table.domains))
    distinct = len(np.unique(table.groups))
    for place, name in enumerate(table.losses):
        have = int(np.isfinite(table.losses_NM[:, place]).sum())
        if have < needed:
            raise InsufficientError(
                f"{table.source}: {name}: {have} runs, `{method.name}` over {len(table.domains)} domains needs at "
                f"least {needed}; train {needed - have} more, or take fewer domains together"
            )
    if not method.scaled and distinct < needed:
        raise InsufficientError(
            f"{table.source}: {distinct} different mixtures, `{method.name}` over {len(table.domains)} domains needs "
            f"{needed}; repeats of a mixture only tell its noise"
        )
    _check_rank(table)
    if method.scaled:
        _check_scale(table, method)


def _check_rank(table: MixTable) -> None:
    singular = np.linalg.svd(table.weights_NK, full_matrices=True)
    values, directions = singular[1], singular[2]
    if len(table) >= len(table.domains) and values[-1] > MIN_SPREAD * values[0]:
        return
    along = np.abs(directions[-1])
    together = [name for name, part in zip(table.domains, along, strict=True) if part > 0.1]
    raise LawError(
        f"{table.source}: the weights of {', '.join(together)} always move together (collinear design), so their "
        "effects cannot be told apart; add runs that change one of them alone, or merge the domains"
    )


def _check_scale(table: MixTable, method: Method) -> None:
    for values, option, what in ((table.size_N, "--size", "model sizes"), (table.tokens_N, "--tokens", "token counts")):
        if values is None:
            raise LawError(
                f"{table.source}: no {what}, which `{method.name}` needs; name their column with {option} COLUMN"
            )
        if len(np.unique(values)) < 2:
            raise InsufficientError(
                f"{table.source}: one of {what} ({values[0]:g}), `{method.name}` needs at least 2, better 3; "
                "add runs, or use `log-linear`, which asks for one"
            )


def no_report() -> None:
    """Hear of progress, and say nothing."""


def fit_all(
    table: MixTable,
    method: Method,
    starts: Sequence[LossFit] | None = None,
    *,
    done: Callable[[], None] = no_report,
) -> MixFit:
    """Return the fit of every loss, each told to `done`; `starts` are fits of the same losses on other rows.

    Raises: LawError as `check_design`.
    """
    if starts is None:
        check_design(table, method)
    fits, dropped = [], []
    for place in range(len(table.losses)):
        rows = known_rows(table, place)
        fits.append(method.fit(rows, place, starts[place] if starts else None))
        dropped.append(len(table) - len(rows))
        done()
    return MixFit(method=method, table=table, fits=tuple(fits), dropped=tuple(dropped))
