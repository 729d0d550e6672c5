"""Tables of scores: CSV with any delimiter, Parquet, JSON Lines; names as written, scores that are finite numbers.

Names are taken as the file writes them, so a tier `411616256` or a recipe `007` keeps its digits. An empty score is an
absent run; NaN, infinity and text are refused by row, since a run that failed is not a run that is missing.
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.errors import ResultsError, nearest, raise_faults
from curation.tables import SUFFIXES

DELIMITERS = ",;\t|"
TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
MAX_NAMED = 5
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
COMMA_NUMBER = r"^[+-]?\d*,\d+$"
LARGEST = 1e150
"""Squares of larger scores overflow."""


def read_table(path: Path) -> Any:
    """Return a file as a pyarrow table; every column of a CSV is text, empty cells are null.

    Raises: ResultsError for a file that is missing, of another kind, damaged, without rows, or with a column twice.
    """
    if not path.is_file():
        what = "is a directory without a study's results.json" if path.is_dir() else "no such file"
        raise ResultsError(f"{path}: {what}; expected a table ({', '.join(SUFFIXES)}) or a study directory")
    try:
        table = _read(path)
        names = [name.strip() for name in table.column_names]
        table = table.rename_columns(names)
    except (OSError, ValueError) as error:  # pyarrow's errors derive from both
        raise ResultsError(f"{path}: cannot be read as a table: {error}; expected {', '.join(SUFFIXES)}") from error
    if table.num_rows == 0:
        raise ResultsError(f"{path}: no rows; expected one row a run (or with --wide one row a recipe)")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ResultsError(f"{path}: column `{twice[0]}` appears {names.count(twice[0])} times; rename all but one")
    return table


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv as arrow_csv
    from pyarrow import json as arrow_json

    name = path.name.lower()
    if name.endswith(".parquet"):
        return pq.read_table(path)
    if name.endswith(TEXT_SUFFIXES):
        delimiter, names = _header(path)
        parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        as_text = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        )
        table = arrow_csv.read_csv(path, parse_options=parse, convert_options=as_text)
        return table if delimiter == "," else _with_points(table)
    if name.endswith(SUFFIXES):
        with pa.input_stream(str(path)) as stream:
            return arrow_json.read_json(stream)
    raise ValueError(f"unknown kind `{path.suffix}`")


def _header(path: Path) -> tuple[str, list[str]]:
    """Return the delimiter, that of `DELIMITERS` which splits the first line most, and the names of the columns."""
    import pyarrow as pa

    with pa.input_stream(str(path)) as stream:
        head = bytes(stream.read(1 << 16))
    text = head.decode("utf-8-sig")  # a ValueError names the byte that is no UTF-8
    counts = {mark: len(next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: counts[mark])
    return best, next(csv.reader(io.StringIO(text, newline=""), delimiter=best), [])


def column(table: Any, name: str, where: str) -> Any:
    """Return a column of `table`, or with `metrics.acc` a field of a column of objects (or of text that is JSON).

    Raises: ResultsError for a name that it has not, with the nearest.
    """
    outer, dot, inner = name.partition(".")
    if name not in table.column_names and dot and outer in table.column_names:
        return _field(table[outer].combine_chunks(), inner, f"{where}: {outer}")
    if name not in table.column_names:
        raise ResultsError(
            f"{where}: no column `{name}`; {nearest(name, table.column_names)} columns: {_listed(table.column_names)}"
        )
    return table[name].combine_chunks()


class TableColumns(Mapping[str, Any]):
    """Columns for `--where`: text that is numbers throughout is compared as numbers, an empty cell is missing."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __getitem__(self, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in self.table.column_names:
            raise KeyError(name)
        values = column(self.table, name, "table")
        if pa.types.is_string(values.type) and pc.all(pc.match_substring_regex(values, NUMBER), min_count=0).as_py():
            values = values.cast(pa.float64())
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            return pc.fill_null(values.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
        return np.array(values.to_pylist(), object)

    def __contains__(self, name: object) -> bool:
        return name in self.table.column_names

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.column_names)

    def __len__(self) -> int:
        return len(self.table.column_names)


def _field(values: Any, name: str, where: str) -> Any:
    import pyarrow as pa

    rows = values.to_pylist()
    objects = [_object(row, where, number) for number, row in enumerate(rows, start=1)]
    known = sorted({key for one in objects for key in one})
    if name not in known:
        raise ResultsError(f"{where}: no field `{name}`; {nearest(name, known)}")
    try:
        return pa.array([one.get(name) for one in objects])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ResultsError(f"{where}: field `{name}` is of several types: {error}; expected numbers") from None


def _object(row: object, where: str, number: int) -> dict[str, Any]:
    if isinstance(row, dict) or row is None:
        return row or {}
    text = str(row)
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)  # the repr of a Python dict, as DataDecide's tables have it
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise ResultsError(f"{where}: row {number} is `{text[:60]}`, expected an object; name a plain column")
    return value


def as_names(values: Any, what: str, where: str) -> Any:
    """Return a column as text without outer spaces, whole numbers without `.0`.

    Raises: ResultsError for rows without a value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pa.array([None if one is None else f"{one:.17g}" for one in values.to_pylist()], pa.string())
    try:
        text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError):
        raise ResultsError(f"{where}: {what} is of type {values.type}, expected text or numbers") from None
    empty = pc.fill_null(pc.equal(text, ""), True)
    _refuse(empty, lambda row: f"row {row + 1}: {what} is empty", where, "name it, or remove the row")
    return text


def as_scores(values: Any, labels: Sequence[Any], what: str, where: str) -> Any:
    """Return a column as float64 with NaN for an empty cell; `labels` are columns that name a row in a message.

    Raises: ResultsError that names the rows whose score is no finite number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = pc.utf8_trim_whitespace(values)
        text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
        bad = pc.invert(pc.fill_null(pc.match_substring_regex(text, NUMBER), True))
        safe = pc.if_else(bad, "nan", text)
        numbers = safe.cast(pa.float64())
    elif any(of(values.type) for of in (types.is_null, types.is_floating, types.is_integer, types.is_decimal)):
        numbers, bad = values.cast(pa.float64()), None
    else:
        raise ResultsError(f"{where}: {what} is of type {values.type}, expected numbers; name another column")
    wrong = pc.fill_null(pc.invert(pc.less(pc.abs(numbers), LARGEST)), False)  # NaN and infinity are not less
    wrong = pc.or_(wrong, bad) if bad is not None else wrong

    def said(row: int) -> str:
        named = ", ".join(str(one[row].as_py()) for one in labels)
        return f"row {row + 1} ({named}): {what} is `{values[row].as_py()}`"

    hint = "expected a finite number; mend it, or leave the cell empty if there is no such run (or choose with --where)"
    _refuse(wrong, said, where, hint)
    return pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False)


def _with_points(table: Any) -> Any:
    """Return a table with decimal commas (`0,53` of a spreadsheet) as points, in columns that have no point."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for values in (one.combine_chunks() for one in table.columns):
        is_decimal = pc.fill_null(pc.match_substring_regex(values, COMMA_NUMBER), False)
        if pc.any(is_decimal).as_py() and not pc.any(pc.match_substring(values, ".")).as_py():
            values = pc.if_else(is_decimal, pc.replace_substring(values, ",", "."), values)
        columns.append(values)
    return pa.table(columns, names=table.column_names)


def _refuse(wrong: Any, said: Any, where: str, hint: str) -> None:
    rows = np.flatnonzero(np.asarray(wrong)).tolist()
    if not rows:
        return
    faults = [said(row) for row in rows[:MAX_NAMED]]
    if len(rows) > MAX_NAMED:
        faults.append(f"{len(rows) - MAX_NAMED} more rows")
    raise_faults(ResultsError, where, [*faults[:-1], f"{faults[-1]}; {hint}"])


def _listed(names: Sequence[str], most: int = 30) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
