"""Level 1 of an entry: consistent. All checks that need nothing but its own files, its board and this code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from curation.errors import CurateError
from leaderboard.entries.check_confirmation import confirmation_check
from leaderboard.entries.check_files import check_files, check_private, refuse_large
from leaderboard.entries.check_once import once_check
from leaderboard.entries.check_plausible import plausible_check
from leaderboard.entries.check_published import is_published, published_checks
from leaderboard.entries.check_repeated import repeated_check
from leaderboard.entries.check_runs import run_checks
from leaderboard.entries.check_scores import contamination_check, near_copy_check, score_checks
from leaderboard.entries.check_smoke import smoke_check
from leaderboard.entries.check_suites import suite_check
from leaderboard.entries.check_words import word_checks
from leaderboard.entries.checks import Check, Subject, guarded, verdict
from leaderboard.entries.entry import entry_folders, read_manifest
from leaderboard.entries.manifest import RESULT_FILE, Manifest
from leaderboard.entries.private import Scrubber
from leaderboard.entries.records import tombstone_path
from leaderboard.entries.tracks import BOARD_FILE, DEFAULT_MAX_BYTES, read_board
from leaderboard.studies.results import read_result

SUBMIT_AGAIN = "`curate submit STUDY_DIR --to BOARD` writes it again"
MALFORMED = (KeyError, TypeError, AttributeError, ValueError, IndexError, ZeroDivisionError, RecursionError)
"""What a stranger's file of an unexpected form raises inside a check: the check fails with its name."""


def board_of(folder: Path, given: Path | None = None) -> Path | None:
    """Return the board that an entry's folder lies on, or the one that was given; None for a folder by itself."""
    if given is not None:
        return given
    found = folder.resolve().parent.parent
    return found if (found / BOARD_FILE).is_file() else None


def consistency(folder: Path, board: Path | None, scrubber: Scrubber | None = None) -> list[Check]:
    """Return all checks of level 1; those of files and schema alone when these fail.

    Raises: EntryError for an entry over the board's limit, or that is no plain folder; BoardError for a damaged board.
    """
    max_bytes = read_board(board)[0].max_bytes if board and (board / BOARD_FILE).is_file() else DEFAULT_MAX_BYTES
    refuse_large(folder, max_bytes)
    try:
        manifest, digest = read_manifest(folder)
    except CurateError as error:
        return [guarded("schema", error, SUBMIT_AGAIN)]
    files = check_files(folder, manifest)
    if files.bad:
        return [files]
    schema = _schema_check(folder)
    private = _attempt("private", lambda: [check_private(folder, manifest, scrubber or Scrubber.here())])
    if schema.bad:
        return [files, schema, *private]
    subject = subject_of(folder, manifest, digest, board)
    if is_published(subject):
        return [files, schema, *private, *_attempt("published", lambda: published_checks(subject))]
    parts: tuple[tuple[str, Callable[[], Sequence[Check]]], ...] = (
        ("words", lambda: word_checks(subject)),
        ("smoke", lambda: [smoke_check(read_result(folder))] if subject.result else []),
        ("scores", lambda: score_checks(subject)),
        ("suites", lambda: [suite_check(subject)]),
        ("runs", lambda: run_checks(subject)),
        ("near-copies", lambda: [near_copy_check(subject)]),
        ("contamination", lambda: [contamination_check(subject)]),
        ("confirmation", lambda: [confirmation_check(subject, board)]),
        ("once", lambda: [once_check(subject, board)]),
        ("repeated", lambda: [repeated_check(subject)]),
        ("plausible", lambda: [plausible_check(subject)]),
    )
    return [files, schema, *private, *(check for name, part in parts for check in _attempt(name, part))]


def subject_of(folder: Path, manifest: Manifest, digest: str, board: Path | None) -> Subject:
    """Return an entry as checks read it, with the tracks of its board and the other entries of its track."""
    tracks = read_board(board)[1] if board and (board / BOARD_FILE).is_file() else None
    wanted = board is not None and manifest.division != "published"  # nothing is compared with published numbers
    references = _references(board, folder, manifest) if board and wanted else ()
    return Subject(folder=folder, manifest=manifest, digest=digest, tracks=tracks, references=references)


def _references(board: Path, folder: Path, manifest: Manifest) -> tuple[tuple[Manifest, Path], ...]:
    """Return readable entries of the same track that stand; a damaged one says so when it is verified itself."""
    found = []
    for other in entry_folders(board):
        if other.name == folder.name or tombstone_path(board, other.name).is_file():
            continue
        try:
            held, _ = read_manifest(other)
        except CurateError:
            continue
        if held.track == manifest.track:
            found.append((held, other))
    return tuple(found)


def _schema_check(folder: Path) -> Check:
    """Check that `results.json` is a study's result; entries of published numbers have none."""
    path = folder / RESULT_FILE
    if not path.is_file():
        return Check(name="schema", level=1, state="pass", text="a valid manifest; no result of a study")
    try:
        read_result(path)
    except (CurateError, *MALFORMED) as error:
        return verdict("schema", [str(error).splitlines()[0][:400]], "", remedy=SUBMIT_AGAIN)
    return Check(name="schema", level=1, state="pass", text="manifest and result are valid")


def _attempt(name: str, part: Callable[[], Sequence[Check]]) -> list[Check]:
    try:
        return list(part())
    except CurateError as error:
        return [guarded(name, error, SUBMIT_AGAIN)]
    except MALFORMED as error:
        text = f"a file has another form than expected ({type(error).__name__}: {str(error)[:100]})"
        return [Check(name=name, level=1, state="fail", text=text, remedy=SUBMIT_AGAIN)]
