"""Ensemble by maximum of quantiles: every score is cut into buckets of equal share, a document has its best bucket.

Three steps, as for one score: each part counts its scores; the counts of each score merge into the edges of its
buckets, over living judged documents; every row gets the largest of its buckets. Bucket b of B starts at the smallest
score with a share b/B of documents strictly below it. Equal scores are never parted, so a score that tells nothing
apart puts all documents into bucket 0. The edges stand in the summary as literal values in millionths (null: no score
is that high). `keep` orders documents by (best bucket, mean bucket, id) and is exact to one document.
Source: Nemotron-CC, arXiv:2412.02595, section 3.2: 20 buckets, maximum over three classifiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from curation.batches import write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.recipe import Strings
from curation.sidecars import map_parts, read_column
from curation.stages import StageInputs, living
from filters.base import FilterSettings
from filters.judged import Scope, slice_codes
from filters.models.keep_share import NO_SCORE, SHARE, keep_share, score_units
from filters.models.reference_texts import learned_from
from filters.models.score_sources import find_source
from filters.models.scored import ScoreSource, at_least_score

VERSION = "quantile-ensemble@2"
REASON = "low-quality-bucket"
FITTED = "fitted-"
"""Name of the inputs that are models fitted on the pool, followed by the number of their score."""
NO_EDGE = int(np.iinfo(np.int64).max)
Units = npt.NDArray[np.int64]


class EnsembleSettings(FilterSettings):
    """The scores, how finely they are cut, and which buckets stay."""

    scores: Annotated[Strings, Field(min_length=1, max_length=32)]
    """Sources (docs/classifiers.md): `fasttext:PATH?label=L`, `fasttext-quality`, `set.signal`, `-set.signal`..."""
    buckets: Annotated[int, Field(ge=2, le=1000)] = 20
    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the living judged documents that is kept."""
    min_bucket: Annotated[int, Field(ge=0)] | None = None
    """Least best bucket that is kept, from 0 to `buckets` - 1."""

    @model_validator(mode="after")
    def _fits(self) -> EnsembleSettings:
        if (self.keep is None) == (self.min_bucket is None):
            raise ValueError("give either `keep: <share of documents>` or `min_bucket: <bucket>`, one of the two")
        if self.min_bucket is not None and self.min_bucket >= self.buckets:
            raise ValueError(
                f"min_bucket {self.min_bucket}: with {self.buckets} buckets the last is {self.buckets - 1}"
            )
        twice = sorted({name for name in self.scores if self.scores.count(name) > 1})
        if twice:
            raise ValueError(f"scores: `{twice[0]}` is given twice; leave one out")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleFilter:
    """Keeps the documents with the best buckets."""

    name: str = "quantile-ensemble"
    version: str = VERSION
    summary: str = "Keeps documents by the best of their quantile buckets under several scores (Nemotron-CC)."
    settings: type[FilterSettings] = EnsembleSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node. Raises: RecipeError or PluginError for a score, before any work."""
        scope = settings.scope(inputs)
        sources = [find_source(name, f"{where}: scores[{i}]") for i, name in enumerate(settings.scores)]
        buckets = buckets_node(sources, settings.buckets, inputs, scope)

        def run(context: NodeRun) -> Mapping[str, Json]:
            label = f"filter {self.name}"
            if settings.keep is not None:
                found = keep_share(
                    context, label=label, keep=settings.keep, scope=scope, reason=REASON,
                    unit="best bucket + mean bucket / buckets", shown="bucket",
                )  # fmt: skip
            else:
                least = float(settings.min_bucket)
                found = at_least_score(context, label, least, scope, reason=REASON, column="bucket")
            ensemble = context.inputs["scores"].summary
            chosen = cast("list[str]", ensemble["selected_for"])
            learned: list[Json] = [learned_from(chosen)] if chosen else []
            notes = [*learned, *cast("list[Json]", found.get("notes", []))]
            return {**found, "ensemble": ensemble, "selected_for": list[Json](chosen), "notes": notes}

        return Node(
            kind="verdict",
            version=self.version,
            params={
                "filter": self.name,
                "keep": settings.keep,
                "share": SHARE,
                "min_bucket": settings.min_bucket,
                **scope.as_params(),
            },
            inputs={"pool": inputs.pool, "scores": buckets, **inputs.who_is_alive()},
            run=run,
            label=f"filter {self.name}",
        )


QUANTILE_ENSEMBLE = EnsembleFilter()


def buckets_node(sources: Sequence[ScoreSource], num_buckets: int, inputs: StageInputs, scope: Scope) -> Node:
    """Return the sidecar with each row's `bucket` (best), `score` (for ordering) and `bucket_0`... by source."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        edges = [_edges(context, number, source, num_buckets, scope) for number, source in enumerate(sources)]
        counts = map_parts(
            context,
            "ensemble buckets",
            context.inputs["pool"].num_parts,
            lambda part: _write_part(context, part, sources, edges, num_buckets, scope),
        )
        listed: list[Json] = [
            {
                "score": source.name,
                "unit": f"{source.unit} x 1000000",
                "edges": [value if value < NO_EDGE else None for value in edge.tolist()],
                **source.about,
            }
            for source, edge in zip(sources, edges, strict=True)
        ]
        return {
            "num_buckets": num_buckets,
            "docs_by_bucket": np.sum(counts, axis=0).tolist(),
            "scores": listed,
            "selected_for": _selected_for(sources, context),
        }

    scores = [source.node(inputs, scope) for source in sources]
    return Node(
        kind="scores",
        version=VERSION,
        params={
            "buckets": num_buckets,
            "scores": [source.name for source in sources],
            "selected_for": [list(source.selected_for) for source in sources],
            **scope.as_params(),
        },
        inputs={
            "pool": inputs.pool,
            **{f"source-{number}": node for number, node in enumerate(scores)},
            **{f"{FITTED}{number}": node.inputs[kind] for number, node in enumerate(scores) for kind in _fitted(node)},
            **inputs.who_is_alive(),
        },
        run=run,
        label="ensemble buckets",
    )


def _fitted(scores: Node) -> list[str]:
    """Return under which name a sidecar of scores has the model that was fitted on the pool, if there is one."""
    return [name for name in ("classifier", "model") if name in scores.inputs]


def _selected_for(sources: Sequence[ScoreSource], context: NodeRun) -> list[Json]:
    """Return the slices that any of the models drew positives from (rule 2)."""
    fitted = [node.summary["selected_for"] for name, node in context.inputs.items() if name.startswith(FITTED)]
    marked = {str(name) for names in fitted for name in cast("Sequence[Json]", names)}
    return list[Json](sorted(marked.union(*(source.selected_for for source in sources))))


def bucket_edges(values: Units, counts: Units, num_buckets: int) -> Units:
    """Return the least score of buckets 1 to `num_buckets` - 1, from the distinct scores and how often each occurs.

    A bucket that no score starts gets an edge above all scores.
    """
    below = np.cumsum(counts) - counts
    total = int(counts.sum())
    bucket = below * num_buckets // max(1, total)
    first = np.searchsorted(bucket, np.arange(1, num_buckets), side="left")
    return np.append(values, NO_EDGE)[first].astype(np.int64)


def _edges(context: NodeRun, number: int, source: ScoreSource, num_buckets: int, scope: Scope) -> Units:
    """Return the edges of one score over the living judged documents of all parts."""
    pool = context.inputs["pool"]

    def histogram(part: int) -> tuple[Units, Units]:
        eligible = living(context, part) & slice_codes(pool, part).rows_where(scope)
        units = _units(context, number, source, part)
        values, counts = np.unique_counts(units[eligible & (units != NO_SCORE)])
        return values, counts

    found = map_parts(context, f"histogram of {source.name}", pool.num_parts, histogram)
    none = [np.zeros(0, np.int64)]
    values, places = np.unique(np.concatenate([part[0] for part in found] or none), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, places, np.concatenate([part[1] for part in found] or none))
    return bucket_edges(values, counts, num_buckets)


def _units(context: NodeRun, number: int, source: ScoreSource, part: int) -> Units:
    """Return one score of a part in millionths, turned so that more is better."""
    units = score_units(read_column(context.inputs[f"source-{number}"], part, source.column))
    return np.where((units != NO_SCORE) & source.descending, -units, units)


def _write_part(
    context: NodeRun, part: int, sources: Sequence[ScoreSource], edges: Sequence[Units], num_buckets: int, scope: Scope
) -> Units:
    """Write the buckets of one part; return how many living judged documents have each best bucket."""
    judged = slice_codes(context.inputs["pool"], part).rows_where(scope)
    table = np.full((len(judged), len(sources)), np.nan)
    for number, (source, edge) in enumerate(zip(sources, edges, strict=True)):
        units = _units(context, number, source, part)
        rows = judged & (units != NO_SCORE)
        table[rows, number] = np.searchsorted(edge, units[rows], side="right")
    scored = ~np.isnan(table).all(axis=1)
    best = np.full(len(judged), np.nan)
    mean = np.zeros(len(judged))
    best[scored] = np.nanmax(table[scored], axis=1, initial=0)
    mean[scored] = np.nanmean(table[scored], axis=1)
    columns = {"bucket": best, "score": best + mean / num_buckets}
    columns |= {f"bucket_{number}": np.ascontiguousarray(table[:, number]) for number in range(len(sources))}
    path = context.out.part_path(part)
    with replacing(path) as temporary:
        write_table(temporary, pa.table(columns))
    alive = living(context, part) & scored
    return np.bincount(best[alive].astype(np.int64), minlength=num_buckets).astype(np.int64)
