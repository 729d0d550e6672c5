"""The rows of a unit a few MB at a time: text as checked UTF-8, rows of one slice side by side, sources as codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import TextView, text_view
from curation.dedup.file_units import Unit
from curation.errors import ShardError

ONE_STREAM = "all"
NO_SOURCE = "unknown"
"""The source of a row that names none, where others do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where text, slice, id and source of a document stand; without a slice column everything is one stream."""

    text: str = "text"
    slice: str | None = "slice"
    id: str | None = "id"
    source: str | None = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRows:
    """Rows of a batch, those of one slice side by side."""

    view: TextView
    ids: pa.Array | None
    spans: tuple[tuple[str, int, int], ...]
    """(slice, first row, row after the last)."""
    rows: npt.NDArray[np.int64]
    """The place of each row in its unit."""
    source_names: tuple[str, ...]
    """Those in the batch, sorted; none without a column of sources."""
    sources: npt.NDArray[np.int64]
    """The number of each row's source among them."""
    nulls: int


def text_rows(unit: Unit, columns: Columns) -> Iterator[TextRows]:
    """Yield the rows of a unit in batches, each ordered by slice; rows without text are counted and left out.

    Raises: ShardError for text that is not UTF-8 and for rows without a slice.
    """
    wanted = [name for name in (columns.text, columns.slice, columns.id, columns.source) if name is not None]
    done = 0
    for batch in unit.batches(list(dict.fromkeys(wanted))):
        rows, size = np.arange(done, done + len(batch)), len(batch)
        done += size
        if batch.column(columns.text).null_count:
            present = batch.column(columns.text).is_valid()
            rows, batch = rows[present.to_numpy(zero_copy_only=False)], batch.filter(present)
        text = _strings(batch.column(columns.text), unit)
        ids = batch.column(columns.id) if columns.id is not None else None
        names, codes = _slices(batch, columns, unit)
        source_names, sources = _sources(batch, columns)
        if len(names) > 1:
            order = np.argsort(codes, kind="stable")
            # not pa.array, which imports pandas where there is one
            places = pa.Array.from_buffers(pa.int64(), len(order), [None, pa.py_buffer(order)])
            rows, codes, sources, text = rows[order], codes[order], sources[order], text.take(places)
            ids = ids.take(places) if ids is not None else None
        edges = np.searchsorted(codes, np.arange(len(names) + 1))
        spans = tuple((name, int(edges[i]), int(edges[i + 1])) for i, name in enumerate(names))
        yield TextRows(
            view=text_view(text),
            ids=ids,
            spans=spans if len(rows) else (),
            rows=rows,
            source_names=source_names,
            sources=sources,
            nulls=size - len(rows),
        )


def _strings(column: pa.Array, unit: Unit) -> pa.Array:
    """Return the text as strings whose UTF-8 has been checked: Arrow believes what a file claims."""
    decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    try:
        text = decoded.cast(pa.large_string())
        text.validate(full=True)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ShardError(
            f"{unit.origin}: text is not UTF-8 ({str(error).splitlines()[0]}); expected UTF-8; mend the file"
        ) from None
    return text


def _slices(batch: pa.RecordBatch, columns: Columns, unit: Unit) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names of the slices in the batch, sorted, and each row's number among them."""
    if columns.slice is None:
        return [ONE_STREAM], np.zeros(len(batch), np.int64)
    column = batch.column(columns.slice)
    if column.null_count:
        raise ShardError(f"{unit.origin}: column `{columns.slice}` has rows without a slice; fill it, or leave it out")
    return _numbered(column)


def _sources(batch: pa.RecordBatch, columns: Columns) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the names of the sources in the batch and each row's number among them; no names without a column."""
    if columns.source is None:
        return (), np.zeros(len(batch), np.int64)
    column = batch.column(columns.source)
    decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    names, codes = _numbered(pc.fill_null(decoded.cast(pa.large_string()), NO_SOURCE))
    return tuple(names), codes


def _numbered(column: pa.Array) -> tuple[list[str], npt.NDArray[np.int64]]:
    unique = pc.unique(column)
    ordered = unique.take(pc.sort_indices(unique))
    codes = pc.index_in(column, value_set=ordered).to_numpy(zero_copy_only=False).astype(np.int64)
    return [str(name) for name in ordered.to_pylist()], codes
