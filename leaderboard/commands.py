"""The command `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import (
    JsonFlag,
    StoreOption,
    give,
)
from curation.errors import CurateError
from curation.files import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaderboard.compare_command import Compared

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study (docs/studies.md).")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write page and result there.")]


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
    heatmap: Annotated[
        Path | None, typer.Option("--heatmap", metavar="FILE", help="Also draw arms by slices: .svg, .html or .png.")
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

    opened = Store.reading(store)
    found = compared(opened, results, arm=arm, against=against, control=control)
    _draw_pictures(found, plot, heatmap)
    if items_list is None:
        alone: Json = {"comparisons": compared_json(found)}
        give(alone, lambda console: draw_compared(console, found), as_json=json_output)
        return
    from leaderboard.contaminated.sides import sides_contamination
    from leaderboard.contaminated.view import contamination_json

    told = sides_contamination(opened, results, items_list, detector=detector)
    both: Json = {"comparisons": compared_json(found), "contamination": [contamination_json(one) for one in told]}
    give(both, lambda console: draw_compared(console, found, told), as_json=json_output)


def _draw_pictures(found: Sequence[Compared], plot: Path | None, heatmap: Path | None) -> None:
    if plot:
        from leaderboard.comparison.picture import write_picture

        write_picture(plot, found)
    if heatmap:
        from leaderboard.comparison.heat_picture import write_heatmap

        write_heatmap(heatmap, found)
