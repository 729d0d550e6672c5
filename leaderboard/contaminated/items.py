"""Items of one task over several runs, beside what the lists of clean and suspicious items say about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from curation.decontamination.item_lists import ItemLists
from curation.errors import ResultsError, SuiteChangedError, nearest
from curation.numerics import Floats
from curation.suites.item_metrics import HIGHER_IS_BETTER
from leaderboard.part_means import ClusteredItems
from train.evals.results import Results, Scored
from train.evals.score_tables import METRIC_COLUMNS

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9)
"""Of the detector's scores of found items: the default thresholds of the estimated performance gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """Values of the items (rows) that every run (columns) scored."""

    metric: str
    sign: float
    """−1 where lower is better: `values` are turned, so that more is better."""
    places: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    values: Floats

    @property
    def units(self) -> ClusteredItems:
        """What estimates are made of."""
        return ClusteredItems(values=self.values, clusters=self.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskItems:
    """A task's items, their parts, and the columns of each side."""

    task: str
    suite: str
    scores: ItemScores
    candidates: tuple[int, ...]
    baselines: tuple[int, ...]
    clean: npt.NDArray[np.bool_]
    suspicious: npt.NDArray[np.bool_]
    found_scores: Floats
    """The detector's score of found items, else 0."""


def list_name(results: Results, task: str, lists: ItemLists) -> str | None:
    """Return what the lists call the items of a task: its own name, or its file's; None if they do not list it."""
    from curation.errors import CurateError
    from curation.suites.tasks import load_task_suite

    if task in lists.rows:
        return task
    try:
        suite = load_task_suite(f"{results.suite.name}@{results.suite.version}")
    except CurateError:
        return None  # a suite of someone's own: only its tasks' names are known here
    files = next((one.data for one in suite.tasks if one.name == task), ())
    return next((name for name in files if name in lists.rows), None)


def items_of(
    candidates: Sequence[Scored],
    baselines: Sequence[Scored],
    task: str,
    lists: ItemLists,
    *,
    suite: str,
    detector: str,
    metric: str | None,
) -> TaskItems:
    """Return the items of `task` that all runs scored, with their parts.

    Raises: ResultsError for a metric that the task does not have, SuiteChangedError for items that are not the listed
    ones, ShardError for an unknown detector.
    """
    every = (*candidates, *baselines)
    chosen = metric or every[0].results.tasks[task].primary
    columns = [_column(one, task, chosen) for one in every]
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    if not shared:
        raise ResultsError(f"task `{task}`: no item has `{chosen}` in every run; expected the same items scored")
    _same_items(every[0], task, lists, suite)
    split = lists.split(suite, detector)
    rows = [row for row in lists.rows[suite] if detector in row["found"]]
    found = {int(row["item"]): float(row["found"][detector]["score"]) for row in rows}
    sign = 1.0 if HIGHER_IS_BETTER[chosen] else -1.0
    values = np.array([[column[item][0] for column in columns] for item in shared], np.float64)
    groups = [columns[0][item][1] for item in shared]
    return TaskItems(
        task=task,
        suite=suite,
        scores=ItemScores(
            metric=chosen,
            sign=sign,
            places=np.array(shared, np.int64),
            clusters=np.unique(groups, return_inverse=True)[1].astype(np.int64),
            values=values * sign,
        ),
        candidates=tuple(range(len(candidates))),
        baselines=tuple(range(len(candidates), len(every))),
        clean=np.array([item in split.clean for item in shared]),
        suspicious=np.array([item in split.suspicious for item in shared]),
        found_scores=np.array([found.get(item, 0.0) for item in shared]),
    )


def thresholds_of(here: TaskItems) -> tuple[float, ...]:
    """Return thresholds between the lowest and the highest score of found items, each once."""
    scores = here.found_scores[here.suspicious]
    if not len(scores):
        return ()
    return tuple(sorted({float(np.quantile(scores, level, method="lower")) for level in QUANTILES}))


def _column(one: Scored, task: str, metric: str) -> dict[int, tuple[float, str]]:
    """Return value and cluster of the scored items by place."""
    if metric not in METRIC_COLUMNS:
        raise ResultsError(f"metric `{metric}`: no such metric; {nearest(metric, METRIC_COLUMNS)}")
    if one.items is None:
        raise ResultsError(f"{one.where}: no items, only sums; expected items.parquet, which item lists need")
    rows = one.items.filter(pc.and_(pc.equal(one.items["task"], task), pc.is_valid(one.items[metric])))
    if not rows.num_rows:
        known = [name for name in METRIC_COLUMNS if name in one.results.tasks[task].metrics]
        raise ResultsError(f"{one.where}: task `{task}` has no `{metric}`; it has {', '.join(known)}")
    columns = [rows[name].to_pylist() for name in ("item", metric, "group")]
    return {int(item): (float(value), str(group)) for item, value, group in zip(*columns, strict=True)}


def _same_items(one: Scored, task: str, lists: ItemLists, suite: str) -> None:
    """Refuse items that are not those that were looked for, by their number and their own names."""
    rows = one.items.filter(pc.equal(one.items["task"], task)) if one.items is not None else None
    assert rows is not None
    listed = {int(row["item"]): row.get("own_id") for row in lists.rows[suite]}
    for item, own in zip(rows["item"].to_pylist(), rows["own_id"].to_pylist(), strict=True):
        wrong = "is not listed" if item not in listed else ""
        if not wrong and own and listed[item] and own != listed[item]:
            wrong = f"is {own}, listed is {listed[item]}"
        if wrong:
            raise SuiteChangedError(
                f"{lists.path}: task `{task}` item {item} {wrong}, so the lists are about other items of `{suite}` "
                f"({len(listed):,}); look for the items of this version with `curate decontaminate`"
            )
