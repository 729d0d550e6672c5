"""`curate fit compare`: two recipes of a table (or of own runs) by the law of their difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from curation.console import JsonFlag, QuietFlag, give
from leaderboard.laws.command import BootstrapOption, FileArgument, MapOption, PlotOption, RunsOption, WhereOption

if TYPE_CHECKING:
    from leaderboard.laws.difference.compare import Difference
    from leaderboard.laws.difference.table import Ranked

BaselineOption = Annotated[str, typer.Option("--baseline", metavar="NAME", help="Recipe that is to be beaten.")]
CandidateOption = Annotated[str, typer.Option("--candidate", metavar="NAME", help="Recipe that is judged.")]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="N=...,D=...",
        help="Target of the forecast, e.g. N=7B,D=140B (default: 10x the largest compute).",
    ),
]
HeldOption = Annotated[
    str | None,
    typer.Option(
        "--holdout",
        metavar="EXPR",
        help="Runs kept out, to measure the error of the difference (default: the largest size, in a second fit).",
    ),
]
DifferenceOption = Annotated[
    str, typer.Option("--difference", metavar="log|raw", help="Difference of ln L (a share of the loss) or of L.")
]
SigmaOption = Annotated[
    float | None,
    typer.Option("--sigma", help="Measured run noise (standard deviation of ln L, or of L with --difference raw)."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The options of one call."""

    file: Path | None
    runs: Path | None
    mapping: list[str]
    where: str | None
    holdout: str | None
    baseline: str
    candidate: str
    at: str | None
    difference: str
    sigma: float | None
    bootstrap: int


def fit_compare(
    baseline: BaselineOption,
    candidate: CandidateOption,
    file: FileArgument = None,
    mapping: MapOption = [],  # noqa: B006 - typer copies the default
    at: AtOption = None,
    where: WhereOption = None,
    holdout: HeldOption = None,
    bootstrap: BootstrapOption = 1000,
    runs: RunsOption = None,
    difference: DifferenceOption = "log",
    sigma: SigmaOption = None,
    plot: PlotOption = None,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Compare two recipes by the law of their difference: gain at a target, crossing, compute multiplier, picture.

    Map `recipe=COLUMN` beside N, D (or C) and L; `seed` and `tier` are found by name. The claim of a gain stands only
    if the held-out error of the difference is at most half of it (rule 12).
    """
    from leaderboard.laws.difference.as_json import difference_json
    from leaderboard.laws.difference.view import draw_difference
    from leaderboard.laws.plots.save import check_plot, write_plot

    if plot is not None:
        check_plot(plot)
    call = Call(
        file=file,
        runs=runs,
        mapping=mapping,
        where=where,
        holdout=holdout,
        baseline=baseline,
        candidate=candidate,
        at=at,
        difference=difference,
        sigma=sigma,
        bootstrap=bootstrap,
    )
    found, ranking, notes = perform_compare(call)
    if plot is not None:
        from leaderboard.laws.plots.gap import difference_spec

        write_plot(plot, difference_spec(found))
    value = difference_json(found, ranking, notes)
    give(value, lambda console: draw_difference(console, found, ranking, notes), as_json=json_output)


def perform_compare(call: Call) -> tuple[Difference, tuple[Ranked, ...], list[str]]:
    """Return the comparison, the plain ranking at the smallest size, and notes on rows and epochs.

    Raises: LawError and ShardError for what cannot be used.
    """
    import numpy as np

    from curation import tables
    from curation.errors import LawError
    from curation.expressions import select
    from leaderboard.laws.difference.compare import Asked, compare_recipes
    from leaderboard.laws.difference.table import table_of, target_of

    if (call.file is None) == (call.runs is None):
        raise LawError("fit compare: expected either FILE or --runs DIR; give one of them")
    source = cast("Path", call.file or call.runs)
    columns, mapping = _columns(call, source)
    kept, _ = tables.split_rows(columns, where=call.where, holdout=None, name=str(source))
    apart = select(call.holdout, kept, f"{source}: --holdout") if call.holdout else None
    table = table_of(kept, mapping, str(source))
    baseline = table.named(call.baseline, "--baseline", str(source))
    candidate = table.named(call.candidate, "--candidate", str(source))
    if baseline == candidate:
        raise LawError(f"fit compare: --baseline and --candidate are both `{baseline}`; name two recipes")
    if call.difference not in ("log", "raw"):
        raise LawError(f"--difference is `{call.difference}`, expected log or raw")
    if call.sigma is not None and not 0 < call.sigma < float("inf"):
        raise LawError(f"--sigma is {call.sigma:g}, expected a positive number: the standard deviation of a run's loss")
    asked = Asked(
        baseline=baseline,
        candidate=candidate,
        target=target_of(tables.inputs(call.at, "--at")) if call.at else None,
        scale="raw" if call.difference == "raw" else "log",
        draws=call.bootstrap,
        sigma=call.sigma,
    )
    rows, mine = table.of(baseline, candidate, str(source))
    out = None if apart is None else np.asarray(apart[table.data.groups][mine])
    if out is not None and (out.all() or not out.any()):
        raise LawError(
            f"{source}: --holdout `{call.holdout}` keeps out {int(out.sum())} of {len(out)} runs of the two recipes, "
            "expected some and not all"
        )
    found = compare_recipes(
        rows if out is None else rows.only(~out), asked, held_out=None if out is None else rows.only(out)
    )
    ranking = table.ranking(found.pairs.points.at(slice(0, 1)), asked.scale)
    notes = [f"dropped {count} rows where {reason}" for reason, count in table.data.dropped.items()]
    return found, ranking, [*table.data.notes, *notes, *table.epochs_note(baseline, candidate)]


def _columns(call: Call, source: Path) -> tuple[dict[str, Any], dict[str, str]]:
    from curation import tables
    from curation.errors import LawError
    from leaderboard.laws.runs import OWN_MAPPING, read_runs

    mapping = tables.pairs(call.mapping, "--map")
    if call.runs:
        return read_runs(source), {**OWN_MAPPING, "recipe": "corpus", **mapping}
    columns = tables.read_columns(source)
    if not mapping:
        raise LawError(
            f"{source}: --map is missing; give --map N=COLUMN,D=COLUMN,L=COLUMN,recipe=COLUMN; "
            f"columns: {', '.join(columns)}"
        )
    return columns, mapping
