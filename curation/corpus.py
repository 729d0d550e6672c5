"""The corpus: the documents that every stage kept, sharded, with the funnel and the schedule of slices.

A corpus holds unique documents; repeats are never written, the schedule says how often slices are drawn. Rows keep
the pool's canonical order; shards are cut by bytes alone. Files: `data/train-00000-of-0000N.parquet`,
`funnel.json`, `contamination.json`, and `manifest.json` last.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curation.batches import TEXT_SCHEMA, read_table, write_table
from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError
from curation.files import Json, read_json, replacing, write_json
from curation.funnel import SAMPLE_CHARS, Counts, Rows, Sample, Step, count
from curation.mixture import MIXTURES, SCHEDULE_VERSION
from curation.nodes import Node, NodeRun
from curation.recipe import MixSpec, Recipe, as_json
from curation.sidecars import ROLE_TRAIN, ROLES, map_parts, read_column, read_verdict
from curation.store import Artifact

VERSION = "corpus@1"


def corpus_node(
    recipe: Recipe, pool: Node, panel: Node, token_counts: Node, verdicts: Sequence[Node], labels: Sequence[str]
) -> Node:
    """Return the node of the corpus that these verdicts leave; its identity does not hold the recipe's name."""
    inputs = {"pool": pool, "panel": panel, "token-counts": token_counts}
    inputs |= {f"verdict-{number:02d}": verdict for number, verdict in enumerate(verdicts)}
    steps = list(labels)

    def run(context: NodeRun) -> Mapping[str, Json]:
        return _build(context, recipe, steps)

    return Node(
        kind="corpus",
        version=VERSION,
        params={
            "mix": as_json(recipe.mix),
            "schedule": SCHEDULE_VERSION,
            "shard_bytes": recipe.shard_bytes,
            "steps": steps,
            "tokenizer": recipe.tokenizer,
        },
        inputs=inputs,
        run=run,
        label="corpus",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartScan:
    """What one part contributes: which rows stay, how big they are, and the steps that led there."""

    alive: npt.NDArray[np.bool_]
    rows: Rows
    steps: list[Step]
    licenses: list[Counter[str]]  # of the survivors, by slice
    digests: list[list[bytes]]


def _build(context: NodeRun, recipe: Recipe, labels: Sequence[str]) -> Mapping[str, Json]:
    pool = context.inputs["pool"]
    slices = sorted(cast("Mapping[str, Json]", pool.summary["slices"]))
    verdicts = [context.inputs[name] for name in sorted(context.inputs) if name.startswith("verdict-")]
    scans = map_parts(
        context, "count survivors", pool.num_parts, lambda part: _scan(context, part, slices, verdicts, labels)
    )
    steps = _merged([scan.steps for scan in scans])
    _refuse_empty(recipe, steps)
    schedule, kept = _mixed(recipe.mix, steps, slices, f"recipe `{recipe.name}`: mix")
    masks = [scan.alive & kept[scan.rows.slices] for scan in scans]
    totals = _write_shards(context, scans, masks, recipe.shard_bytes)
    drawn = np.flatnonzero(kept).tolist()
    steps_json: list[Json] = [_ingest_step(pool), *(step.as_json(slices) for step in steps)]
    write_json(context.out.path / "funnel.json", steps_json)
    write_json(context.out.path / "contamination.json", _contamination(verdicts))
    return {
        **totals,
        "slices": _slice_counts(steps[-1].left, slices),
        "schedule": schedule,
        "licenses": dict(sorted(sum((scan.licenses[i] for scan in scans for i in drawn), Counter[str]()).items())),
        "logical_digest": _logical_digest([digest for scan in scans for i in drawn for digest in scan.digests[i]]),
        "selected_for": _selected_for(verdicts),
        "panel_digest": context.inputs["panel"].summary["digest"],
        "tokenizer": recipe.tokenizer,
    }


def _scan(
    context: NodeRun, part: int, slices: Sequence[str], verdicts: Sequence[Artifact], labels: Sequence[str]
) -> _PartScan:
    table = read_table(context.inputs["pool"].part_paths()[part], ["id", "text", "slice", "license"])
    index = pc.index_in(table["slice"], value_set=pa.array(slices, pa.large_string()))
    rows = Rows(
        slices=index.to_numpy().astype(np.int64),
        num_bytes=pc.binary_length(table["text"]).to_numpy().astype(np.int64),
        num_tokens=read_column(context.inputs["token-counts"], part, "num_tokens").astype(np.int64),
    )
    role = read_column(context.inputs["panel"], part, "role").astype(np.int64)
    alive = np.ones(len(rows.slices), np.bool_)
    after = role == ROLE_TRAIN
    steps = [_step("panel split", table, rows, alive, after, role, list(ROLES), None, len(slices))]
    for verdict, label in zip(verdicts, labels, strict=True):
        judged = read_verdict(verdict, part)
        alive, after = after, after & judged.kept
        names = [str(reason) for reason in cast("list[Json]", verdict.summary["reasons"])]
        steps.append(
            _step(label, table, rows, alive, after, judged.reason.astype(np.int64), names, judged.value, len(slices))
        )
    survivors = [table.filter(pa.array(after & (rows.slices == code))) for code in range(len(slices))]
    return _PartScan(
        alive=after,
        rows=rows,
        steps=steps,
        licenses=[Counter(name or "unknown" for name in kept["license"].to_pylist()) for kept in survivors],
        digests=[_row_digests(kept) for kept in survivors],
    )


def _step(
    name: str,
    table: pa.Table,
    rows: Rows,
    entered: npt.NDArray[np.bool_],
    left: npt.NDArray[np.bool_],
    reason: npt.NDArray[np.int64],
    names: Sequence[str],
    value: npt.NDArray[np.float64] | None,
    num_slices: int,
) -> Step:
    step = Step(name=name, entered=count(rows, entered, num_slices), left=count(rows, left, num_slices))
    dropped = entered & ~left
    for code in np.unique(reason[dropped]).tolist():
        chosen = dropped & (reason == code)
        step.reasons[names[code]] = count(rows, chosen, num_slices)
        for row in np.flatnonzero(chosen)[:5].tolist():
            step.samples.append(_sample(table, row, names[code], value))
    return step


def _sample(table: pa.Table, row: int, reason: str, value: npt.NDArray[np.float64] | None) -> Sample:
    shown = None if value is None or not np.isfinite(value[row]) else float(value[row])
    text = table["text"][row].as_py()[:SAMPLE_CHARS]
    return Sample(id=table["id"][row].as_py(), slice=table["slice"][row].as_py(), reason=reason, value=shown, text=text)


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
    mix: MixSpec, steps: list[Step], slices: Sequence[str], where: str
) -> tuple[list[Json], npt.NDArray[np.bool_]]:
    """Return the schedule and which slices it draws from; slices without weight leave as one more step."""
    left = steps[-1].left
    counts = {
        name: SliceCounts(docs=int(left[i, 0]), bytes=int(left[i, 1]), tokens=int(left[i, 2]))
        for i, name in enumerate(slices)
        if left[i, 0]
    }
    entries = MIXTURES.get("schedule", where)(mix, counts, where)
    drawn = {str(entry["slice"]) for entry in entries if cast("float", entry["byte_share"]) > 0}
    kept = np.array([name in drawn for name in slices], np.bool_)
    step = Step(name="mix", entered=left.copy(), left=np.where(kept[:, None], left, 0))
    if (step.left != left).any():
        step.reasons["no-weight-in-mixture"] = left - step.left
    steps.append(step)
    return cast("list[Json]", entries), kept


def _write_shards(
    context: NodeRun, scans: Sequence[_PartScan], masks: Sequence[npt.NDArray[np.bool_]], shard_bytes: int
) -> dict[str, Json]:
    sizes = [np.where(mask, scan.rows.num_bytes, 0) for scan, mask in zip(scans, masks, strict=True)]
    total = int(sum(int(size.sum()) for size in sizes))
    num_shards = max(1, -(-total // shard_bytes))
    starts = np.cumsum([0, *(int(size.sum()) for size in sizes)])
    shard_of = [
        np.minimum((starts[i] + np.cumsum(size) - size) * num_shards // max(total, 1), num_shards - 1)
        for i, size in enumerate(sizes)
    ]

    def write(shard: int) -> None:
        path = context.out.path / "data" / f"train-{shard:05d}-of-{num_shards:05d}.parquet"
        if path.is_file():
            return
        chosen = [mask & (owner == shard) for mask, owner in zip(masks, shard_of, strict=True)]
        paths = context.inputs["pool"].part_paths()
        pieces = [read_table(paths[i]).filter(pa.array(rows)) for i, rows in enumerate(chosen) if rows.any()]
        table = pa.concat_tables(pieces) if pieces else TEXT_SCHEMA.empty_table()
        with replacing(path) as temporary:
            write_table(temporary, table.cast(TEXT_SCHEMA).combine_chunks())

    map_parts(context, "write corpus", num_shards, write)
    return {
        "num_docs": int(sum(int(mask.sum()) for mask in masks)),
        "num_bytes": total,
        "num_tokens": int(sum(int(scan.rows.num_tokens[mask].sum()) for scan, mask in zip(scans, masks, strict=True))),
        "num_shards": num_shards,
    }


def _slice_counts(left: Counts, slices: Sequence[str]) -> dict[str, Json]:
    return {
        name: {"docs": int(left[i, 0]), "bytes": int(left[i, 1]), "tokens": int(left[i, 2])}
        for i, name in enumerate(slices)
        if left[i, 0]
    }


def _ingest_step(pool: Artifact) -> Json:
    rejected = cast("Mapping[str, int]", pool.summary["rejected"])
    docs, size = cast("int", pool.summary["num_docs"]), cast("int", pool.summary["num_bytes"])
    reasons: dict[str, Json] = {reason: {"docs": number} for reason, number in sorted(rejected.items())}
    return {
        "step": "ingest",
        "docs_in": docs + sum(rejected.values()),
        "docs_out": docs,
        "bytes_in": size,
        "bytes_out": size,
        "reasons": reasons,
        "by_slice": {},
        "samples": [],
    }


def _contamination(verdicts: Sequence[Artifact]) -> Json:
    reports = [verdict.path / "contamination.json" for verdict in verdicts]
    found = [read_json(path) for path in reports if path.is_file()]
    return {"checked": bool(found), "reports": found}


def _selected_for(verdicts: Sequence[Artifact]) -> list[Json]:
    marked = {str(name) for v in verdicts for name in cast("list[Json]", v.summary.get("selected_for", []))}
    return list[Json](sorted(marked))


def _row_digests(table: pa.Table) -> list[bytes]:
    ids, texts = table["id"].to_pylist(), table["text"].to_pylist()
    return [xxhash.xxh128_digest(f"{i}\0{text}".encode()) for i, text in zip(ids, texts, strict=True)]


def _logical_digest(digests: list[bytes]) -> str:
    """Digest of the set of (id, text), whatever the order, sharding or Parquet encoding."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
