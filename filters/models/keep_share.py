"""Keep a share of documents by score: a global decision with literal values.

Three steps: each part counts its scores in small units; the counts merge into one threshold; every row is compared
with it. The share is taken over living training documents (see `curation.stages.living`) that are judged, have a score
and pass the rules, if the filter has any. Ties are ordered by (quantised score descending, id ascending), so the kept
share is exact to one document. Scores may have any sign; NaN means "not judged".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.batches import read_table
from curation.files import Json
from curation.nodes import NodeRun
from curation.sidecars import VerdictPart, map_parts, read_column, read_verdict, write_verdict
from curation.stages import living
from filters.base import PartCount, count_part, verdict_summary
from filters.judged import Scope, slice_codes

SHARE = "kept-share@2"
"""Version of the decision and of what its summary says, for the fingerprints of verdicts."""
UNITS = 1_000_000
"""Scores are compared in millionths, far above the noise of float32 sums."""
NO_SCORE = np.iinfo(np.int64).min
BINS = 1024
MAX_DISTINCT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The decision: keep scores above `score_units`, and at it ids up to `last_id`.

    `num_scores` different scores were seen (at most 10,000 are counted): few mean a score that tells nothing apart.
    """

    score_units: int
    last_id: str
    num_eligible: int
    num_kept: int
    num_scores: int


def keep_share(
    context: NodeRun, *, label: str, keep: float, scope: Scope, reason: str, unit: str, shown: str = "score"
) -> dict[str, Json]:
    """Write the verdicts that keep the best-scored share `keep`; return their summary.

    Inputs: `pool`, `scores` (column `score`, higher is better), those of `StageInputs.who_is_alive`, and `rules` (a
    verdict) or none. `shown` is the column of `scores` that stands in the verdict as the value that failed.
    """
    pool, rules = context.inputs["pool"], context.inputs.get("rules")
    limit = decide_threshold(keep, context, scope)
    reasons = [*(cast("list[str]", rules.summary["reasons"]) if rules else []), reason]

    def judge(part: int) -> PartCount:
        slices = slice_codes(pool, part)
        scores = read_column(context.inputs["scores"], part, "score")
        units = score_units(scores)
        judged = slices.rows_where(scope)
        verdict = read_verdict(rules, part) if rules else VerdictPart.keep_all(len(judged))
        low = judged & (units != NO_SCORE) & ~_above(limit, units, context, part)
        values = scores if shown == "score" else read_column(context.inputs["scores"], part, shown)
        verdict = with_reason(verdict, low, len(reasons) - 1, values)
        write_verdict(context.out, part, verdict)
        return count_part(verdict, judged, slices, len(reasons))

    summary = verdict_summary(reasons, map_parts(context, label, pool.num_parts, judge), scope)
    decided: Mapping[str, Json] = {
        "keep": keep,
        "eligible_docs": limit.num_eligible if limit else 0,
        "eligible_kept": limit.num_kept if limit else 0,
        "distinct_scores": limit.num_scores if limit else 0,
        "score_units": limit.score_units if limit else None,
        "last_id": limit.last_id if limit else None,
        "unit": f"{unit} x {UNITS}",
    }
    return {**summary, "threshold": dict(decided), "notes": [_note(keep, limit, unit, with_rules=rules is not None)]}


def _note(keep: float, limit: Threshold | None, unit: str, *, with_rules: bool) -> str:
    """Return the threshold for people, for the funnel."""
    if limit is None:
        return f"keep {keep:g} of 0 judged: no threshold"
    judged = "judged that pass the rules" if with_rules else "judged"
    return f"keep {keep:g} of {limit.num_eligible:,} {judged}: {unit} >= {limit.score_units / UNITS:.6f}"


def score_units(scores: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return scores in whole millionths, `NO_SCORE` for rows without a score."""
    values = scores.astype(np.float64)
    finite = np.isfinite(values)
    units: npt.NDArray[np.int64] = np.rint(np.where(finite, values, 0.0) * UNITS).astype(np.int64)
    units[~finite] = NO_SCORE
    return units


def decide_threshold(keep: float, context: NodeRun, scope: Scope) -> Threshold | None:
    """Return the threshold that keeps the share `keep` of eligible documents, at least one; None if there is none.

    The score is found by halving its range `BINS` ways at a time, so memory does not grow with the documents.
    """
    pool = context.inputs["pool"]

    def extent(part: int) -> _Extent:
        units = _eligible_units(context, part, scope)[1]
        known = np.unique(units)
        return _Extent(number=len(units), low=known[:1], high=known[-1:], some=known[:MAX_DISTINCT])

    extents = map_parts(context, "score range", pool.num_parts, extent)
    num_eligible = sum(item.number for item in extents)
    if not num_eligible:
        return None
    low = int(min(np.concatenate([item.low for item in extents])))
    high = int(max(np.concatenate([item.high for item in extents])))
    num_kept = max(1, int(keep * num_eligible + 0.5))
    above = 0
    while True:
        width = (high - low) // BINS + 1
        count = _histogram(context, scope, low, high, width)
        counts = np.sum(map_parts(context, "score histogram", pool.num_parts, count), axis=0)
        reached = above + np.cumsum(counts[::-1])
        place = BINS - 1 - int(np.searchsorted(reached, num_kept))
        above = int(reached[BINS - 1 - place]) - int(counts[place])
        low, high = low + place * width, min(high, low + (place + 1) * width - 1)
        if width == 1:
            break

    def ties(part: int) -> list[str]:
        rows, units = _eligible_units(context, part, scope)
        tied = rows[units == low]
        if not len(tied):
            return []
        ids: list[str] = read_table(pool.part_paths()[part], ["id"])["id"].take(tied).to_pylist()
        return ids

    tied = sorted(id_ for ids in map_parts(context, "score ties", pool.num_parts, ties) for id_ in ids)
    return Threshold(
        score_units=low,
        last_id=tied[num_kept - above - 1],
        num_eligible=num_eligible,
        num_kept=num_kept,
        num_scores=min(MAX_DISTINCT, len(np.unique(np.concatenate([item.some for item in extents])))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """The scores of one part: how many, the lowest and the highest (empty without any), some different ones."""

    number: int
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    some: npt.NDArray[np.int64]


def _histogram(
    context: NodeRun, scope: Scope, low: int, high: int, width: int
) -> Callable[[int], npt.NDArray[np.int64]]:
    """Return what counts the eligible scores of a part from `low` to `high` in bins of `width`."""

    def count(part: int) -> npt.NDArray[np.int64]:
        units = _eligible_units(context, part, scope)[1]
        inside = units[(units >= low) & (units <= high)]
        return np.bincount((inside - low) // width, minlength=BINS).astype(np.int64)

    return count


def _eligible_units(context: NodeRun, part: int, scope: Scope) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows that the share is taken over, and their scores in millionths."""
    eligible = living(context, part) & slice_codes(context.inputs["pool"], part).rows_where(scope)
    if "rules" in context.inputs:
        eligible = eligible & read_verdict(context.inputs["rules"], part).kept
    units = score_units(read_column(context.inputs["scores"], part, "score"))
    rows = np.flatnonzero(eligible & (units != NO_SCORE))
    return rows, units[rows]


def _above(limit: Threshold | None, units: npt.NDArray[np.int64], context: NodeRun, part: int) -> npt.NDArray[np.bool_]:
    """Return which rows the threshold keeps."""
    if limit is None:
        return np.ones(len(units), np.bool_)
    kept: npt.NDArray[np.bool_] = units > limit.score_units
    tied = np.flatnonzero(units == limit.score_units)
    if len(tied):
        ids = read_table(context.inputs["pool"].part_paths()[part], ["id"])["id"].take(tied).to_pylist()
        kept[tied] = [id_ <= limit.last_id for id_ in ids]
    return kept


def with_reason(
    verdict: VerdictPart, dropped: npt.NDArray[np.bool_], code: int, values: npt.NDArray[np.generic]
) -> VerdictPart:
    """Return `verdict` with one more reason; rows that failed before keep their first reason."""
    first = dropped & verdict.kept
    return VerdictPart(
        kept=verdict.kept & ~dropped,
        reason=np.where(first, code, verdict.reason).astype(np.int16),
        value=np.where(first, values.astype(np.float64), verdict.value),
        failed=verdict.failed | np.where(dropped, np.uint64(1 << code), np.uint64(0)),
    )
