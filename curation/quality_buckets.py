"""Quality buckets: the documents of a slice parted by a score, so that a mixture can repeat the best ones more.

Per slice, among the documents that every stage kept: bucket 1 reaches from the best score down to the one at which its
share of the slice's bytes is first reached, and so on; the last one takes the rest. Equal scores stay together, and a
document without a score is in the last bucket. The scores at the edges are in the corpus' manifest. Buckets of a slice
`web` are called `web#1`, `web#2`, ... wherever text is drawn; panels and funnels know the slice alone.
Source of the idea: up-sampling by quality percentile (Olmo 3, 2025) and by quality bucket (Nemotron-CC, 2412.02595).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.corpus_counts import SliceCounts
from curation.corpus_scan import PartScan
from curation.errors import RecipeError
from curation.files import Json
from curation.mix_names import like_buckets
from curation.mix_spec import BUCKET_MARK, QualitySpec
from curation.nodes import NodeRun
from curation.scores import ScoreColumn
from curation.sidecars import map_parts, read_column

BUCKETS = "quality"
"""Name of the corpus' input that holds the scores."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What a schedule weighs: slices, or their buckets."""

    names: Sequence[str]
    slices: Sequence[str]
    """The slice of each."""
    codes: Sequence[Ints]
    """Of the rows of each part, an index into `names`; meaningless for rows that are gone."""
    counts: dict[str, SliceCounts]
    edges: dict[str, Json]
    """Lowest score of every bucket but the last, by slice; more is better."""
    score: str

    def as_json(self) -> dict[str, Json]:
        """Return what a corpus' manifest says of the buckets."""
        return {"score": self.score, "edges": self.edges}

    def relabelled(self, table: pa.Table, part: int) -> pa.Table:
        """Return the rows of a part with the name of their entry as their slice."""
        column = pa.array(self.names, pa.string()).take(pa.array(self.codes[part]))
        place = table.schema.get_field_index("slice")
        return table.set_column(place, table.schema.field(place), column.cast(table.schema.field(place).type))


def quality_entries(
    context: NodeRun,
    scans: Sequence[PartScan],
    slices: Sequence[str],
    *,
    spec: QualitySpec,
    score: ScoreColumn,
    where: str,
) -> Entries:
    """Return the buckets of the slices that `spec` names, and the other slices as they are.

    Raises: RecipeError for a slice whose name could be a bucket's, or if no slice is meant.
    """
    if marked := like_buckets(slices):
        raise RecipeError(f"{where}.{marked}")
    meant = [not spec.slices or any(fnmatchcase(name, pattern) for pattern in spec.slices) for name in slices]
    if not any(meant):
        raise RecipeError(
            f"{where}.quality.slices: {', '.join(spec.slices)}: no slice of the pool, expected one of "
            f"{', '.join(slices)}"
        )
    scores = map_parts(context, "scores", len(scans), lambda part: _scores(context, part, score))
    names, owners, firsts, edges = list[str](), list[str](), list[int](), list[Floats]()
    for code, name in enumerate(slices):
        firsts.append(len(names))
        edges.append(_edges(scans, scores, code, spec) if meant[code] else np.zeros(0))
        own = [f"{name}{BUCKET_MARK}{i + 1}" for i in range(len(edges[code]) + 1)] if meant[code] else [name]
        names += own
        owners += [name] * len(own)
    codes = [_codes(scan, values, firsts, edges) for scan, values in zip(scans, scores, strict=True)]
    return Entries(
        names=names,
        slices=owners,
        codes=codes,
        counts=_counts(scans, codes, names),
        edges={name: list[Json](edges[code].tolist()) for code, name in enumerate(slices) if meant[code]},
        score=score.name,
    )


def _scores(context: NodeRun, part: int, score: ScoreColumn) -> Floats:
    """Return the scores of a part, more is better; minus infinity where there is none."""
    values = read_column(context.inputs[BUCKETS], part, score.column).astype(np.float64)
    signed = -values if score.lower_is_better else values
    return np.where(np.isnan(signed), -np.inf, signed)


def _edges(scans: Sequence[PartScan], scores: Sequence[Floats], code: int, spec: QualitySpec) -> Floats:
    """Return the lowest score of every bucket of a slice but the last; falling."""
    rows = [scan.alive & (scan.rows.slices == code) for scan in scans]
    values = np.concatenate([held[mask] for held, mask in zip(scores, rows, strict=True)])
    sizes = np.concatenate([scan.rows.num_bytes[mask] for scan, mask in zip(scans, rows, strict=True)])
    if not sizes.sum():
        return np.full(len(spec.buckets) - 1, -np.inf)
    order = np.argsort(-values, kind="stable")
    reached = np.cumsum(sizes[order])
    tops = [bucket.top for bucket in spec.buckets if bucket.top is not None]
    places = np.searchsorted(reached, [top * reached[-1] for top in tops])
    found: Floats = values[order][places]
    return found


def _codes(scan: PartScan, values: Floats, firsts: Sequence[int], edges: Sequence[Floats]) -> Ints:
    codes = np.array(firsts, np.int64)[scan.rows.slices]
    for code, own in enumerate(edges):
        mine = scan.rows.slices == code
        for edge in own:
            codes[mine & ((values < edge) | np.isneginf(values))] += 1
    return codes


def _counts(scans: Sequence[PartScan], codes: Sequence[Ints], names: Sequence[str]) -> dict[str, SliceCounts]:
    totals = np.zeros((len(names), 3), np.int64)
    for scan, own in zip(scans, codes, strict=True):
        at = own[scan.alive]
        totals[:, 0] += np.bincount(at, minlength=len(names))
        np.add.at(totals[:, 1], at, scan.rows.num_bytes[scan.alive])
        np.add.at(totals[:, 2], at, scan.rows.num_tokens[scan.alive])
    return {
        name: SliceCounts(docs=int(totals[i, 0]), bytes=int(totals[i, 1]), tokens=int(totals[i, 2]))
        for i, name in enumerate(names)
        if totals[i, 0]
    }
