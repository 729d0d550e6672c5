"""Published runs written to a board; an entry that is there already stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboard.published.draft import draft_of
from leaderboard.published.run import PublishedRun

BOARD_NAME = "published"


def write_runs(board: Path, runs: Sequence[PublishedRun]) -> int:
    """Write the runs as entries of the board's folder, which is made where there is none; return how many are new.

    Raises: BoardError for a board that lies elsewhere: its folder is where entries are made.
    """
    from leaderboard.entries.places import local_folder
    from leaderboard.entries.tracks import BOARD_FILE, make_board
    from leaderboard.entries.write import write_entry

    if (board / BOARD_FILE).is_file() or (board / "HEAD").is_file() or "://" in str(board):
        local_folder(board)
    else:
        make_board(board, BOARD_NAME, ())
    return sum(write_entry(board, draft_of(run)).new for run in runs)


def read_runs(board: Path) -> list[PublishedRun]:
    """Return the published runs of a board that were not retracted, by name."""
    from leaderboard.entries.entry import read_entries
    from leaderboard.published.draft import published_run

    found = [published_run(entry) for entry in read_entries(board) if not entry.retracted]
    return sorted((run for run in found if run is not None), key=lambda run: (run.name, run.key))
