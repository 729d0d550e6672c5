"""Parquet of strangers: only flat tables of a known schema, within limits, and nothing that could run code.

Before a row is read the footer is checked: no extension types (some loaders unpickle their metadata), no other columns
or types than expected, limits on rows, on bytes of a row group after decompression, and on their ratio to the file.
Source: ecosystem reference 9 (CVE-2023-47248, CVE-2026-41486).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.errors import CurateError

MAX_ROWS = 20_000_000
MAX_GROUP_BYTES = 512_000_000
MAX_TABLE_BYTES = 2_000_000_000
MAX_STRING_BYTES = 4_096
MAX_RATIO = 1_000
"""Decompressed bytes to bytes of the file, above `RATIO_FROM` bytes."""
RATIO_FROM = 10_000_000

DOCUMENT_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("slice", pa.string()),
        pa.field("family", pa.string()),
        pa.field("nats", pa.float64()),
        pa.field("num_bytes", pa.int64()),
    ]
)
"""Scores of panel documents; `id` and `family` are digests."""


class TableError(CurateError):
    """A Parquet file of an entry is not what may be read."""


def read_safe_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Return the table in `path`, with exactly the columns and types of `schema`.

    Raises: TableError if the file has others, is too large, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            file = pq.ParquetFile(stream, arrow_extensions_enabled=False)
            _check_footer(path, file, schema)
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name}: cannot be read as Parquet ({_short(error)}); submit the study again") from None
    _check_strings(path, table)
    return table.select(schema.names).cast(schema)


def table_faults(path: Path, schema: pa.Schema) -> list[str]:
    """Return why a file may not be read as a table of `schema`; empty when it may."""
    try:
        read_safe_table(path, schema)
    except TableError as error:
        return [str(error)]
    return []


def _check_footer(path: Path, file: pq.ParquetFile, schema: pa.Schema) -> None:
    held, meta = file.schema_arrow, file.metadata
    if any(isinstance(field.type, pa.BaseExtensionType) for field in held) or _extension_metadata(held):
        raise TableError(f"{path.name}: has a column of an extension type, expected plain columns; submit again")
    if sorted(held.names) != sorted(schema.names):
        raise TableError(f"{path.name}: has columns {', '.join(held.names)[:200]}; expected {', '.join(schema.names)}")
    for field in schema:
        found = held.field(field.name).type
        if not _alike(found, field.type):
            raise TableError(f"{path.name}: column {field.name} is {found}, expected {field.type}; submit again")
    groups = [meta.row_group(number).total_byte_size for number in range(meta.num_row_groups)]
    total, size = sum(groups), path.stat().st_size
    limits = (
        (meta.num_rows, MAX_ROWS, "rows"),
        (max(groups, default=0), MAX_GROUP_BYTES, "bytes in one row group"),
        (total, MAX_TABLE_BYTES, "bytes unpacked"),
        (total // max(size, 1) if total > RATIO_FROM else 0, MAX_RATIO, "bytes unpacked for each byte of the file"),
    )
    for found, most, what in limits:
        if found > most:
            raise TableError(f"{path.name}: {found:,} {what}, expected at most {most:,}; submit a smaller study")


def _extension_metadata(schema: pa.Schema) -> bool:
    keys = [key for field in schema for key in (field.metadata or {})]
    return any(bytes(key).startswith(b"ARROW:extension") for key in keys)


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(wanted):
        listed = pa.types.is_list(found) or pa.types.is_large_list(found)
        return listed and _alike(found.value_type, wanted.value_type)
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    return bool(found == wanted)


def _check_strings(path: Path, table: pa.Table) -> None:
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            continue
        try:
            table[field.name].validate(full=True)
        except pa.ArrowInvalid as error:
            raise TableError(f"{path.name}: column {field.name}: {_short(error)}; submit the study again") from None
        longest = pc.max(pc.binary_length(table[field.name])).as_py() or 0
        if longest > MAX_STRING_BYTES:
            raise TableError(
                f"{path.name}: column {field.name} has a value of {longest:,} bytes, expected at most "
                f"{MAX_STRING_BYTES:,}: tables hold digests and names, no text"
            )


def document_faults(table: pa.Table) -> list[str]:
    """Return what is wrong with scores of panel documents: ids twice, or numbers that are none."""
    faults = []
    if any(table[name].null_count for name in DOCUMENT_COLUMNS.names):
        faults.append("a value is missing")
        return faults
    ids, counts = np.unique(np.asarray(table["id"].to_pylist(), object).astype(str), return_counts=True)
    if (counts > 1).any():
        faults.append(f"document {ids[counts > 1][0]} stands there twice, expected each once")
    nats = table["nats"].to_numpy()
    if bad := int((~(np.isfinite(nats) & (nats >= 0))).sum()):
        first = int(np.flatnonzero(~(np.isfinite(nats) & (nats >= 0)))[0])
        faults.append(
            f"document {table['id'][first].as_py()}: {nats[first]} nats, expected a finite score of 0 or more "
            f"({bad} such)"
        )
    if (table["num_bytes"].to_numpy() <= 0).any():
        faults.append("a document of no bytes, expected at least 1")
    return faults


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
