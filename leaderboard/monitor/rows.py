"""The rows that a monitor looks at: sizes, tokens, compute, loss, run and batch, earlier and new ones apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import LawError
from leaderboard.laws.compute import derived
from leaderboard.laws.law import Floats, Ints

Array = npt.NDArray[Any]
VARIABLES = ("N", "D", "C", "L", "B", "U", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One row a measurement, in order of the table; NaN where a variable is not mapped."""

    columns: Mapping[str, Floats]
    """N, D, C, L, B, U as far as they are mapped or follow from C = 6 N D."""
    run: Ints
    labels: tuple[str, ...]
    """Names of the runs, by `run`."""
    is_new: npt.NDArray[np.bool_]
    dropped: Mapping[str, int]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.run)

    @property
    def compute(self) -> Floats:
        """C."""
        return self.columns["C"]

    @property
    def size(self) -> Floats:
        """What tells scales apart: N, or C where N is not known."""
        return self.columns.get("N", self.columns["C"])

    @property
    def progress(self) -> Floats:
        """How far a run is: D, or C where D is not known."""
        return self.columns.get("D", self.columns["C"])

    def keep(self, chosen: npt.NDArray[np.bool_] | Ints) -> Rows:
        """Return chosen rows."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Rows(
            columns=columns, run=self.run[chosen], labels=self.labels, is_new=self.is_new[chosen], dropped=self.dropped
        )

    def finals(self) -> Ints:
        """Return the place of each run's last row, in order of the runs."""
        found = [np.flatnonzero(self.run == run) for run in np.unique(self.run)]
        return np.array([rows[np.argmax(self.progress[rows])] for rows in found], np.int64)


def read_rows(table: Mapping[str, Array | Sequence[object]], is_new: npt.NDArray[np.bool_], where: str) -> Rows:
    """Return usable rows; those without a positive finite number in a mapped variable are dropped and counted.

    Raises: LawError without a loss, without any size, or for an unknown variable.
    """
    unknown = [name for name in table if name not in VARIABLES]
    if unknown:
        raise LawError(f"{where}: no variable `{unknown[0]}`; expected some of {', '.join(VARIABLES)}")
    columns = {name: _floats(values) for name, values in table.items() if name != "run"}
    if "L" not in columns or not {"N", "D", "C"} & set(columns):
        raise LawError(f"{where}: needs L and N, D or C; add --map N=COLUMN,D=COLUMN,L=COLUMN")
    with np.errstate(all="ignore"):
        for name in ("C", "D", "N"):
            values = None if name in columns else derived(columns, name)[0]
            if values is not None:
                columns[name] = values
    if "C" not in columns:
        raise LawError(f"{where}: needs two of N, D, C, or C alone; add --map C=COLUMN")
    num = len(columns["L"])
    names = [str(value) for value in table["run"]] if "run" in table else [f"row {row + 1}" for row in range(num)]
    labels = tuple(dict.fromkeys(names))
    places = {label: place for place, label in enumerate(labels)}
    kept, dropped = np.ones(num, bool), dict[str, int]()
    for name, values in columns.items():
        sound = np.isfinite(values) & (values > 0) if name != "B" else np.isnan(values) | (values > 0)
        lost = int(np.sum(kept & ~sound))
        if lost:
            dropped[f"{name} is missing, zero, negative or not finite"] = lost
        kept &= sound
    run = np.array([places[name] for name in names], np.int64)
    whole = Rows(columns=columns, run=run, labels=labels, is_new=is_new, dropped=dropped)
    return whole.keep(kept)


def _floats(values: Array | Sequence[object]) -> Floats:
    array = np.asarray(values)
    if array.dtype.kind in "fiu":
        return array.astype(np.float64)
    found = np.full(len(array), np.nan)
    for place, value in enumerate(array.tolist()):
        try:
            found[place] = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
    return found
