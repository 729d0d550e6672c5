"""L1, items of suites: every run of an entry answered the same items, and an item's metrics follow from its answers.

An item that is left out, or called excluded, in one run alone raises that run's mean; so items must be the same in all
runs that share suite and context, and as many as the benchmark has. Excluded are items that a tokenizer cannot show
within the context, which is the same for all runs of one tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.suites.item_metrics import METRICS, ChoiceScores, item_metrics
from curation.suites.tasks import TaskSuite
from leaderboard.entries.manifest import RunRecord, SuiteScores

TOLERANCE = 1e-6
SAME = ("task", "item", "group", "gold", "partition")
Held = tuple[RunRecord, SuiteScores, pa.Table]


def unlike_items(held: Sequence[Held]) -> Iterator[str]:
    """Yield each run whose items are not those of the first run on the same suite and context."""
    first: dict[tuple[str, str, int], Held] = {}
    excluded: dict[tuple[str, str, int, str], Held] = {}
    for run, suite, items in held:
        key = (suite.name, suite.digest, suite.context)
        other = first.setdefault(key, (run, suite, items))
        if fault := _difference(items, other[2], SAME):
            yield f"{run.label} on {suite.name}: {fault} than {other[0].label}"
            continue
        other = excluded.setdefault((*key, run.tokenizer), (run, suite, items))
        if fault := _difference(items, other[2], (*SAME, "excluded")):
            yield f"{run.label} on {suite.name}: excludes other items than {other[0].label} ({fault})"


def count_faults(definition: TaskSuite, tables: dict[str, pa.Table]) -> Iterator[str]:
    """Yield tasks with fewer or more items than their benchmark has; parts of files (`split`) are not counted."""
    for task in definition.tasks:
        if task.num_items is None or task.split or task.name not in tables:
            continue
        wanted, found = min(task.num_items, task.limit or task.num_items), tables[task.name].num_rows
        if found != wanted:
            yield f"task {task.name}: {found:,} items, expected {wanted:,}"


def metric_faults(rows: pa.Table, *, own: bool) -> Iterator[str]:
    """Yield the first item of a task whose metrics are no numbers or do not follow from its log-likelihoods."""
    for name in METRICS:
        values = np.asarray(rows[name].fill_null(0.0), np.float64)
        if not np.isfinite(values).all():
            place = int(np.flatnonzero(~np.isfinite(values))[0])
            yield f"item {rows['item'][place].as_py()}, {name}: {values[place]}, expected a finite number"
            return
    if own:
        yield from _own_metrics(rows)


def _own_metrics(rows: pa.Table) -> Iterator[str]:
    for row in rows.to_pylist():
        if row["excluded"] is not None:
            continue
        if row["log_likelihoods"] is None:
            yield f"item {row['item']}: no log-likelihoods, expected one a choice"
            return
        names = ("gold", "log_likelihoods", "greedy", "num_tokens", "num_chars", "num_bytes", "uncond")
        try:
            found = item_metrics(ChoiceScores(**{name: row[name] for name in names}))
        except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
            yield f"item {row['item']}: {error}"
            return
        for name in METRICS:
            if not same(found[name], row[name]):
                ours, theirs = shown(found[name]), shown(row[name])
                yield f"item {row['item']}, {name}: {ours} by its log-likelihoods, {theirs} said"
                return


def same(ours: float | None, theirs: float | None) -> bool:
    """Return whether two numbers agree to rounding; None only agrees with None."""
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def shown(value: float | None) -> str:
    """Return a value for a message."""
    return "N/A" if value is None else f"{value:.6f}"


def _difference(mine: pa.Table, other: pa.Table, columns: Sequence[str]) -> str:
    order = [("task", "ascending"), ("item", "ascending")]
    mine, other = (table.select(columns).sort_by(order).combine_chunks() for table in (mine, other))
    if mine.equals(other):
        return ""
    for task in sorted({*pc.unique(mine["task"]).to_pylist(), *pc.unique(other["task"]).to_pylist()}):
        one, two = (table.filter(pc.equal(table["task"], task)) for table in (mine, other))
        if not one.equals(two):
            return f"task {task} has {one.num_rows:,} items of {two.num_rows:,}, or other ones,"
    return "other items"
