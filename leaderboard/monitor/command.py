"""`curate fit monitor`: new runs against the law of earlier ones, with what to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, give
from curation.files import Json
from leaderboard.laws.command import FileArgument, MapOption, RunsOption, WhereOption

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from curation.tables import Array


def fit_monitor(
    file: FileArgument = None,
    mapping: MapOption = [],  # noqa: B006 - typer copies the default
    where: WhereOption = None,
    new: Annotated[
        str | None, typer.Option("--new", metavar="EXPR", help='Rows to judge by the law of the others: "N >= 1e9".')
    ] = None,
    runs: RunsOption = None,
    law: Annotated[
        str | None,
        typer.Option("--law", metavar="LAW", help="Law of the band (default: chinchilla; kaplan with C alone)."),
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Of the band: a sound new point lies in it so often.")] = 0.99,
    noise: Annotated[
        str | None,
        typer.Option("--noise", metavar="0.2%", help="Relative noise of a run's loss, where it was measured."),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, metavar="DRAWS", help="Refits behind the band.")
    ] = 200,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Also draw it: .svg, .png, .html or .json.")
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Judge new runs by the fitted band of earlier ones; check residuals, IsoFLOP valleys and batches.

    Map N, D (or C), L; also run=COLUMN for checkpoints of one run and B=COLUMN for its batch. Every flag says what to
    look at first. The exit code is 0 with flags too: read `verdict`.
    """
    from curation.errors import LawError
    from leaderboard.laws.law import Settings
    from leaderboard.laws.plots.save import check_plot, write_plot
    from leaderboard.monitor.plot import monitor_spec
    from leaderboard.monitor.view import draw_watched
    from leaderboard.monitor.watch import watch

    if (file is None) == (runs is None):
        raise LawError("fit monitor: expected either FILE or --runs DIR; give one of them")
    if plot is not None:
        check_plot(plot)
    source = cast("Path", file or runs)
    table, is_new = _read(source, mapping, own=runs is not None, where=where, new=new)
    found = watch(
        table,
        is_new,
        law=law,
        level=level,
        noise=_share(noise),
        settings=Settings(draws=bootstrap),
        where=str(source),
    )
    if plot is not None:
        write_plot(plot, monitor_spec(found))
    give(cast("Json", found.as_json()), lambda console: draw_watched(console, found), as_json=json_output)


def _read(
    source: Path, mapping: Sequence[str], *, own: bool, where: str | None, new: str | None
) -> tuple[dict[str, Array], npt.NDArray[np.bool_]]:
    """Return the mapped columns of the chosen rows, and which rows are new."""
    import numpy as np

    from curation import tables
    from curation.errors import LawError
    from curation.expressions import select
    from leaderboard.laws.families import check_one_family
    from leaderboard.laws.runs import OWN_MAPPING, read_runs

    columns = read_runs(source) if own else tables.read_columns(source)
    pairs = tables.pairs(mapping, "--map")
    if own:
        pairs = {**OWN_MAPPING, "run": "run", **pairs}
    if not pairs:
        raise LawError(
            f"{source}: --map is missing; give --map N=COLUMN,D=COLUMN,L=COLUMN; columns: {', '.join(columns)}"
        )
    chosen, _ = tables.split_rows(columns, where=where, holdout=None, name=str(source))
    if own:
        check_one_family((str(tier) for tier in chosen["tier"]), str(source))
    num = len(next(iter(chosen.values())))
    is_new = select(new, chosen, f"{source}: --new") if new else np.zeros(num, bool)
    if new and (is_new.all() or not is_new.any()):
        raise LawError(f"{source}: --new `{new}` chooses {int(is_new.sum())} of {num} rows, expected some and not all")
    return tables.mapped(chosen, pairs, str(source)), is_new


def _share(text: str | None) -> float | None:
    from curation.errors import LawError

    if text is None:
        return None
    value = text.strip()
    try:
        return float(value.rstrip("%").strip()) / (100 if value.endswith("%") else 1)
    except ValueError:
        raise LawError(f"--noise: `{text}`, expected the relative noise of a run, e.g. 0.2% or 0.002") from None
