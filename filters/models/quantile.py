"""Filters that keep a share of documents by classifier score: a global decision with literal values.

Three steps: each part counts its scores in millionths; the counts merge into one threshold; every row is compared
with it. The share is taken over living training documents (see `curation.sidecars.alive`) that are judged and pass
the rules. Ties are ordered by (quantised score descending, id ascending), so the kept share is exact to one document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field, create_model

from curation.batches import read_table
from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.sidecars import VerdictPart, alive, map_parts, read_column, read_verdict, write_verdict
from curation.stages import StageInputs
from filters.base import FilterSettings, PartCount, count_part, verdict_summary
from filters.judged import Scope, slice_codes
from filters.models.classifier import VERSION as CLASSIFIER_VERSION
from filters.models.classifier import classifier_node, scores_node
from filters.models.training_set import ClassifierSettings
from filters.rule_filter import RuleFilter, rule_settings

REASON = "low-quality-score"
UNITS = 1_000_000
"""Scores are compared in millionths, far above the noise of float32 sums."""


class QuantileSettings(ClassifierSettings):
    """A classifier and the share that its best-scored documents make up."""

    keep: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the eligible documents that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The decision: keep scores above `score_units`, and at it ids up to `last_id`.

    `num_scores` different scores were seen: few of them mean a classifier that learned nothing.
    """

    score_units: int
    last_id: str
    num_eligible: int
    num_kept: int
    num_scores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierFilter:
    """Keeps the best-scored share of what passes its rules (all judged documents if it has none)."""

    name: str
    summary: str
    rules: RuleFilter | None

    @property
    def version(self) -> str:
        """Versions of the classifier, of the quantile and of the rules."""
        return f"{CLASSIFIER_VERSION}+quantile@1" + (f"+{self.rules.version}" if self.rules else "")

    @property
    def settings(self) -> type[FilterSettings]:
        """Classifier, `keep`, and every bound of its rules."""
        return _settings(self.rules.rule_set_names) if self.rules else QuantileSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; it depends on the rules' verdict, the scores and who is alive."""
        scope = settings.scope(inputs)
        classifier = classifier_node(settings, inputs.pool, inputs.panel, scope, where)
        nodes = {
            "pool": inputs.pool,
            "panel": inputs.panel,
            "classifier": classifier,
            "scores": scores_node(inputs.pool, classifier, scope),
            **{f"previous-{i}": node for i, node in enumerate(inputs.previous)},
        }
        if self.rules:
            bounds = {rule.setting: rule.value for rule in self.rules.bounded(settings)}
            chosen = self.rules.settings(applies_to=settings.applies_to, **bounds)
            nodes["rules"] = self.rules.node(chosen, inputs, where)

        def run(context: NodeRun) -> Mapping[str, Json]:
            return _run(self.name, settings.keep, scope, context)

        return Node(
            kind="verdict",
            version=self.version,
            params={"filter": self.name, "keep": settings.keep, **scope.as_params()},
            inputs=nodes,
            run=run,
            label=f"filter {self.name}",
        )


@cache
def _settings(rule_set_names: tuple[str, ...]) -> type[FilterSettings]:
    return create_model("QualitySettings", __base__=(QuantileSettings, rule_settings(rule_set_names)))


def score_units(scores: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return scores in whole millionths, -1 for rows without a score."""
    units: npt.NDArray[np.int64] = np.rint(np.nan_to_num(scores.astype(np.float64), nan=-1 / UNITS) * UNITS).astype(
        np.int64
    )
    return units


def _run(name: str, keep: float, scope: Scope, context: NodeRun) -> dict[str, Json]:
    pool, classifier = context.inputs["pool"], context.inputs["classifier"]
    limit = decide_threshold(keep, context)
    rules = context.inputs.get("rules")
    reasons = [*(cast("list[str]", rules.summary["reasons"]) if rules else []), REASON]

    def judge(part: int) -> PartCount:
        slices = slice_codes(pool, part)
        judged = slices.rows_where(scope)
        scores = read_column(context.inputs["scores"], part, "score")
        verdict = read_verdict(rules, part) if rules else VerdictPart.keep_all(len(judged))
        low = judged & ~_above(limit, score_units(scores), context, part)
        verdict = _with_reason(verdict, low, len(reasons) - 1, scores)
        write_verdict(context.out, part, verdict)
        return count_part(verdict, judged, slices, len(reasons))

    summary = verdict_summary(reasons, map_parts(context, f"filter {name}", pool.num_parts, judge), scope)
    decided: dict[str, Json] = {
        "keep": keep,
        "eligible_docs": limit.num_eligible if limit else 0,
        "eligible_kept": limit.num_kept if limit else 0,
        "distinct_scores": limit.num_scores if limit else 0,
        "score_units": limit.score_units if limit else None,
        "last_id": limit.last_id if limit else None,
        "unit": f"P(hq) x {UNITS}",
    }
    copied = {key: classifier.summary[key] for key in ("selected_for", "positives_from", "negative_slices")}
    bounds = {"bounds": rules.summary["bounds"]} if rules else {}
    return {**summary, **bounds, **copied, "threshold": decided}


def decide_threshold(keep: float, context: NodeRun) -> Threshold | None:
    """Return the threshold that keeps the share `keep` of eligible documents, at least one; None if there is none."""
    pool = context.inputs["pool"]

    def histogram(part: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return np.unique_counts(_eligible_units(context, part)[1])

    parts = map_parts(context, "score histogram", pool.num_parts, histogram)
    counts: dict[int, int] = {}
    for values, numbers in parts:
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    num_eligible = sum(counts.values())
    if not num_eligible:
        return None
    num_kept = max(1, int(keep * num_eligible + 0.5))
    above, limit = 0, 0
    for limit in sorted(counts, reverse=True):
        if above + counts[limit] >= num_kept:
            break
        above += counts[limit]

    def ties(part: int) -> list[str]:
        rows, units = _eligible_units(context, part)
        tied = rows[units == limit]
        if not len(tied):
            return []
        ids: list[str] = read_table(pool.part_paths()[part], ["id"])["id"].take(tied).to_pylist()
        return ids

    tied = sorted(id_ for ids in map_parts(context, "score ties", pool.num_parts, ties) for id_ in ids)
    return Threshold(
        score_units=limit,
        last_id=tied[num_kept - above - 1],
        num_eligible=num_eligible,
        num_kept=num_kept,
        num_scores=len(counts),
    )


def _eligible_units(context: NodeRun, part: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows that the share is taken over, and their scores in millionths."""
    inputs = context.inputs
    previous = [inputs[f"previous-{i}"] for i in range(sum(key.startswith("previous-") for key in inputs))]
    eligible = alive(inputs["panel"], previous, part)
    if "rules" in inputs:
        eligible = eligible & read_verdict(inputs["rules"], part).kept
    units = score_units(read_column(inputs["scores"], part, "score"))
    rows = np.flatnonzero(eligible & (units >= 0))
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


def _with_reason(
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
