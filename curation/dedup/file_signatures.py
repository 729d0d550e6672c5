"""Signature files of raw units: band keys beside what orders and groups the documents; made once, then read by column.

Rows are the unit's rows. Columns: those of `signatures.signature_table`, and `id`, `source`, `slice`, `num_bytes`,
`scope`, `key`, as far as the settings ask for them. The settings are in the file's metadata: a file made with others,
or cut short, is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from curation.batches import TextView, text_view
from curation.dedup.datasketch_engine import VERSION as DATASKETCH_VERSION
from curation.dedup.datasketch_engine import SketchSettings, sketch_table
from curation.dedup.file_fields import field_values, needed_columns
from curation.dedup.file_settings import Columns
from curation.dedup.file_units import Unit
from curation.dedup.near_copies import Sets
from curation.dedup.presets import Banding
from curation.dedup.signatures import MINHASH_VERSION, SHINGLES, ShingleScratch, shingle_settings, signed
from curation.errors import ShardError
from curation.files import TEMPORARY_PREFIX, Json, canonical_json, replacing

SET_BATCH = 1 << 20
"""Shingles whose sets are made at once; a longer document is a batch of its own."""
METADATA_KEY = b"curate.signatures"
DEFAULT_SOURCE, DEFAULT_SLICE = "pool", "all"
_DEFAULTS: Mapping[str, str | None] = {
    "id": None, "source": DEFAULT_SOURCE, "slice": DEFAULT_SLICE, "scope": "", "key": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Makes and checks the signature files of one run."""

    columns: Columns
    banding: Banding
    limit: int
    sketch: SketchSettings | None = None
    """How datasketch makes the values; None: our kernels do."""
    keep_shingles: bool = False
    """Whether the shingles are written beside the signatures, for verification without reading the text again."""

    @property
    def settings(self) -> str:
        """What a signature file was made with, as canonical JSON."""
        banding = self.banding
        value: dict[str, Json] = {
            "version": MINHASH_VERSION if self.sketch is None else DATASKETCH_VERSION,
            "datasketch": None if self.sketch is None else self.sketch.as_json(),
            "bands": banding.bands,
            "rows": banding.rows,
            "ngram": banding.ngram,
            **shingle_settings(banding, self.limit),
            "text": self.columns.text,
            "columns": dict(self.columns.optional),
        }
        return canonical_json(value)

    def write(self, unit: Unit, path: Path) -> None:
        """Write the signature file of a unit."""
        with pq.ParquetFile(unit.path) as file:
            present = set(file.schema_arrow.names)
        wanted = {name for asked in self.columns.optional.values() for name in needed_columns(asked, present)}
        batches = unit.batches(sorted({self.columns.text, *wanted}))
        told = {METADATA_KEY: self.settings.encode(), **(self.sketch.metadata() if self.sketch else {})}
        with replacing(path) as temporary, self._shingles(path) as stream:
            scratch = ShingleScratch()
            tables = [self._sign(batch, stream, scratch) for batch in batches] or [self._sign(None, stream, scratch)]
            table = pa.concat_tables(tables).replace_schema_metadata(told)
            pq.write_table(table, temporary, compression="none", use_dictionary=["source", "slice", "scope"])

    @contextlib.contextmanager
    def _shingles(self, path: Path) -> Iterator[BinaryIO | None]:
        """Give a stream for the shingles, which a killed run leaves behind as a temporary file that nobody reads."""
        if not self.keep_shingles or self.sketch is not None:
            yield None
            return
        with shingle_path(path).open("wb") as stream:
            yield stream

    def check(self, unit: Unit, path: Path) -> None:
        """Raise ShardError unless the signature file is whole and was made for this unit with these settings."""
        try:
            with pq.ParquetFile(path) as file:
                rows, metadata = file.metadata.num_rows, file.schema_arrow.metadata or {}
        except (pa.ArrowException, OSError) as error:
            raise cut_short(path, error) from None
        made_with = metadata.get(METADATA_KEY, b"nothing known").decode("utf-8", "replace")
        if made_with != self.settings:
            raise ShardError(f"{path}: signatures made with {made_with}, expected {self.settings}; remove the file")
        if rows != unit.num_docs:
            raise ShardError(f"{path}: signatures of {rows:,} documents, expected {unit.num_docs:,}; remove the file")

    def _sign(self, batch: pa.RecordBatch | None, stream: BinaryIO | None, scratch: ShingleScratch) -> pa.Table:
        given = pa.array([], pa.large_string()) if batch is None else batch.column(self.columns.text)
        texts = text_view(given.cast(pa.large_string()))
        if self.sketch is not None:
            table = sketch_table(texts, self.banding, self.limit, settings=self.sketch)
        else:
            table, shingles = signed(texts, self.banding, self.limit, scratch=scratch if stream is not None else None)
            if stream is not None:
                shingles.tofile(stream)
        table = table.append_column("num_bytes", pa.array(texts.num_bytes))
        for name, asked in self.columns.optional.items():
            found = None if batch is None else field_values(batch, asked)
            table = table.append_column(name, _kept(name, found, texts))
        return table


def _kept(name: str, given: pa.Array | None, texts: TextView) -> pa.Array:
    """Return a column as strings without nulls; the sort key stays a number, or null."""
    if name == "key":
        return _sort_key(given, len(texts))
    if given is None:
        return content_ids(texts) if name == "id" else pa.array([_DEFAULTS[name]] * len(texts), pa.large_string())
    strings = _words(given)
    if strings.null_count == 0:
        return strings
    return pc.coalesce(strings, content_ids(texts) if name == "id" else pa.scalar(_DEFAULTS[name], pa.large_string()))


def _words(given: pa.Array) -> pa.Array:
    """Return values as strings, as Python writes them and so as a recipe's stage reads them in the metadata."""
    if not (pa.types.is_boolean(given.type) or pa.types.is_floating(given.type)):
        return given.cast(pa.large_string())
    coded = given.dictionary_encode()
    names = pa.array([str(value) for value in coded.dictionary.to_pylist()], pa.large_string())
    return names.take(coded.indices)


def _sort_key(given: pa.Array | None, num_rows: int) -> pa.Array:
    if given is None or pa.types.is_null(given.type):
        return pa.nulls(num_rows)  # of no type, since other files decide whether keys are numbers or words
    if pa.types.is_integer(given.type) or pa.types.is_floating(given.type) or pa.types.is_boolean(given.type):
        numbers = given.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), None, numbers)  # no number comes last, as no value does
    return given.cast(pa.large_string())


def content_ids(texts: TextView) -> pa.Array:
    """Return the hexadecimal xxh128 of each text."""
    raw, offsets = np.ascontiguousarray(texts.data).data, texts.offsets.tolist()
    digest = xxhash.xxh3_128_hexdigest
    return pa.array([digest(raw[a:b]) for a, b in pairwise(offsets)], pa.large_string())


def read_signatures(path: Path, columns: Sequence[str]) -> pa.Table:
    """Return columns of a signature file. Raises: ShardError if it is cut short or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(list(columns), use_threads=False).select(list(columns))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise cut_short(path, error) from None


def read_numbers(path: Path, columns: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return numeric columns of a signature file, one row each."""
    table = read_signatures(path, columns)
    return np.stack([table[name].to_numpy().astype(np.uint64, copy=False) for name in columns])


def cut_short(path: Path, error: Exception) -> ShardError:
    """Return the error for a signature file that cannot be read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ShardError(f"{path}: signature file cut short or damaged ({reason}); remove it and run the command again")


def shingle_path(path: Path) -> Path:
    """Return where the shingles behind a signature file lie, if they were kept."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.stem}.shingles")


def kept_sets(path: Path, rows: npt.NDArray[np.int64]) -> Iterator[Sets]:
    """Yield the shingle sets of rows of a signature file from the kept shingles, a few MB at a time.

    Raises: ShardError if the shingles are cut short.
    """
    from curation.dedup.set_kernels import sets_of_shingles

    counts = read_numbers(path, [SHINGLES])[0].astype(np.int64)
    ends = np.cumsum(counts)
    kept = shingle_path(path)
    if kept.stat().st_size != 4 * counts.sum():
        raise cut_short(kept, ValueError(f"{kept.stat().st_size:,} bytes, expected {4 * counts.sum():,}"))
    shingles = np.asarray(np.memmap(kept, np.uint32, "r"))
    batch = (np.cumsum(counts[rows]) - 1) // SET_BATCH
    for chosen in np.split(rows, np.flatnonzero(np.diff(batch)) + 1):
        yield Sets(*sets_of_shingles(shingles, (ends - counts)[chosen], counts[chosen]))
