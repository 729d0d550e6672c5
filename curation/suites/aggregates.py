"""Numbers over tasks: task-macro means by family and suite, from what each task came to.

Centred accuracy: (accuracy - b) / (1 - b), b the share that chance scores by a version of the baselines; 0 is chance, 1
is perfect, below 0 is worse than chance and stays so. Every task counts the same; one that is missing makes the number
not available, never a mean of the rest. SE of a mean of T independent tasks: sqrt(sum SE^2) / T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.suites.task_scores import Score, TaskScore
from curation.suites.tasks import AggregateSpec, Task, TaskSuite


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """A mean over tasks, or the reason why there is none."""

    metric: str
    value: float | None
    se: float | None = None
    tasks: tuple[str, ...] = ()
    reason: str | None = None


def centred(accuracy: float, chance: float) -> float:
    """Return an accuracy on the scale where chance is 0 and all right is 1; both are shares."""
    return (accuracy - chance) / (1.0 - chance)


def suite_aggregates(suite: TaskSuite, scores: Mapping[str, TaskScore]) -> dict[str, Aggregated]:
    """Return the aggregates that a suite defines, by name, from the tasks that have scores."""
    return {name: _aggregated(spec, suite.members(name), scores) for name, spec in suite.aggregates.items()}


def family_aggregates(suite: TaskSuite, scores: Mapping[str, TaskScore]) -> dict[str, Aggregated]:
    """Return the mean of each family that the suite has tasks of, in the order of the tasks."""
    found = {}
    for family in dict.fromkeys(task.family for task in suite.tasks):
        members = tuple(task for task in suite.tasks if task.family == family)
        found[family] = _aggregated(suite.family_spec(family), members, scores)
    return found


def _aggregated(spec: AggregateSpec, members: Sequence[Task], scores: Mapping[str, TaskScore]) -> Aggregated:
    metric = f"centred_{spec.baselines}" if spec.of == "centred" else spec.of
    names = tuple(task.name for task in members)
    found = {task.name: _value(spec, task, scores.get(task.name)) for task in members}
    missing = [name for name, score in found.items() if score is None]
    if missing or not found:
        reason = f"no score of {', '.join(missing)}" if missing else "no task"
        return Aggregated(metric=metric, value=None, tasks=names, reason=reason)
    values = [score for score in found.values() if score is not None]
    mean = geometric_mean(values) if spec.mean == "geometric" else macro_mean(values)
    if mean.value is None:
        return Aggregated(metric=metric, value=None, tasks=names, reason="no geometric mean: a task scores 0 or less")
    return Aggregated(metric=metric, value=mean.value, se=mean.se, tasks=names)


def _value(spec: AggregateSpec, task: Task, score: TaskScore | None) -> Score | None:
    """Return what of a task enters; None when the task has no score or no baseline of the version."""
    if score is None:
        return None
    if spec.of != "centred":
        found = {"primary": score.primary, "accuracy": score.accuracy}.get(spec.of, score.metrics.get(spec.of))
        return found if found is not None and found.value is not None else None
    chance, accuracy = task.baseline(spec.baselines), score.accuracy
    if chance is None or accuracy.value is None:
        return None
    error = None if accuracy.se is None else accuracy.se / (1.0 - chance)
    return Score(value=centred(accuracy.value, chance), se=error, n=accuracy.n)


def macro_mean(scores: Sequence[Score]) -> Score:
    """Return the plain mean of tasks' scores; all of them have a value."""
    values = [score.value for score in scores if score.value is not None]
    errors = [score.se for score in scores if score.se is not None]
    known = len(errors) == len(scores)
    error = math.sqrt(math.fsum(one * one for one in errors)) / len(scores) if known else None
    return Score(value=math.fsum(values) / len(values), se=error, n=sum(score.n for score in scores))


def geometric_mean(scores: Sequence[Score]) -> Score:
    """Return the geometric mean, so that the ratio of two models' means is the mean ratio of their tasks.

    None when a score is 0 or less. SE to first order: mean · sqrt(sum (SE / value)^2) / T.
    """
    values = [score.value for score in scores if score.value is not None]
    if min(values) <= 0:
        return Score(value=None, se=None, n=sum(score.n for score in scores))
    mean = math.exp(math.fsum(map(math.log, values)) / len(values))
    ratios = [score.se / score.value for score in scores if score.se is not None and score.value]
    known = len(ratios) == len(scores)
    error = mean * math.sqrt(math.fsum(one * one for one in ratios)) / len(scores) if known else None
    return Score(value=mean, se=error, n=sum(score.n for score in scores))
