"""What people say of an entry: challenges and retractions, as records that are never edited."""

from __future__ import annotations

from pathlib import Path

from curation.errors import CurateError
from curation.files import sha256_file
from leaderboard.entries.consistency import board_of
from leaderboard.entries.entry import EntryError, read_manifest
from leaderboard.entries.lock import writing
from leaderboard.entries.names import name_fault, text_fault
from leaderboard.entries.records import (
    Challenge,
    Tombstone,
    add_record,
    challenge_path,
    read_record,
    tombstone_path,
)

MAX_REASON = 2000


def challenge_entry(entry: Path, *, reason: str, by: str, evidence: Path | None) -> tuple[Path, bool]:
    """Record a challenge and return its file and whether it is new.

    Raises: EntryError for an entry that lies on no board; CurateError for a name or reason that may not be shown.
    """
    board, digest = _on_board(entry)
    _refuse_words(reason, by)
    if not by:
        raise CurateError('--by: is missing, expected who challenges; give --by "NAME"')
    if evidence is not None and not evidence.is_file():
        raise CurateError(
            f"{evidence}: no such file, expected what shows the fault; leave --evidence out or correct it"
        )
    record = Challenge(
        schema="curate-challenge@1",
        entry=entry.name,
        digest=digest,
        reason=reason,
        by=by,
        evidence=sha256_file(evidence) if evidence else "",
        evidence_bytes=evidence.stat().st_size if evidence else None,
    )
    path = challenge_path(board, record)
    with writing(board):
        return path, add_record(path, record)


def retract_entry(entry: Path, *, reason: str, by: str) -> tuple[Path, bool]:
    """Write an entry's tombstone and return its file and whether it is new; the first reason stands.

    Who may write to a board's files may retract: names are not proven, so both are shown (`retraction`).
    Raises: EntryError for an entry that lies on no board; CurateError for words that may not be shown.
    """
    board, digest = _on_board(entry)
    _refuse_words(reason, by)
    path = tombstone_path(board, entry.name)
    with writing(board):
        if path.is_file():
            read_record(path, Tombstone)
            return path, False
        record = Tombstone(schema="curate-tombstone@1", entry=entry.name, digest=digest, reason=reason, by=by)
        return path, add_record(path, record)


def retraction(entry: Path, path: Path) -> tuple[Tombstone, str]:
    """Return a tombstone, and who submitted the entry; empty where that was not said.

    Raises: EntryError as `read_manifest`.
    """
    manifest, _ = read_manifest(entry.resolve())
    return read_record(path, Tombstone), manifest.submitter


def _on_board(entry: Path) -> tuple[Path, str]:
    if not entry.is_dir():
        raise EntryError(f"{entry}: no such folder, expected an entry's: BOARD/entries/NAME-DIGEST; give that")
    _, digest = read_manifest(entry.resolve())
    board = board_of(entry)
    if board is None:
        raise EntryError(
            f"{entry}: lies on no board, expected BOARD/entries/NAME-DIGEST; `curate leaderboard init BOARD`"
        )
    return board, digest


def _refuse_words(reason: str, by: str) -> None:
    if not reason.strip() or len(reason) > MAX_REASON:
        raise CurateError(f"--reason: {len(reason)} characters, expected 1 to {MAX_REASON:,}; say it in a few words")
    if fault := text_fault(reason):
        raise CurateError(f"--reason: {fault}, expected plain text; type it again")
    if by and (fault := name_fault(by)):
        raise CurateError(f"--by {by!r}: {fault}, expected a plain name; choose another --by")
