"""What a detector finds in the alive documents of a pool: findings by part, and the report.

The artifact holds `findings-%05d.parquet` (columns of `Findings`, `docs` being the row in the part) and
`contamination.json` and `items.jsonl`, which depend on the documents alone, not on how they are dealt to parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.backends.shards import ShardOutputs
from curation.batches import TextView, read_table, text_view, write_table
from curation.decontamination.detectors import Detector, DetectorIndex, Scan, facts_of, scan_all
from curation.decontamination.examples import choose, example_rows
from curation.decontamination.findings import Findings, findings_of, stretch
from curation.decontamination.hits import HITS_SCHEMA, Named, hits_table, item_names
from curation.decontamination.item_lists import ITEMS, Judged, write_item_lists
from curation.decontamination.item_merging import copy_item_lists
from curation.decontamination.report import DetectorPart, Totals, documents_by, report
from curation.errors import RecipeError
from curation.files import Json, replacing, write_json
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts
from curation.stages import StageInputs, living
from curation.store import Artifact
from curation.suites import Suite
from curation.suites.documents import PANEL, panel_suite

REPORT = "contamination.json"
VERSION = "pool-findings@3"
SCAN_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitesOf:
    """The suites of a stage: those known beforehand, and the recipe's panel if it is looked for too."""

    fixed: tuple[Suite, ...]
    panel: bool = False

    def read(self, context: NodeRun) -> tuple[Suite, ...]:
        """Return all of them sorted by name; the node must have the panel as input. Raises: RecipeError."""
        if not self.panel:
            return self.fixed
        if any(suite.name == PANEL for suite in self.fixed):
            raise RecipeError(f"suite `{PANEL}`: a file has the name of the recipe's own panel; rename the file")
        own = panel_suite(context.inputs["panel"])
        return tuple(sorted([*self.fixed, own], key=lambda suite: suite.name))

    def identity(self) -> dict[str, Json]:
        """Return the digests by name; the panel's is in the fingerprint of the node that splits it off."""
        digests: dict[str, Json] = {suite.name: suite.digest for suite in self.fixed}
        return {**digests, PANEL: "this recipe's"} if self.panel else digests


def findings_node(detector: Detector, suites: SuitesOf, inputs: StageInputs) -> Node:
    """Return the node of what `detector` finds of `suites`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        return _find(context, detector, suites.read(context))

    return Node(
        kind="findings",
        version=f"{VERSION}+{detector.version}",
        params={
            "name": detector.name,
            "settings": dict(detector.settings),
            "suites": suites.identity(),
        },
        inputs={"pool": inputs.pool, **inputs.who_is_alive()},
        run=run,
        label=f"benchmark items: {detector.name}",
    )


def read_findings(artifact: Artifact, part: int) -> Findings:
    """Return the findings in one part; `docs` are its rows."""
    return findings_of(read_table(artifact.path / findings_name(part)))


def findings_name(part: int) -> str:
    """File name of the findings in one part."""
    return f"findings-{part:05d}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScannedPart:
    rows: npt.NDArray[np.int64]  # of the part that are alive
    scans: list[Scan]
    num_bytes: int
    sources: Mapping[str, tuple[int, int]]


def _find(context: NodeRun, detector: Detector, suites: Sequence[Suite]) -> dict[str, Json]:
    index = detector.index(suites)
    num_parts = context.inputs["pool"].num_parts
    parts = map_parts(
        context,
        "scan for benchmark items",
        num_parts,
        lambda part: _scan(context, part, index),
        shards=ShardOutputs(),
    )
    scans = [scan for part in parts for scan in part.scans]
    found = index.judge(scans)
    facts = facts_of(index, scans)
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    for number, part in enumerate(parts):
        own = stretch(found, int(starts[number]), int(starts[number + 1]))
        own = replace(own, docs=part.rows[own.docs])
        with replacing(context.out.path / findings_name(number)) as temporary:
            write_table(temporary, own.table())
    named = DetectorPart(
        name=detector.name,
        version=detector.version,
        settings=detector.settings,
        facts=facts,
        findable=index.findable,
    )
    value = _report(context, named, suites, _totals(parts))
    write_json(context.out.path / REPORT, value)
    judged = Judged(detector=detector, findings=found, findable=index.findable)
    write_item_lists(context.out.path / ITEMS, suites, [judged], detector.name)
    digests: dict[str, Json] = {suite.name: suite.digest for suite in suites}
    return {"documents": int(starts[-1]), "suites": digests, **facts, **detector.settings}


def _scan(context: NodeRun, part: int, index: DetectorIndex) -> _ScannedPart:
    mask = living(context, part)
    table = read_table(context.inputs["pool"].part_paths()[part], ["source", "text"]).filter(pa.array(mask))
    view = text_view(table["text"])
    sized = pa.table({"source": table["source"], "bytes": view.num_bytes})
    totals = sized.group_by("source", use_threads=False).aggregate([("bytes", "count"), ("bytes", "sum")])
    return _ScannedPart(
        rows=np.flatnonzero(mask).astype(np.int64),
        scans=[scan for block in blocks_of(view) for scan in scan_all([index], block)],
        num_bytes=int(view.num_bytes.sum()),
        sources={row["source"]: (row["bytes_count"], row["bytes_sum"]) for row in totals.to_pylist()},
    )


def blocks_of(view: TextView) -> Iterator[TextView]:
    """Yield consecutive documents of together about 16 MB, so that what is hashed of them stays small."""
    begin = 0
    while begin < len(view):
        end = int(np.searchsorted(view.offsets, view.offsets[begin] + SCAN_BYTES, side="right")) - 1
        end = min(max(end, begin + 1), len(view))
        yield TextView(data=view.data, offsets=view.offsets[begin : end + 1])
        begin = end


def _totals(parts: Sequence[_ScannedPart]) -> Totals:
    sources: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (docs, size) in part.sources.items():
            before = sources.get(name, (0, 0))
            sources[name] = (before[0] + docs, before[1] + size)
    return Totals(
        documents=sum(len(part.rows) for part in parts),
        num_bytes=sum(part.num_bytes for part in parts),
        sources=dict(sorted(sources.items())),
    )


def _report(context: NodeRun, part: DetectorPart, suites: Sequence[Suite], totals: Totals) -> dict[str, Json]:
    hits = _hits(context, part.name, suites)
    chosen = choose(hits)
    places = [*chosen.samples, *chosen.examples]
    shown = [
        _by_id(cast("Mapping[str, Json]", row)) for row in example_rows(hits.take(pa.array(places, pa.int64())), suites)
    ]
    value = report(hits, suites, [part], totals)
    for row in cast("list[dict[str, Json]]", value["suites"]):
        row["documents_hit_by_slice"] = documents_by(hits.filter(pc.equal(hits["suite"], row["suite"])), "slice")
    return {
        **value,
        "documents_in": totals.documents,
        "documents_hit_by_slice": documents_by(hits, "slice"),
        "samples": list[Json](shown[: len(chosen.samples)]),
        "examples": list[Json](shown[len(chosen.samples) :]),
    }


def _by_id(row: Mapping[str, Json]) -> dict[str, Json]:
    """Return an example keyed by the document's id, which a pool's documents have."""
    rest = {name: value for name, value in row.items() if name not in ("file", "row", "id")}
    return {"doc_id": row["id"], **rest}


def _hits(context: NodeRun, name: str, suites: Sequence[Suite]) -> pa.Table:
    """Return all hits in the order of ids; a document's file is the pool, its row its place among hit documents."""
    pool, items = context.inputs["pool"], item_names(suites)

    def of_part(part: int) -> pa.Table:
        found = findings_of(read_table(context.out.path / findings_name(part)))
        rows = np.unique(found.docs)
        if not len(rows):
            return HITS_SCHEMA.empty_table().append_column("slice", pa.array([], pa.large_string()))
        table = read_table(pool.part_paths()[part], ["id", "source", "slice", "url", "text"]).take(pa.array(rows))
        named = Named(
            files=["pool"] * len(rows),
            rows=rows.tolist(),
            ids=table["id"].to_pylist(),
            sources=table["source"].to_pylist(),
            urls=table["url"].to_pylist(),
        )
        places = np.searchsorted(rows, found.docs)
        hits = hits_table([(name, replace(found, docs=places))], named, text_view(table["text"]), items)
        return hits.append_column("slice", table["slice"].combine_chunks().take(pa.array(places)))

    tables = map_parts(context, "places of the hits", pool.num_parts, of_part)
    hits = pa.concat_tables(tables).combine_chunks()
    order = np.argsort(np.array(hits["id"].to_pylist(), dtype=np.str_), kind="stable")
    hits = hits.take(pa.array(order))
    rank = np.unique(np.array(hits["id"].to_pylist(), dtype=np.str_), return_inverse=True)[1].reshape(-1)
    return hits.set_column(HITS_SCHEMA.get_field_index("row"), HITS_SCHEMA.field("row"), pa.array(rank, pa.int64()))


def copy_report(findings: Artifact, folder: Path, removed: str) -> None:
    """Put the report of the findings and the lists of items into another artifact; `removed` is what was removed."""
    copy_item_lists(findings.path, folder, removed)
    with replacing(folder / REPORT) as temporary:
        temporary.write_bytes((findings.path / REPORT).read_bytes())
