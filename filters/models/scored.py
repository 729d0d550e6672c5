"""Filters by one score: a bound by value (`min`) or a kept share of the living judged documents (`keep`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from curation.batches import read_table, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.sidecars import VerdictPart, map_parts, part_shards, read_column, write_verdict
from curation.stages import StageInputs
from filters.base import FilterSettings, PartCount, count_part, verdict_summary
from filters.judged import Scope, encode_slices, slice_codes
from filters.models.keep_share import SHARE, keep_share, with_reason
from filters.models.reference_texts import learned_from

REASON = "low-score"


class Scorer(Protocol):
    """A loaded model; safe to use from several threads."""

    def score(self, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the score of each chosen row, higher is better, always finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSource:
    """Where a score comes from: the node of a row-aligned sidecar and its column."""

    name: str
    """What people call it; also its place in fingerprints, so it holds no path."""
    unit: str
    node: Callable[[StageInputs, Scope], Node]
    column: str = "score"
    descending: bool = False
    """Whether lower values are better."""
    over_pool: Callable[[Node, Scope], Node] | None = None
    """The same sidecar for a pool alone, where nothing else is needed: scores of a model file."""
    about: Mapping[str, Json] = field(default_factory=dict)
    """What a summary says of the model."""
    selected_for: tuple[str, ...] = ()
    """Slices that a model file's positives came from, by its card (rule 2); a fitted model's node says its own."""


class ScoredSettings(FilterSettings):
    """Either bound; exactly one."""

    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the living judged documents that is kept, the best-scored."""
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Least score that is kept, inclusive. A quantile of somebody else's pool (0.018112) is no bound for yours."""

    @model_validator(mode="after")
    def _one_of_two(self) -> ScoredSettings:
        if (self.keep is None) == (self.min is None):
            both = "not both" if self.keep is not None else "one of the two"
            raise ValueError(f"give either `keep: <share of documents>` or `min: <least score>`, {both}")
        return self


def model_scores_node(
    pool: Node, scope: Scope, *, version: str, params: Mapping[str, Json], load: Callable[[], Scorer], label: str
) -> Node:
    """Return the node of the sidecar `score`: float32 of judged rows, NaN elsewhere. `params` identify the model."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        texts = context.inputs["pool"]
        scorer = load()

        def score(part: int) -> int:
            path = context.out.part_path(part)
            if not context.out.has(path.name):
                table = read_table(texts.part_paths()[part], ["slice", "text"])
                rows = np.flatnonzero(encode_slices(table["slice"]).rows_where(scope))
                scores = np.full(table.num_rows, np.nan, np.float32)
                scores[rows] = scorer.score(table["text"], rows)
                with replacing(path) as temporary:
                    write_table(temporary, pa.table({"score": scores}))
            return int(np.isfinite(read_table(path)["score"].to_numpy()).sum())

        return {
            "num_scored": sum(map_parts(context, label, texts.num_parts, score, shards=part_shards(context, texts)))
        }

    return Node(
        kind="scores",
        version=version,
        params={**params, **scope.as_params()},
        inputs={"pool": pool},
        run=run,
        label=label,
    )


def scored_verdict(name: str, version: str, settings: ScoredSettings, source: ScoreSource, inputs: StageInputs) -> Node:
    """Return the verdict node by one score; with `keep` it depends on who is alive, with `min` it does not."""
    scope = settings.scope(inputs)
    keep, least = settings.keep, settings.min
    nodes = {"pool": inputs.pool, "scores": source.node(inputs, scope)}

    def run(context: NodeRun) -> Mapping[str, Json]:
        label = f"filter {name}"
        if keep is not None:
            summary = keep_share(context, label=label, keep=keep, scope=scope, reason=REASON, unit=source.unit)
        else:
            assert least is not None
            summary = at_least_score(context, label, least, scope)
        marked: dict[str, Json] = {"selected_for": list(source.selected_for)} if source.selected_for else {}
        learned: list[Json] = [learned_from(source.selected_for)] if source.selected_for else []
        notes = [*learned, *cast("list[Json]", summary.get("notes", []))]
        return {**summary, **marked, "scored_by": {"source": source.name, **source.about}, "notes": notes}

    return Node(
        kind="verdict",
        version=version,
        params={
            "filter": source.name,
            "keep": keep,
            "share": SHARE,
            "min": least,
            **({"selected_for": list(source.selected_for)} if source.selected_for else {}),
            **scope.as_params(),
        },
        inputs=nodes if keep is None else {**nodes, **inputs.who_is_alive()},
        run=run,
        label=f"filter {name}",
    )


def at_least_score(
    context: NodeRun, label: str, least: float, scope: Scope, *, reason: str = REASON, column: str = "score"
) -> dict[str, Json]:
    """Write the verdicts of an inclusive lower bound on the `scores` input; return their summary."""
    pool = context.inputs["pool"]

    def judge(part: int) -> PartCount:
        slices = slice_codes(pool, part)
        judged = slices.rows_where(scope)
        values = read_column(context.inputs["scores"], part, column).astype(np.float64)
        low = judged & (values < least)
        verdict = with_reason(VerdictPart.keep_all(len(judged)), low, 0, values)
        write_verdict(context.out, part, verdict)
        return count_part(verdict, judged, slices, 1)

    counts = map_parts(context, label, pool.num_parts, judge)
    return {**verdict_summary([reason], counts, scope), "min": least}
