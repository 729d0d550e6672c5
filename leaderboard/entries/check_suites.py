"""L1, part of scores: results on suites of tasks again from their items.

An item's metrics follow from its log-likelihoods, a task's means from its items, families and aggregates from tasks;
the last by the suite's definition, shipped or in the entry (`suite_definitions`). A missing task makes an aggregate
N/A. Every run answered the same items (`check_items`), by the same versions of the metrics. Results that are sums
alone, as imports may be, cannot be recomputed and end at level 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from curation.suites.tasks import TaskSuite
from leaderboard.entries.check_items import Held, count_faults, metric_faults, same, shown, unlike_items
from leaderboard.entries.checks import Check, Subject, verdict
from leaderboard.entries.manifest import RunRecord, SuiteScores
from leaderboard.entries.safe_tables import TableError, read_safe_table
from leaderboard.entries.suite_definitions import definition_faults, definition_of
from train.evals.results import ITEMS, RESULTS, Results, TaskResult
from train.evals.score_tables import ITEMS_SCHEMA, OWN_TRAINER, item_faults
from train.evals.task_results import TaskFacts, over_tasks, task_sums

FACTS = ("family", "kind", "n", "excluded", "primary", "accuracy", "above_chance", "baseline_v1", "baseline_v2")
"""Of a task's result: what its definition and its items say."""
AGAIN = "score the run again with `curate eval RUN --suite SUITE`, then `curate study run` and `curate submit`"


def suite_check(subject: Subject) -> Check:
    """Check all results on suites of tasks."""
    count = sum(len(run.suites) for run in subject.manifest.runs)
    good = f"{count} results on suites recomputed from their items" if count else "no results on suites of tasks"
    held: list[Held] = []
    faults = [
        f"{run.label} on {suite.name}: {fault}"
        for run in subject.manifest.runs
        for suite in run.suites
        for fault in _faults(subject, run, suite, held)
    ]
    return verdict("suites", [*faults, *_unlike(subject), *unlike_items(held)], good, remedy=AGAIN)


def _unlike(subject: Subject) -> Iterator[str]:
    """Yield suites that were not asked alike of every run (rule 6)."""
    runs = subject.manifest.runs
    for name in sorted({suite.name for run in runs for suite in run.suites}):
        asked = [(run, suite) for run in runs for suite in run.suites if suite.name == name]
        for what, values in (
            ("digests", {(suite.digest, suite.context) for _, suite in asked}),
            ("sets of metric versions", {tuple(sorted(suite.metric_versions.items())) for _, suite in asked}),
        ):
            alike = {one[0] for one in values} if what == "digests" else values
            if len(alike) > 1:
                yield f"suite {name} has {len(alike)} {what} among the runs, expected one (rule 6)"
        for tier in sorted({run.tier for run, _ in asked}):
            without = [run.label for run in runs if run.tier == tier and name not in {one.name for one in run.suites}]
            if without:
                yield f"suite {name}: {', '.join(without[:3])} was not scored on it, other runs of {tier} were"


def _faults(subject: Subject, run: RunRecord, suite: SuiteScores, held: list[Held]) -> Iterator[str]:
    folder = subject.folder / suite.folder
    try:
        results = Results.model_validate_json((folder / RESULTS).read_bytes())
        items = read_safe_table(folder / ITEMS, ITEMS_SCHEMA) if suite.items else None
        definition = definition_of(folder, results)
    except (OSError, ValidationError, TableError) as error:
        yield str(error).splitlines()[0][:200]
        return
    yield from _record_faults(run, suite, results)
    if results.partial is not None:
        yield "partial results (--limit or --tasks), expected the whole suite"
    if items is None:
        yield "sums alone, no items; they cannot be recomputed"
        return
    if definition is None:
        yield f"no definition of {results.suite.name}, by which its aggregates could be recomputed"
        return
    held.append((run, suite, items))
    found = [*item_faults(items, results), *definition_faults(definition, results)]
    yield from found or recomputed_faults(items, results, definition)


def _record_faults(run: RunRecord, suite: SuiteScores, results: Results) -> Iterator[str]:
    """Yield where results are of another model, suite or version of metrics than the manifest says."""
    for what, said, found in (
        ("suite", f"{suite.name}@{suite.version}", f"{results.suite.name}@{results.suite.version}"),
        ("suite digest", suite.digest, results.suite.digest),
        ("context", suite.context, results.context),
        ("metric versions", dict(suite.metric_versions), dict(results.metric_versions)),
    ):
        if said != found:
            yield f"{what} {_short(said)} in the manifest, {_short(found)} in its results"
    if run.role != "published" and (results.model.trainer, results.model.digest) != (OWN_TRAINER, run.fingerprint):
        yield f"results of model {results.model.digest[:16]} by {results.model.trainer}, not {run.fingerprint[:16]}"


def recomputed_faults(items: pa.Table, results: Results, definition: TaskSuite) -> Iterator[str]:
    """Yield every mean, family and aggregate that does not follow from the items."""
    tables = {name: items.filter(pc.equal(items["task"], name)) for name in results.tasks}
    own = results.model.trainer == OWN_TRAINER
    bad = [f"task {name}: {fault}" for name, rows in tables.items() for fault in metric_faults(rows, own=own)]
    if bad:
        yield from bad  # no mean can be taken of these
        return
    tasks = {task.name: task for task in definition.tasks}
    if unknown := sorted(tables.keys() - tasks):
        yield f"task {unknown[0]} is none of {definition.id}"
        return
    for name in sorted(tasks):
        if (name in results.tasks) == (name in results.missing):
            said = "has results and is" if name in results.tasks else "has no results and is not"
            yield f"task {name} of {definition.id} {said} among the missing"
    yield from count_faults(definition, tables)
    sums = {}
    for name, result in results.tasks.items():
        facts = TaskFacts(digest=result.digest, shots=result.shots, truncated=result.truncated)
        sums[name] = task_sums(tasks[name], tables[name], facts)
        yield from _mean_faults(name, sums[name].result.metrics, result.metrics)
        yield from _fact_faults(name, sums[name].result, result)
    families, aggregates = over_tasks(definition, sums)
    for kind, found, told in (("family", families, results.families), ("aggregate", aggregates, results.aggregates)):
        for name in sorted({*found, *told}):
            ours = found[name].value if name in found else None  # type: ignore[index]
            theirs = told[name].value if name in told else None  # type: ignore[index]
            if not same(ours, theirs):
                lacking = f" (missing: {', '.join(sorted(results.missing)[:3])})" if ours is None else ""
                yield f"{kind} {name}: {shown(ours)} by its tasks{lacking}, {shown(theirs)} said"


def _fact_faults(task: str, found: TaskResult, said: TaskResult) -> Iterator[str]:
    """Yield where a task's metric, counts or baselines are not its definition's."""
    for name in (
        "family",
        "kind",
        "n",
        "excluded",
        "primary",
        "accuracy",
        "above_chance",
        "baseline_v1",
        "baseline_v2",
    ):
        if getattr(found, name) != getattr(said, name):
            yield f"task {task}, {name}: {getattr(found, name)} by definition and items, {getattr(said, name)} said"


def _mean_faults(task: str, found: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*found, *said}):
        ours, theirs = found.get(name), said.get(name)
        if ours is None or theirs is None or not same(ours.value, theirs.value) or ours.n != theirs.n:
            numbers = shown(ours.value if ours else None), shown(theirs.value if theirs else None)
            yield f"task {task}, {name}: {numbers[0]} by its items, {numbers[1]} said"


def _short(value: object) -> str:
    return value[:16] if isinstance(value, str) else str(value)
