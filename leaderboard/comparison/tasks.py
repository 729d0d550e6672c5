"""Tasks of a comparison: items of several models on one suite, gathered so that they can be compared item by item.

Only items that every model scored count; a cluster (`group`: a passage, a subject, a document) is the unit that is
resampled. Measures of a task: its primary metric; bits per byte of the gold answer, by the logarithm of its mean over
items; accuracy, where a side is above chance by two standard errors, none taken smaller than that of chance itself.
A task in parts scores the mean of its parts' means, as in results.json. Chance is that of the newest baselines. What a
metric says at the models' tier is read from the table of eligibility.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import ResultsError
from curation.numerics import Floats
from curation.suites.eligibility import Eligibility, eligibility
from leaderboard.comparison.paired import Design, Units, influences
from leaderboard.comparison.row import CENTRED
from train.evals.results import Scored, TaskResult
from train.evals.score_tables import METRIC_COLUMNS

BITS = "bits_per_byte_corr"
ACCURACIES = ("acc_per_char", "acc_per_token", "acc_per_byte", "acc_raw", "acc_uncond")
"""Accuracy of a task whose primary metric is none: the first of these that it has. Source: OLMES prefers characters."""
MEANS = (BITS, CENTRED)
"""Means over tasks; the first that the tasks have decides where no panel does. Source: ours; likelihoods scatter less
than accuracies and are judged from micro on (docs/evaluation.md)."""
LEVELS = ("hidden", "shown", "judged")
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
    baselines: str
    """Version of the baselines that `chance` is from; empty without."""
    trust: Eligibility
    """What the metric is good for at the tier of the models, the least of them."""
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
    def mean(self) -> str:
        """Which of `MEANS` it enters; empty for none."""
        if self.units.log:
            return BITS
        return CENTRED if self.is_accuracy and self.chance is not None and self.chance < 1 else ""

    @property
    def is_binary(self) -> bool:
        """Whether every item is right or wrong."""
        return bool(np.isin(self.items, (0.0, 1.0)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    item: npt.NDArray[np.int64]
    group: npt.NDArray[np.str_]
    gold: npt.NDArray[np.int64]
    partition: npt.NDArray[np.str_]
    """Part of the task, whose mean is a mean of means; empty in a task without parts."""
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
        own = _of_task(name, first.tasks[name], [table[name] for table in tables], where)
        found += [replace(one, trust=_least_trust(one, scored)) for one in own]
    return found


def headline_metric(measured: Sequence[Measure]) -> str | None:
    """Return the mean over tasks that decides; None when no task enters any."""
    means = {one.mean for one in measured}
    return next((mean for mean in MEANS if mean in means), None)


def _least_trust(one: Measure, scored: Sequence[Scored]) -> Eligibility:
    """Return what the metric is good for in the models that it says least of."""
    told = [
        eligibility(one.task, one.metric, tier=held.results.model.tier, suite=held.results.suite.name)
        for held in scored
    ]
    return min(told, key=lambda level: LEVELS.index(level.level))


def above_chance(measure: Measure, design: Design) -> list[str]:
    """Return the arms whose mean accuracy is above chance by two standard errors, of clusters and seeds."""
    if measure.chance is None:
        return []
    influence = influences(measure.units)
    count, chance = len(influence), measure.chance
    floor = chance * (1 - chance) / max(1, len(measure.items))
    able = []
    for arm, columns in design.columns.items():
        values = measure.units.scores[columns]
        spread = max(float(np.sum(influence[:, columns].mean(axis=1) ** 2)) * count / max(1, count - 1), floor)
        if len(columns) > 1:
            spread += float(np.var(values, ddof=1)) / len(columns)
        if float(values.mean()) - chance > CHANCE_ERRORS * math.sqrt(spread):
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
    weights = _weights(rows[0].partition[present])
    sums = np.zeros((len(groups), values.shape[1]))
    np.add.at(sums, codes, values * weights[:, None])
    chance, baselines = _chance(task) if metric.startswith("acc_") else (None, "")
    return Measure(
        task=name,
        family=task.family,
        metric=metric,
        role=role,
        units=Units(
            names=tuple(groups.tolist()),
            sums=sums,
            sizes=np.bincount(codes, weights, minlength=len(groups)).astype(np.float64),
            log=metric.startswith("bits_per_byte") and bool((sums.sum(axis=0) > 0).all()),
        ),
        chance=chance,
        baselines=baselines,
        trust=Eligibility(level="judged", reason=""),
        items=values,
        lost_items=lost + int((~present).sum()),
    )


def _chance(task: TaskResult) -> tuple[float | None, str]:
    """Return the accuracy of guessing by the newest baselines, and their version."""
    if task.baseline_v2 is not None:
        return task.baseline_v2, "v2"
    return task.baseline_v1, "" if task.baseline_v1 is None else "v1"


def _weights(partition: npt.NDArray[np.str_]) -> Floats:
    """Return the weight of each item: every part of a task counts the same, and an item 1 on average."""
    names, codes, counts = np.unique(partition, return_inverse=True, return_counts=True)
    if not len(names):
        return np.ones(0)
    weights: Floats = len(partition) / len(names) / counts[codes].astype(np.float64)
    return weights


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
                partition=one.partition[places],
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
    parted = table["partition"].to_pylist() if "partition" in table.column_names else [None] * table.num_rows
    partition = np.asarray([value or "" for value in parted], np.str_)
    metrics = {name: _finite(table, name, tasks, item, f"{where}: {one.where}") for name in METRIC_COLUMNS}
    found = {}
    for name in one.results.tasks:
        low, high = np.searchsorted(tasks, name), np.searchsorted(tasks, name, side="right")
        if high > low:
            part = slice(int(low), int(high))
            values = {metric: column[part] for metric, column in metrics.items()}
            found[name] = _Rows(
                item=item[part], group=group[part], gold=gold[part], partition=partition[part], metrics=values
            )
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
