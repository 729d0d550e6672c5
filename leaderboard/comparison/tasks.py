"""Tasks of a comparison: items of several models on one suite, gathered so that they can be compared item by item.

Only items that every model scored count; a cluster (`group`: a passage, a subject, a document) is the unit that is
resampled. Measures of a task: its primary metric; bits per byte of the gold answer, by the logarithm of its mean over
items; accuracy, where a side is above chance by two standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import ResultsError
from curation.numerics import Floats
from leaderboard.comparison.paired import Design, Units, influences
from train.evals.results import Scored, TaskResult
from train.evals.score_tables import METRIC_COLUMNS

BITS = "bits_per_byte_corr"
ACCURACIES = ("acc_per_char", "acc_per_token", "acc_per_byte", "acc_raw", "acc_uncond")
"""Accuracy of a task whose primary metric is none: the first of these that it has. Source: OLMES prefers characters."""
CHANCE_ERRORS = 2.0
"""Standard errors above chance at which an accuracy says something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A metric of a task over all runs."""

    task: str
    family: str
    metric: str
    role: str
    """`primary`, `gold-bpb` or `accuracy`; the primary metric may be one of the others as well."""
    units: Units
    chance: float | None
    """Accuracy of guessing; None where the metric is none or chance is unknown."""
    items: Floats
    """Value of every shared item (rows) and run (columns)."""
    lost_items: int
    """Items that not every run scored."""

    @property
    def lower_is_better(self) -> bool:
        """Whether fewer is better."""
        return self.metric.startswith("bits_per_byte")

    @property
    def is_accuracy(self) -> bool:
        """Whether it counts right answers."""
        return self.metric.startswith("acc_")

    @property
    def is_binary(self) -> bool:
        """Whether every item is right or wrong."""
        return bool(np.isin(self.items, (0.0, 1.0)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    item: npt.NDArray[np.int64]
    group: npt.NDArray[np.str_]
    gold: npt.NDArray[np.int64]
    metrics: Mapping[str, Floats]
    """NaN where an item has no value."""


def measures(scored: Sequence[Scored], where: str) -> list[Measure]:
    """Return the measures of every task that all of `scored` have, in the suite's order; columns as given.

    Raises: ResultsError if nothing is shared, a value is not finite, or items differ under one suite.
    """
    tables = [_by_task(one, where) for one in scored]
    first = scored[0].results
    shared = [name for name in first.tasks if all(name in table for table in tables)]
    if not shared:
        raise ResultsError(
            f"{where}: no task of suite {first.suite.name} has scores on both sides; expected at least one; "
            "score the models again with `curate eval`"
        )
    found = []
    for name in shared:
        found += _of_task(name, first.tasks[name], [table[name] for table in tables], where)
    return found


def above_chance(measure: Measure, design: Design) -> list[str]:
    """Return the arms whose mean accuracy is above chance by two standard errors, of clusters and seeds."""
    if measure.chance is None:
        return []
    influence = influences(measure.units)
    count = len(influence)
    able = []
    for arm in dict.fromkeys(design.arms):
        columns = [number for number, name in enumerate(design.arms) if name == arm]
        values = measure.units.scores[columns]
        spread = float(np.sum(influence[:, columns].mean(axis=1) ** 2)) * count / max(1, count - 1)
        if len(columns) > 1:
            spread += float(np.var(values, ddof=1)) / len(columns)
        if float(values.mean()) - measure.chance > CHANCE_ERRORS * math.sqrt(spread):
            able.append(arm)
    return able


def primary_metric(task: TaskResult, has: Sequence[str]) -> str:
    """Return the metric that stands for a task: the named one, else bits per byte, else its first."""
    if task.primary in has:
        return task.primary
    return BITS if BITS in has else next(iter(has))


def accuracy_metric(task: TaskResult, has: Sequence[str]) -> str | None:
    """Return the accuracy that is shown beside the primary metric."""
    wanted = (task.primary, *ACCURACIES)
    return next((name for name in wanted if name.startswith("acc_") and name in has), None)


def _of_task(name: str, task: TaskResult, rows: Sequence[_Rows], where: str) -> list[Measure]:
    kept, lost = _shared_items(name, rows, where)
    if not len(kept[0].item):
        raise ResultsError(
            f"{where}: task `{name}`: no shared items: every item is left out by one side or the other; expected the "
            "same items scored; score both with one context and tokenizer"
        )
    has = [metric for metric in METRIC_COLUMNS if all(not np.isnan(one.metrics[metric]).all() for one in kept)]
    roles: dict[str, str] = {}
    if has:
        roles[primary_metric(task, has)] = "primary"
    if BITS in has:
        roles.setdefault(BITS, "gold-bpb")
    accuracy = accuracy_metric(task, has)
    if accuracy:
        roles.setdefault(accuracy, "accuracy")
    return [_measure(name, task, metric, role, kept, lost) for metric, role in roles.items()]


def _measure(name: str, task: TaskResult, metric: str, role: str, rows: Sequence[_Rows], lost: int) -> Measure:
    values = np.stack([one.metrics[metric] for one in rows], axis=1)
    present = ~np.isnan(values).any(axis=1)
    values = values[present]
    groups, codes = np.unique(rows[0].group[present], return_inverse=True)
    sums = np.zeros((len(groups), values.shape[1]))
    np.add.at(sums, codes, values)
    chance = task.baseline_v1 if metric.startswith("acc_") else None
    return Measure(
        task=name,
        family=task.family,
        metric=metric,
        role=role,
        units=Units(
            names=tuple(groups.tolist()),
            sums=sums,
            sizes=np.bincount(codes, minlength=len(groups)).astype(np.float64),
            log=metric.startswith("bits_per_byte") and bool((sums.sum(axis=0) > 0).all()),
        ),
        chance=chance,
        items=values,
        lost_items=lost + int((~present).sum()),
    )


def _shared_items(name: str, rows: Sequence[_Rows], where: str) -> tuple[list[_Rows], int]:
    """Return the rows of the items that all have, in one order, and how many items some lack."""
    common = rows[0].item
    for one in rows[1:]:
        common = np.intersect1d(common, one.item, assume_unique=True)
    union = {int(item) for one in rows for item in one.item}
    kept = []
    for one in rows:
        places = np.flatnonzero(np.isin(one.item, common))
        kept.append(
            _Rows(
                item=one.item[places],
                group=one.group[places],
                gold=one.gold[places],
                metrics={metric: values[places] for metric, values in one.metrics.items()},
            )
        )
    for one in kept[1:]:
        for what, ours, theirs in (("group", kept[0].group, one.group), ("gold answer", kept[0].gold, one.gold)):
            wrong = np.flatnonzero(ours != theirs)
            if len(wrong):
                raise ResultsError(
                    f"{where}: task `{name}` item {one.item[wrong[0]]}: {what} is {ours[wrong[0]]} on one side, "
                    f"{theirs[wrong[0]]} on the other; expected one suite; score both again"
                )
    return kept, len(union) - len(common)


def _by_task(one: Scored, where: str) -> dict[str, _Rows]:
    """Return the scored items of every task, sorted by their place."""
    if one.items is None:
        raise ResultsError(f"{one.where}: no items; expected items.parquet beside results.json; score again")
    table = one.items.filter(pa.compute.is_null(one.items["excluded"])).sort_by(
        [("task", "ascending"), ("item", "ascending")]
    )
    tasks = np.asarray(table["task"].to_pylist(), np.str_)
    item = table["item"].to_numpy().astype(np.int64)
    group = np.asarray([str(value) for value in table["group"].to_pylist()], np.str_)
    gold = table["gold"].to_numpy().astype(np.int64)
    metrics = {name: _finite(table, name, tasks, item, f"{where}: {one.where}") for name in METRIC_COLUMNS}
    found = {}
    for name in one.results.tasks:
        low, high = np.searchsorted(tasks, name), np.searchsorted(tasks, name, side="right")
        if high > low:
            part = slice(int(low), int(high))
            values = {metric: column[part] for metric, column in metrics.items()}
            found[name] = _Rows(item=item[part], group=group[part], gold=gold[part], metrics=values)
    return found


def _finite(table: pa.Table, name: str, tasks: npt.NDArray[np.str_], item: npt.NDArray[np.int64], where: str) -> Floats:
    """Return a column with NaN for null. Raises: ResultsError for a value that is there and not finite."""
    column = table[name].combine_chunks()
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values) & np.asarray(column.is_valid()))
    if len(wrong):
        first = int(wrong[0])
        raise ResultsError(
            f"{where}: task `{tasks[first]}` item {item[first]}: {name} is {values[first]}, expected a finite number; "
            "the model's scores are broken: score it again"
        )
    return values
