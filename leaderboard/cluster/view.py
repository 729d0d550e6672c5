"""A study on a cluster for a person and for machines: its steps before they are submitted, what was, how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from curation.console import printable
from curation.files import Json
from leaderboard.cluster.dag import Dag, dag_json
from leaderboard.cluster.folder import Submission
from leaderboard.cluster.standing import STATES, TaskStanding, counts, overall
from leaderboard.cluster.submit import Submitted
from leaderboard.studies.plan_rows import StudyPlan

if TYPE_CHECKING:
    from rich.console import Console


def plan_json(given: Submission, plan: StudyPlan, on: str) -> dict[str, Json]:
    """Return steps and hours as one object."""
    return {**_head(given, on), **_hours(plan), "steps": dag_json(given.dag)}


def draw_plan(console: Console, given: Submission, plan: StudyPlan, on: str) -> None:
    """Print the steps with their tasks, and the hours of all that is to be trained."""
    console.print(f"{given.study.name} on {on}: {_num_jobs(given.dag)} jobs; nothing is submitted", markup=False)
    for step in given.dag.steps:
        tasks = f", {step.num_tasks} tasks" if step.is_array else ""
        runs = f" of up to {max(map(len, step.packs))} runs" if step.packs else ""
        after = f", after {', '.join(step.after)}" if step.after else ""
        console.print(f"  {step.name}: {step.device}{tasks}{runs}{after}", markup=False, soft_wrap=True)
    console.print(f"to train: {plan.gpu_hours:.3g} GPU hours, {plan.cpu_hours:.3g} CPU hours", markup=False)


def submitted_json(given: Submission, jobs: Sequence[Submitted], plan: StudyPlan, on: str) -> dict[str, Json]:
    """Return what was submitted now as one object."""
    new = cast("list[Json]", [asdict(one) for one in jobs])
    return {**_head(given, on), **_hours(plan), "submitted": new}


def draw_submitted(console: Console, given: Submission, jobs: Sequence[Submitted], on: str) -> None:
    """Print what was submitted now, and what to give next."""
    if not jobs:
        console.print(f"{given.study.name}: nothing to submit; all of it is finished or queued", markup=False)
    for one in jobs:
        tasks = f" ({len(one.indices)} tasks)" if len(one.indices) > 1 else ""
        console.print(f"  {one.step}: job {one.job}{tasks}", markup=False)
    console.print(f"folder: {given.folder}", markup=False, soft_wrap=True)
    console.print(f"next: curate study status {printable(given.where)} --on {on}", markup=False, soft_wrap=True)


def status_json(given: Submission, tasks: Sequence[TaskStanding], on: str) -> dict[str, Json]:
    """Return the state of every task as one object."""
    return {
        **_head(given, on),
        "state": overall(tasks),
        "steps": cast("dict[str, Json]", counts(given.dag, tasks)),
        "tasks": cast("list[Json]", [asdict(task) for task in tasks]),
    }


def draw_status(console: Console, given: Submission, tasks: Sequence[TaskStanding], on: str) -> None:
    """Print every step with the number of its tasks in each state, what runs or failed, and what to give next."""
    state = overall(tasks)
    console.print(f"{given.study.name} on {on}: {state}", markup=False, style="bold")
    for name, found in counts(given.dag, tasks).items():
        console.print(f"  {name}: {', '.join(f'{found[one]} {one}' for one in STATES if one in found)}", markup=False)
    for task in tasks:
        if task.state in ("running", "preempted", "failed"):
            console.print(f"  {_line(task)}", markup=False, soft_wrap=True)
    again = f"curate study run {printable(given.where)} --on {on}"
    told = {
        "finished": f"curate study status {printable(given.where)}",
        "failed": f"{again} (submits what is missing)",
        "open": again,
    }
    console.print(f"next: {told.get(state, 'wait')}", markup=False, soft_wrap=True)


def _line(task: TaskStanding) -> str:
    parts = [f"{task.step}[{task.index}] {task.label}".strip() + f": {task.state}"]
    parts += [f"job {task.job}"] if task.job else []
    parts += [f"try {task.attempts}"] if task.attempts > 1 else []
    told = printable(", ".join(parts) + (f": {task.message}" if task.message else ""))
    return f"{told} (log: {task.log})" if task.state == "failed" and task.log else told


def _head(given: Submission, on: str) -> dict[str, Json]:
    return {"study": given.study.name, "site": on, "key": given.key, "folder": str(given.folder)}


def _hours(plan: StudyPlan) -> dict[str, Json]:
    return {"gpu_hours": plan.gpu_hours, "cpu_hours": plan.cpu_hours}


def _num_jobs(dag: Dag) -> int:
    return sum(step.num_tasks for step in dag.steps)
