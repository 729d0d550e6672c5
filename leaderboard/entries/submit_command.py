"""`curate submit`: a finished study to a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give, printable, progress_for
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.entries.local_board import Submitted


def submit(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY_DIR|STUDY.yaml", help="A finished study: its directory, or its YAML.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="BOARD", help="Folder, git repository (also a URL) or hf:owner/name.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="SUBMITTER", help="Name to show (default: anonymous).")] = "",
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Also publish the sample documents of filter funnels and reports.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make the entry and run every check; write nothing to the board.")
    ] = False,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Write a finished study to a board as an entry: hashes, counts and scores; no text, paths, names or secrets.

    Everything of level 1 is checked first. A folder gets the entry at once, a git repository a branch submit/ENTRY, the
    Hub a pull request. The same study again changes nothing. Refused: unfinished studies, failed smoke, near copies of
    the panel in a corpus, picked seeds, two changed components, a study that is there already.
    """
    from leaderboard.entries.places import place_of
    from leaderboard.entries.study_source import find_study
    from leaderboard.entries.submit import Request
    from leaderboard.entries.submit import submit as submit_study

    place = place_of(to)
    progress = progress_for(quiet=json_output)
    request = Request(submitter=name, with_text=with_text, dry_run=dry_run, say=progress.note)
    done = submit_study(find_study(study, store), place, request)
    give(_json(done, dry_run=dry_run), lambda console: _draw(console, done, dry_run=dry_run), as_json=json_output)


def _json(done: Submitted, *, dry_run: bool) -> Json:
    return {
        "entry": done.entry,
        "digest": done.digest,
        "track": done.track,
        "division": done.division,
        "place": done.place,
        "new": done.new,
        "dry_run": dry_run,
        "confirmation": "unconfirmed",
        "next": done.next_step,
        "checks": [check.as_json() for check in done.checks],
    }


def _draw(console: Console, done: Submitted, *, dry_run: bool) -> None:
    def say(text: str) -> None:
        console.print(printable(text), markup=False, soft_wrap=True)

    passed = sum(check.state == "pass" for check in done.checks)
    did = (
        ("would be added" if done.new else "is there already") if dry_run else "added" if done.new else "there already"
    )
    say(f"{done.entry}: {did}, {passed} of {len(done.checks)} checks passed")
    say(f"track {done.track}" + (" (private pool: unverified division)" if done.division == "private" else ""))
    for check in done.checks:
        if check.state == "flag":
            say(f"audit asked for: {check.text}")
    say(f"place: {done.place}")
    if dry_run:
        say("Next: the same command without --dry-run")
        return
    say(f"Next: {done.next_step or f'curate leaderboard confirm {done.place}  (unconfirmed until that run is there)'}")
