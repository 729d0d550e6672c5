"""Rows of results that are sums alone, as imports may be: differences of tasks and slices without an interval.

Without items or documents there is nothing to pair or to draw from, so these rows are shown and never judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from leaderboard.comparison.row import DIFFERENCE, LOG_RATIO, Row
from leaderboard.comparison.sides import Model
from leaderboard.comparison.tasks import BITS, CHANCE_ERRORS, accuracy_metric, primary_metric
from train.evals.results import Scored, TaskResult, refuse_unlike

AGGREGATE = "aggregate"
NOTE = "sums only: nothing to pair, so no interval"
Pairs = Sequence[tuple[Scored, Scored]]
"""Results of A and B, a pair a seed."""


def sums_only(scored: Scored) -> bool:
    """Whether a task or slice of these results has no rows."""
    results = scored.results
    return not (
        all(task.rows for task in results.tasks.values()) and all(part.rows for part in results.slices.values())
    )


def sums_of(ours: Mapping[int, Model], theirs: Mapping[int, Model]) -> list[tuple[str, Pairs]]:
    """Return the results of both sides in which something is a sum alone, by suite, a pair a seed.

    Raises: ResultsError if they answer different questions.
    """
    left, right = (
        {(one.results.suite.name, seed): one for seed, model in models.items() for one in model.results}
        for models in (ours, theirs)
    )
    found: list[tuple[str, Pairs]] = []
    for name in dict.fromkeys(name for name, _ in left):
        pairs = [(left[key], right[key]) for key in left if key[0] == name and key in right]
        every = [one for pair in pairs for one in pair]
        if any(sums_only(one) for one in every):
            refuse_unlike(every)
            if sums_rows(pairs):
                found.append((name, pairs))
    return found


def sums_rows(pairs: Pairs) -> list[Row]:
    """Return a row for every slice, aggregate and measure of a task that some model knows as a sum alone."""
    first = pairs[0][0].results
    every = [one.results for pair in pairs for one in pair]
    rows: list[Row] = []
    for name in first.slices:
        parts = [one.slices.get(name) for one in every]
        known = [part for part in parts if part is not None and part.bits_per_byte is not None]
        if len(known) == len(parts) and not all(part.rows for part in known):
            values = [float(part.bits_per_byte or 0.0) for part in known]
            rows.append(_row(("slice", name, "bits_per_byte"), values, max(part.num_docs for part in known)))
    listed = [name for name in first.tasks if all(name in one.tasks for one in every)]
    bare = [name for name in listed if not all(one.tasks[name].rows for one in every)]
    if bare and len(bare) == len(listed):
        rows += _aggregate_rows(pairs)
    for name in bare:
        rows += _task_rows(name, [one.tasks[name] for one in every])
    return rows


def _aggregate_rows(pairs: Pairs) -> list[Row]:
    every = [one.results for pair in pairs for one in pair]
    rows = []
    for name, told in every[0].aggregates.items():
        values = [held.value for one in every if (held := one.aggregates.get(name)) and held.value is not None]
        if len(values) == len(every):
            count = max(len(one.tasks) for one in every)
            rows.append(_row(("all-tasks", name, told.metric or AGGREGATE), values, count))
    return rows


def _task_rows(name: str, tasks: Sequence[TaskResult]) -> list[Row]:
    first = tasks[0]
    has = [metric for metric in first.metrics if all(_value(task, metric) is not None for task in tasks)]
    if not has:
        return []
    roles = {primary_metric(first, has): "primary"}
    if BITS in has:
        roles.setdefault(BITS, "gold-bpb")
    accuracy = accuracy_metric(first, has)
    if accuracy:
        roles.setdefault(accuracy, "accuracy")
    found = []
    for metric, role in roles.items():
        values = [float(_value(task, metric) or 0.0) for task in tasks]
        chance = first.baseline_v1 if metric.startswith("acc") else None
        above = None if chance is None else _above(tasks, metric, chance)
        facts = {"family": first.family, "role": role, "chance": chance, "above_chance": above}
        found.append(_row(("task", name, metric), values, min(task.n for task in tasks), facts))
    return found


def _above(tasks: Sequence[TaskResult], metric: str, chance: float) -> bool | None:
    """Whether a model is above chance by two standard errors; None when no error is known."""
    held = [task.metrics[metric] for task in tasks]
    known = [(one.value, one.se) for one in held if one.value is not None and one.se is not None]
    if any(value - chance > CHANCE_ERRORS * error for value, error in known):
        return True
    return False if len(known) == len(held) else None


def _value(task: TaskResult, metric: str) -> float | None:
    held = task.metrics.get(metric)
    return held.value if held is not None else None


def _row(
    names: tuple[str, str, str], values: Sequence[float], num_items: int, facts: Mapping[str, object] | None = None
) -> Row:
    """Return the row of `values`, A and B by turns."""
    level, name, metric = names
    told = {"family": "", "role": "", "chance": None, "above_chance": None, **(facts or {})}
    lower = metric.startswith("bits_per_byte") or name.endswith("_bpb")
    log = lower and min(values) > 0
    scale = [math.log(value) for value in values] if log else list(values)
    return Row(
        level=level,
        name=name,
        metric=metric,
        unit=LOG_RATIO if log else DIFFERENCE,
        lower_is_better=lower,
        a=float(np.mean(values[::2])),
        b=float(np.mean(values[1::2])),
        delta=float(np.mean(scale[::2]) - np.mean(scale[1::2])),
        low=None,
        high=None,
        se_seeds=None,
        se_units=None,
        degrees=None,
        covers="nothing",
        num_seeds=len(values) // 2,
        num_units=0,
        num_items=num_items,
        side="unknown",
        judged=False,
        note=NOTE,
        **told,  # type: ignore[arg-type]
    )
