"""The documents that a corpus's stages dropped, with the step and the reason: the config `removed`, on request.

Text is as it was when the step judged it. Panel, reference documents and near copies of them are not among them: they
are held out, not refused, and a published panel is no panel any more. The cost: one pass over the pool's text, and on
disk what was dropped, often several times the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import GROUP_BYTES, TEXT_SCHEMA, read_table, write_pieces
from curation.corpus_scan import TEXT, VERDICT, drops_of
from curation.errors import CurateError
from curation.files import Json, replacing
from curation.progress import Progress
from curation.provenance import find_any
from curation.sidecars import ROLE_TRAIN, read_column
from curation.store import Artifact, Store

REMOVED_SCHEMA = pa.schema(
    [
        *TEXT_SCHEMA,
        pa.field("step", pa.large_string(), nullable=False),
        pa.field("reason", pa.large_string(), nullable=False),
        pa.field("value", pa.float64()),  # what failed; null where no number did
    ]
)
MIX, NO_WEIGHT = "mix", "no-weight-in-mixture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was written: documents, and the columns' size in memory."""

    num_docs: int
    arrow_bytes: int


def inputs_of(corpus: Artifact, store: Store) -> dict[str, Artifact]:
    """Return the artifacts that the corpus was made from, by their names in its manifest.

    Raises: CurateError that names the first which the store does not have.
    """
    found = {}
    for name, fingerprint in cast("Mapping[str, str]", corpus.manifest["inputs"]).items():
        artifact = find_any(store, str(fingerprint))
        if artifact is None:
            raise CurateError(
                f"{corpus.path}: its {name} ({str(fingerprint)[:8]}) is not in {store.root}, expected there for the "
                "dropped documents; give the --store that built it, or publish without --removed"
            )
        found[name] = artifact
    return found


def write_removed(corpus: Artifact, store: Store, folder: Path, progress: Progress) -> Removed:
    """Write what the corpus's stages dropped as `train-00000-of-0000N.parquet` below `folder`, one file a part.

    Raises: CurateError if the store lacks what the corpus was made from, or it was not made from a pool.
    """
    inputs = inputs_of(corpus, store)
    if "pool" not in inputs or "panel" not in inputs:
        raise CurateError(f"{corpus.path}: was not built from a pool here; nothing is known of dropped documents")
    num_parts = inputs["pool"].num_parts
    docs = arrow_bytes = 0
    with progress.task("write what was dropped", num_parts) as task:
        for part in range(num_parts):
            table = _dropped(corpus, inputs, part)
            with replacing(folder / f"train-{part:05d}-of-{num_parts:05d}.parquet") as temporary:
                write_pieces(temporary, REMOVED_SCHEMA, [table], GROUP_BYTES)
            docs += table.num_rows
            arrow_bytes += table.nbytes
            task.advance()
    return Removed(num_docs=docs, arrow_bytes=arrow_bytes)


def _dropped(corpus: Artifact, inputs: Mapping[str, Artifact], part: int) -> pa.Table:
    labels = cast("list[str]", cast("Mapping[str, Json]", corpus.manifest["params"])["steps"])
    text = inputs["pool"]
    alive = read_column(inputs["panel"], part, "role") == ROLE_TRAIN
    tables = [REMOVED_SCHEMA.empty_table()]
    for number, label in enumerate(labels):
        drops = drops_of(inputs[f"{VERDICT}{number:02d}"], part)
        rows = np.flatnonzero(alive & (drops.codes >= 0))
        if len(rows):
            reasons = [drops.names[code] for code in drops.codes[rows].tolist()]
            values = np.full(len(rows), np.nan) if drops.values is None else drops.values[rows]
            tables.append(_labelled(_rows(text, part, rows), label, reasons, values))
        alive = alive & (drops.codes < 0)
        text = inputs.get(f"{TEXT}{number:02d}", text)
    drawn = pa.array(sorted(cast("Mapping[str, Json]", corpus.summary["slices"])), pa.large_string())
    slices = read_table(text.part_paths()[part], ["slice"])["slice"]
    outside = ~pc.is_in(slices, value_set=drawn).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(alive & outside)
    if len(rows):
        tables.append(_labelled(_rows(text, part, rows), MIX, [NO_WEIGHT] * len(rows), np.full(len(rows), np.nan)))
    return pa.concat_tables(tables)


def _rows(text: Artifact, part: int, rows: np.ndarray) -> pa.Table:
    return read_table(text.part_paths()[part]).take(rows)


def _labelled(table: pa.Table, step: str, reasons: list[str], values: np.ndarray) -> pa.Table:
    known = pa.array(values, pa.float64(), from_pandas=True)  # NaN is no number
    columns = [*table.select(TEXT_SCHEMA.names).columns, pa.array([step] * len(reasons)), pa.array(reasons), known]
    return pa.table(columns, names=REMOVED_SCHEMA.names).cast(REMOVED_SCHEMA)
