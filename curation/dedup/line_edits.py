"""A dedup that takes lines out of documents: from a decision on lines to a text version and a verdict.

The decision says per line of each part whether it goes, and per document whether it goes as a whole. Documents that
were not alive are written as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TEXT_SCHEMA, read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts, write_verdict
from curation.stages import Rewrite, StageInputs
from curation.text_versions import (
    ChangesPart,
    PartSums,
    blank_texts,
    changes_name,
    part_sums,
    read_changes,
    reasons_of,
    text_version_summary,
    verdict_of_changes,
    write_changes,
)

NOTHING_LEFT = "nothing-left"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDecision:
    """What goes from one part."""

    removed: npt.NDArray[np.bool_]
    """One entry a line, in the order of `line_kernels.hash_lines`."""
    refused: npt.NDArray[np.bool_]
    """One entry a document: it goes as a whole."""
    value: npt.NDArray[np.float64]
    """One entry a document: what the refusal is about."""


def line_dedup(
    inputs: StageInputs,
    *,
    name: str,
    version: str,
    params: Mapping[str, Json],
    refusal: str,
    decide: Callable[[NodeRun], Sequence[LineDecision]],
) -> Rewrite:
    """Return the text version without the lines that `decide` removes, and the verdict on emptied documents."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        decisions = decide(context)
        pool = context.inputs["pool"]

        def write(part: int) -> PartSums:
            path = context.out.part_path(part)
            if not (context.out.has(path.name) and context.out.has(changes_name(part))):
                _write_part(context, part, decisions[part])
            return part_sums(pool.part_paths()[part], path, part)

        sums = map_parts(context, f"rewrite: {name}", pool.num_parts, write)
        return {**text_version_summary(sums), "reasons": [NOTHING_LEFT, refusal], "rejected": {}}

    pool = Node(
        kind="pool",
        version=version,
        params={"name": name, **params},
        inputs={"pool": inputs.pool, **inputs.who_is_alive()},
        run=run,
        label=f"dedup: {name}",
    )
    return Rewrite(pool=pool, verdict=_verdict_node(name, version, pool))


def _write_part(context: NodeRun, part: int, decision: LineDecision) -> None:
    from curation.dedup.line_kernels import count_lines, without_lines

    table = read_table(context.inputs["pool"].part_paths()[part], TEXT_SCHEMA.names)
    view = text_view(table["text"])
    counts = count_lines(view.data, view.offsets)
    out = np.empty(int(view.num_bytes.sum()), np.uint8)
    ends = without_lines(view.data, view.offsets, decision.removed, out)
    texts = pa.LargeStringArray.from_buffers(len(view), pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]].copy()))
    owner = np.repeat(np.arange(len(view)), counts)
    lines = np.bincount(owner[decision.removed], minlength=len(view)).astype(np.int64)
    emptied = (lines > 0) & blank_texts(texts)
    reason = np.where(decision.refused, 1, np.where(emptied, 0, -1)).astype(np.int16)
    changes = ChangesPart(
        reason=reason,
        value=np.where(reason >= 0, np.where(decision.refused, decision.value, 0.0), np.nan),
        changed=lines > 0,
        counters={"lines-removed": lines},
    )
    new = table.set_column(TEXT_SCHEMA.get_field_index("text"), TEXT_SCHEMA.field("text"), texts)
    with replacing(context.out.part_path(part)) as temporary:
        write_table(temporary, new.cast(TEXT_SCHEMA).combine_chunks())
    write_changes(context.out, part, changes)


def _verdict_node(name: str, version: str, pool: Node) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        text = context.inputs["pool"]

        def judge(part: int) -> tuple[int, int]:
            verdict = verdict_of_changes(read_changes(text.path, part))
            write_verdict(context.out, part, verdict)
            return len(verdict.kept), int(verdict.kept.sum())

        counts = map_parts(context, f"emptied by {name}", text.num_parts, judge)
        return {
            "reasons": list(reasons_of(text)),
            "docs_in": sum(docs for docs, _ in counts),
            "docs_kept": sum(kept for _, kept in counts),
        }

    return Node(
        kind="verdict",
        version=version,
        params={"name": name},
        inputs={"pool": pool},
        run=run,
        label=f"emptied by {name}",
    )
