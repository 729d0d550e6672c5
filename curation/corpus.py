"""The corpus: the documents that every stage kept, sharded, with the funnel and the schedule of slices.

A corpus holds unique documents; repeats are never written, the schedule says how often slices are drawn. Rows keep
the pool's canonical order and have the text of the last text version; shards are cut by bytes alone. Files:
`data/train-00000-of-0000N.parquet`, `funnel.json`, `contamination.json`, `items.jsonl` if items were looked for, and
`manifest.json` last.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.backends.shards import ShardOutputs
from curation.corpus_counts import SliceCounts
from curation.corpus_scan import (
    ROW_DIGEST,
    TEXT,
    TOKENS,
    RowDigests,
    TextVersion,
    listed_names,
    scan_part,
)
from curation.corpus_shards import write_shards
from curation.errors import RecipeError
from curation.files import Json, read_json, write_json
from curation.funnel import Counts, Step, count_sources
from curation.funnel_remarks import judged_entry, unjudged_slices, warning_text
from curation.mixture import MIXTURES, SCHEDULE_VERSION
from curation.nodes import Node, NodeRun
from curation.quality_buckets import BUCKETS, Entries, quality_entries
from curation.recipe import MixSpec, Recipe, as_json
from curation.scores import ScoreColumn
from curation.sidecars import map_parts
from curation.store import Artifact

VERSION = "corpus@4"


def corpus_node(
    recipe: Recipe,
    raw: TextVersion,
    panel: Node,
    verdicts: Sequence[Node],
    rewritten: Mapping[int, TextVersion],
    labels: Sequence[str],
    quality: ScoreColumn | None = None,
) -> Node:
    """Return the node of the corpus that these verdicts leave; its identity does not hold the recipe's name.

    `rewritten` holds the text versions by the number of the stage that made them; the corpus has the last one.
    `quality` is the score of the mixture's quality buckets.
    """
    inputs = {"pool": raw.pool, "panel": panel, "token-counts": raw.token_counts}
    inputs |= {f"verdict-{number:02d}": verdict for number, verdict in enumerate(verdicts)}
    for number, text in rewritten.items():
        inputs |= {f"{TEXT}{number:02d}": text.pool, f"{TOKENS}{number:02d}": text.token_counts}
    inputs |= {} if quality is None else {BUCKETS: quality.node}
    steps = list(labels)

    def run(context: NodeRun) -> Mapping[str, Json]:
        return _build(context, recipe, steps, quality)

    return Node(
        kind="corpus",
        version=VERSION,
        params={
            "mix": as_json(recipe.mix),
            "schedule": SCHEDULE_VERSION,
            "shard_bytes": recipe.shard_bytes,
            "steps": steps,
            "tokenizer": recipe.tokenizer,
            **_published(recipe),
            **({} if quality is None else {"quality": [quality.name, quality.column, quality.lower_is_better]}),
        },
        inputs=inputs,
        run=run,
        label="corpus",
    )


def _published(recipe: Recipe) -> dict[str, Json]:
    """Return what others published of this recipe's stages, for the corpus' identity: the funnel holds it."""
    known: dict[str, Json] = {
        str(number): as_json(spec.published) for number, spec in enumerate(recipe.stages) if spec.published
    }
    return {"published": known} if known else {}


def with_published(recipe: Recipe, steps: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the funnel's steps (panel split first, then the stages) with published retention beside the measured.

    `measured` is the share of what the stage `since` (or the panel split) left, in the published unit; None where no
    stage before is called so, as when a study replaced it. Slices that a stage up to there left unjudged are counted
    neither in the whole nor in what is left, and named in `without_slices`.
    """
    for number, (spec, step) in enumerate(zip(recipe.stages, steps[1:], strict=False)):
        if spec.published is None:
            continue
        unit = {"documents": "docs"}.get(spec.published.unit, spec.published.unit)
        since, before = spec.published.since, steps[: number + 1]
        first = next((item for item in before if item["step"] == since), None) if since else before[0]
        without = sorted({name for item in (*before, step) for name in unjudged_slices(item)})
        whole, left = _out_of(first, unit, without) if first else 0, _out_of(step, unit, without)
        measured = round(left / whole, 6) if whole else None
        step["published"] = {**as_json(spec.published), "measured": measured, "without_slices": list[Json](without)}
    return steps


def _out_of(step: Mapping[str, Json], unit: str, without: Sequence[str]) -> int:
    """Return what a step left in all slices but some."""
    by_slice = cast("Mapping[str, Mapping[str, int]]", step["by_slice"]) if without else {}
    passed = sum(by_slice[name][f"{unit}_out"] for name in without if name in by_slice)
    return cast("int", step[f"{unit}_out"]) - passed


def _build(context: NodeRun, recipe: Recipe, labels: Sequence[str], quality: ScoreColumn | None) -> Mapping[str, Json]:
    pool = context.inputs["pool"]
    names = listed_names(pool)
    slices = names.slices
    verdicts = [context.inputs[name] for name in sorted(context.inputs) if name.startswith("verdict-")]
    scans = map_parts(
        context,
        "count survivors",
        pool.num_parts,
        lambda part: scan_part(context, part, names, labels),
        shards=ShardOutputs(),
    )
    steps = _merged([scan.steps for scan in scans])
    _refuse_empty(recipe, steps)
    where, asked, entries = f"recipe `{recipe.name}`: mix", recipe.mix.quality, None
    if asked and quality:
        entries = quality_entries(context, scans, slices, spec=asked, score=quality, where=where)
    schedule, kept = _mixed(recipe.mix, steps, slices, entries, where)
    masks = [scan.alive & kept[scan.rows.slices] for scan in scans]
    by_source = [count_sources(scan.rows, mask, len(names.sources)) for scan, mask in zip(scans, masks, strict=True)]
    steps[-1].left_by_source = np.sum(by_source, axis=0)
    totals = write_shards(context, scans, masks, entries, recipe.shard_bytes)
    drawn = np.flatnonzero(kept).tolist()
    drawn_steps = [step.as_json(slices, names.sources) for step in steps]
    for verdict, step, drawn_step in zip(verdicts, steps[1:], drawn_steps[1:], strict=False):  # mix has no verdict
        drawn_step.update(judged_entry(verdict.summary, step.entered, slices))
    steps_json: list[Json] = [_ingest_step(pool), *with_published(recipe, drawn_steps)]
    for warning in filter(None, map(warning_text, drawn_steps)):
        context.progress.note(f"warning: {warning}")
    write_json(context.out.path / "funnel.json", steps_json)
    write_json(context.out.path / "contamination.json", _contamination(verdicts))
    _write_item_lists(context.out.path, verdicts)
    return {
        **totals,
        "slices": _slice_counts(steps[-1].left, slices),
        "schedule": schedule,
        "licenses": dict(sorted(sum((scan.licenses[i] for scan in scans for i in drawn), Counter[str]()).items())),
        "logical_digest": _logical_digest([scan.digests[i] for scan in scans for i in drawn]),
        "selected_for": _selected_for(verdicts),
        "panel_digest": context.inputs["panel"].summary["digest"],
        "tokenizer": recipe.tokenizer,
        **({} if entries is None else {"quality": entries.as_json()}),
    }


def _merged(parts: Sequence[list[Step]]) -> list[Step]:
    first, *rest = parts
    for steps in rest:
        for known, step in zip(first, steps, strict=True):
            known.merge(step)
    return first


def _refuse_empty(recipe: Recipe, steps: Sequence[Step]) -> None:
    if steps[-1].left[:, 0].sum() > 0:
        return
    worst = next(step for step in steps if step.left[:, 0].sum() == 0)
    reasons = ", ".join(f"{reason} {counts[:, 0].sum():,}" for reason, counts in worst.reasons.items())
    raise RecipeError(
        f"recipe `{recipe.name}`: no document is left after `{worst.name}` "
        f"({worst.entered[:, 0].sum():,} went in; dropped: {reasons}); expected at least one; "
        "loosen this stage, judge fewer slices with `applies_to`, or use a larger pool"
    )


def _mixed(
    mix: MixSpec, steps: list[Step], slices: Sequence[str], split: Entries | None, where: str
) -> tuple[list[Json], npt.NDArray[np.bool_]]:
    """Return the schedule and which slices it draws from; slices without weight leave as one more step."""
    left = steps[-1].left
    counts = {
        name: SliceCounts(docs=int(left[i, 0]), bytes=int(left[i, 1]), tokens=int(left[i, 2]))
        for i, name in enumerate(slices)
        if left[i, 0]
    }
    entries = MIXTURES.get("schedule", where)(mix, split.counts if split else counts, where)
    drawn = {str(entry["slice"]) for entry in entries if cast("float", entry["byte_share"]) > 0}
    if split is not None:
        drawn = {owner for name, owner in zip(split.names, split.slices, strict=True) if name in drawn}
    kept = np.array([name in drawn for name in slices], np.bool_)
    before = steps[-1].left_by_source
    step = Step(
        name="mix",
        entered=left.copy(),
        left=np.where(kept[:, None], left, 0),
        entered_by_source=before.copy(),
        left_by_source=before.copy(),  # counted from the rows once the slices are known
    )
    if (step.left != left).any():
        step.reasons["no-weight-in-mixture"] = left - step.left
    steps.append(step)
    return cast("list[Json]", entries), kept


def _slice_counts(left: Counts, slices: Sequence[str]) -> dict[str, Json]:
    return {
        name: {"docs": int(left[i, 0]), "bytes": int(left[i, 1]), "tokens": int(left[i, 2])}
        for i, name in enumerate(slices)
        if left[i, 0]
    }


def _ingest_step(pool: Artifact) -> Json:
    rejected = cast("Mapping[str, int]", pool.summary["rejected"])
    docs, size = cast("int", pool.summary["num_docs"]), cast("int", pool.summary["num_bytes"])
    return {
        "step": "ingest",
        "docs_in": docs + sum(rejected.values()),
        "docs_out": docs,
        "bytes_in": size,
        "bytes_out": size,
        "reasons": {reason: {"docs": number} for reason, number in sorted(rejected.items())},
        "by_slice": {},
        "by_source": {},
        "samples": [],
        **({"files": pool.summary["files"]} if "files" in pool.summary else {}),
    }


def _contamination(verdicts: Sequence[Artifact]) -> Json:
    reports = [verdict.path / "contamination.json" for verdict in verdicts]
    found = [read_json(path) for path in reports if path.is_file()]
    return {"checked": bool(found), "reports": found}


def _write_item_lists(folder: Path, verdicts: Sequence[Artifact]) -> None:
    """Write which benchmark items the decontaminations found, for evaluations; nothing if there was none."""
    folders = [verdict.path for verdict in verdicts if (verdict.path / "items.jsonl").is_file()]
    if folders:
        from curation.decontamination.item_merging import merge_item_lists

        merge_item_lists(folders, folder)


def _selected_for(verdicts: Sequence[Artifact]) -> list[Json]:
    marked = {str(name) for v in verdicts for name in cast("list[Json]", v.summary.get("selected_for", []))}
    return list[Json](sorted(marked))


def _logical_digest(digests: Sequence[RowDigests]) -> str:
    """Digest of the set of (id, text), whatever the order, sharding or Parquet encoding."""
    known = np.concatenate([np.zeros(0, ROW_DIGEST), *digests])
    ordered = known[np.lexsort((known["low"], known["high"]))].astype(ROW_DIGEST)  # concatenating swaps bytes
    return hashlib.sha256(ordered.tobytes()).hexdigest()
