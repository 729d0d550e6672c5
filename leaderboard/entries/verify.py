"""`curate leaderboard verify`: the levels of an entry, one after the other, and the badge for the highest one asked.

L1 consistent, L2 evaluations again from the checkpoints, L3 the smallest tier trained again, L4 an independent party.
Level n asks for all below it. A badge is a record beside the entry; the entry itself never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import EXIT_VERIFICATION, CurateError
from curation.files import Json, sha256_file
from curation.store import Store
from curation.version import describe_version
from leaderboard.entries.archives import is_archive, unpacked
from leaderboard.entries.check_files import check_files, refuse_large
from leaderboard.entries.checks import Check, Subject
from leaderboard.entries.consistency import board_of, consistency, subject_of
from leaderboard.entries.entry import EntryError, read_manifest
from leaderboard.entries.names import name_fault
from leaderboard.entries.near_copies import search_again
from leaderboard.entries.private import Scrubber
from leaderboard.entries.records import Badge, RecordError, add_record, badge_path
from leaderboard.entries.safe_tables import TableError

MAX_SIGNATURE_BYTES = 10_000


class VerificationError(CurateError):
    """An entry did not pass."""

    exit_code = EXIT_VERIFICATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be verified, and with what."""

    level: int = 1
    board: Path | None = None
    store: Store | None = None
    checkpoint: Path | None = None
    """A folder with one run's `model.safetensors`."""
    retrain: bool = False
    by: str = ""
    evidence: Path | None = None
    signature: Path | None = None
    record: bool = True
    say: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verification found."""

    entry: str
    digest: str
    asked: int
    level: int
    """The highest level that was reached now."""
    checks: tuple[Check, ...]
    badge: str = ""
    """Where the badge lies; empty without one."""

    @property
    def passed(self) -> bool:
        """Whether the level that was asked for was reached."""
        return self.level >= self.asked

    @property
    def flags(self) -> tuple[str, ...]:
        """Why an audit is asked for."""
        return tuple(check.text for check in self.checks if check.state == "flag")

    def as_json(self) -> dict[str, Json]:
        """Return the finding as plain JSON."""
        return {
            "entry": self.entry,
            "digest": self.digest,
            "asked": self.asked,
            "level": self.level,
            "passed": self.passed,
            "audit": list(self.flags),
            "badge": self.badge,
            "checks": [check.as_json() for check in self.checks],
        }


def verify(folder: Path, asked: Asked) -> Verified:
    """Return what the levels up to the one that is asked find, and add the badge if that is reached.

    Raises: EntryError if the folder is too large or holds no entry; CurateError for options that a level needs.
    """
    if not 0 <= asked.level <= 4:
        raise EntryError(f"--level {asked.level}: expected 0 to 4; see docs/leaderboard.md")
    board = board_of(folder, asked.board)
    checks = list(consistency(folder, board, _public_scrubber()))
    if any(check.bad for check in checks) or asked.level == 0:
        return _found(folder, checks, asked, level=0)
    manifest, digest = read_manifest(folder)
    subject = subject_of(folder, manifest, digest, board)
    if asked.store is not None:
        checks.append(search_again(subject, asked.store, asked.say))
        if checks[-1].bad:
            return _found(folder, checks, asked, level=0)
    level = 1
    for number, step in ((2, _level2), (3, _level3), (4, _level4)):
        if asked.level < number:
            break
        more = step(subject, asked)
        checks += more
        if any(check.bad for check in more):
            break
        level = number
    return _with_badge(_found(folder, checks, asked, level=level), board, asked)


def verify_given(given: Path, asked: Asked) -> Verified:
    """Return what verification of a folder or an archive finds.

    Raises: EntryError if there is nothing; VerificationError, exit code 5, for one that may not even be read.
    """
    if not given.exists():
        raise EntryError(f"{given}: no such entry, expected BOARD/entries/NAME-DIGEST or an archive of one; correct it")
    try:
        if not is_archive(given):
            return verify(given, asked)
        with unpacked(given) as folder:
            return verify(folder, replace(asked, record=False))
    except (EntryError, RecordError, TableError) as error:
        raise VerificationError(str(error)) from None


def sound_subject(entry: Path, board: Path | None) -> tuple[Subject, Path]:
    """Return an entry whose files are those of its manifest, and its board.

    Raises: EntryError if they are not, or it lies on no board.
    """
    place = board_of(entry, board)
    if place is None or not entry.is_dir():
        raise EntryError(f"{entry}: lies on no board, expected BOARD/entries/NAME-DIGEST; give --board BOARD")
    refuse_large(entry)
    manifest, digest = read_manifest(entry.resolve())
    files = check_files(entry, manifest)
    if files.bad:
        raise EntryError(f"{entry.name}: {files.text}; {files.remedy}")
    return subject_of(entry, manifest, digest, place), place


def _level2(subject: Subject, asked: Asked) -> list[Check]:
    from leaderboard.entries.rescore import rescored

    return rescored(subject, asked.store, asked.checkpoint, asked.say)


def _level3(subject: Subject, asked: Asked) -> list[Check]:
    from leaderboard.entries.retrain import retrained

    if not asked.retrain or asked.store is None:
        raise EntryError(
            f"{subject.folder.name}: level 3 trains its smallest tier again, expected --retrain and --store; "
            f"`curate leaderboard verify {subject.folder} --level 3 --retrain --store STORE`"
        )
    return retrained(subject, asked.store, asked.say)


def _level4(subject: Subject, asked: Asked) -> list[Check]:
    faults = []
    if not asked.by or name_fault(asked.by):
        faults.append(f"--by `{asked.by}`: {name_fault(asked.by) or 'is missing'}")
    if asked.by and asked.by == subject.manifest.submitter:
        faults.append(f"--by `{asked.by}`: is the submitter, expected an independent party")
    if asked.evidence is None or not asked.evidence.is_file():
        faults.append("--evidence FILE is missing: the independent party's own report")
    text = f"reproduced by {asked.by}" if not faults else "; ".join(faults)
    remedy = "give --by NAME --evidence REPORT (and --signature FILE)" if faults else ""
    return [Check(name="independent", level=4, state="fail" if faults else "pass", text=text, remedy=remedy)]


def _found(folder: Path, checks: list[Check], asked: Asked, *, level: int) -> Verified:
    try:
        _, digest = read_manifest(folder)
    except CurateError:
        digest = ""
    return Verified(entry=folder.name, digest=digest, asked=asked.level, level=level, checks=tuple(checks))


def _with_badge(found: Verified, board: Path | None, asked: Asked) -> Verified:
    if board is None or not asked.record or not found.passed:
        return found
    badge = Badge(
        schema="curate-badge@1",
        entry=found.entry,
        digest=found.digest,
        level=found.level,
        by=asked.by,
        code=describe_version(),
        checks=tuple(check.name for check in found.checks if check.state == "pass"),
        flags=found.flags,
        evidence=sha256_file(asked.evidence) if asked.evidence and found.level == 4 else "",
        signature=_signature(asked.signature) if asked.signature else "",
    )
    path = badge_path(board, badge)
    add_record(path, badge)
    return Verified(
        entry=found.entry,
        digest=found.digest,
        asked=found.asked,
        level=found.level,
        checks=found.checks,
        badge=str(path),
    )


def _signature(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > MAX_SIGNATURE_BYTES:
        raise EntryError(f"{path}: is no file of at most {MAX_SIGNATURE_BYTES:,} bytes, expected a detached signature")
    return path.read_text(encoding="utf-8", errors="replace").strip()


def _public_scrubber() -> Scrubber:
    """Return what is private in any entry: paths, credentials and tokens; names of this machine are no one else's."""
    return Scrubber(words=(), secrets=())
