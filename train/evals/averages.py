"""Scores averaged over the last checkpoints of a run: noise of single checkpoints averages out.

Item by item, every metric and every log-likelihood is the mean over the checkpoints; means, families and aggregates
are taken of those. `greedy` says whether all checkpoints are greedy there. An item that one of them excludes is
excluded.
On a panel the nats of every document are averaged, and slices are summed of those.
Averages never share a table with single scores: `averaged` enters the metric versions.
Source: Signal and Noise (Heineman et al. 2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import RunError
from curation.files import Json, digest_json, read_json
from curation.nodes import Node, NodeRun, existing_node
from curation.store import Artifact
from curation.suites.tasks import TaskSuite
from train.evals.panel_scores import slice_results
from train.evals.results import KIND, RESULTS, Results, Scored, read_results, refuse_unlike, write_results
from train.evals.score_tables import ITEMS_SCHEMA, METRIC_COLUMNS
from train.evals.suite_scores import VERSION, results_summary
from train.evals.task_results import TaskFacts, over_tasks, task_sums

_LISTS = ("log_likelihoods", "uncond")


def average_node(suite: TaskSuite | None, scores: Sequence[Artifact]) -> Node:
    """Return the node of the mean of scores on one suite of tasks, or without one on a panel; the oldest first."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        several = [read_results(artifact.path) for artifact in context.inputs.values()]
        mean = averaged_panel(several) if suite is None else averaged(suite, several)
        write_results(context.out.path, mean)
        return results_summary(cast("Mapping[str, Json]", read_json(context.out.path / RESULTS)))

    return Node(
        kind=KIND,
        version=VERSION,
        params={"average": len(scores)},
        inputs={f"{place:03d}": existing_node(artifact) for place, artifact in enumerate(scores)},
        run=run,
        label=f"mean of {len(scores)} on {suite.id if suite else 'the panel'}",
    )


def averaged(suite: TaskSuite, several: Sequence[Scored]) -> Scored:
    """Return the mean of results of one run's checkpoints.

    Raises: ResultsError if they answer different questions; RunError for fewer than two.
    """
    _refuse_few(several)
    last = several[-1].results
    items = _mean_items([cast("pa.Table", one.items) for one in several])
    tasks = {task.name: task for task in suite.tasks}
    sums = {}
    for name, result in last.tasks.items():
        rows = items.filter(pc.equal(items["task"], name))
        facts = TaskFacts(digest=result.digest, shots=result.shots, truncated=result.truncated)
        sums[name] = task_sums(tasks[name], rows, facts)
    families, aggregates = over_tasks(suite, sums)
    tasks_now = {name: one.result for name, one in sums.items()}
    changes = {"tasks": tasks_now, "families": families, "aggregates": aggregates}
    return Scored(results=_replaced(several, changes), items=items)


def averaged_panel(several: Sequence[Scored]) -> Scored:
    """Return the mean of one run's checkpoints on a panel, document by document.

    Raises: ResultsError if they answer different questions; RunError for fewer than two.
    """
    _refuse_few(several)
    tables = [cast("pa.Table", one.documents).sort_by([("slice", "ascending"), ("id", "ascending")]) for one in several]
    if any(not table["id"].equals(tables[0]["id"]) for table in tables):
        raise RunError(f"--last-k: {several[-1].where}: other documents than before; score the checkpoints again")
    nats = np.mean([table["nats"].to_numpy() for table in tables], axis=0)
    place = tables[0].column_names.index("nats")
    documents = tables[0].set_column(place, "nats", pa.array(nats, pa.float64()))
    marks = {name: one.marks for name, one in several[-1].results.slices.items()}
    return Scored(results=_replaced(several, {"slices": slice_results(documents, marks)}), documents=documents)


def _refuse_few(several: Sequence[Scored]) -> None:
    if len(several) < 2:
        raise RunError(f"--last-k: {len(several)} state with scores, expected at least 2; give a run that has more")
    refuse_unlike(several)


def _replaced(several: Sequence[Scored], changes: Mapping[str, Any]) -> Results:
    """Return the last results as those of the mean."""
    last, steps = several[-1].results, [one.results.model.checkpoint for one in several]
    digest = digest_json(["mean", [one.results.model.digest for one in several]])
    common: dict[str, Any] = {
        "model": last.model.model_copy(update={"digest": digest}),
        "metric_versions": {**last.metric_versions, "averaged": str(len(several))},
        "averaged": tuple(-1 if step is None else step for step in steps),
    }
    return last.model_copy(update={**common, **changes})


def _mean_items(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of the first table with the means over all of them."""
    columns = [table.to_pylist() for table in tables]
    return pa.Table.from_pylist([_mean_row(rows) for rows in zip(*columns, strict=True)], ITEMS_SCHEMA)


def _mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = dict(rows[0])
    reason = next((row["excluded"] for row in rows if row["excluded"] is not None), None)
    if reason is not None:
        empty = dict.fromkeys((*METRIC_COLUMNS, *_LISTS, "greedy", "num_tokens", "num_bytes", "num_chars"))
        return {**first, **empty, "excluded": reason}
    for name in METRIC_COLUMNS:
        values = [row[name] for row in rows]
        first[name] = None if None in values else float(np.mean(values))
    for name in _LISTS:
        lists = [row[name] for row in rows]
        first[name] = None if None in lists else np.mean(lists, axis=0).tolist()
    first["greedy"] = np.all([row["greedy"] for row in rows], axis=0).tolist()
    return first
