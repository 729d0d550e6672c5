"""Runs under many mixtures as arrays: which columns are weights, which are losses, and whether they can be fitted.

Several files are one table when they share their first column (`index`), as the published RegMix tables do.
Shapes: N runs, K domains, M losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, nearest, raise_faults
from curation.tables import Array, amount_of, read_columns, split_rows

Floats = npt.NDArray[np.float64]
SUM_TOLERANCE = 0.02
"""Published weights are rounded to three digits: seventeen of them may miss 1 by 0.0085."""
ROUNDING = 1e-9
REST = "rest"
"""Second domain of a table that gives the share of one."""
SIZE_COLUMNS = ("N", "size", "params", "parameters", "model_size", "num_params")
TOKEN_COLUMNS = ("D", "tokens", "num_tokens", "tokens_seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which columns of a table are what; `size` and `tokens` name a column or say an amount, such as 7B."""

    weights: tuple[str, ...]
    losses: tuple[str, ...]
    size: str | None = None
    tokens: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MixTable:
    """Runs: weights (each row sums to 1), losses (NaN where missing), sizes and tokens where there are any."""

    source: str
    domains: tuple[str, ...]
    losses: tuple[str, ...]
    weights_NK: Floats
    losses_NM: Floats
    size_N: Floats | None
    tokens_N: Floats | None
    num_duplicates: int = 0
    """Rows that say what another row says, left out."""
    in_percent: bool = False
    """Whether the file's weights sum to 100 a row, and were divided by it."""

    def __len__(self) -> int:
        return len(self.weights_NK)

    def rows(self, chosen: npt.NDArray[np.int64]) -> MixTable:
        """Return the table of some rows, which may repeat."""
        return replace(
            self,
            weights_NK=self.weights_NK[chosen],
            losses_NM=self.losses_NM[chosen],
            size_N=None if self.size_N is None else self.size_N[chosen],
            tokens_N=None if self.tokens_N is None else self.tokens_N[chosen],
        )

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """Return a number a row, equal for rows of one mixture: what is resampled and held out together."""
        _, inverse = np.unique(np.round(self.weights_NK, 9), axis=0, return_inverse=True)
        return np.asarray(inverse, np.int64).reshape(-1)


def read_table(paths: Sequence[Path], chosen: Chosen, *, losses_needed: bool = True) -> MixTable:
    """Return the runs in `paths`; without `losses_needed` the table may lack some or all loss columns (NaN then).

    Raises: LawError that lists every fault of columns and rows; ShardError for a file that cannot be read.
    """
    name = " + ".join(map(str, paths))
    columns = _joined(paths)
    if chosen.where:
        columns, _ = split_rows(columns, where=chosen.where, holdout=None, name=name)
    domains = column_names(chosen.weights, columns, f"{name}: --weights")
    clash = set(domains) & set(chosen.losses)
    if clash:
        raise LawError(f"{name}: {', '.join(sorted(clash))} is under --weights and --losses; name it once")
    losses = chosen.losses
    if losses_needed:
        losses = column_names(chosen.losses, columns, f"{name}: --losses", but=domains)
    num = len(next(iter(columns.values())))
    values_NK = np.column_stack([_numbers(columns[each], f"{name}: {each}") for each in domains])
    values_NM = np.full((num, len(losses)), np.nan)
    for place, each in enumerate(losses):
        if each in columns:
            values_NM[:, place] = _numbers(columns[each], f"{name}: {each}")
    values_NK, in_percent = _as_shares(values_NK)
    domains, weights_NK = _normal(domains, values_NK, name, fitted=losses_needed)
    table = MixTable(
        source=name,
        domains=domains,
        losses=losses,
        weights_NK=weights_NK,
        losses_NM=values_NM,
        size_N=_scale(chosen.size, columns, SIZE_COLUMNS, f"{name}: --size", needed=losses_needed),
        tokens_N=_scale(chosen.tokens, columns, TOKEN_COLUMNS, f"{name}: --tokens", needed=losses_needed),
        in_percent=in_percent,
    )
    _check_losses(table)
    return _without_copies(table) if losses_needed else table  # predictions come row by row, repeats too


def column_names(
    wanted: Sequence[str], columns: Mapping[str, Array], where: str, but: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the columns that names and patterns (`train_*`) mean, in the order asked for, each once.

    Raises: LawError for a name or pattern that no column has.
    """
    found: dict[str, None] = {}
    faults = []
    for each in wanted:
        if each in columns:
            found[each] = None
            continue
        fitting = [name for name in columns if fnmatchcase(name, each) and name not in but]
        if not fitting:
            faults.append(f"no column `{each}`; {nearest(each, [str(name) for name in columns])}")
        found.update(dict.fromkeys(fitting))
    if not wanted:
        faults.append("names no column; give them with commas, or a pattern such as 'train_*'")
    raise_faults(LawError, where, faults)
    return tuple(found)


def _joined(paths: Sequence[Path]) -> Mapping[str, Array]:
    tables = [read_columns(path) for path in paths]
    first = tables[0]
    if len(tables) == 1:
        return first  # it knows which names its file has twice
    key = next(iter(first))
    for path, table in zip(paths[1:], tables[1:], strict=True):
        if key not in table:
            raise LawError(f"{path}: no column `{key}` to join with {paths[0]}; both need the first column alike")
        places = {value: place for place, value in enumerate(table[key].tolist())}
        wanted = first[key].tolist()
        if len(places) != len(table[key]) or len(set(wanted)) != len(wanted):
            raise LawError(f"{path}: column `{key}` names a row twice, expected one row a run; join the files yourself")
        absent = [value for value in wanted if value not in places]
        if absent:
            raise LawError(f"{path}: {len(absent)} of {len(wanted)} rows of {paths[0]} are absent, e.g. {absent[0]}")
        order = np.array([places[value] for value in wanted])
        first.update({name: values[order] for name, values in table.items() if name not in first})
        first.twice |= table.twice
    return first


def _numbers(values: Array, where: str) -> Floats:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values.tolist()):
        try:
            found[row] = np.nan if value is None or not str(value).strip() else float(value)
        except ValueError:
            raise LawError(
                f"{where}: row {row + 1} holds {value!r}, expected a number, or an empty cell where there is none"
            ) from None
    return found


def _as_shares(values_NK: Floats) -> tuple[Floats, bool]:
    """Return weights as shares, and whether they were per cents: two or more columns, every row summing to 100.

    What rounding left below 0 counts as 0.
    """
    values_NK = np.where((values_NK < 0) & (values_NK > -ROUNDING), 0.0, values_NK)
    totals = values_NK.sum(axis=1)
    in_percent = values_NK.shape[1] > 1 and bool(np.all(np.abs(totals - 100) <= 100 * SUM_TOLERANCE))
    return (values_NK / 100 if in_percent else values_NK), in_percent


def _normal(domains: tuple[str, ...], values_NK: Floats, name: str, *, fitted: bool) -> tuple[tuple[str, ...], Floats]:
    """Return domains and weights as they are; the share of a single domain gets a second, the rest.

    Rows that are `fitted` must have some of every domain; mixtures to predict need not.
    """
    faults = []
    bad = ~np.isfinite(values_NK) | (values_NK < 0)
    for row, column in np.argwhere(bad)[:3]:
        value = values_NK[row, column]
        said = "missing" if np.isnan(value) else f"{value:g}"
        faults.append(f"row {row + 1}: weight of {domains[column]} is {said}, expected a share of 0 or more")
    if len(domains) == 1 and not faults:
        if np.any(values_NK > 1):
            faults.append(f"the one weight {domains[0]} exceeds 1; expected a share, or every domain's weight")
        elif fitted and np.ptp(values_NK) == 0:
            faults.append(
                f"the one weight {domains[0]} is {values_NK[0, 0]:g} in every row; a law needs shares that differ, "
                "name every domain's weight"
            )
        else:
            values_NK = np.column_stack([values_NK[:, 0], 1 - values_NK[:, 0]])
            domains = (*domains, REST)
    totals = values_NK.sum(axis=1)
    off = np.flatnonzero(np.abs(totals - 1) > SUM_TOLERANCE)
    if len(off) and not faults:
        shown = ", ".join(f"row {row + 1}: {totals[row]:.3f}" for row in off[:3])
        faults.append(
            f"weights of {len(off)} of {len(totals)} rows do not sum to 1 ({shown}); name every domain under "
            "--weights, as shares that sum to 1 a row, or to 100 in every row"
        )
    unused = [each for each, column in zip(domains, values_NK.T, strict=True) if not np.any(column > 0)]
    if fitted and unused and not faults:
        faults.append(f"no run has any of {', '.join(unused)}; leave it out of --weights")
    raise_faults(LawError, name, faults)
    return domains, values_NK


def _scale(
    said: str | None, columns: Mapping[str, Array], usual: Sequence[str], where: str, *, needed: bool
) -> Floats | None:
    """Return a row's size or tokens: of the column named, of a column with a usual name, None if there is none.

    Mixtures to predict need not have the column named.
    """
    column = said if said in columns else next((each for each in usual if each in columns), None)
    if needed and said is not None and said not in columns and not amount_of(said) > 0:
        raise LawError(f"{where}: `{said}` is neither a column nor an amount such as 7B; {nearest(said, columns)}")
    if column is None:
        return None
    if columns[column].dtype.kind == "O":
        values = np.array([amount_of(str(value)) for value in columns[column].tolist()])
    else:
        values = columns[column].astype(np.float64)
    bad = np.flatnonzero(~(values > 0) | ~np.isfinite(values))
    if len(bad):
        raise LawError(f"{where}: row {bad[0] + 1} of column {column} is no positive amount; mend or drop it")
    return values


def _check_losses(table: MixTable) -> None:
    faults = []
    for place, name in enumerate(table.losses):
        column = table.losses_NM[:, place]
        bad = np.flatnonzero(np.isinf(column) | (column <= 0))
        if len(bad):
            faults.append(f"row {bad[0] + 1}: {name} is {column[bad[0]]:g}, expected a positive loss or an empty cell")
    raise_faults(LawError, table.source, faults)


def _without_copies(table: MixTable) -> MixTable:
    parts = [table.weights_NK, np.nan_to_num(table.losses_NM, nan=-1.0)]
    parts += [each[:, None] for each in (table.size_N, table.tokens_N) if each is not None]
    _, first = np.unique(np.column_stack(parts), axis=0, return_index=True)
    if len(first) == len(table):
        return table
    return replace(table.rows(np.sort(first)), num_duplicates=len(table) - len(first))
