"""The documents that take part in a dedup, numbered in survivor order: number 0 stays before number 1.

The order is by (source, id), or by falling length and then (source, id); it depends on the documents alone, so the
number of a document is the same however rows are cut into parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation.batches import read_table
from curation.dedup.params import Scope, Survivor
from curation.nodes import NodeRun
from curation.sidecars import alive, map_parts
from curation.store import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveDocs:
    """Alive documents in survivor order; all arrays have one entry a document."""

    masks: Sequence[npt.NDArray[np.bool_]]  # which rows of each part are alive
    order: npt.NDArray[np.int64]  # survivor number -> place among alive rows in canonical order
    slices: npt.NDArray[np.str_]
    scope_keys: npt.NDArray[np.uint64]  # equal exactly when two documents may be copies of each other

    def __len__(self) -> int:
        return len(self.order)

    def numbered(self, signatures: Artifact, column: str) -> npt.NDArray[np.uint64]:
        """Return a column of the signatures in survivor order."""
        parts = [
            read_table(path, [column])[column].to_numpy()[mask]
            for path, mask in zip(signatures.part_paths(), self.masks, strict=True)
        ]
        values: npt.NDArray[np.uint64] = np.concatenate([np.zeros(0, np.uint64), *parts])[self.order]
        return values

    def numbers_of_part(self) -> list[npt.NDArray[np.int64]]:
        """Return, for each part, the survivor numbers of its alive rows in row order."""
        numbers = np.empty(len(self.order), np.int64)
        numbers[self.order] = np.arange(len(self.order))
        return np.split(numbers, np.cumsum([int(mask.sum()) for mask in self.masks])[:-1])


def alive_docs(run: NodeRun, scope: Scope, survivor: Survivor) -> AliveDocs:
    """Return the alive documents of `run`'s pool in survivor order."""
    pool, panel = run.inputs["pool"], run.inputs["panel"]
    verdicts = [run.inputs[name] for name in sorted(run.inputs) if name.startswith("verdict-")]
    masks = map_parts(run, "alive rows", pool.num_parts, lambda part: alive(panel, verdicts, part))
    columns = ["id", "source", "slice", *(["text"] if survivor == "longest" else [])]

    def rows(part: int) -> pa.Table:
        table = read_table(pool.part_paths()[part], columns).filter(pa.array(masks[part]))
        if survivor == "longest":
            length = pc.negate(pc.binary_length(table["text"]).cast(pa.int64()))
            table = table.drop_columns(["text"]).append_column("length", length)
        return table

    table = pa.concat_tables(map_parts(run, "survivor order", pool.num_parts, rows)).combine_chunks()
    keys = [("length", "ascending")] if survivor == "longest" else []
    order = pc.sort_indices(table, [*keys, ("source", "ascending"), ("id", "ascending")]).to_numpy().astype(np.int64)
    table = table.take(pa.array(order))
    return AliveDocs(
        masks=masks,
        order=order,
        slices=np.array(table["slice"].to_pylist(), dtype=np.str_),
        scope_keys=_scope_keys(table, scope),
    )


def _scope_keys(table: pa.Table, scope: Scope) -> npt.NDArray[np.uint64]:
    if scope == "global":
        return np.zeros(table.num_rows, np.uint64)
    coded = table[scope].combine_chunks().dictionary_encode()
    hashes = [xxhash.xxh64_intdigest(name) & ~1 for name in coded.dictionary.to_pylist()]  # keys stay odd
    keys: npt.NDArray[np.uint64] = np.array(hashes, np.uint64)[coded.indices.to_numpy()]
    return keys
