"""A suite of tasks scored on one model: an artifact of kind `scores`, made task by task.

Its fingerprint holds the model's digest, the suite's, the context, the versions of engine and metrics, and what was
left out. While it is made, each finished task lies in `tasks/`, so a killed evaluation goes on after it with the same
bytes; `results.json` says in `duration_seconds` what all starts together took.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import pyarrow as pa

from curation.batches import read_table, write_table
from curation.errors import RunError, nearest
from curation.files import Json, read_json, replacing, write_json
from curation.nodes import Node, NodeRun
from curation.progress import Task as ProgressTask
from curation.suites.item_metrics import METRIC_VERSIONS
from curation.suites.prompted import Prompted
from curation.suites.rendering import render_task
from curation.suites.task_data import Absent, TaskData, read_task, suite_digest
from curation.suites.tasks import Task, TaskSuite, load_task_suite, suite_names
from train.evals.engine import Engine
from train.evals.models import Evaluated, Opened, opened
from train.evals.results import KIND, RESULTS, Partial, Results, Scored, SuiteFacts, clocks, write_results
from train.evals.score_tables import ITEMS_SCHEMA
from train.evals.task_results import TaskFacts, TaskSums, item_rows, over_tasks, task_sums

VERSION = "scores@1"
SOFTWARE = ("curate-ladder", "torch", "transformers", "tokenizers")
TASKS = "tasks"
"""Directory of finished tasks in unfinished scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """An engine before its model is opened."""

    name: str
    version: str
    make: Callable[[Opened, int], Engine]
    """(model, workers) -> engine at the model's context."""
    software: tuple[str, ...] = SOFTWARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A suite with the data that is here, and what of it is wanted."""

    suite: TaskSuite
    found: Mapping[str, TaskData]
    missing: Mapping[str, str]
    partial: Partial | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks to score, in the suite's order."""
        only = self.partial.tasks if self.partial else ()
        return tuple(task for task in self.suite.tasks if task.name in self.found and (not only or task.name in only))

    @property
    def num_items(self) -> int:
        """Records of the tasks to score, at most `limit` of each: what is scored, or a little less of it."""
        limit = self.partial.limit if self.partial else None
        return sum(min(limit or count, count) for count in (len(self.found[task.name].records) for task in self.tasks))


def ask(suite: TaskSuite, folder: Path, *, tasks: Sequence[str] = (), limit: int | None = None) -> Asked:
    """Return the suite with its records; `tasks` and `limit` make it partial.

    Raises: RunError for a task that the suite does not have or when no file is there; SuiteChangedError, ShardError
    as `read_task`.
    """
    known = [task.name for task in suite.tasks]
    for name in tasks:
        if name not in known:
            raise RunError(f"--tasks {name}: no task of {suite.id}; {elsewhere(name, suite) or nearest(name, known)}")
    data = {task.name: read_task(task, folder) for task in suite.tasks}
    found = {name: one for name, one in data.items() if isinstance(one, TaskData)}
    missing = {
        task.name: _why_missing(task)
        for task in suite.tasks
        if isinstance(data[task.name], Absent) and (not tasks or task.name in tasks)
    }
    wanted = [name for name in known if name in found and (not tasks or name in tasks)]
    if not wanted:
        raise RunError(f"{folder}: holds no file of {suite.id}; expected {', '.join(known[:5])} …; give --evals DIR")
    partial = Partial(limit=limit, tasks=tuple(sorted(set(tasks)))) if tasks or limit else None
    return Asked(suite=suite, found=found, missing=missing, partial=partial)


def elsewhere(name: str, suite: TaskSuite) -> str | None:
    """Return in which shipped suites a task is that `suite` does not have."""
    others = [one for one in suite_names() if one != suite.id]
    holding = [one for one in others if any(task.name == name for task in load_task_suite(one).tasks)]
    return f"it is a task of {', '.join(holding)}: give --suite {holding[0].partition('@')[0]}" if holding else None


def scores_node(model: Evaluated, asked: Asked, engine: EngineChoice) -> Node:
    """Return the node of a model's scores on a suite of tasks."""
    digest = suite_digest(asked.suite, asked.found, model.context_tokens)
    params: dict[str, Json] = {
        "model": model.facts.digest,
        "suite": asked.suite.id,
        "suite_digest": digest,
        "context": model.context_tokens,
        "metric_versions": {**METRIC_VERSIONS, "scorer": engine.version},
        "missing": sorted(asked.missing),
        "partial": asked.partial.model_dump(mode="json") if asked.partial else None,
    }

    def run(context: NodeRun) -> Mapping[str, Json]:
        if not context.out.has(RESULTS):
            with opened(model) as held:
                _score(context, held, asked, engine, digest)
        shutil.rmtree(context.out.path / TASKS, ignore_errors=True)
        return results_summary(cast("Mapping[str, Json]", read_json(context.out.path / RESULTS)))

    return Node(
        kind=KIND, version=VERSION, params=params, inputs={}, run=run, label=f"{model.facts.name} on {asked.suite.id}"
    )


def _score(context: NodeRun, held: Opened, asked: Asked, engine: EngineChoice, digest: str) -> None:
    """Score what is not scored yet and write the results."""
    model = held.model
    folder = context.out.path / TASKS
    label = f"{model.facts.name} {asked.suite.id}"
    limit = asked.partial.limit if asked.partial else None
    rendered = {
        task.name: render_task(task, asked.found[task.name], model.context_tokens)[:limit] for task in asked.tasks
    }
    made: list[Engine] = []
    with context.progress.task(label, float(sum(map(len, rendered.values()))), unit="items") as progress:
        for task in asked.tasks:
            if (folder / f"{task.name}.json").is_file():
                progress.advance(float(len(rendered[task.name])))
                continue
            if not made:
                made.append(engine.make(held, context.workers))
            _score_task(made[0], folder / task.name, rendered[task.name], progress)
    scored = _results(folder, model, asked, engine, digest)
    refuse_nothing_scored(scored.results, model)
    write_results(context.out.path, scored)


def refuse_nothing_scored(results: Results, model: Evaluated) -> None:
    """Raise RunError if every item of every task was left out: such a table would look like a result."""
    if any(task.n for task in results.tasks.values()):
        return
    counts: Counter[str] = Counter()
    for task in results.tasks.values():
        counts.update(task.excluded)
    told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items())) or "no items"
    raise RunError(
        f"{model.where}: no item of {results.suite.name} could be scored at context {model.context_tokens} ({told}); "
        "give a longer --context, or a model whose tokenizer reads the text"
    )


def _score_task(engine: Engine, path: Path, items: Sequence[Prompted], progress: ProgressTask) -> None:
    """Write the rows of one task to PATH.parquet, then PATH.json, which says that they are whole."""
    started = time.monotonic()
    scores = engine.score(items, progress.advance)
    with replacing(path.with_name(f"{path.name}.parquet")) as temporary:
        write_table(temporary, item_rows(items, scores))
    seconds = time.monotonic() - started
    truncated = sum(one.truncated for one in scores)
    write_json(path.with_name(f"{path.name}.json"), {"seconds": seconds, "truncated": truncated})


def _results(folder: Path, model: Evaluated, asked: Asked, engine: EngineChoice, digest: str) -> Scored:
    """Return the results of the tasks in `folder`."""
    sums: dict[str, TaskSums] = {}
    tables, seconds = [], 0.0
    for task in asked.tasks:
        rows = read_table(folder / f"{task.name}.parquet")
        done = cast("Mapping[str, float]", read_json(folder / f"{task.name}.json"))
        shots = task.shots_at(model.context_tokens)
        own = task.asked(asked.found[task.name].digest, model.context_tokens)
        sums[task.name] = task_sums(task, rows, TaskFacts(digest=own, shots=shots, truncated=int(done["truncated"])))
        tables.append(rows)
        seconds += done["seconds"]
    families, aggregates = over_tasks(asked.suite, sums)
    results = Results(
        model=model.facts,
        suite=SuiteFacts(name=asked.suite.name, version=str(asked.suite.version), digest=digest),
        context=model.context_tokens,
        metric_versions={**METRIC_VERSIONS, "scorer": engine.version},
        software=software(engine.software),
        **clocks(seconds),
        partial=asked.partial,
        tasks={name: one.result for name, one in sums.items()},
        missing=asked.missing,
        families=families,
        aggregates=aggregates,
        notes=tuple(f"{name}: {note}" for name, note in sorted(asked.suite.notes.items())),
    )
    return Scored(results=results, items=pa.concat_tables(tables).cast(ITEMS_SCHEMA))


def software(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of the distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _why_missing(task: Task) -> str:
    return f"no file `{'` or `'.join(task.data)}` in the directory of benchmark files"


def results_summary(results: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the manifest says of results: who, on what, and the numbers over tasks; nothing of a clock."""
    kept = ("model", "suite", "context", "partial", "missing", "aggregates", "families")
    return {name: results[name] for name in kept if name in results}
