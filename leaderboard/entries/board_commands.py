"""Commands of a board: `leaderboard init`, `tracks`, `verify`, `confirm`, `challenge`, `retract`, `index`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give, printable, progress_for
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.entries.verify import Verified

BoardArgument = Annotated[str, typer.Argument(metavar="BOARD", help="A board's folder.")]
EntryArgument = Annotated[
    Path, typer.Argument(metavar="ENTRY", help="An entry's folder; for `verify` also a .tar.gz or .zip of one.")
]
BoardOption = Annotated[
    Path | None, typer.Option("--board", metavar="BOARD", help="Its board (default: the one it lies on).")
]
WhoOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; shown beside the entry for good.")]


def init(
    board: BoardArgument,
    name: Annotated[str, typer.Option("--name", help="The board's name (default: the folder's).")] = "",
    track: Annotated[
        list[Path] | None, typer.Option("--track", metavar="FILE", help="A track as YAML or JSON; repeatable.")
    ] = None,
    track_from: Annotated[
        Path | None, typer.Option("--track-from", metavar="STUDY_DIR", help="Make a track of a study's own digests.")
    ] = None,
    track_name: Annotated[str, typer.Option("--track-name", help="Name of that track (default: the study's).")] = "",
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Make a board, or add tracks to one. A track fixes the digests of pool, panel, tokenizers, tiers and suites."""
    from leaderboard.entries.places import folder_to_make
    from leaderboard.entries.tracks import make_board, track_file

    folder, before = folder_to_make(board)
    tracks = [track_file(path) for path in track or []]
    if track_from is not None:
        from leaderboard.entries.study_source import find_study
        from leaderboard.entries.study_track import track_of_study

        tracks.append(track_of_study(find_study(track_from, store), track_name))
    made = make_board(folder, name or _slug(folder), tracks)
    steps = (*before, f"curate submit STUDY_DIR --to {shlex.quote(board)}")
    value: Json = {"board": board, "name": made.name, "tracks": list(made.tracks), "next": list[Json](steps)}

    def draw(console: Console) -> None:
        console.print(f"board {made.name}: {len(made.tracks)} tracks", markup=False)
        for place, step in enumerate(steps):
            console.print(f"{'then: ' if place else 'Next: '}{step}", markup=False, soft_wrap=True)

    give(value, draw, as_json=json_output)


def tracks(board: BoardArgument, json_output: JsonFlag = False) -> None:
    """List the tracks of a board with the digests that they fix."""
    from leaderboard.entries.places import local_folder
    from leaderboard.entries.tracks import read_board

    made, found = read_board(local_folder(board))
    listed: list[Json] = [
        track.model_dump(mode="json", by_alias=True) | {"digest": track.digest} for track in found.values()
    ]

    def draw(console: Console) -> None:
        from rich.table import Table

        table = Table("track", "division", "pool", "panel", "tiers", "suites", box=None)
        for one in found.values():
            cells = (one.name, one.division, one.pool[:8], one.panel[:8], ", ".join(one.tiers), ", ".join(one.suites))
            table.add_row(*(printable(cell) or "none" for cell in cells))
        console.print(table)
        console.print("Other pools form a private, unverified division.", markup=False)

    give({"board": made.name, "tracks": listed}, draw, as_json=json_output)


def verify(
    entry: EntryArgument,
    level: Annotated[
        int, typer.Option("--level", min=0, max=4, help="1 consistent, 2 rescored, 3 retrained, 4 by others.")
    ] = 1,
    board: BoardOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="DIR", help="Level 2: folder of the runs' safetensors.")
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Level 3: train the smallest tier again.")] = False,
    by: WhoOption = "",
    evidence: Annotated[Path | None, typer.Option("--evidence", metavar="FILE", help="Level 4: their report.")] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="Level 4: detached signature of the report.")
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Verify an entry: every hash, every number again from the raw scores; exit code 5 if it fails.

    Nothing in an entry is executed or unpickled. A level that is reached becomes a badge beside the entry.
    """
    from curation.errors import EXIT_VERIFICATION
    from curation.store import Store
    from leaderboard.entries.verify import Asked, verify_given

    asked = Asked(
        level=level,
        board=board,
        store=Store.open(store) if store or level >= 2 else None,
        checkpoint=checkpoint,
        retrain=retrain,
        by=by,
        evidence=evidence,
        signature=signature,
        say=progress_for(quiet=json_output).note,
    )
    found = verify_given(entry, asked)
    give(found.as_json(), lambda console: _draw_verified(console, found), as_json=json_output)
    if not found.passed:
        raise typer.Exit(EXIT_VERIFICATION)


def confirm(
    entry: EntryArgument,
    add: Annotated[bool, typer.Option("--add", help="Add the runs, which are in the store now.")] = False,
    board: BoardOption = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show the seed that the board assigned (rule 10) and the commands that train it; --add adds the runs."""
    from curation.store import Store
    from leaderboard.entries.confirm import add_confirmation, assigned
    from leaderboard.entries.verify import sound_subject
    from leaderboard.studies.confirmed import keep_confirmation

    subject, place = sound_subject(entry, board)
    opened = Store.open(store)
    wanted = assigned(subject)
    steps = wanted.commands(entry, str(opened.root))
    value: dict[str, Json] = {
        "entry": entry.name,
        "seed": wanted.seed,
        "tier": wanted.tier,
        "arms": list(wanted.arms),
        "commands": list[Json](steps),
        "added": False,
    }
    said = [f"seed {wanted.seed} at {wanted.tier}: one run each of {', '.join(wanted.arms)}", *steps]
    if add:
        record, path, new = add_confirmation(subject, place, opened)
        value |= {
            "added": True,
            "new": new,
            "agrees": record.agrees,
            "log_ratios": dict(record.log_ratios),
            "distances": dict(record.distances),
            "place": str(path),
        }
        ratios = ", ".join(f"{arm} {ratio:+.5f}" for arm, ratio in record.log_ratios.items())
        said = [f"{'confirmed' if record.agrees else 'NOT confirmed'}: ln bits per byte against the baseline {ratios}"]
        study = keep_confirmation(
            opened, subject.manifest.study.fingerprint, entry=record.digest, tier=record.tier, seed=record.seed,
            log_ratios=record.log_ratios,
        )  # fmt: skip
        value["study"] = str(study) if study else None
        said += [f"kept in {study}; next: curate study gate {study} --gate G3"] if study else []

    def draw(console: Console) -> None:
        for line in said:
            console.print(printable(line), markup=False, soft_wrap=True)

    give(value, draw, as_json=json_output)


def challenge(
    entry: EntryArgument,
    reason: ReasonOption,
    by: WhoOption,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", metavar="FILE", help="What shows it; its digest is recorded.")
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Record a doubt about an entry; it is shown beside it from then on."""
    from leaderboard.entries.statements import challenge_entry

    path, new = challenge_entry(entry, reason=reason, by=by, evidence=evidence)
    _give_record(entry, path, new, "challenge", json_output=json_output)


def retract(entry: EntryArgument, reason: ReasonOption, by: WhoOption = "", json_output: JsonFlag = False) -> None:
    """Withdraw an entry: it stays where it is, is shown as retracted, and leaves every rank."""
    from leaderboard.entries.statements import retract_entry, retraction

    path, new = retract_entry(entry, reason=reason, by=by)
    grave, submitter = retraction(entry, path)
    value: Json = {
        "entry": entry.name, "record": str(path), "kind": "tombstone", "new": new,
        "reason": grave.reason, "by": grave.by, "submitter": submitter,
    }  # fmt: skip
    who = f"submitted by {submitter or 'somebody unnamed'}, retracted by {grave.by or 'somebody unnamed'}"
    lines = [f"tombstone {'recorded' if new else 'was there already'}: {path}", f"{who}: {grave.reason}"]
    lines += [] if new or grave.reason == reason else ["the first reason stands; the one given now was dropped"]

    def draw(console: Console) -> None:
        for line in lines:
            console.print(printable(line), markup=False, soft_wrap=True)

    give(value, draw, as_json=json_output)


def index(
    board: BoardArgument,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Start from nothing; clears what killed writers left.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Bring the SQLite index of a board up to date; the files are the truth.

    Damaged entries are named and left out; the exit code is 5 then.
    """
    from curation.errors import EXIT_VERIFICATION
    from leaderboard.entries.index import INDEX_FILE, synchronise
    from leaderboard.entries.index import rebuild as rebuilt
    from leaderboard.entries.places import local_folder
    from leaderboard.entries.write import remove_stale

    folder = local_folder(board)
    stale = remove_stale(folder) if rebuild else 0
    found = rebuilt(folder) if rebuild else synchronise(folder)
    value: Json = {
        "index": str(folder / INDEX_FILE),
        "entries": found.entries,
        "runs": found.runs,
        "added": found.added,
        "removed": found.removed,
        "stale_removed": stale,
        "damaged": list(found.damaged),
    }
    text = f"{found.entries} entries, {found.runs} runs; {found.added} added, {found.removed} without files removed"
    lines = [text, *(f"left out, damaged: {printable(item)}" for item in found.damaged)]
    give(value, lambda console: console.print("\n".join(lines), markup=False, soft_wrap=True), as_json=json_output)
    if found.damaged:
        raise typer.Exit(EXIT_VERIFICATION)


def _draw_verified(console: Console, found: Verified) -> None:
    from rich.table import Table

    table = Table("level", "check", "", "found", box=None)
    for check in found.checks:
        text = check.text if not check.bad else f"{check.text}; {check.remedy}"
        table.add_row(f"L{check.level}", check.name, check.state, printable(text), end_section=False)
    console.print(table, markup=False)
    reached = (
        f"reached level {found.level}" if found.passed else f"FAILED level {found.asked}, holds level {found.level}"
    )
    console.print(f"{printable(found.entry)}: {reached}", markup=False, soft_wrap=True)
    if found.badge:
        console.print(f"badge: {found.badge}", markup=False, soft_wrap=True)


def _give_record(entry: Path, path: Path, new: bool, kind: str, *, json_output: bool) -> None:
    value: Json = {"entry": entry.name, "record": str(path), "kind": kind, "new": new}
    text = f"{kind} {'recorded' if new else 'was there already'}: {path}"
    give(value, lambda console: console.print(printable(text), markup=False, soft_wrap=True), as_json=json_output)


def _slug(board: Path) -> str:
    name = "".join(
        char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in board.resolve().name
    )
    return name.lower().strip("-._")[:64] or "board"
