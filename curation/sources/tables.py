"""Rows of CSV and TSV files with a header, and of Arrow files as `datasets` saves them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

import pyarrow as pa

from curation.errors import ShardError, nearest
from curation.pool_spec import PoolSpec
from curation.sources.charsets import utf8_chunks
from curation.sources.decompress import ChunkStream, byte_chunks
from curation.sources.inputs import Input
from curation.sources.parquet import batch_records, check_columns
from curation.sources.prose_files import wrong_charset
from curation.sources.records import Placed, Rejected

OnRead = Callable[[int], None]
FIELD_SLACK_BYTES = 1 << 20


def csv_records(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    """Yield (line number at the row's end, `Placed` row or `Rejected`); empty fields are no fields.

    Raises: ShardError for a damaged file, a missing header, or one without the text or id column.
    """
    csv.field_size_limit(
        max(csv.field_size_limit(), spec.max_doc_bytes + FIELD_SLACK_BYTES)
    )  # the module knows one only
    chunks = utf8_chunks(byte_chunks(item, on_read), spec.charset)
    text = io.TextIOWrapper(io.BufferedReader(ChunkStream(chunks)), "utf-8", errors="strict", newline="")
    rows = csv.reader(text, dialect="excel-tab" if item.container == "tsv" else "excel")
    try:
        header = next(rows, None)
        _check_header(item, header, spec)
        assert header is not None  # checked
        for row in rows:
            place = {"file": item.digest[:16], "line": rows.line_num}
            if not row:
                continue
            if len(row) != len(header):
                detail = f"{len(row)} fields, the header has {len(header)}"
                yield rows.line_num, Placed(Rejected("wrong-columns", detail), place)
                continue
            record = {name: value for name, value in zip(header, row, strict=True) if value}
            yield rows.line_num, Placed(record, place)
    except UnicodeDecodeError as error:
        yield rows.line_num + 1, wrong_charset(error)
    except csv.Error as error:
        yield rows.line_num + 1, Rejected("broken-row", f"{error}; what follows it is not read")


def _check_header(item: Input, header: list[str] | None, spec: PoolSpec) -> None:
    if not header:
        raise ShardError(f"{item.name}: empty, expected a header line with the names of columns")
    for setting, column in (("text", spec.text), ("id", spec.id)):
        if column is not None and column not in header:
            raise ShardError(
                f"{item.name}: no column `{column}`, which `pool.{setting}` names; columns: {', '.join(header)[:300]}; "
                f"{nearest(column, header)}"
            )


def arrow_records(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    """Yield (row number from 1, `Placed` row) of an Arrow stream or file. Raises: ShardError for a damaged one."""
    row = 0
    try:
        with item.open() as stream:
            is_file = stream.read(6) == b"ARROW1"
            stream.seek(0)
            for batch in _batches(stream, is_file):
                if row == 0:
                    check_columns(item, batch.schema, spec)
                for start in range(0, len(batch), 1024):
                    for record in batch_records(batch.slice(start, 1024), spec):
                        row += 1
                        yield row, Placed(record, {"file": item.digest[:16], "row": row})
                on_read(batch.nbytes)
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ShardError(
            f"{item.name}: not an intact Arrow file, after row {row:,} ({reason}); fetch or write it again"
        ) from None


def _batches(stream: io.IOBase | object, is_file: bool) -> Iterator[pa.RecordBatch]:
    source = pa.PythonFile(stream, mode="r")
    if is_file:
        with pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
    else:
        with pa.ipc.open_stream(source) as reader:
            yield from reader
