"""What `study run|status|cancel --on NAME` do: submit, look, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, SetOption, StoreOption, give
from curation.errors import EXIT_INCOMPLETE, StudyError, raise_faults

if TYPE_CHECKING:
    from curation.backends.sites import Site
    from curation.store import Store
    from leaderboard.cluster.folder import Submission
    from leaderboard.studies.plan_rows import StudyPlan
    from leaderboard.studies.study import Study

OnOption = Annotated[str, typer.Option("--on", metavar="NAME", help="The site's profile, or a YAML file of one.")]
WAIT_SECONDS = 60.0


def study_cancel(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study.")],
    on: OnOption,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Cancel what a cluster has queued or runs of a study; what is finished stays, a later `study run --on` goes on.

    Trainings that run get SIGTERM and write a checkpoint. Waits up to a minute for them to end.
    """
    from curation.store import Store
    from leaderboard.cluster.cancel import cancel_study
    from leaderboard.studies.study import load_study

    root = Store.open(store)
    given, _ = prepared(load_study(study, tuple(overrides)), str(study), on, root)
    ended = cancel_study(given, seconds=WAIT_SECONDS)
    left = f"; {len(ended.left)} are still ending" if ended.left else ""
    give(
        {"study": given.study.name, "folder": str(given.folder), "cancelled": list(ended.jobs),
         "ending": list(ended.left)},
        lambda console: console.print(
            f"{given.study.name}: {len(ended.jobs)} jobs cancelled{left}; what is finished stays in {root.root}",
            markup=False, soft_wrap=True,
        ),
        as_json=json_output,
    )  # fmt: skip


def prepared(study: Study, where: str, on: str, store: Store) -> tuple[Submission, Site]:
    """Return the submission that a study is on a site, and the site. Raises: RecipeError, StudyError."""
    from curation.backends.sites import load_site
    from leaderboard.cluster.dag import dag_of
    from leaderboard.cluster.folder import submission_of
    from leaderboard.studies.arms import resolve_arms

    site = load_site(on)
    if site.scheduler != "slurm":
        raise StudyError(f"site `{on}`: has scheduler {site.scheduler}, expected slurm; studies are submitted to Slurm")
    arms = resolve_arms(study, where)
    return submission_of(study, arms, where, store, dag_of(study, arms, site)), site


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSite:
    """What `study run --on` was told."""

    on: str
    budget: str | None
    dry_run: bool
    json_output: bool


def run_on(study: Study, where: str, store: Store, told: OnSite) -> None:
    """Submit a study, or with `dry_run` show its steps and hours.

    Raises: StudyError, RecipeError, SchedulerError, StoreBusyError; nothing is submitted then, or only what is said.
    """
    from curation.progress import SilentProgress
    from leaderboard.cluster.submit import parse_budget, refuse_beyond, refuse_unfit, submit
    from leaderboard.cluster.view import draw_plan, draw_submitted, plan_json, submitted_json
    from leaderboard.studies.plan import plan_study
    from leaderboard.studies.suite_scores import suites_that_cannot

    raise_faults(StudyError, f"study {study.name}", suites_that_cannot(study.suites))
    given, site = prepared(study, where, told.on, store)
    plan: StudyPlan = plan_study(study, where, store=store, progress=SilentProgress())
    if told.budget is not None:
        refuse_beyond(parse_budget(told.budget), plan, where)
    if told.dry_run:
        give(plan_json(given, plan, told.on), lambda console: draw_plan(console, given, plan, told.on),
             as_json=told.json_output)  # fmt: skip
        return
    refuse_unfit(given, site)
    stands, jobs = submit(given, site)
    give(submitted_json(stands, jobs, plan, told.on), lambda console: draw_submitted(console, stands, jobs, told.on),
         as_json=told.json_output)  # fmt: skip


def status_on(study: Study, where: str, store: Store, on: str, *, json_output: bool) -> None:
    """Show every step of a submitted study; exits with 3 where a task has failed.

    Raises: StudyError if it was never submitted from here, SchedulerError without an answer of Slurm.
    """
    from leaderboard.cluster import queue
    from leaderboard.cluster.folder import read_submission
    from leaderboard.cluster.standing import finished, overall, standings
    from leaderboard.cluster.submit import job_names
    from leaderboard.cluster.view import draw_status, status_json

    fresh, _ = prepared(study, where, on, store)
    given = read_submission(fresh.folder)
    queue.refuse_without_slurm()
    live = queue.queued(list(job_names(given).values()))
    tasks = standings(given, finished(given, store=store), live)
    give(status_json(given, tasks, on), lambda console: draw_status(console, given, tasks, on), as_json=json_output)
    if overall(tasks) == "failed":
        raise typer.Exit(EXIT_INCOMPLETE)
