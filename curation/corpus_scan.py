"""Which rows of a part every stage keeps, step by step: the counts behind a corpus and its funnel.

A stage that rewrites text counts its documents in with their old text and out with their new one, so bytes and tokens
satisfy in = out + dropped + removed by editing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation.batches import TextView, read_table, text_view
from curation.files import Json
from curation.funnel import (
    MAX_SAMPLES_PER_REASON,
    MAX_SOURCES,
    OTHER_SOURCES,
    SAMPLE_CHARS,
    Edits,
    Rows,
    Sample,
    Step,
    count,
    count_sources,
)
from curation.nodes import Node, NodeRun
from curation.sidecars import ROLE_TRAIN, ROLES, read_column, read_verdict
from curation.store import Artifact
from curation.text_versions import ChangesPart, read_changes

TEXT, TOKENS, VERDICT = "text-", "token-counts-", "verdict-"
"""Names of a corpus's inputs, each followed by the number of the stage that made it."""

Mask = npt.NDArray[np.bool_]

RowDigests = npt.NDArray[np.void]
ROW_DIGEST = np.dtype([("high", ">u8"), ("low", ">u8")])
"""The 16 bytes of one row's digest; by high, then low, they sort as bytes do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The corpus-wide lists of slices and of sources that codes of rows lead into."""

    slices: Sequence[str]
    sources: Sequence[str]
    """At most `MAX_SOURCES`, then `OTHER_SOURCES` if there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVersion:
    """A text version and its token counts."""

    pool: Node
    token_counts: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScan:
    """What one part contributes: which rows stay, how big they are, and the steps that led there."""

    alive: Mask
    rows: Rows
    steps: list[Step]
    licenses: list[Counter[str]]  # of the survivors, by slice
    digests: list[RowDigests]
    """Of (id, text) of the survivors, by slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """One part of one text version."""

    table: pa.Table
    rows: Rows
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """Why rows of a part are dropped: codes into `names` (-1: not dropped), and the values that failed."""

    codes: npt.NDArray[np.int64]
    names: Sequence[str]
    values: npt.NDArray[np.float64] | None = None


def last_text(inputs: Mapping[str, Artifact]) -> Artifact:
    """Return the text version that the corpus is written from."""
    rewritten = sorted(name for name in inputs if name.startswith(TEXT))
    return inputs[rewritten[-1] if rewritten else "pool"]


def listed_names(pool: Artifact) -> Names:
    """Return the slices of `pool`, sorted, and its most frequent sources, ties by name."""
    found: Counter[str] = Counter()
    for path in pool.part_paths():
        for entry in pc.value_counts(read_table(path, ["source"])["source"]):
            found[entry["values"].as_py()] += entry["counts"].as_py()
    ranked = sorted(found, key=lambda name: (-found[name], name))
    others = [OTHER_SOURCES] if len(ranked) > MAX_SOURCES else []
    slices = sorted(cast("Mapping[str, Json]", pool.summary["slices"]))
    return Names(slices=slices, sources=[*sorted(ranked[:MAX_SOURCES]), *others])


def scan_part(context: NodeRun, part: int, names: Names, labels: Sequence[str]) -> PartScan:
    """Return what part number `part` contributes after all stages, `labels` in the order of the recipe."""
    inputs = context.inputs
    text = _read(inputs["pool"], inputs["token-counts"], part, names)
    role = read_column(inputs["panel"], part, "role").astype(np.int64)
    alive = role == ROLE_TRAIN
    steps = [_step("panel split", text, np.ones(len(alive), np.bool_), alive, Drops(codes=role, names=ROLES))]
    for number, label in enumerate(labels):
        entered, drops = alive, drops_of(inputs[f"{VERDICT}{number:02d}"], part)
        alive = entered & (drops.codes < 0)
        step = _step(label, text, entered, alive, drops)
        version = inputs.get(f"{TEXT}{number:02d}")
        if version is not None:
            before, text = text, _read(version, inputs[f"{TOKENS}{number:02d}"], part, names)
            step.left = count(text.rows, alive, len(names.slices))
            step.left_by_source = count_sources(text.rows, alive, len(names.sources))
            step.edits = _edits(read_changes(version.path, part), before, alive)
        steps.append(step)
    survivors = [np.flatnonzero(alive & (text.rows.slices == code)) for code in range(len(names.slices))]
    licenses = text.table["license"]
    ids, texts = text_view(text.table["id"]), text_view(text.table["text"])
    return PartScan(
        alive=alive,
        rows=text.rows,
        steps=steps,
        licenses=[Counter(name or "unknown" for name in licenses.take(rows).to_pylist()) for rows in survivors],
        digests=[_row_digests(ids, texts, rows) for rows in survivors],
    )


def _read(pool: Artifact, token_counts: Artifact, part: int, names: Names) -> _Text:
    table = read_table(pool.part_paths()[part], ["id", "text", "source", "slice", "license"])
    rows = Rows(
        slices=_codes(table["slice"], names.slices),
        sources=_codes(table["source"], names.sources),
        num_bytes=pc.binary_length(table["text"]).to_numpy().astype(np.int64),
        num_tokens=read_column(token_counts, part, "num_tokens").astype(np.int64),
    )
    return _Text(table=table, rows=rows, names=names)


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the place of each value in `names`; what is not there takes the last place."""
    index = pc.index_in(column, value_set=pa.array(names, pa.large_string()))
    codes: npt.NDArray[np.int64] = pc.fill_null(index, len(names) - 1).to_numpy().astype(np.int64)
    return codes


def drops_of(verdict: Artifact, part: int) -> Drops:
    """Return why a stage drops rows of one part."""
    judged = read_verdict(verdict, part)
    names = [str(reason) for reason in cast("list[Json]", verdict.summary["reasons"])]
    return Drops(codes=np.where(judged.kept, -1, judged.reason).astype(np.int64), names=names, values=judged.value)


def _step(name: str, text: _Text, entered: Mask, left: Mask, drops: Drops) -> Step:
    """Return the step with every document counted as `text` has it."""
    rows, num_slices, num_sources = text.rows, len(text.names.slices), len(text.names.sources)
    step = Step(
        name=name,
        entered=count(rows, entered, num_slices),
        left=count(rows, left, num_slices),
        entered_by_source=count_sources(rows, entered, num_sources),
        left_by_source=count_sources(rows, left, num_sources),
    )
    dropped = entered & ~left
    for code in np.unique(drops.codes[dropped]).tolist():
        chosen = dropped & (drops.codes == code)
        step.reasons[drops.names[code]] = count(rows, chosen, num_slices)
        for row in np.flatnonzero(chosen)[:MAX_SAMPLES_PER_REASON].tolist():
            step.samples.append(_sample(text.table, row, drops.names[code], drops.values))
    return step


def _edits(changes: ChangesPart, before: _Text, left: Mask) -> Edits:
    """Return what was edited in the documents that stayed."""
    counters = {name: int(values[left].sum()) for name, values in changes.counters.items()}
    return Edits(changed=count(before.rows, changes.changed & left, len(before.names.slices))[:, 0], counters=counters)


def _sample(table: pa.Table, row: int, reason: str, value: npt.NDArray[np.float64] | None) -> Sample:
    shown = None if value is None or not np.isfinite(value[row]) else float(value[row])
    text = pc.utf8_slice_codeunits(table["text"].slice(row, 1), 0, SAMPLE_CHARS)[0].as_py()  # not the whole document
    return Sample(id=table["id"][row].as_py(), slice=table["slice"][row].as_py(), reason=reason, value=shown, text=text)


def _row_digests(ids: TextView, texts: TextView, rows: npt.NDArray[np.int64]) -> RowDigests:
    """Return the digest of each row's id, a NUL and its text, read where they lie."""
    digests = bytearray()
    for row in rows.tolist():
        digest = xxhash.xxh128()
        digest.update(ids.data[ids.offsets[row] : ids.offsets[row + 1]].data)
        digest.update(b"\0")
        digest.update(texts.data[texts.offsets[row] : texts.offsets[row + 1]].data)
        digests += digest.digest()
    return np.frombuffer(digests, ROW_DIGEST)
