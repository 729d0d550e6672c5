"""From log-likelihoods to results: the rows of a task, its means, and the numbers over tasks.

Definitions of metrics, means and aggregates are `curation.suites`'; here they are put into the contract's form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curation.suites.aggregates import family_aggregates, suite_aggregates
from curation.suites.item_metrics import ChoiceScores, item_metrics
from curation.suites.prompted import Prompted
from curation.suites.task_scores import ItemValues, TaskScore, clustered_mean, task_score
from curation.suites.tasks import Task, TaskSuite
from train.evals.engine import ItemScores
from train.evals.results import Aggregate, FamilyResult, Metric, TaskResult
from train.evals.score_tables import ITEMS_SCHEMA, METRIC_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSums:
    """A task's means in both forms: the library's and the contract's."""

    score: TaskScore
    result: TaskResult


def item_rows(items: Sequence[Prompted], scores: Sequence[ItemScores]) -> pa.Table:
    """Return the rows of `items.parquet` of one task."""
    return pa.Table.from_pylist([_row(*pair) for pair in zip(items, scores, strict=True)], ITEMS_SCHEMA)


def _row(item: Prompted, scores: ItemScores) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": item.task,
        "item": item.item,
        "own_id": item.own_id or None,
        "group": item.group or str(item.item),
        "gold": item.gold,
        "partition": item.partition or None,
        "excluded": scores.excluded,
    }
    if scores.excluded is not None:
        return row
    found = item_metrics(
        ChoiceScores(
            gold=item.gold,
            log_likelihoods=scores.log_likelihoods,
            greedy=scores.greedy,
            num_tokens=scores.num_tokens,
            num_chars=item.num_chars,
            num_bytes=item.num_bytes,
            uncond=scores.uncond,
        )
    )
    return {
        **row,
        "log_likelihoods": list(scores.log_likelihoods),
        "greedy": list(scores.greedy),
        "num_tokens": list(scores.num_tokens),
        "num_bytes": list(item.num_bytes),
        "num_chars": list(item.num_chars),
        "uncond": None if scores.uncond is None else list(scores.uncond),
        **found,
    }


def metric_means(rows: Iterable[Mapping[str, Any]]) -> dict[str, Metric]:
    """Return the mean of each metric over the rows that have it; a metric that no row has is left out."""
    found = {}
    held = list(rows)
    for name in METRIC_COLUMNS:
        values = [(row[name], row["group"]) for row in held if row[name] is not None]
        if values:
            mean = clustered_mean([value for value, _ in values], [group for _, group in values])
            found[name] = Metric(value=mean.value, se=mean.se, n=mean.n)
    return found


def task_sums(task: Task, rows: pa.Table, facts: TaskFacts) -> TaskSums:
    """Return the means over the scored rows of a task."""
    kept = rows.select(["group", "partition", *METRIC_COLUMNS, "excluded"]).to_pylist()
    reasons = [row["excluded"] for row in kept if row["excluded"] is not None]
    values = [
        ItemValues(
            metrics={name: row[name] for name in METRIC_COLUMNS},
            group=row["group"],
            partition=row["partition"] or "",
        )
        for row in kept
        if row["excluded"] is None
    ]
    score = task_score(task, values)
    result = TaskResult(
        family=task.family,
        kind=task.kind,
        shots=facts.shots,
        n=len(values),
        excluded={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        truncated=facts.truncated,
        digest=facts.digest,
        primary=task.primary,
        accuracy=task.accuracy,
        above_chance=score.above_chance,
        baseline_v1=task.baseline("v1"),
        baseline_v2=task.baseline("v2"),
        metrics={name: Metric(value=one.value, se=one.se, n=one.n) for name, one in score.metrics.items()},
    )
    return TaskSums(score=score, result=result)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What of a task's result is not in its rows."""

    digest: str
    shots: int
    truncated: int


def over_tasks(suite: TaskSuite, sums: Mapping[str, TaskSums]) -> tuple[dict[str, FamilyResult], dict[str, Aggregate]]:
    """Return the means of families and the suite's aggregates; without a value, and why, where a task is missing."""
    scores = {name: one.score for name, one in sums.items() if one.result.n}
    families = {
        name: FamilyResult(metric=one.metric, value=one.value, se=one.se, tasks=one.tasks, reason=one.reason)
        for name, one in family_aggregates(suite, scores).items()
    }
    aggregates = {
        name: Aggregate(metric=one.metric, value=one.value, se=one.se, reason=one.reason)
        for name, one in suite_aggregates(suite, scores).items()
    }
    return families, aggregates
