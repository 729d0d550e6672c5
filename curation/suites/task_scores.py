"""A task's score: the mean over its items with a standard error that knows that items of one cluster hang together.

Mean x of n items in G clusters: SE = sqrt(G / (G - 1) · sum over clusters of (sum over its items of (x_i - x))^2) / n,
which for items that stand alone is the usual s / sqrt(n). Source: Miller (2411.00640), section 2.2, with the usual
small-sample factor. A task in parts (`average: partitions`) scores the plain mean of its parts' means, as DCLM does for
`jeopardy`; SE = sqrt(sum of their squared SEs) / parts.
Accuracy is shown only where it beats chance by two standard errors, of which none is taken smaller than that of chance
itself, sqrt(c (1 - c) / n): a handful of equal answers must not look certain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.suites.item_metrics import METRICS
from curation.suites.tasks import Task

STANDARD_ERRORS_ABOVE_CHANCE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemValues:
    """The metrics of one scored item and where it belongs."""

    metrics: Mapping[str, float | None]
    group: str
    partition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A mean; `value` is None when no item has the metric, `se` when fewer than two clusters have it."""

    value: float | None
    se: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """What a task came to."""

    task: Task
    metrics: Mapping[str, Score]
    above_chance: bool
    """Whether the task's accuracy beats chance by two standard errors; if not, it is not shown."""

    @property
    def primary(self) -> Score:
        """The metric that counts."""
        return self.metrics[self.task.primary]

    @property
    def accuracy(self) -> Score:
        """The accuracy under the task's own normalisation."""
        return self.metrics[self.task.accuracy]


def task_score(task: Task, items: Sequence[ItemValues]) -> TaskScore:
    """Return the means of all metrics over the scored items; metrics that no item has are left out, but not the two
    that the task names.
    """
    metrics = {name: mean_score(task, items, name) for name in METRICS}
    kept = {name: score for name, score in metrics.items() if score.n or name in (task.primary, task.accuracy)}
    return TaskScore(task=task, metrics=kept, above_chance=beats_chance(kept[task.accuracy], task.chance))


def mean_score(task: Task, items: Sequence[ItemValues], metric: str) -> Score:
    """Return the mean of one metric over the items that have it."""
    parts: dict[str, tuple[list[float], list[str]]] = {}
    for item in items:
        value = item.metrics.get(metric)
        if value is not None:
            values, groups = parts.setdefault(item.partition if task.average == "partitions" else "", ([], []))
            values.append(value)
            groups.append(item.group)
    means = [clustered_mean(values, groups) for _, (values, groups) in sorted(parts.items())]
    if not means:
        return Score(value=None, se=None, n=0)
    errors = [mean.se for mean in means]
    error = None if None in errors else math.sqrt(math.fsum(e * e for e in errors if e is not None)) / len(means)
    value = math.fsum(mean.value for mean in means if mean.value is not None) / len(means)
    return Score(value=value, se=error, n=sum(mean.n for mean in means))


def clustered_mean(values: Sequence[float], groups: Sequence[str]) -> Score:
    """Return the mean of the values and its standard error over clusters; no error for fewer than two clusters."""
    if not values:
        return Score(value=None, se=None, n=0)
    mean = math.fsum(values) / len(values)
    sums: dict[str, float] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + (value - mean)
    clusters = len(sums)
    if clusters < 2:
        return Score(value=mean, se=None, n=len(values))
    spread = clusters / (clusters - 1) * math.fsum(one * one for one in sums.values())
    return Score(value=mean, se=math.sqrt(spread) / len(values), n=len(values))


def beats_chance(accuracy: Score, chance: float) -> bool:
    """Return whether an accuracy lies above chance by two standard errors."""
    if accuracy.value is None or accuracy.se is None:
        return False
    error = max(accuracy.se, math.sqrt(chance * (1 - chance) / accuracy.n))
    return accuracy.value - chance > STANDARD_ERRORS_ABOVE_CHANCE * error
