"""Signals: columns computed from documents once and read by every rule.

A *signal set* is a named, versioned group of columns made in one pass. Its artifact is a row-aligned sidecar of the
pool over all rows, whatever their role, so that every recipe on the pool shares it ("annotate once, filter many").
Sets do not know of each other: a new set adds its own sidecar and recomputes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, read_table, text_view, write_table
from curation.errors import PluginError, nearest
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.registry import Registry
from curation.sidecars import map_parts, part_shards
from curation.store import Artifact

Columns = Mapping[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One column: its name, its unit and what it says."""

    name: str
    unit: str
    meaning: str

    @property
    def is_count(self) -> bool:
        """Whether the column is int64; the others are float64."""
        return self.name.startswith("num_")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSet:
    """Columns that one pass over the documents computes."""

    name: str
    version: str
    source: str
    signals: tuple[Signal, ...]
    compute: Callable[[pa.Table], Matrix]
    """Table of `columns` -> matrix of documents x signals, in the order of `signals`; a pure function of each row."""
    columns: tuple[str, ...] = ("text",)
    """Columns of the pool that are read."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """Settings that its values depend on (a model's digest, a list's digest); part of the fingerprint."""


SIGNAL_SETS: Registry[SignalSet] = Registry(
    "signal-set",
    {
        "text": "filters.signal_sets.text:TEXT",
        "dclm": "filters.signal_sets.dclm:DCLM",
        "dolma": "filters.signal_sets.dolma:DOLMA",
        "code": "filters.signal_sets.code:CODE",
        "refinedweb-lines": "filters.signal_sets.refinedweb_lines:REFINEDWEB_LINES",
        "information": "filters.signal_sets.information:INFORMATION",
        "pii": "filters.signal_sets.pii:PII",
        "datatrove": "filters.signal_sets.datatrove:DATATROVE",
        "c4-datatrove": "filters.signal_sets.c4:C4_DATATROVE",
        "c4-fineweb": "filters.signal_sets.c4:C4_FINEWEB",
        "c4-tfds": "filters.signal_sets.c4:C4_TFDS",
        "c4-dclm": "filters.signal_sets.c4:C4_DCLM",
        "mc4-paragraph": "filters.signal_sets.c4:MC4_PARAGRAPH",
    },
)
"""Signal sets by name. Sets that need settings (a model, a list) are made by their filter and not listed here."""


BATCH_BYTES = 8_000_000
MAX_MEASURED_BYTES = 64_000_000


def over_text(compute: Callable[[TextView], Matrix]) -> Callable[[pa.Table], Matrix]:
    """Return `compute`, which reads Arrow string buffers, as a function of a table, in batches (`measured_batches`)."""

    def in_batches(table: pa.Table) -> Matrix:
        view = text_view(table["text"])
        if not len(view):
            return compute(view)
        return np.concatenate([compute(batch) for _, batch in measured_batches(view)])

    return in_batches


def measured_batches(view: TextView) -> Iterator[tuple[int, TextView]]:
    """Yield consecutive batches of at most `BATCH_BYTES` as (first document, view), or one longer document.

    Scratch so does not grow with a part. A document of more than `MAX_MEASURED_BYTES` (more than ingest lets in unless
    told to) is measured by its first so many bytes, cut before an incomplete code point: every signal, its length
    included, is about that beginning.
    """
    ends = view.offsets[1:]
    first = 0
    while first < len(view):
        last = int(np.searchsorted(ends, view.offsets[first] + BATCH_BYTES, side="right"))
        last = max(last, first + 1)
        offsets = np.array(view.offsets[first : last + 1])
        if last == first + 1:
            offsets[1] = _measured_end(view, int(offsets[0]), int(offsets[1]))
        yield first, TextView(data=view.data, offsets=offsets)
        first = last


def _measured_end(view: TextView, begin: int, end: int) -> int:
    if end - begin <= MAX_MEASURED_BYTES:
        return end
    end = begin + MAX_MEASURED_BYTES
    while view.data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def signal_set(name: str) -> SignalSet:
    """Return the signal set called `name`. Raises: PluginError for an unknown name."""
    if name not in SIGNAL_SETS.names():
        raise PluginError(f"unknown signal set `{name}`; {nearest(name, SIGNAL_SETS.names())}")
    found = SIGNAL_SETS.get(name)
    if not isinstance(found, SignalSet):
        raise PluginError(
            f"signal set `{name}` ({SIGNAL_SETS.origin(name)}) is a {type(found).__name__}, expected a SignalSet"
        )
    return found


def compute_signals(chosen: SignalSet, table: pa.Table) -> Columns:
    """Return the columns of `chosen` for every document: int64 for counts, float64 for the rest."""
    matrix = chosen.compute(table)
    return {
        signal.name: matrix[:, i].astype(np.int64) if signal.is_count else matrix[:, i]
        for i, signal in enumerate(chosen.signals)
    }


def signals_node(pool: Node, chosen: SignalSet) -> Node:
    """Return the node of the sidecar with the signal set `chosen` over all rows of `pool`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        texts = context.inputs["pool"]

        def annotate(part: int) -> int:
            table = read_table(texts.part_paths()[part], list(chosen.columns))
            if not context.out.has(context.out.part_path(part).name):
                with replacing(context.out.part_path(part)) as temporary:
                    write_table(temporary, pa.table(dict(compute_signals(chosen, table))))
            return int(table.num_rows)

        num_docs = sum(
            map_parts(context, f"signals {chosen.name}", texts.num_parts, annotate, shards=part_shards(context, texts))
        )
        return {"num_docs": num_docs, "columns": [signal.name for signal in chosen.signals]}

    return Node(
        kind="signals",
        version=f"{chosen.name}/{chosen.version}",
        params={"set": chosen.name, **chosen.params},
        inputs={"pool": pool},
        run=run,
        label=f"signals {chosen.name}",
    )


def read_signals(artifact: Artifact, part: int, names: list[str]) -> Columns:
    """Return the named columns of one part. Raises: PluginError if the sidecar lacks one: never a silent pass."""
    path = artifact.part_paths()[part]
    table = read_table(path)
    missing = sorted(set(names) - set(table.column_names))
    if missing:
        raise PluginError(
            f"{path}: no signal `{missing[0]}`; a rule needs it and the set has {', '.join(table.column_names)}; "
            f"{nearest(missing[0], table.column_names)}"
        )
    return {name: table[name].to_numpy() for name in names}
