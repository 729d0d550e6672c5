"""`curate leaderboard import dclm`: DCLM's published runs as entries of a board."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import DryRunFlag, JsonFlag, StoreOption, give
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.published.reconcile import Published

BOARD = "board"
"""The store's own board."""
BoardOption = Annotated[
    Path | None, typer.Option("--to", metavar="BOARD", help="Directory of the board (default: `board` in the store).")
]


def import_dclm(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds evals/*.json and DCLM_model_database.csv.")],
    to: BoardOption = None,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Import DCLM's published evaluations as entries: level L0, division `published`, one run each.

    CORE and EXTENDED are worked out anew from each task's score; a missing task makes them not available. Files and
    database are reconciled: duplicates are dropped, every difference is listed. Importing twice adds nothing.
    """
    from curation.store import Store
    from leaderboard.published.reconcile import read_dclm
    from leaderboard.published.write import write_runs

    board = to or Store.open(store).root / BOARD
    found = read_dclm(folder)
    new = None if dry_run else write_runs(board, found.runs)
    give(as_json(found, board, new), lambda console: _draw(console, found, board, new), as_json=json_output)


def as_json(found: Published, board: Path, new: int | None) -> dict[str, Json]:
    """Return what was read and written; `new` is None for a dry run."""
    from leaderboard.published.faults import faults_json
    from leaderboard.published.run import AGGREGATES

    aggregates = [(run.name, run.reasons) for run in found.runs]
    return {
        "board": str(board),
        "dry_run": new is None,
        "entries": len(found.runs),
        "new": new or 0,
        "already_there": 0 if new is None else len(found.runs) - new,
        "tiers": dict(sorted(Counter(run.tier for run in found.runs).items())),
        "files": {"read": len(found.files.runs), "bad": faults_json(found.files.faults)},
        "database": {
            "rows": found.database.num_rows,
            "runs": len(found.database.runs),
            "bad": faults_json(found.database.faults),
            "duplicates": faults_json(found.database.duplicates),
        },
        "reconciled": {
            "in_both": found.num_both,
            "only_in_files": len(found.files.runs) - found.num_both,
            "only_in_database": len(found.database.runs) - found.num_both,
            "disagreements": {
                "count": len(found.disagreements),
                "by_kind": dict(sorted(Counter(one.kind for one in found.disagreements).items())),
                "list": [
                    {"run": one.run, "what": one.what, "stated": one.left, "found": one.right, "kind": one.kind}
                    for one in found.disagreements
                ],
            },
            "same_scores": [list(names) for names in found.twins],
        },
        "aggregates": {
            "recomputed": {name: sum(name not in why for _, why in aggregates) for name in AGGREGATES},
            "stored_in_files": sum(len(one.stored) for one in found.files.runs),
            "stored_that_differ": sum(len(one.off) for one in found.files.runs),
            "not_available": {
                run: {name: why[name] for name in AGGREGATES if name in why}
                for run, why in aggregates
                if any(name in why for name in AGGREGATES)
            },
        },
    }


def _draw(console: Console, found: Published, board: Path, new: int | None) -> None:
    from curation.console import printable

    def say(text: str) -> None:
        console.print(printable(text), markup=False, soft_wrap=True)

    did = "would write" if new is None else f"{new} new,"
    say(f"{board}: {did} {len(found.runs)} entries (level L0, division published)")
    tiers = Counter(run.tier for run in found.runs)
    say("tiers: " + ", ".join(f"{tier} {count}" for tier, count in tiers.most_common()))
    say(
        f"files: {len(found.files.runs)} read; database: {found.database.num_rows} rows, "
        f"{len(found.database.duplicates)} repeated; {found.num_both} runs in both"
    )
    for faults in (found.files.faults, found.database.faults):
        for fault in faults:
            say(f"not imported, {fault.reason}: {fault.place}: {fault.text}")
    if found.disagreements:
        kinds = Counter(one.kind for one in found.disagreements)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        say(f"numbers that disagree: {told}; listed with --json")
    lacking = sum("Core_v2" in run.reasons for run in found.runs)
    partial = sum("Extended_v2" in run.reasons for run in found.runs)
    say(f"not available for missing tasks: CORE of {lacking} runs, EXTENDED of {partial}")
    for names in found.twins:
        say(f"the very same scores under {len(names)} names: {', '.join(names)}")
    say(f"next: curate leaderboard show {board}")
