"""Rows on their way from input files to partitions: buffered in memory, beyond that in files by hash.

A bucket is a range of id hashes. Its file is a run of Arrow streams one after another. The files carry the temporary
prefix, so that what a killed ingest leaves is never read and is removed by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.batches import TEXT_SCHEMA, text_view
from curation.files import TEMPORARY_PREFIX
from curation.ids import content_digest, id_hash, partition_of
from curation.sources.records import Row

BATCH_ROWS = 4096
BATCH_CHARS = 8 << 20
BUFFER_BYTES = 192 << 20

SPILL_SCHEMA = pa.schema(
    [
        *TEXT_SCHEMA,
        pa.field("digest", pa.binary(16), nullable=False),
        pa.field("hash", pa.uint64(), nullable=False),
        pa.field("file", pa.int32(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
    ]
)


@dataclass(slots=True, kw_only=True)
class Spill:
    """Tables of rows by bucket; `num_buckets` is a power of two."""

    folder: Path
    num_buckets: int
    buffer_bytes: int
    writer: int = 0
    """Which of the processes that share the folder writes here; each has files of its own."""
    num_writers: int = 1
    """How many there are: a partition has the rows of all."""
    _held: dict[int, list[pa.Table]] = field(default_factory=dict)
    _held_bytes: int = 0

    def add(self, table: pa.Table) -> None:
        """Take over a table of `SPILL_SCHEMA`."""
        bucket = partition_of(table["hash"].to_numpy(), self.num_buckets)
        order = np.argsort(bucket, kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=self.num_buckets))
        placed = table if self.num_buckets == 1 else table.take(order)
        for number, (start, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)):
            if end > start:
                self._held.setdefault(number, []).append(placed.slice(start, end - start))
        self._held_bytes += table.nbytes
        if self._held_bytes > self.buffer_bytes:
            self.flush()

    def partition(self, part: int, num_parts: int) -> pa.Table:
        """Return the rows of one partition out of `num_parts` (a power of two), in no particular order."""
        if num_parts <= self.num_buckets:
            share = self.num_buckets // num_parts
            return pa.concat_tables([self._bucket(number) for number in range(part * share, (part + 1) * share)])
        whole = self._bucket(part // (num_parts // self.num_buckets))
        return whole.filter(pa.array(partition_of(whole["hash"].to_numpy(), num_parts) == part))

    def clear(self) -> None:
        """Remove the files."""
        self._held = {}
        for writer in range(self.num_writers):
            for number in range(self.num_buckets):
                self._path(number, writer).unlink(missing_ok=True)

    def _bucket(self, number: int) -> pa.Table:
        tables = list(self._held.get(number, []))
        for path in (self._path(number, writer) for writer in range(self.num_writers)):
            if not path.is_file():
                continue
            with pa.OSFile(str(path), "rb") as file:
                while file.tell() < file.size():
                    with pa.ipc.open_stream(file) as stream:
                        tables.append(stream.read_all())
        return pa.concat_tables(tables) if tables else SPILL_SCHEMA.empty_table()

    def flush(self) -> None:
        """Write down what is held."""
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        for number, tables in self._held.items():
            with (
                self._path(number, self.writer).open("ab") as file,
                pa.ipc.new_stream(file, SPILL_SCHEMA, options=options) as out,
            ):
                for table in tables:
                    out.write_table(table)
        self._held, self._held_bytes = {}, 0

    def _path(self, number: int, writer: int) -> Path:
        return self.folder / f"{TEMPORARY_PREFIX}spill-{writer:03d}-{number:05d}.arrow"


@dataclass(slots=True, kw_only=True)
class RowBuffer:
    """Collects rows into tables of moderate size."""

    spill: Spill
    num_bytes: int = 0
    """UTF-8 bytes of text handed on so far."""
    sizes: list[pa.Table] | None = None
    """With a cap: per table `hash`, `slice` and `bytes` of each row."""
    _rows: list[Row] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)
    _files: list[int] = field(default_factory=list)
    _chars: int = 0

    def add(self, row: Row, file: int, place: int) -> None:
        """Take one row, read from record `place` of file number `file`."""
        self._rows.append(row)
        self._files.append(file)
        self._places.append(place)
        self._chars += len(row.text)
        if self._chars > BATCH_CHARS or len(self._rows) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand the collected rows on."""
        if not self._rows:
            return
        table = _table(self._rows, self._files, self._places)
        num_bytes = text_view(table["text"]).num_bytes
        self.num_bytes += int(num_bytes.sum())
        if self.sizes is not None:
            slices = table["slice"].dictionary_encode()
            self.sizes.append(pa.table({"hash": table["hash"], "slice": slices, "bytes": num_bytes}))
        self.spill.add(table)
        self._rows, self._files, self._places, self._chars = [], [], [], 0


def _table(rows: Sequence[Row], files: Sequence[int], places: Sequence[int]) -> pa.Table:
    digests = [content_digest(row.content()) for row in rows]
    ids = [digest.hex() if row.own_id is None else row.own_id for row, digest in zip(rows, digests, strict=True)]
    text, source, slices, url, lang, licence, date, *_ = zip(*rows, strict=True)
    meta = [row.placed_meta() for row in rows]
    columns = [ids, text, source, slices, url, lang, licence, date, meta, digests, [id_hash(own) for own in ids]]
    columns += [files, places]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SPILL_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SPILL_SCHEMA)
