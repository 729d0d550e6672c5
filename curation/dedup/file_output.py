"""What a dedup of raw files writes: the kept rows with all their columns, the table of copies, and the counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.batches import write_pieces
from curation.dedup.clusters import Copies
from curation.dedup.copies_table import COPIES_SCHEMA
from curation.dedup.file_docs import FileDocs
from curation.dedup.file_signatures import read_signatures
from curation.dedup.file_units import Unit
from curation.dedup.index_hits import IndexHits
from curation.dedup.jsonl_staging import as_schema
from curation.files import replacing

ENTROPY_BYTES = 64
"""Mean bytes a value from which a column is not dictionary-encoded: such values hardly repeat."""


def write_kept(unit: Unit, kept: npt.NDArray[np.bool_], path: Path, schema: pa.Schema | None = None) -> None:
    """Write the kept rows of a unit, in order, as zstd Parquet; to `schema` if the unit was staged with another."""
    with pq.ParquetFile(unit.path) as file:
        own = file.schema_arrow
        plain = _plain_columns(file.metadata, unit.groups)
    target = schema or own
    names = [name for name in target.names if name not in plain]
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary, target, compression="zstd", compression_level=1, use_dictionary=names, write_statistics=names
        ) as writer,
    ):
        done = 0
        for batch in unit.batches():
            mask = kept[done : done + len(batch)]
            done += len(batch)
            if mask.any():
                chosen = batch if mask.all() else batch.filter(pa.array(mask))
                writer.write_table(as_schema(pa.Table.from_batches([chosen]), target))


def _plain_columns(metadata: pq.FileMetaData, groups: Sequence[int]) -> set[str]:
    """Return the top-level columns of long values."""
    num_bytes: dict[str, int] = {}
    values: dict[str, int] = {}
    for group in groups:
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            name = chunk.path_in_schema.split(".")[0]
            num_bytes[name] = num_bytes.get(name, 0) + chunk.total_uncompressed_size
            values[name] = values.get(name, 0) + chunk.num_values
    return {name for name, size in num_bytes.items() if size >= ENTROPY_BYTES * max(1, values[name])}


PLACES_SCHEMA = pa.schema(
    [
        *COPIES_SCHEMA,
        pa.field("file", pa.large_string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("copy_of_file", pa.large_string()),
        pa.field("copy_of_row", pa.int64()),
    ]
)
"""What the copies of files hold: also where the dropped document lies, and the one that it repeats (null in an index).

Rows of Parquet and lines of JSON Lines count from 0.
"""


ROWS_PER_PIECE = 1 << 16
"""Rows of copies that are put together at once; more would hold all their strings several times."""
_CODED = ("source", "slice", "file")
"""Columns of few different values, held as numbers of them."""


def write_copies(docs: FileDocs, copies: Copies, path: Path, hits: IndexHits | None = None) -> None:
    """Write one row a dropped document, sorted by id; documents in `hits` repeat an indexed one and have no witness."""
    known = hits or IndexHits.none()
    indexed = known.mask(docs.num_docs)
    dropped = np.flatnonzero((copies.witness >= 0) | indexed)
    witness = np.where(indexed[dropped], dropped, copies.witness[dropped])
    survivor = copies.roots()[dropped]
    similarity = copies.similarity[dropped].copy()
    similarity[indexed[dropped]] = known.similarity
    needed = np.unique(np.concatenate([dropped, witness, survivor]))
    named = _named(docs, needed)
    gone, repeated = np.searchsorted(needed, dropped), np.searchsorted(needed, witness)

    def piece(places: npt.NDArray[np.int64]) -> pa.Table:
        own = named.take(pa.array(gone[places]))
        other = named.take(pa.array(repeated[places]))
        left = named.take(pa.array(np.searchsorted(needed, survivor[places])))
        outside = pa.array(indexed[dropped[places]])
        columns = {
            "id": own["id"],
            "source": own["source"],
            "slice": own["slice"],
            "copy_of": known.named_or("id", dropped[places], other["id"]),
            "survivor": known.named_or("survivor", survivor[places], left["id"]),
            "survivor_source": known.named_or("survivor_source", survivor[places], _plain(left["source"])),
            "similarity": pa.array(similarity[places], from_pandas=True),
            "num_bytes": own["num_bytes"],
            "in_index": outside,
            "file": own["file"],
            "row": own["row"],
            "copy_of_file": pc.if_else(outside, None, _plain(other["file"])),
            "copy_of_row": pc.if_else(outside, None, other["row"]),
        }
        return pa.table(columns).cast(PLACES_SCHEMA)

    copy_of = known.named_or("id", dropped, named["id"].take(pa.array(repeated)))
    order = _ordered(named.take(pa.array(gone)), copy_of)
    pieces = (piece(order[begin : begin + ROWS_PER_PIECE]) for begin in range(0, len(order), ROWS_PER_PIECE))
    with replacing(path) as temporary:
        write_pieces(temporary, PLACES_SCHEMA, pieces)


def _named(docs: FileDocs, needed: npt.NDArray[np.int64]) -> pa.Table:
    """Return id, source, slice, bytes, file and row of the documents `needed`, in that order; `_CODED` coded."""
    wanted = np.zeros(docs.num_docs, np.bool_)
    wanted[needed] = True
    found, numbers = [], []
    for own, signatures, unit in zip(docs.unit_numbers, docs.paths, docs.units, strict=True):
        rows = np.flatnonzero(wanted[own])
        table = read_signatures(signatures, ["id", "source", "slice", "num_bytes"]).take(pa.array(rows))
        file = pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), pa.array([str(unit.origin)]))
        table = table.append_column("file", file).append_column("row", pa.array(unit.places(rows)))
        for name in ("source", "slice"):
            table = table.set_column(table.column_names.index(name), name, _plain(table[name]).dictionary_encode())
        found.append(table)
        numbers.append(own[rows])
    if not found:
        return PLACES_SCHEMA.empty_table()
    named = pa.concat_tables(found).unify_dictionaries().combine_chunks()
    return named.take(pa.array(np.argsort(np.concatenate(numbers))))


def _ordered(gone: pa.Table, copy_of: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the order of the dropped documents by id, source, what each repeats, file and row."""
    keys = {"id": gone["id"], "source": _places(gone["source"]), "copy_of": copy_of}
    table = pa.table({**keys, "file": _places(gone["file"]), "row": gone["row"]})
    found: npt.NDArray[np.int64] = (
        pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).to_numpy().astype(np.int64)
    )
    return found


def _places(coded: pa.ChunkedArray) -> pa.Array:
    """Return numbers that sort as the words do."""
    array = coded.combine_chunks()
    words = array.dictionary.to_pylist()
    rank = np.empty(len(words), np.int64)
    rank[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    return pa.array(rank[array.indices.to_numpy()])


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return words as they are."""
    return column.cast(pa.large_string())
