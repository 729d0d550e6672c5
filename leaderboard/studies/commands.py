"""Commands of studies: `demo`, `study plan`, `study run`, `study status`, `study report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    StoreOption,
    WorkersOption,
    give,
    progress_for,
)
from curation.errors import EXIT_INCOMPLETE, StudyError
from curation.files import Json

if TYPE_CHECKING:
    from curation.store import Store
    from leaderboard.studies.results import StudyResult
    from leaderboard.studies.run import Ran
    from leaderboard.studies.study import Study

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study (docs/studies.md).")]
OnOption = Annotated[
    str | None, typer.Option("--on", metavar="NAME", help="On that cluster: a site's profile (docs/cluster.md).")
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write page and result there.")]


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the page goes.")] = Path("curate-demo"),
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Run the whole path on this machine's own text: pool, four recipes, eight models, a table and a page.

    About ten minutes on two cores; a second run reuses everything. Plumbing, not evidence.
    """
    from leaderboard.studies.demo import demo_study

    study, where = demo_study(tuple(overrides))
    options = _Options(store=store, workers=workers, dry_run=dry_run, json_output=json_output, quiet=quiet, out=out)
    _run(study, where, options)


def study_run(
    study: StudyArgument,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    out: OutOption = None,
    on: OnOption = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="HOURS", help="With --on: the most that the plan may take, 120gpuh."),
    ] = None,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Build, train, score and compare all arms of a study.

    Finished corpora and runs are reused, also between arms; after Ctrl-C or a crash the same command continues. If a
    training fails the others finish, and the exit code is 3. With --on every step is submitted to a cluster and the
    command returns; given again it submits what is missing.
    """
    from leaderboard.studies.study import load_study

    loaded = load_study(study, tuple(overrides))
    if on is not None:
        if out is not None:
            raise StudyError(
                "--out: given with --on, expected one of them; the page is in the store, see `study report`"
            )
        _run_on(loaded, str(study), on, budget, _Options(store=store, dry_run=dry_run, json_output=json_output))
        return
    if budget is not None:
        raise StudyError("--budget: given without --on, expected both; here `curate study plan` shows the hours")
    options = _Options(store=store, workers=workers, dry_run=dry_run, json_output=json_output, quiet=quiet, out=out)
    _run(loaded, str(study), options)


def study_plan(
    study: StudyArgument,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    build: Annotated[
        bool, typer.Option("--build", help="First build all corpora, without training: how much does each arm drop?")
    ] = False,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show what a study would build, reuse and train, what it takes, what it can see and what would be in vain.

    Per arm and tier: text, epochs, runs, hours, disk, the smallest effect its seeds find, and every rule that would
    make the result insufficient, with the edit that mends it. Nothing is built; corpora not there are estimated (~).
    """
    from leaderboard.studies.study import load_study

    loaded = load_study(study, tuple(overrides))
    if build:
        from curation.store import Store
        from leaderboard.studies.run import build_corpora

        progress = progress_for(quiet=json_output)
        build_corpora(loaded, str(study), store=Store.open(store), workers=workers, progress=progress)
    _run(loaded, str(study), _Options(store=store, workers=workers, dry_run=True, json_output=json_output))


def study_status(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml|STUDY_DIR", help="The study, or its directory.")],
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    on: OnOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show what of a study is built, trained, running, failed or stopped at a gate, and what is next. Reads only.

    With --on: every step on that cluster; the exit code is 3 where one has failed.
    """
    from curation.store import Store

    if on is not None:
        from leaderboard.cluster.commands import status_on
        from leaderboard.studies.study import load_study

        status_on(load_study(study, tuple(overrides)), str(study), Store.reading(store), on, json_output=json_output)
        return
    from leaderboard.studies.status import study_status as status_of
    from leaderboard.studies.status_view import draw_status, status_json

    found = status_of(study, Store.reading(store), tuple(overrides))
    give(status_json(found), lambda console: draw_status(console, found), as_json=json_output)


def study_report(
    study: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="Study directory, or its results.json.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where page and Markdown go.")] = Path("report"),
    json_output: JsonFlag = False,
) -> None:
    """Write the page and the Markdown of a finished study again, from its result alone."""
    from leaderboard.gates.overrides import override_lines
    from leaderboard.report import write_report
    from leaderboard.studies.results import as_json, read_result

    result = read_result(study)
    out.mkdir(parents=True, exist_ok=True)
    page = write_report(result, out, override_lines(study if study.is_dir() else study.parent))
    give(
        {"page": str(page), "result": as_json(result)},
        lambda console: console.print(f"page: {page}", soft_wrap=True),
        as_json=json_output,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What `demo`, `study run` and `study plan` share."""

    store: Path | None
    workers: int = 1
    dry_run: bool = False
    json_output: bool = False
    quiet: bool = False
    out: Path | None = None


def _run(study: Study, where: str, options: _Options) -> None:
    from curation.store import Store

    if options.dry_run:
        _plan(study, where, Store.reading(options.store), options)
        return
    store = Store.open(options.store)
    from leaderboard.studies.run import run_study

    progress = progress_for(quiet=options.quiet or options.json_output)
    ran = run_study(study, where, store=store, workers=options.workers, progress=progress, out=options.out)
    _give_result(ran, as_json=options.json_output)
    if ran.result.failures:
        _say_incomplete(ran.result)
        raise typer.Exit(EXIT_INCOMPLETE)


def _run_on(study: Study, where: str, on: str, budget: str | None, options: _Options) -> None:
    from curation.store import Store
    from leaderboard.cluster.commands import OnSite, run_on

    told = OnSite(on=on, budget=budget, dry_run=options.dry_run, json_output=options.json_output)
    store = Store.reading(options.store) if options.dry_run else Store.open(options.store)
    run_on(study, where, store, told)


def _plan(study: Study, where: str, store: Store, options: _Options) -> None:
    from curation.progress import SilentProgress
    from leaderboard.studies.plan import plan_study
    from leaderboard.studies.plan_view import draw_plan, plan_json

    plan = plan_study(study, where, store=store, progress=SilentProgress(), workers=options.workers)
    give(plan_json(plan), lambda console: draw_plan(console, plan), as_json=options.json_output)


def _give_result(ran: Ran, *, as_json: bool) -> None:
    from leaderboard.studies.results import as_json as result_json
    from leaderboard.tables import draw_result

    def draw(console: object) -> None:
        from rich.console import Console

        assert isinstance(console, Console)
        draw_result(console, ran.result)
        console.print(f"study: {ran.folder}", soft_wrap=True, markup=False)
        console.print(f"page: {ran.page}", soft_wrap=True, markup=False)

    value: Json = {"study": str(ran.folder), "page": str(ran.page), "result": result_json(ran.result)}
    give(value, draw, as_json=as_json)


def _say_incomplete(result: StudyResult) -> None:
    names = ", ".join(f"{item.arm} {item.tier} seed {item.seed}" for item in result.failures)
    typer.echo(f"{len(result.failures)} trainings failed ({names}); the same command trains just these again", err=True)
