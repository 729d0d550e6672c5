"""The canonical columns of text and the one accessor to their bytes.

Text travels as Arrow `large_string` columns (int64 offsets). Kernels see a `TextView`: the raw bytes and the
offsets of each document, with slice offsets of the Arrow array already honoured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_PER_GROUP = 8192
GROUP_BYTES = 16_000_000
"""UTF-8 bytes of text in a row group of a corpus: what a loader holds of a shard (benchmarks/row_groups.py)."""

TEXT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.large_string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("source", pa.large_string(), nullable=False),
        pa.field("slice", pa.large_string(), nullable=False),
        pa.field("url", pa.large_string()),
        pa.field("lang", pa.large_string()),
        pa.field("license", pa.large_string()),
        pa.field("date", pa.large_string()),
        pa.field("meta", pa.large_string()),  # canonical JSON object, or null
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextView:
    """Bytes of a column of strings: document i is `data[offsets[i]:offsets[i + 1]]`."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_bytes(self) -> npt.NDArray[np.int64]:
        """UTF-8 length of each document."""
        return np.diff(self.offsets)


def text_view(column: pa.Array | pa.ChunkedArray) -> TextView:
    """Return the bytes of a string column without copying when it is one chunk; a null is an empty document."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # zero chunks, or beyond one chunk's capacity
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.large_string())
    if array.type != pa.large_string():
        array = array.cast(pa.large_string())
    if array.null_count:
        array = array.fill_null("")
    if len(array) == 0:
        return TextView(data=np.zeros(0, np.uint8), offsets=np.zeros(1, np.int64))
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, count=len(array) + 1, offset=array.offset * 8)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    return TextView(data=data, offsets=offsets)


def text_array(documents: list[str]) -> pa.Array:
    """Return documents as the column type that kernels and files use."""
    return pa.array(documents, pa.large_string())


def write_table(path: Path, table: pa.Table) -> None:
    """Write `table` as Parquet with the project's fixed settings, so equal tables give equal bytes."""
    with _writer(path, table.schema) as writer:
        writer.write_table(table, ROWS_PER_GROUP)


def write_pieces(path: Path, schema: pa.Schema, pieces: Iterable[pa.Table], group_bytes: int | None = None) -> None:
    """Write tables after one another, with the bytes `write_table` gives them as one, in the memory of a row group.

    With `group_bytes` a row group also ends before its column `text` exceeds so many bytes (a longer document is a
    group of its own), and the file has a page index: for files that strangers' loaders read.
    """
    waiting = schema.empty_table()
    with _writer(path, schema, page_index=group_bytes is not None) as writer:
        for piece in pieces:
            waiting = pa.concat_tables([waiting, piece.cast(schema)])
            while waiting.num_rows > (cut := _group_rows(waiting, group_bytes)):
                writer.write_table(waiting.slice(0, cut).combine_chunks(), ROWS_PER_GROUP)
                waiting = waiting.slice(cut)
        writer.write_table(waiting.combine_chunks(), ROWS_PER_GROUP)


def _group_rows(waiting: pa.Table, group_bytes: int | None) -> int:
    """Return how many of the first rows make a row group, if as many and one more are there."""
    if group_bytes is None:
        return ROWS_PER_GROUP
    sizes = pc.binary_length(waiting["text"].slice(0, ROWS_PER_GROUP)).to_numpy()
    return (
        max(1, int(np.searchsorted(np.cumsum(sizes, dtype=np.int64), group_bytes, side="right"))) if len(sizes) else 1
    )


def _writer(path: Path, schema: pa.Schema, *, page_index: bool = False) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        write_statistics=True,
        store_schema=True,
        write_page_index=page_index,
    )


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet part, whole; row order is the file's."""
    return pq.read_table(path, columns=columns, memory_map=False, use_threads=False)
