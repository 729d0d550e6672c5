"""Where each task of a submitted study stands: by the store, by what the task last wrote, and by Slurm's queue.

`done` (its artifact is there, or it said so and so did all before it), `running`, `preempted` (ended early by Slurm and
queued again), `failed` (ended without its artifact, or queued with a reason that no waiting mends), `waiting` (queued)
or `open` (not submitted). A kill -9 leaves the word `running`: without a place in the queue that is `failed`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from curation.ingest import known_pool
from curation.store import Store
from leaderboard.cluster.dag import Dag, Step
from leaderboard.cluster.folder import Submission, TaskState, read_state
from leaderboard.cluster.job import decided_before
from leaderboard.cluster.queue import HOPELESS, Queued
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.frozen import study_dir
from leaderboard.studies.prepared import Prepared, prepare
from leaderboard.studies.promotion import going_on, tiers_in_order
from leaderboard.studies.results import RESULT_FILE
from leaderboard.studies.run_list import RUNS_FILE
from leaderboard.studies.variants import on_own_shelf

State = Literal["done", "running", "preempted", "failed", "waiting", "open"]
STATES: tuple[State, ...] = ("done", "running", "waiting", "preempted", "failed", "open")
TaskId = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStanding:
    """One task now."""

    step: str
    index: int
    label: str
    state: State
    job: str = ""
    attempts: int = 0
    message: str = ""
    log: str = ""


@on_own_shelf
def finished(given: Submission, *, store: Store) -> set[TaskId]:
    """Return the tasks that need not be done again."""
    arms = resolve_arms(given.study, given.where)
    pool = known_pool(store, arms[0].recipe.pool)
    ready = prepare(given.study, arms, pool) if pool is not None else None
    found: set[TaskId] = set()
    for step in given.dag.steps:
        whole = all((name, index) in found for name in step.after for index in range(given.dag.step(name).num_tasks))
        found |= {(step.name, index) for index in range(step.num_tasks) if _is_done(given, step, index, ready, whole)}
    return found


def _is_done(given: Submission, step: Step, index: int, ready: Prepared | None, whole: bool) -> bool:
    """Return whether a task is done; `whole` says that all are that it needs."""
    store = given.store
    if ready is None:
        return False
    if step.kind == "pool":
        return store.find("panel", ready.runs[0].panel.fingerprint) is not None
    if step.kind == "build":
        return store.find("corpus", ready.corpora[step.arms[index]].corpus.fingerprint) is not None
    if step.kind == "tokens":
        own = {plan.tokens.fingerprint for plan in ready.runs if plan.arm == step.arms[index]}
        return all(store.find("tokens", one) is not None for one in own)
    place = study_dir(store, given.study, ready.fingerprint)
    if step.kind == "check":
        return (place / RUNS_FILE).is_file()
    if step.kind == "runs":
        return _are_trained(given, step, index, ready, whole)
    state = read_state(given.folder, step.name, index)
    said = whole and state is not None and state.state == "done"
    return said and (step.kind != "compare" or (place / RESULT_FILE).is_file())


def _are_trained(given: Submission, step: Step, index: int, ready: Prepared, whole: bool) -> bool:
    own = {(run.arm, run.tier, run.seed) for run in step.packs[index]}
    plans = [plan for plan in ready.runs if (plan.arm, plan.tier, plan.seed) in own]
    missing = [plan for plan in plans if given.store.find("run", plan.node.fingerprint) is None]
    if not missing or not whole:
        return not missing
    names = going_on(ready.arms, decided_before(given, step.tier), step.tier, tiers_in_order(given.study))
    return not any(plan.arm in names for plan in missing)


def standings(given: Submission, done: Collection[TaskId], queue: Sequence[Queued]) -> list[TaskStanding]:
    """Return every task in order."""
    steps = {given.job_name(step.name): step for step in given.dag.steps}
    placed = {(steps[one.name].name, one.index): one for one in queue if one.name in steps}
    return [
        _standing(given, step, index, done, placed)
        for step in given.dag.steps
        for index in range(step.num_tasks)
    ]  # fmt: skip


def _standing(
    given: Submission, step: Step, index: int, done: Collection[TaskId], placed: Mapping[TaskId, Queued]
) -> TaskStanding:
    said, job = read_state(given.folder, step.name, index), placed.get((step.name, index))
    log = given.folder / "logs" / f"{step.name}{f'-{index}' if step.is_array else ''}.log"
    state, message = _judged((step.name, index) in done, said, job)
    return TaskStanding(
        step=step.name,
        index=index,
        label=step.label(index),
        state=state,
        job=job.job if job is not None else (said.job if said is not None else ""),
        attempts=said.attempts if said is not None else 0,
        message=message,
        log=str(log) if log.is_file() else "",
    )


def _judged(done: bool, said: TaskState | None, job: Queued | None) -> tuple[State, str]:
    if done:
        return "done", ""
    if job is not None and job.state == "PENDING":
        if job.reason in HOPELESS:
            return "failed", f"queued with {job.reason}: {HOPELESS[job.reason]}"
        cut = said is not None and said.state in ("running", "preempted")
        return ("preempted", "ended early, queued again") if cut else ("waiting", job.reason)
    if job is not None:
        cut = job.state not in ("RUNNING", "CONFIGURING") and said is not None and said.state == "preempted"
        return ("preempted", job.state.lower()) if cut else ("running", "")
    if said is None or said.state == "done":  # done once, and what it made is gone
        return "open", ""
    if said.state == "running":
        return "failed", "ended without a word: killed, out of memory or out of time"
    if said.state == "preempted":
        return "failed", "stopped by a signal and not queued again"
    return "failed", said.message


def overall(tasks: Sequence[TaskStanding]) -> str:
    """Return one word for the whole: finished, failed, running, preempted, waiting, partly-submitted or open."""
    states = {task.state for task in tasks}
    if states == {"done"}:
        return "finished"
    for state in ("failed", "running", "preempted", "waiting"):
        if state in states:
            return state
    return "open"


def counts(dag: Dag, tasks: Sequence[TaskStanding]) -> dict[str, dict[str, int]]:
    """Return by step how many tasks are in each state."""
    return {
        step.name: {
            state: number for state in STATES
            if (number := sum(task.step == step.name and task.state == state for task in tasks))
        }
        for step in dag.steps
    }  # fmt: skip
