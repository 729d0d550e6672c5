"""Tables of strangers: CSV, Parquet or JSON Lines to columns, the rows an expression chooses, amounts in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, ShardError
from curation.expressions import compute, select

Array = npt.NDArray[Any]
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json.gz", ".ndjson")
MULTIPLES = {"K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
MAX_HEADER_BYTES = 1_000_000
_PAIR_ENDS = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=(?!=))")


def read_columns(path: Path) -> Table:
    """Return the columns of a table; numbers as they are, missing numbers as NaN, text as objects.

    Raises: ShardError for a file that is missing, of another kind, damaged, or without rows.
    """
    if path.is_dir():
        raise ShardError(
            f"{path}: is a directory, expected one table ({', '.join(SUFFIXES)}); name a file in it, "
            "or give a store of runs with --runs"
        )
    if not path.is_file():
        raise ShardError(f"{path}: no such file; expected a table ({', '.join(SUFFIXES)})")
    try:
        table = _read(path)
        table = table.rename_columns([str(name).strip() for name in table.column_names])  # no UTF-8 fails here
        names = table.column_names
    except (OSError, ValueError) as error:  # pyarrow's errors derive from both
        raise ShardError(f"{path}: cannot be read as a table: {error}; expected {', '.join(SUFFIXES)}") from error
    if table.num_rows == 0:
        raise ShardError(f"{path}: no rows; expected one row a run")
    twice = {name for name in names if names.count(name) > 1}
    columns = {name: _array(table[name]) for name in names if name not in twice}
    return Table(columns, twice=frozenset(twice), source=str(path))


class Table(dict[str, Array]):
    """Columns by name; a name that the file has twice is refused when it is asked for, not before."""

    def __init__(self, columns: Mapping[str, Array], *, twice: frozenset[str], source: str) -> None:
        super().__init__(columns)
        self.twice, self.source = twice, source

    def __contains__(self, name: object) -> bool:
        return name in self.twice or super().__contains__(name)

    def __missing__(self, name: str) -> Array:
        if name in self.twice:
            raise ShardError(f"{self.source}: column {name} appears twice and is used; rename one of them")
        raise KeyError(name)


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq
    from pyarrow import csv, json

    name = path.name.lower()
    if name.endswith(".parquet"):
        return pq.read_table(path)
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        parse = csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True)
        convert = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
        return csv.read_csv(path, parse_options=parse, convert_options=convert)
    if name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".json.gz")):
        import pyarrow as pa

        with pa.input_stream(str(path)) as stream:
            return json.read_json(stream)
    raise ValueError(f"unknown kind `{path.suffix}`")


def _delimiter(path: Path) -> str:
    """Return a tab for TSV, else a comma, or a semicolon where the header has those alone (some spreadsheets)."""
    name = path.name.lower()
    if ".tsv" in name:
        return "\t"
    import gzip

    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
        header = stream.readline(MAX_HEADER_BYTES)
    return ";" if b";" in header and b"," not in header else ","


def _array(column: Any) -> Array:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind) and not column.null_count:
        return np.array(column.to_pylist(), bool)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return np.array([np.nan if value is None else value for value in column.to_pylist()], np.float64)
    return np.array(column.to_pylist(), object)


def mapped(columns: Mapping[str, Array], mapping: Mapping[str, str], where: str) -> dict[str, Array]:
    """Return one array a variable: a column of that name, else an expression over columns (`D=tokens_b * 1e9`).

    Raises: LawError for a column that does not exist.
    """
    found = {}
    for variable, source in mapping.items():
        plain = source.strip("`")
        found[variable] = columns[plain] if plain in columns else compute(source, columns, f"{where}: --map {variable}")
    return found


def split_rows(
    columns: Mapping[str, Array], *, where: str | None, holdout: str | None, name: str
) -> tuple[dict[str, Array], dict[str, Array] | None]:
    """Return the rows to fit and the rows held out (None without `holdout`); the others are not looked at.

    Raises: LawError for a bad expression, or one that leaves no row.
    """
    num = len(next(iter(columns.values())))
    chosen = select(where, columns, f"{name}: --where") if where else np.ones(num, bool)
    if not chosen.any():
        raise LawError(f"{name}: --where `{where}` chooses none of {num} rows; loosen it")
    if not holdout:
        return _rows(columns, chosen), None
    kept_out = select(holdout, columns, f"{name}: --holdout") & chosen
    if not kept_out.any() or not (chosen & ~kept_out).any():
        raise LawError(
            f"{name}: --holdout `{holdout}` keeps out {int(kept_out.sum())} of {int(chosen.sum())} rows, "
            "expected some and not all"
        )
    return _rows(columns, chosen & ~kept_out), _rows(columns, kept_out)


def _rows(columns: Mapping[str, Array], chosen: npt.NDArray[np.bool_]) -> dict[str, Array]:
    found = {name: values[chosen] for name, values in columns.items()}
    return Table(found, twice=columns.twice, source=columns.source) if isinstance(columns, Table) else found


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return `A=x,B=y` (repeatable) as a mapping.

    Raises: LawError for a part without `=`, or a name given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        for part in _PAIR_ENDS.split(text):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not (name and equals and value):
                raise LawError(f"{option}: `{part}` is no NAME=VALUE; expected e.g. {option} N=params,D=tokens,L=loss")
            if name in found:
                raise LawError(f"{option}: {name} is given twice; give it once")
            found[name] = value
    return found


def amount_of(text: str) -> float:
    """Return the number that `7e10`, `70B` or `1.4T` means; NaN where it is none."""
    factor = MULTIPLES.get(text[-1:].upper(), 1.0)
    try:
        return float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        return float("nan")


def inputs(text: str, option: str = "--predict") -> dict[str, float]:
    """Return the inputs of one `--predict N=7e10,D=1.4T`; K, M, B, T multiply by a thousand, a million, ...

    Raises: LawError for values that are no positive finite numbers.
    """
    found = {}
    for name, value in pairs([text], option).items():
        found[name] = amount_of(value)
        if not 0 < found[name] < float("inf"):
            raise LawError(f"{option}: {name} is `{value}`, expected a positive number, e.g. 7e10 or 70B")
    return found
