"""Submitting a study: what is missing becomes jobs with dependencies; what is queued or finished is left alone.

A step whose earlier steps get new jobs gets new jobs too, since Slurm never mends a dependency on a job that failed.
Nothing is submitted before every check has passed: commands, controller, partitions, a trial of each kind of job, and
the budget against the study's plan.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.backends.sites import Site
from curation.errors import StudyError
from curation.files import write_text
from leaderboard.cluster import queue
from leaderboard.cluster.dag import Step
from leaderboard.cluster.folder import Submission, read_submission, state_path, submitting, write_submission
from leaderboard.cluster.queue import HOPELESS, Queued
from leaderboard.cluster.script import CANCELLED, step_script
from leaderboard.cluster.standing import TaskId, finished

if TYPE_CHECKING:
    from leaderboard.studies.plan_rows import StudyPlan

ENDING = ("COMPLETING", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One step as it was submitted now."""

    step: str
    job: str
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Hours that may be planned."""

    gpu_hours: float | None = None
    cpu_hours: float | None = None


def parse_budget(text: str) -> Budget:
    """Return what `120gpuh`, `30cpuh` or `120gpuh,30cpuh` allows. Raises: StudyError for anything else."""
    found: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(gpu|cpu)h\s*", part)
        if match is None or match[2] in found:
            raise StudyError(f"--budget: `{text}`, expected hours such as 120gpuh or 120gpuh,30cpuh; correct it")
        found[match[2]] = float(match[1])
    return Budget(gpu_hours=found.get("gpu"), cpu_hours=found.get("cpu"))


def refuse_beyond(budget: Budget, plan: StudyPlan, where: str) -> None:
    """Check the hours of all that is still to be trained. Raises: StudyError naming hours, tiers and the plan."""
    pairs = (("GPU", plan.gpu_hours, budget.gpu_hours), ("CPU", plan.cpu_hours, budget.cpu_hours))
    for name, planned, allowed in pairs:
        if allowed is not None and planned > allowed:
            by_tier = ", ".join(
                f"{row.tier} {row.gpu_hours if name == 'GPU' else row.cpu_hours:.3g} h" for row in plan.tiers
            )
            raise StudyError(
                f"--budget: the plan of study {plan.study} takes {planned:.3g} {name} hours ({by_tier}), expected at "
                f"most {allowed:g}; nothing was submitted; raise the budget, or take seeds, tiers or arms out: "
                f"`curate study plan {where}`"
            )


def refuse_unfit(given: Submission, site: Site) -> None:
    """Ask Slurm whether it takes each kind of job of the study; nothing is queued. Raises: SchedulerError."""
    queue.refuse_without_slurm()
    known = queue.partitions()
    first = {step.device: step for step in reversed(given.dag.steps)}
    for device, step in sorted(first.items()):
        asked = site.gpu if device == "gpu" and site.gpu is not None else site.cpu
        queue.refuse_partition(asked.partition, known, f"site profile, {device}.partition")
        queue.submit(step_script(step, site, given.job_name("trial"), given.folder, given.cwd), [], trial=True)


def submit(fresh: Submission, site: Site) -> tuple[Submission, list[Submitted]]:
    """Submit whatever of a study is neither finished nor queued; return it as it stands in the store, and the new jobs.

    Raises: SchedulerError, StoreBusyError.
    """
    with submitting(fresh.folder):
        names = [fresh.job_name(step.name) for step in fresh.dag.steps]
        live = queue.queued(names)
        given = _settled(fresh, live)
        done = finished(given, store=given.store)
        keep, drop = _sorted_out(given, done, live)
        queue.cancel([one.job for one in drop])
        (given.folder / CANCELLED).unlink(missing_ok=True)
        jobs: dict[str, list[str]] = {}
        new: list[Submitted] = []
        for step in given.dag.steps:
            staying = [one for one in keep if one.name == given.job_name(step.name)]
            jobs[step.name] = [one.job for one in staying]
            there = {one.index for one in staying}
            wanted = [index for index in range(step.num_tasks) if (step.name, index) not in done and index not in there]
            if wanted:
                number = _submit_step(given, site, step, wanted, [job for name in step.after for job in jobs[name]])
                jobs[step.name].append(number)
                new.append(Submitted(step=step.name, job=number, indices=tuple(wanted)))
        return given, new


def _settled(fresh: Submission, live: Sequence[Queued]) -> Submission:
    """Return the submission whose task numbers count: what was written before, while jobs of it are queued."""
    known = read_submission(fresh.folder) if (fresh.folder / "dag.json").is_file() else None
    if known is not None and (live or known.dag == fresh.dag):
        return known
    if known is not None:  # another packing: numbers of tasks mean other runs now
        for step in known.dag.steps:
            for index in range(step.num_tasks):
                if step.kind != "judge":
                    state_path(fresh.folder, step.name, index).unlink(missing_ok=True)
    write_submission(fresh)
    return fresh


def _sorted_out(
    given: Submission, done: Collection[TaskId], live: Sequence[Queued]
) -> tuple[list[Queued], list[Queued]]:
    """Return the jobs that stay, and those to cancel: hopeless ones, and those that wait for what is submitted anew."""
    steps = {given.job_name(step.name): step for step in given.dag.steps}
    useful = [one for one in live if one.state not in ENDING and one.reason not in HOPELESS]
    places = {(steps[one.name].name, one.index) for one in useful}
    anew = {
        step.name
        for step in given.dag.steps
        for index in range(step.num_tasks)
        if (step.name, index) not in done and (step.name, index) not in places
    }
    stale = given.dag.downstream(anew)
    keep = [one for one in useful if steps[one.name].name not in stale]
    return keep, [one for one in live if one not in keep and one.state not in ENDING]


def _submit_step(given: Submission, site: Site, step: Step, indices: Sequence[int], after: Sequence[str]) -> str:
    script = step_script(step, site, given.job_name(step.name), given.folder, given.cwd)
    path: Path = given.folder / "scripts" / f"{step.name}.sh"
    write_text(path, script)
    options = [f"--array={ranges(indices)}%{_at_once(step, site)}"] if step.is_array else []
    if after:
        options.append(f"--dependency=afterok:{':'.join(after)}")
    return queue.submit(script, options)


def _at_once(step: Step, site: Site) -> int:
    asked = site.gpu if step.device == "gpu" and site.gpu is not None else site.cpu
    return asked.jobs


def ranges(indices: Iterable[int]) -> str:
    """Return numbers as sbatch's --array takes them: `0-2,5`."""
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def job_names(given: Submission) -> Mapping[str, str]:
    """Return what the queue calls each step."""
    return {step.name: given.job_name(step.name) for step in given.dag.steps}
