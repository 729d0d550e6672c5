"""`curate leaderboard show`: ranks as estimates, one table for each set of rows that may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give
from curation.files import Json

if TYPE_CHECKING:
    from curation.store import Store
    from leaderboard.ranking.candidates import Gathered
    from leaderboard.ranking.row import Table

SHOWN_ROWS = 30
STORE_BOARD = "board"


def leaderboard_show(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BOARD | STUDY_DIR...]",
            help="Boards (folder, git repository or its URL) or study directories (default: the store's studies and "
            "its own board).",
        ),
    ] = None,
    track: Annotated[str | None, typer.Option("--track", help="Only this track.")] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="Only this tier.")] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="headline, a slice, an aggregate (Core_v1) or a task (default: headline; Core_v2 of published runs).",
        ),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help=f"All rows of a table, not the first {SHOWN_ROWS}.")] = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write all rows to FILE.")] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """List recipes with their places: mean, interval, rank interval, P(rank = 1), ties, smallest detectable gain, n.

    Only rows of equal track, tier, training recipe, suite, panel, context and tokenizer share a table. pico and nano
    are listed without rank: laptop tiers are plumbing, not evidence.
    """
    from curation.store import Store
    from leaderboard.ranking.row import left_json, table_json
    from leaderboard.ranking.view import draw_tables

    opened = Store.reading(store)
    rows = read_places(opened, places or [])
    tables = selected_tables(opened, rows, (track, tier), metric)
    left = [one for one in rows.left_out if tier in (None, one.tier)]
    if csv_file:
        from curation.files import write_text
        from leaderboard.ranking.row import tables_csv

        write_text(csv_file, tables_csv(tables))
    value: dict[str, Json] = {"tables": [table_json(one) for one in tables], "left_out": left_json(left)}
    limit = 0 if show_all else SHOWN_ROWS
    give(value, lambda console: draw_tables(console, tables, left, limit), as_json=json_output)


def selected_tables(
    store: Store, rows: Gathered, only: tuple[str | None, str | None], metric: str | None = None
) -> list[Table]:
    """Return the tables of the rows of a track and a tier; None of either is all.

    Raises: RunError for a track or tier that no row has.
    """
    from curation.errors import RunError, nearest
    from leaderboard.noise.find import known_packs
    from leaderboard.ranking.tables import ranked_tables

    kept = list(rows.candidates)
    for name, wanted in (("track", only[0]), ("tier", only[1])):
        known = sorted({str(getattr(one.key, name)) for one in kept} - {""})
        if wanted is not None and kept:
            kept = [one for one in kept if getattr(one.key, name) == wanted]
            if not kept:
                raise RunError(
                    f"--{name} {wanted}: no row has it; expected a {name} of a row; {nearest(wanted, known)}"
                )
    return ranked_tables(kept, known_packs(store.root), metric)


def read_places(store: Store, places: Sequence[str | Path]) -> Gathered:
    """Return the rows of boards and study directories; of the store's studies and its own board when none is given.

    Of a bare or remote repository the newest commit is read. Raises: RunError for what is neither; BoardError for a
    repository without a board, and for one on the Hub.
    """
    from leaderboard.entries.entry import ENTRIES
    from leaderboard.ranking.candidates import Gathered
    from leaderboard.ranking.from_entries import board_rows
    from leaderboard.ranking.from_studies import load_results, store_source, study_rows

    own = store.root / STORE_BOARD
    found, studies = [], []
    for place in places:
        rows = _of_board(str(place))
        if rows is None:
            studies.append(_study_at(str(place)))
        else:
            found.append(rows)
    if not places and (own / ENTRIES).is_dir():
        found = [board_rows(own)]
    if studies or not places:
        found += [study_rows(store_source(result, store)) for result in load_results(store, studies)]
    return Gathered(
        candidates=tuple(row for one in found for row in one.candidates),
        left_out=tuple(left for one in found for left in one.left_out),
    )


def _of_board(text: str) -> Gathered | None:
    """Return the rows of a board; None for a path at which none is."""
    from leaderboard.entries.entry import ENTRIES
    from leaderboard.entries.git_board import newest_board
    from leaderboard.entries.places import local_folder, repository_of
    from leaderboard.entries.tracks import BOARD_FILE
    from leaderboard.ranking.from_entries import board_rows

    place = repository_of(text)
    if place is not None and place.kind == "remote":
        with newest_board(place) as folder:
            return board_rows(folder, said=text)
    if place is not None and place.kind == "hub":
        local_folder(text)  # says how to get a copy
    path = Path(text).expanduser()
    return board_rows(path) if (path / ENTRIES).is_dir() or (path / BOARD_FILE).is_file() else None


def _study_at(text: str) -> Path:
    """Return the path of a study. Raises: RunError for a path that holds neither a study nor a board."""
    from curation.errors import RunError
    from leaderboard.studies.results import RESULT_FILE

    path = Path(text).expanduser()
    if path.is_file() or (path / RESULT_FILE).is_file():
        return path
    what = f"neither {RESULT_FILE} nor board.json in it" if path.is_dir() else "no such folder"
    raise RunError(
        f"{text}: {what}; expected a board (a folder, a git repository or its URL) or a study directory; make one with "
        "`curate leaderboard init BOARD` or `curate study run STUDY.yaml`; without a place the store's own are shown"
    )
