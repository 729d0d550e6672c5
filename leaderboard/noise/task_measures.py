"""Noise of tasks, from the results of suites: one measure a task and metric, with its items' clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import RunError
from curation.numerics import Floats
from leaderboard.noise.checkpoints import Point, before_decay, pooled_checkpoint_spread
from leaderboard.noise.items import item_error, pair_error, seeds_and_items
from leaderboard.noise.pack import ItemFacts, Measure, SpreadFacts, scale_of, scaled
from train.evals.results import Scored, refuse_unlike


def with_checkpoints(
    measures: Sequence[Measure], on_the_way: Mapping[int, Sequence[Scored]], decay_start_tokens: float
) -> list[Measure]:
    """Return the measures of tasks with the noise of the checkpoints that were scored before the rate fell."""
    found = []
    for measure in measures:
        runs = [_points(several, measure.name, measure.metric) for several in on_the_way.values()]
        spread = pooled_checkpoint_spread([before_decay(points, decay_start_tokens) for points in runs])
        found.append(measure.model_copy(update={"checkpoints": SpreadFacts.of(spread)}))
    return found


def _points(several: Sequence[Scored], task: str, metric: str) -> list[Point]:
    points = []
    for scored in several:
        model, told = scored.results.model, scored.results.tasks.get(task)
        value = told.metrics[metric].value if told and metric in told.metrics else None
        if value is not None and model.tokens_seen:
            points.append(Point(tokens=float(model.tokens_seen), value=scaled([value], scale_of(metric))[0]))
    return points


def task_measures(num_runs: int, results: Mapping[int, Sequence[Scored]]) -> list[Measure]:
    """Return the measures of all tasks, suite by suite; a run without results of a suite has no value in it.

    Raises: ResultsError if results of one suite answer different questions; RunError if a run has two of one suite.
    """
    by_suite: dict[str, dict[int, Scored]] = {}
    for place, found in sorted(results.items()):
        for scored in found:
            own = by_suite.setdefault(scored.results.suite.name, {})
            if place in own:
                raise RunError(
                    f"{scored.where}: a second result of its run on {scored.results.suite.name}; leave it out"
                )
            own[place] = scored
    measures: dict[tuple[str, str], Measure] = {}
    for own in by_suite.values():
        refuse_unlike(list(own.values()))
        for measure in _of_suite(num_runs, own):
            measures.setdefault((measure.name, measure.metric), measure)
    return list(measures.values())


def _of_suite(num_runs: int, own: Mapping[int, Scored]) -> list[Measure]:
    first = next(iter(own.values()))
    found = []
    for task, told in sorted(first.results.tasks.items()):
        tables = [_items(scored, task) for scored in own.values()]
        for metric in sorted(told.metrics):
            values: list[float | None] = [None] * num_runs
            for place, scored in own.items():
                held = scored.results.tasks.get(task)
                values[place] = held.metrics[metric].value if held and metric in held.metrics else None
            found.append(
                Measure(
                    kind="task",
                    name=task,
                    metric=metric,
                    scale=scale_of(metric),
                    values=tuple(values),
                    seeds=None,
                    items=_item_facts(tables, metric),
                )
            )
    return found


def _items(scored: Scored, task: str) -> pa.Table | None:
    if scored.items is None:
        return None
    chosen = scored.items.filter(pc.and_(pc.equal(scored.items["task"], task), pc.is_null(scored.items["excluded"])))
    return chosen.sort_by("item")


def _item_facts(tables: Sequence[pa.Table | None], metric: str) -> ItemFacts | None:
    """Return what the items of all runs say; None where a run has none or lacks the metric."""
    held = [table for table in tables if table is not None and metric in table.column_names]
    if not held or len(held) < len(tables):
        return None
    columns = [table[metric].to_numpy(zero_copy_only=False).astype(np.float64) for table in held]
    if len({len(column) for column in columns}) > 1:
        return None
    values: Floats = np.stack(columns, axis=1)
    whole = np.isfinite(values).all(axis=1)
    clusters = np.asarray(held[0]["group"].to_pylist(), dtype=object)[whole]
    values = values[whole]
    alone = item_error(values[:, 0], clusters.tolist()) if len(values) else None
    if alone is None:
        return None
    parts = seeds_and_items(values)
    return ItemFacts(
        count=alone.num_items,
        clusters=alone.num_clusters,
        naive=alone.naive,
        clustered=alone.clustered,
        pair=pair_error(values, clusters.tolist()),
        seed_variance=parts.seed if parts else None,
        item_variance=parts.item if parts else None,
        rest_variance=parts.rest if parts else None,
    )
