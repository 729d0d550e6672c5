"""The recipe stage `modify`: from `{modify: name, ...settings}` to a text version and the verdict on what it emptied.

A text version depends on the text before it and on the modifier, never on who is alive, so every recipe with the
same modifiers shares it and documents of every role are rewritten alike. The panel's documents, which models are
scored on, were cut from the raw text and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import TEXT_SCHEMA, read_table, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.recipe import StageSpec, validate
from curation.sidecars import MAX_REASONS, map_parts, part_shards, write_verdict
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
from filters.base import PartCount, count_part, verdict_summary
from filters.judged import Scope, encode_slices, slice_codes
from filters.modifiers.base import NOTHING_LEFT, Modifier, find_modifier, one_chunk
from filters.modifiers.rewriting import rewrite_table

TEXT_VERSION = "text-version@1"
VERDICT_VERSION = "modify-verdict@1"


def modify_stage(spec: StageSpec, inputs: StageInputs, where: str) -> Rewrite:
    """Return the text version and the verdict of the modifier that `spec` names.

    Raises: RecipeError for an unknown modifier or setting, with the nearest name; PluginError for a plugin that fails.
    """
    chosen = find_modifier(spec.name, where)
    settings = validate(chosen.settings, spec.params, f"{where}: modify `{spec.name}`")
    scope = settings.scope(inputs)
    pool = _text_node(chosen, settings, scope, inputs.pool)
    return Rewrite(pool=pool, verdict=_verdict_node(chosen, scope, pool))


def _text_node(modifier: Modifier, settings: Any, scope: Scope, before: Node) -> Node:
    """Return the node of the text version."""
    reasons: list[Json] = [NOTHING_LEFT, *modifier.reasons]
    assert len(reasons) <= MAX_REASONS, f"modifier `{modifier.name}` has too many reasons"

    def run(context: NodeRun) -> Mapping[str, Json]:
        old = context.inputs["pool"]

        def rewrite(part: int) -> PartSums:
            path = context.out.part_path(part)
            if not (context.out.has(path.name) and context.out.has(changes_name(part))):
                _rewrite_part(context, part, modifier, settings, scope)
            return part_sums(old.part_paths()[part], path, part)

        sums = map_parts(
            context,
            f"modify {modifier.name}",
            old.num_parts,
            rewrite,
            shards=part_shards(context, old, also=lambda part: [changes_name(part)]),
        )
        return {**text_version_summary(sums), "reasons": reasons, "rejected": {}}

    return Node(
        kind="pool",
        version=f"{TEXT_VERSION}+{modifier.version}",
        params={
            "modifier": modifier.name,
            "settings": settings.model_dump(mode="json"),
            **modifier.identity(settings),
            **scope.as_params(),
        },
        inputs={"pool": before},
        run=run,
        label=f"modify {modifier.name}",
    )


def _rewrite_part(context: NodeRun, part: int, modifier: Modifier, settings: Any, scope: Scope) -> None:
    """Write one part's new text and what was changed."""
    table = read_table(context.inputs["pool"].part_paths()[part], TEXT_SCHEMA.names)
    rows = np.flatnonzero(encode_slices(table["slice"]).rows_where(scope))
    chosen = table.select(list(modifier.columns)).take(pa.array(rows))
    made = rewrite_table(modifier, settings, chosen)
    old = one_chunk(chosen["text"])
    changed = pc.not_equal(old, made.texts).to_numpy(zero_copy_only=False)
    assert made.refusals is not None
    emptied = changed & blank_texts(made.texts) & ~blank_texts(old)
    refused = made.refusals.reason >= 0
    size = len(table)
    changes = ChangesPart(
        reason=_spread(np.where(refused, made.refusals.reason + 1, np.where(emptied, 0, -1)), rows, size, -1, np.int16),
        value=_spread(np.where(refused, made.refusals.value, np.where(emptied, 0.0, np.nan)), rows, size, np.nan, None),
        changed=_spread(changed, rows, size, False, np.bool_),
        counters={name: _spread(values, rows, size, 0, np.int64) for name, values in made.counters.items()},
    )
    texts = one_chunk(table["text"])
    index = np.arange(size)
    index[rows] = size + np.arange(len(rows))
    new = texts if not changed.any() else pa.concat_arrays([texts, made.texts]).take(pa.array(index))
    with replacing(context.out.part_path(part)) as temporary:
        write_table(temporary, table.set_column(1, TEXT_SCHEMA.field("text"), new).cast(TEXT_SCHEMA).combine_chunks())
    write_changes(context.out, part, changes)


def _spread(values: Any, rows: Any, size: int, fill: Any, dtype: Any) -> Any:
    """Return an array of `size` entries with `values` at `rows` and `fill` elsewhere."""
    out = np.full(size, fill, dtype or np.float64)
    out[rows] = values
    return out


def _verdict_node(modifier: Modifier, scope: Scope, text: Node) -> Node:
    """Return the node of the verdict: what was emptied or refused goes."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        pool = context.inputs["pool"]
        reasons = reasons_of(pool)

        def judge(part: int) -> PartCount:
            verdict = verdict_of_changes(read_changes(pool.path, part))
            write_verdict(context.out, part, verdict)
            slices = slice_codes(pool, part)
            return count_part(verdict, slices.rows_where(scope), slices, len(reasons))

        return verdict_summary(reasons, map_parts(context, "emptied documents", pool.num_parts, judge), scope)

    return Node(
        kind="verdict",
        version=VERDICT_VERSION,
        params={"modifier": modifier.name},
        inputs={"pool": text},
        run=run,
        label=f"emptied by {modifier.name}",
    )
