"""`curate leaderboard stability`: whether the order of recipes at a small tier holds at the target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, give

if TYPE_CHECKING:
    from leaderboard.stability.compared import Stability

SourcesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE | STUDY_DIR...", help="A table (CSV, Parquet, JSONL), finished studies, or a store."),
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", metavar="COL", help="Column of the recipe (with --wide: default the first).")
]
TierOption = Annotated[
    str | None, typer.Option("--tier", metavar="COL", help="Column of the tier; several with commas.")
]
ScoreOption = Annotated[str | None, typer.Option("--score", metavar="COL", help="Column of the score.")]
SeedOption = Annotated[
    str | None, typer.Option("--seed", metavar="COL", help="Column of the seed; seeds are averaged.")
]
TargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="TIER", help="Tier whose order counts (with --wide: default the last)."),
]
LowerFlag = Annotated[bool, typer.Option("--lower-is-better", help="The score is a loss, bits per byte or an error.")]
WideFlag = Annotated[bool, typer.Option("--wide", help="First column the recipe, then one column a tier, in order.")]
TaskOption = Annotated[
    str | None, typer.Option("--task", metavar="COL", help="Also each task alone; first the mean over tasks.")
]
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="COL", help="Also each slice alone; first the mean of ln score over slices (rule 5)."),
]
FlopsOption = Annotated[
    str | None,
    typer.Option(
        "--flops",
        metavar="COL | TIER=F,...",
        help="Training FLOPs of a run: a column, 6*N*D over columns, or a number a tier.",
    ),
]
WhereOption = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="Rows to use, e.g. \"step == 38157 and task == 'mmlu'\".")
]
LastOption = Annotated[
    str | None,
    typer.Option("--last", metavar="COL", help="Of each run's rows the one with the largest COL, e.g. step."),
]
RepeatsFlag = Annotated[
    bool, typer.Option("--average-repeats", help="Take the mean of rows of one recipe, tier and seed; else refused.")
]
SliceFlag = Annotated[bool, typer.Option("--by-slice", help="Of studies: also each slice of the panel alone.")]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Also draw ranks by tier: .svg, .html or .png.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of one call."""

    sources: list[Path]
    recipe: str | None
    tier: str | None
    score: str | None
    seed: str | None
    target: str | None
    lower_is_better: bool
    wide: bool
    task: str | None
    by: str | None
    flops: str | None
    where: str | None
    by_slice: bool
    last: str | None = None
    average_repeats: bool = False


def leaderboard_stability(
    sources: SourcesArgument,
    recipe: RecipeOption = None,
    tier: TierOption = None,
    score: ScoreOption = None,
    seed: SeedOption = None,
    target: TargetOption = None,
    lower_is_better: LowerFlag = False,
    wide: WideFlag = False,
    task: TaskOption = None,
    by: ByOption = None,
    flops: FlopsOption = None,
    where: WhereOption = None,
    last: LastOption = None,
    average_repeats: RepeatsFlag = False,
    by_slice: SliceFlag = False,
    plot: PlotOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Say whether the order of recipes at small tiers holds at the target: correlations, decisions, regret, crossings.

    Decision accuracy is the share of recipe pairs that both tiers order alike; a tie counts one half. With seeds it
    also says which pairs their noise resolves and which inversions are significant (rule 11).
    """
    from leaderboard.stability.as_json import stability_json
    from leaderboard.stability.picture import check_picture, write_picture
    from leaderboard.stability.view import draw_stability

    if plot is not None:
        check_picture(plot)
    asked = Asked(
        sources=sources,
        recipe=recipe,
        tier=tier,
        score=score,
        seed=seed,
        target=target,
        lower_is_better=lower_is_better,
        wide=wide,
        task=task,
        by=by,
        flops=flops,
        where=where,
        by_slice=by_slice,
        last=last,
        average_repeats=average_repeats,
    )
    found = perform_stability(asked)
    if plot is not None:
        write_picture(plot, found[0])
    give(stability_json(found), lambda console: draw_stability(console, found), as_json=json_output)


def perform_stability(asked: Asked) -> list[Stability]:
    """Return the whole table (or the mean over groups) first, then every group by name.

    Raises: ResultsError and RunError for what cannot be used.
    """
    from curation.errors import ResultsError
    from leaderboard.stability.from_studies import studies_of, study_stability
    from leaderboard.stability.from_table import table_stability

    studies = [studies_of(path) for path in asked.sources]
    if all(studies):
        _check_unused(asked)
        return study_stability([path for found in studies for path in found], asked.target, by_slice=asked.by_slice)
    if len(asked.sources) > 1:
        raise ResultsError(
            f"{asked.sources[1]}: a second source, expected one table or several study directories; put the rows in one"
        )
    if asked.by_slice:
        raise ResultsError("--by-slice: belongs to studies; of a table name the column of slices: --by COL")
    return table_stability(asked)


def _check_unused(asked: Asked) -> None:
    """Refuse options that belong to a table."""
    from curation.errors import ResultsError

    names = ("recipe", "tier", "score", "seed", "wide", "task", "by", "flops", "where", "last", "average_repeats")
    for name in names:
        if getattr(asked, name):
            option = f"--{name.replace('_', '-')}"
            raise ResultsError(f"{option}: belongs to a table, and {asked.sources[0]} is a study; leave it out")
    if asked.lower_is_better:
        raise ResultsError(
            "--lower-is-better: scores of studies are bits per byte, always better when lower; leave it out"
        )
