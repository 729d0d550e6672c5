"""From columns of anything to the float64 rows that a law can use; what cannot be used is dropped and counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, nearest
from leaderboard.laws.law import Card, Data, Floats, Variable

RUN = "run"
"""The variable every law has: what is drawn as a whole by the bootstrap."""


def checked_rows(card: Card, table: Mapping[str, Sequence[object] | npt.NDArray[np.generic]]) -> Data:
    """Return the rows of `table` in which every mapped variable of the law is a number of its domain.

    Raises: LawError for a missing or unknown variable, or columns of unequal length.
    """
    known = {variable.name: variable for variable in card.variables}
    for name in table:
        if name not in known and name != RUN:
            raise LawError(f"{card.name}: no variable `{name}`; {nearest(name, [*known, RUN])}")
    missing = [variable.name for variable in card.variables if variable.required and variable.name not in table]
    if missing:
        hint = wanted_mapping(card, table)
        raise LawError(f"{card.name}: needs {', '.join(missing)}, which no column is mapped to; add --map {hint}")
    lengths = {name: len(values) for name, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise LawError(f"{card.name}: columns of unequal length {lengths}; expected one row a run")
    num = next(iter(lengths.values()), 0)
    columns = {name: as_floats(table[name], known[name]) for name in table if name != RUN}
    groups = codes(table[RUN]) if RUN in table else np.arange(num)
    labels = {name: _labels(table[name]) for name in columns if known[name].domain == "text"}
    data = Data(columns=columns, groups=groups.astype(np.int64), labels=labels)
    for name in columns:
        if known[name].domain == "text":
            continue
        data = data.keep(np.isfinite(data.columns[name]), f"{name} is missing or not a finite number")
        if known[name].domain == "positive":
            data = data.keep(data.columns[name] > 0, f"{name} is zero or negative")
    return data


def wanted_mapping(card: Card, mapped: Collection[str] = ()) -> str:
    """Return the --map that a law usually needs beyond what is mapped, e.g. N=COLUMN,L=COLUMN."""
    required = (variable.name for variable in card.variables if variable.required)
    names = [name for name in dict.fromkeys([*card.usual, *required]) if name not in mapped]
    if "C" in mapped and "D" in card.usual:
        names = [name for name in names if name != "D"]
    return ",".join(f"{name}=COLUMN" for name in names)


def as_floats(values: Sequence[object] | npt.NDArray[np.generic], variable: Variable) -> Floats:
    """Return values as float64, NaN for what is no number; text variables as codes of their sorted values."""
    if variable.domain == "text":
        return codes(values).astype(np.float64)
    array = np.asarray(values)
    if array.dtype.kind in "fiu":
        return array.astype(np.float64)
    return np.array([_number(value) for value in array.tolist()], np.float64)


def codes(values: Sequence[object] | npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return the place of each value among the sorted distinct ones."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        array = np.array([str(value) for value in array.tolist()])
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _labels(values: Sequence[object] | npt.NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in np.asarray(values).tolist()}))


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")
