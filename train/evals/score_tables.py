"""The two tables of results: `items.parquet`, a row an item of a task, and `documents.parquet`, a row a panel document.

Their columns are the contract; what is checked here is what every reader may rely on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import read_table
from curation.errors import ResultsError, raise_faults
from curation.suites.item_metrics import METRICS

if TYPE_CHECKING:
    from train.evals.results import Results

METRIC_COLUMNS = METRICS
"""One value an item and metric; null where the metric has no meaning for the task or the item is excluded."""

ITEMS_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("item", pa.int64(), nullable=False),
        pa.field("own_id", pa.string()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("gold", pa.int64(), nullable=False),
        pa.field("log_likelihoods", pa.list_(pa.float64())),
        pa.field("greedy", pa.list_(pa.bool_())),
        pa.field("num_tokens", pa.list_(pa.int64())),
        pa.field("num_bytes", pa.list_(pa.int64())),
        pa.field("num_chars", pa.list_(pa.int64())),
        pa.field("uncond", pa.list_(pa.float64())),
        *(pa.field(name, pa.float64()) for name in METRIC_COLUMNS),
        pa.field("excluded", pa.string()),
        pa.field("partition", pa.string()),
    ]
)
"""`item`: place in the suite's task from 0, as in decontamination's `items.jsonl`. Lists have one entry a choice, in
the order of the choices, and are null for an excluded item. `excluded`: why an item has no score; null if it has.
`partition`: the part that a task's mean is a mean of means over; null, or no such column, where it has no parts."""
OPTIONAL = ("partition",)

DOCUMENTS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("slice", pa.string()),
        pa.field("family", pa.string()),
        pa.field("nats", pa.float64()),
        pa.field("num_bytes", pa.int64()),
        pa.field("num_tokens", pa.int64()),
    ]
)

OWN_TRAINER = "curate"
_LISTS = ("log_likelihoods", "greedy", "num_tokens", "num_bytes", "num_chars")


def read_items(path: Path, results: Results) -> pa.Table:
    """Return `items.parquet`, checked against what `results` says. Raises: ResultsError that lists its faults."""
    table = _read(path, ITEMS_SCHEMA)
    raise_faults(ResultsError, str(path), list(item_faults(table, results)))
    return table


def read_documents(path: Path, results: Results) -> pa.Table:
    """Return `documents.parquet`, checked against `results`. Raises: ResultsError that lists its faults."""
    table = _read(path, DOCUMENTS_SCHEMA)
    raise_faults(ResultsError, str(path), list(document_faults(table, results)))
    return table


def item_faults(table: pa.Table, results: Results) -> Iterator[str]:
    """Yield what is wrong with a table of items: with its rows, or beside the counts in `results`."""
    tasks = np.asarray(table["task"].to_pylist(), object)
    excluded = np.asarray([reason or "" for reason in table["excluded"].to_pylist()], object)
    if unknown := sorted(set(tasks.tolist()) - set(results.tasks)):
        yield f"items of task `{unknown[0]}`, which results.json does not name; write both again"
    known = {name: task for name, task in results.tasks.items() if task.rows}
    for name, task in known.items():
        rows = tasks == name
        scored = int((excluded[rows] == "").sum())
        if scored != task.n:
            yield f"task `{name}`: {scored} scored items, results.json says {task.n}; write both again"
        counts = {reason: int((excluded[rows] == reason).sum()) for reason in sorted(set(excluded[rows])) if reason}
        if counts != dict(task.excluded):
            yield f"task `{name}`: excluded {counts}, results.json says {dict(task.excluded)}; write both again"
        places = table["item"].to_numpy()[rows]
        if len(set(places.tolist())) != len(places):
            yield f"task `{name}`: an item stands there twice; expected each once"
    yield from _row_faults(table, excluded, imported=results.model.trainer != OWN_TRAINER)


def document_faults(table: pa.Table, results: Results) -> Iterator[str]:
    """Yield what is wrong with a table of documents: with its rows, or beside the counts in `results`."""
    nats = np.asarray(table["nats"].to_numpy(zero_copy_only=False), np.float64)
    if not np.isfinite(nats).all():
        worst = int(np.flatnonzero(~np.isfinite(nats))[0])
        yield f"document {table['id'][worst].as_py()}: {nats[worst]} nats, expected a finite score"
    slices = np.asarray(table["slice"].to_pylist(), object)
    expected = {name for name, part in results.slices.items() if part.rows}
    for name in sorted(set(slices.tolist()) ^ expected):
        place = "documents.parquet" if name in results.slices else "results.json"
        yield f"slice `{name}` is missing in {place}; write both again"
    for name, found in results.slices.items():
        if name in slices and (count := int((slices == name).sum())) != found.num_docs:
            yield f"slice `{name}`: {count} documents, results.json says {found.num_docs}; write both again"


def _row_faults(table: pa.Table, excluded: np.ndarray, *, imported: bool) -> Iterator[str]:
    """Yield the first fault of each kind among the rows that have scores.

    Imported rows may have metrics alone, and need not know the tokens of their choices.
    """
    kept = table.filter(pa.array(excluded == ""))
    if imported:
        kept = kept.filter(pc.is_valid(kept["log_likelihoods"]))
    if kept.num_rows == 0:
        return
    where = [f"task `{t}` item {i}" for t, i in zip(kept["task"].to_pylist(), kept["item"].to_pylist(), strict=True)]
    lengths = {name: np.asarray(pc.list_value_length(kept[name]).fill_null(-1)) for name in _LISTS}
    for name in _LISTS:
        unknown = (lengths[name] < 0) & (imported and name == "num_tokens")
        wrong = np.flatnonzero(((lengths[name] != lengths["log_likelihoods"]) | (lengths[name] < 1)) & ~unknown)
        if len(wrong):
            yield f"{where[wrong[0]]}: {name} has {lengths[name][wrong[0]]} entries, expected one a choice"
    gold = np.asarray(kept["gold"])
    wrong = np.flatnonzero((gold < 0) | (gold >= np.maximum(lengths["log_likelihoods"], 1)))
    if len(wrong):
        yield f"{where[wrong[0]]}: gold {gold[wrong[0]]}, expected a choice's number from 0"
    for name in ("log_likelihoods", "uncond"):
        values = np.asarray(pc.list_flatten(kept[name]).fill_null(np.nan), np.float64)
        if not np.isfinite(values).all() or (values > 1e-6).any():
            place = np.asarray(pc.list_parent_indices(kept[name].combine_chunks()))
            first = int(place[np.flatnonzero(~np.isfinite(values) | (values > 1e-6))[0]])
            yield f"{where[first]}: {name} {kept[name][first].as_py()}, expected finite numbers of at most 0"


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise ResultsError(f"{path}: no such file; expected it beside results.json; score the model again")
    try:
        table = read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{path}: not a readable table ({error}); score the model again") from None
    table = _with_optional(table, schema)
    if missing := [name for name in schema.names if name not in table.column_names]:
        raise ResultsError(f"{path}: no columns {', '.join(missing)}; expected those of curate-results@1")
    try:
        return conformed(table, schema)
    except (pa.ArrowException, ValueError) as error:
        raise ResultsError(f"{path}: a column has another type ({error}); expected curate-results@1") from None


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns, order and types of `schema`; optional columns that it lacks are null."""
    return _with_optional(table, schema).select(schema.names).cast(schema)


def _with_optional(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for name in OPTIONAL:
        if name in schema.names and name not in table.column_names:
            table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table
