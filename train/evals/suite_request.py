"""`curate eval MODEL --suite ...`: which models, which suites, what is there already; then score, publish, show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import RunError, nearest
from curation.files import Json, appearing
from curation.nodes import Node, Planner
from curation.own_output import finished_output
from curation.panel_check import verified
from curation.progress import Progress
from curation.store import Artifact, Store, copy_files
from curation.suites.names import evals_folder
from curation.suites.task_data import evals_directory
from curation.suites.tasks import TaskSuite, load_task_suite, suite_names
from train.evals.averages import average_node
from train.evals.engines import engine_choice
from train.evals.lm_eval_suite import LM_EVAL, lm_eval_node
from train.evals.models import Evaluated, directory_model, is_model_directory
from train.evals.panel_marks import tokens_panel
from train.evals.panel_suite import PANEL, panel_node
from train.evals.results import Results, read_summary
from train.evals.run_states import ALL, run_states
from train.evals.suite_scores import TASKS, Asked, ask, scores_node
from train.lookup import find_panel

if TYPE_CHECKING:
    from rich.console import Console

EVERYTHING = ("core", "small", PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks."""

    model: str
    suites: tuple[str, ...]
    panel: str | None = None
    evals: Path | None = None
    tasks: tuple[str, ...] = ()
    limit: int | None = None
    context: int | None = None
    checkpoints: str | None = None
    last_k: int | None = None
    engine: str = "curate"
    out: Path | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model on one suite."""

    model: Evaluated
    suite: str
    node: Node
    asked: Asked | None
    """None for a panel."""

    @property
    def place(self) -> str:
        """Directory of its results below `--out`."""
        step = "" if self.model.facts.checkpoint is None else f"-step-{self.model.facts.checkpoint:08d}"
        return f"{self.model.facts.name}{step}/{self.suite}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Results and where they lie."""

    results: Results
    path: Path

    def as_json(self) -> dict[str, Json]:
        """Return the results with their place."""
        return {**self.results.as_json(), "path": str(self.path)}


def jobs_of(request: Request, store: Store, progress: Progress) -> list[Job]:
    """Return what the request comes to, without loading a model.

    Raises: CurateError for whatever is not there or does not fit.
    """
    if is_model_directory(request.model):
        if request.checkpoints is not None:
            raise RunError(f"--checkpoints: {request.model} is a model directory, which has none; give a run")
        models = [directory_model(Path(request.model), request.context)]
        if models[0].note:
            progress.note(models[0].note)
    else:
        wanted = ALL if request.last_k and request.checkpoints is None else request.checkpoints
        models = run_states(store, request.model, checkpoints=wanted, context=request.context, note=progress.note)
    if request.last_k is not None:
        models = models[-request.last_k :]
    suites = _suites(request.suites)
    _refuse_together(request, suites, len(models))
    for name in request.tasks:
        if len(suites) > 1 or PANEL in suites:
            raise RunError(f"--tasks {name}: expected one suite of tasks with it; give --suite core or small")
    return [job for suite in suites for job in _jobs(request, store, suite, models, progress)]


def _refuse_together(request: Request, suites: Sequence[str], num_models: int) -> None:
    """Raise RunError for options that would be found useless only after the scoring."""
    if PANEL in suites and request.engine != "curate":
        raise RunError(
            f"--engine {request.engine}: the panel is scored by curate alone, document by document; leave --engine "
            "out, or give --suite core,small"
        )
    if request.last_k is None:
        return
    if request.limit is not None or request.tasks:
        raise RunError("--last-k: a mean is of whole suites, expected it without --limit and --tasks; leave them out")
    if num_models < 2:
        raise RunError(
            f"--last-k {request.last_k}: {request.model} has {num_models} state that still exists, expected at least "
            "2; a finished run keeps only the plateaus that `curate train CORPUS --budgets 0.5,1` leaves: train so, or "
            "score a run while it goes on"
        )


def finish(jobs: Sequence[Job], request: Request, planner: Planner) -> list[Finished]:
    """Return the results of all jobs, those of a mean last, and publish them where `--out` says."""
    done: list[Finished] = []
    alone = len(jobs) == 1
    for job in jobs:
        target = None if request.out is None else request.out if alone else request.out / job.place
        if target is not None:
            finished_output(target, job.node.fingerprint, ())
        announce(job, planner)
        done.append(published(planner.materialise(job.node), target))
    if request.last_k is not None:
        done += _means(jobs, request, planner)
    return done


def announce(job: Job, planner: Planner) -> None:
    """Say how much there is to score, before it is begun."""
    if job.asked is None or (done := _num_done(job, planner)) == len(job.asked.tasks):
        return
    planner.progress.note(
        f"{job.model.facts.name} on {job.suite}: {len(job.asked.tasks)} tasks with {job.asked.num_items:,} items"
        + (f", {done} tasks done before" if done else "")
        + "; the bar counts items, and killed the same command goes on after the last finished task"
    )


def _means(jobs: Sequence[Job], request: Request, planner: Planner) -> Iterator[Finished]:
    for suite in dict.fromkeys(job.suite for job in jobs if job.asked is not None or job.suite == PANEL):
        mine = [job for job in jobs if job.suite == suite]
        asked = mine[-1].asked
        node = average_node(asked.suite if asked else None, [planner.materialise(job.node) for job in mine])
        name = f"{mine[-1].model.facts.name}-last-{len(mine)}/{suite}"
        yield published(planner.materialise(node), None if request.out is None else request.out / name)


def _suites(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the suites by name, `all` spelled out, each once."""
    return tuple(dict.fromkeys(name for one in asked for name in (EVERYTHING if one == "all" else (one,))))


def _jobs(request: Request, store: Store, suite: str, models: Sequence[Evaluated], progress: Progress) -> Iterator[Job]:
    if suite == PANEL:
        yield from _panel_jobs(request, store, models, progress)
        return
    if suite.startswith(LM_EVAL):
        for model in models:
            name = suite.replace("/", "-").replace(":", "-")
            node = lm_eval_node(model, suite, limit=request.limit, workers=request.workers)
            yield Job(model=model, suite=name, node=node, asked=None)
        return
    loaded = _task_suite(suite)
    own = Path(suite).expanduser()
    folder = own.parent if own.is_file() and request.evals is None and evals_folder() is None else None
    asked = ask(loaded, folder or evals_directory(request.evals), tasks=request.tasks, limit=request.limit)
    engine = engine_choice(request.engine)
    for model in models:
        yield Job(model=model, suite=suite, node=scores_node(model, asked, engine), asked=asked)


def _task_suite(name: str) -> TaskSuite:
    known = {*(one.partition("@")[0] for one in suite_names()), *suite_names(), PANEL, "all"}
    if name not in known and not Path(name).suffix:
        raise RunError(
            f"--suite {name}: no such suite; {nearest(name, known)} (or give a YAML file of tasks, or lm-eval:TASK)"
        )
    return load_task_suite(name)


def _panel_jobs(request: Request, store: Store, models: Sequence[Evaluated], progress: Progress) -> Iterator[Job]:
    if request.limit is not None:
        progress.note("--limit does not apply to the panel: it is scored whole")
    given = find_panel(store, request.panel, progress) if request.panel is not None else None
    for model in models:
        panel = given or _own_panel(request, store, model)
        if panel is None:
            progress.note(f"{model.where}: no panel is known of it, so none is scored; give --panel")
            continue
        yield Job(model=model, suite=PANEL, node=panel_node(store, model, panel), asked=None)


def _own_panel(request: Request, store: Store, model: Evaluated) -> Artifact | None:
    """Return the panel that the model's corpus was split from.

    Raises: RunError if only the panel is asked for and none is known; SuiteChangedError if its documents changed.
    """
    found = store.find(PANEL, model.panel) if model.panel else tokens_panel(store, model.facts.arm)
    if found is None and _suites(request.suites) == (PANEL,):
        raise RunError(f"{model.where}: its panel is not in {store.root}; give --panel, or --store of where it is")
    return verified(found) if found else None


def published(artifact: Artifact, out: Path | None) -> Finished:
    """Return the results, copied to `out` by one rename where that is asked."""
    if out is not None and finished_output(out, artifact.fingerprint, ()) is None:
        with appearing(out) as temporary:
            copy_files(artifact, temporary)
    return Finished(results=read_summary(artifact.path), path=out or artifact.path)


def plan_rows(jobs: Sequence[Job], planner: Planner) -> list[dict[str, Json]]:
    """Return what would be done, job by job: action, model, suite, tasks and how many are there, missing, context."""
    return [
        {
            "action": planner.plan(job.node)[-1].action,
            "model": job.model.facts.name,
            "checkpoint": job.model.facts.checkpoint,
            "suite": job.suite,
            "context": job.model.context_tokens,
            "tasks": [task.name for task in job.asked.tasks] if job.asked else [],
            "missing": dict(job.asked.missing) if job.asked else {},
            "items": job.asked.num_items if job.asked else None,
            "done": _num_done(job, planner),
            "artifact": f"{job.node.kind}-{job.node.fingerprint[:8]}",
        }
        for job in jobs
    ]


def _num_done(job: Job, planner: Planner) -> int:
    """Return how many tasks of a job lie scored in the store, also of one that was interrupted."""
    if job.asked is None:
        return 0
    if planner.store.find(job.node.kind, job.node.fingerprint) is not None:
        return len(job.asked.tasks)
    folder = planner.store.path_of(job.node.kind, job.node.fingerprint) / TASKS
    return sum((folder / f"{task.name}.json").is_file() for task in job.asked.tasks)


def draw_plan(console: Console, rows: Sequence[dict[str, Json]]) -> None:
    """Print what would be done."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("", "model", "step", "suite", "context", "tasks done", "items", "missing", "artifact"):
        table.add_column(header)
    for row in rows:
        step, tasks, missing = row["checkpoint"], row["tasks"], row["missing"]
        table.add_row(
            str(row["action"]), str(row["model"]), "end" if step is None else str(step), str(row["suite"]),
            str(row["context"]), f"{row['done']} of {len(tasks)}" if tasks else "",  # type: ignore[arg-type]
            f"{row['items']:,}" if row["items"] else "", ", ".join(missing) if missing else "",  # type: ignore[arg-type]
            str(row["artifact"]),
        )  # fmt: skip
    console.print(table)
