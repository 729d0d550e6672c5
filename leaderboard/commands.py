"""Commands of this package: `demo`, `study plan`, `study run`, `study report`, `compare`, `leaderboard show`."""

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
from curation.errors import EXIT_INCOMPLETE, CurateError
from curation.files import Json

if TYPE_CHECKING:
    from curation.store import Store
    from leaderboard.results import StudyResult
    from leaderboard.run_study import PlanRow, Ran
    from leaderboard.study import Study

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study (docs/studies.md).")]
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
    from leaderboard.demo import demo_study

    study, where = demo_study(tuple(overrides))
    options = _Options(store=store, workers=workers, dry_run=dry_run, json_output=json_output, quiet=quiet, out=out)
    _run(study, where, options)


def study_run(
    study: StudyArgument,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    out: OutOption = None,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Build, train, score and compare all arms of a study.

    Finished corpora and runs are reused, also between arms; after Ctrl-C or a crash the same command continues. If a
    training fails the others finish, and the exit code is 3.
    """
    from leaderboard.study import load_study

    loaded = load_study(study, tuple(overrides))
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
    """Show what a study would build, reuse and train, with kept documents and tokens where they are known."""
    from leaderboard.study import load_study

    loaded = load_study(study, tuple(overrides))
    if build:
        from curation.store import Store
        from leaderboard.run_study import build_corpora

        progress = progress_for(quiet=json_output)
        build_corpora(loaded, str(study), store=Store.open(store), workers=workers, progress=progress)
    _run(loaded, str(study), _Options(store=store, dry_run=True, json_output=json_output))


def study_report(
    study: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="Study directory, or its results.json.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where page and Markdown go.")] = Path("report"),
    json_output: JsonFlag = False,
) -> None:
    """Write the page and the Markdown of a finished study again, from its result alone."""
    from leaderboard.report import write_report
    from leaderboard.results import as_json, read_result

    result = read_result(study)
    out.mkdir(parents=True, exist_ok=True)
    page = write_report(result, out)
    give(
        {"page": str(page), "result": as_json(result)},
        lambda console: console.print(f"page: {page}", soft_wrap=True),
        as_json=json_output,
    )


def compare(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY_DIR | A B",
            help="A study, or two sides: runs, corpora, results or STUDY:ARM; several with commas or a pattern.",
        ),
    ],
    arm: Annotated[str | None, typer.Option("--arm", help="Arm of the study to compare (default: every arm).")] = None,
    against: Annotated[str | None, typer.Option("--against", help="Arm to compare with (default: baseline).")] = None,
    control: Annotated[
        str | None,
        typer.Option("--control", help="Runs of A's random-matched control: splits the gain (rule 3); named as A is."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also draw a forest plot: .svg, .html or .png.")
    ] = None,
    items_list: Annotated[
        Path | None,
        typer.Option(
            "--items-list",
            "--item-lists",
            metavar="PATH",
            help="items.jsonl: also compare on clean and suspicious items.",
        ),
    ] = None,
    detector: Annotated[
        str | None, typer.Option("--detector", help="Whose suspicious items (default: the list's own).")
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Compare arms of a study, or two sides, slice by slice and task by task with intervals over seeds and items.

    What got worse comes first; checks say when a gain shows only on easy tasks, only in loss, or under one budget.
    Scores of different panels, suites, contexts or versions of the metrics are refused.
    """
    if detector and items_list is None:
        raise CurateError("--detector: belongs to --items-list, which is missing; give the lists too")
    from curation.store import Store
    from leaderboard.compare_command import compared, compared_json
    from leaderboard.comparison.show import draw_compared

    found = compared(Store.open(store), results, arm=arm, against=against, control=control)
    if plot:
        from leaderboard.comparison.picture import write_picture

        write_picture(plot, found)
    if items_list is None:
        alone: Json = {"comparisons": compared_json(found)}
        give(alone, lambda console: draw_compared(console, found), as_json=json_output)
        return
    from leaderboard.contaminated_sides import sides_contamination
    from leaderboard.contaminated_view import contamination_json

    told = sides_contamination(Store.open(store), results, items_list, detector=detector)
    both: Json = {"comparisons": compared_json(found), "contamination": [contamination_json(one) for one in told]}
    give(both, lambda console: draw_compared(console, found, told), as_json=json_output)


def leaderboard_show(
    studies: Annotated[
        list[Path] | None, typer.Argument(metavar="STUDY_DIR...", help="Study directories (default: all of the store).")
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """List study results: one row a recipe and tier, with seeds, interval, unique tokens, epochs and verdict.

    pico and nano are listed without rank: laptop tiers are plumbing, not evidence.
    """
    from curation.store import Store
    from leaderboard.board import board_rows, load_results, row_json
    from leaderboard.tables import draw_board

    rows = board_rows(load_results(Store.open(store), studies or []))
    give([row_json(row) for row in rows], lambda console: draw_board(console, rows), as_json=json_output)


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

    store = Store.open(options.store)
    if options.dry_run:
        _plan(study, where, store, as_json=options.json_output)
        return
    from leaderboard.run_study import run_study

    progress = progress_for(quiet=options.quiet or options.json_output)
    ran = run_study(study, where, store=store, workers=options.workers, progress=progress, out=options.out)
    _give_result(ran, as_json=options.json_output)
    if ran.result.failures:
        _say_incomplete(ran.result)
        raise typer.Exit(EXIT_INCOMPLETE)


def _plan(study: Study, where: str, store: Store, *, as_json: bool) -> None:
    from dataclasses import asdict

    from curation.progress import SilentProgress
    from leaderboard.run_study import plan_study
    from leaderboard.tables import draw_plan

    rows: list[PlanRow] | None = plan_study(study, where, store=store, progress=SilentProgress())
    listed: list[Json] = [asdict(row) for row in rows or []]
    value: Json = {"study": study.name, "pool": "known" if rows else "not yet read", "arms": listed}
    give(value, lambda console: draw_plan(console, study, rows), as_json=as_json)


def _give_result(ran: Ran, *, as_json: bool) -> None:
    from leaderboard.results import as_json as result_json
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
