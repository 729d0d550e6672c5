"""Records of a Parquet file, read in small batches with page checksums verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from curation.batches import text_view
from curation.errors import ShardError, nearest
from curation.recipe import PoolSpec
from curation.sources.inputs import Input
from curation.sources.records import Rejected

BATCH_ROWS = 1024


def parquet_records(
    item: Input, spec: PoolSpec, on_read: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[tuple[int, object]]:
    """Yield (row number from 1, record or `Rejected`).

    Raises: ShardError for a damaged file, a missing text or id column, or one of the wrong type.
    """
    row = 0
    try:
        with pq.ParquetFile(_source(item), page_checksum_verification=True) as file:
            check_columns(item, file.schema_arrow, spec)
            share = item.stored_bytes() / max(1, file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for record in batch_records(batch, spec):
                    row += 1
                    yield row, record
                on_read(round(share * len(batch)))
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ShardError(
            f"{item.name}: not an intact Parquet file, after row {row:,} ({reason}); fetch or write it again"
        ) from None


def _source(item: Input) -> Path | BinaryIO:
    return item.path if item.opener is None else item.open()


def check_columns(item: Input, schema: pa.Schema, spec: PoolSpec) -> None:
    """Raise ShardError if the text or id column is missing or the text is no text."""
    for setting, column in (("text", spec.text), ("id", spec.id)):
        if column is not None and column not in schema.names:
            raise ShardError(
                f"{item.name}: no column `{column}`, which `pool.{setting}` names; columns: "
                f"{', '.join(schema.names)}; {nearest(column, schema.names)}"
            )
    kind = schema.field(spec.text).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise ShardError(
            f"{item.name}: column `{spec.text}` holds {kind}, expected strings; set `pool.text` to the text column"
        )


def batch_records(batch: pa.RecordBatch, spec: PoolSpec) -> Iterator[object]:
    """Yield one record a row; text is decoded strictly here because Arrow does not check what a file claims."""
    texts = list(_texts(batch.column(spec.text)))
    others = batch.drop_columns([spec.text])
    try:
        rows: list[dict[str, Any] | Rejected] = others.to_pylist()
    except UnicodeDecodeError:
        rows = [_one_row(others.slice(index, 1)) for index in range(len(others))]
    for text, record in zip(texts, rows if others.num_columns else [{} for _ in texts], strict=True):
        if isinstance(text, Rejected) or isinstance(record, Rejected):
            yield text if isinstance(text, Rejected) else record
        else:
            yield {spec.text: text, **record}


def _texts(column: pa.Array) -> Iterator[str | Rejected | None]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    present = column.is_valid().to_numpy(zero_copy_only=False)
    view = text_view(column.cast(pa.large_string()))
    data = view.data.data
    for index, filled in enumerate(present):
        if not filled:
            yield None
            continue
        try:
            yield str(data[view.offsets[index] : view.offsets[index + 1]], "utf-8")
        except UnicodeDecodeError:
            yield Rejected("invalid-utf8")


def _one_row(row: pa.RecordBatch) -> dict[str, Any] | Rejected:
    try:
        record: dict[str, Any] = row.to_pylist()[0]
        return record
    except UnicodeDecodeError:
        return Rejected("invalid-utf8", "outside the text")
