"""What is said about entries, beside them: badges, challenges, confirmations and tombstones, files that are only added.

    badges/<entry>/L<level>-<digest 16>.json      a level that was reached, by whom, with which checks
    challenges/<entry>/<digest 16>.json           a doubt, by name, with the digest of its evidence
    confirmations/<entry>/<digest 16>/            runs with the seed that the board assigned (rule 10)
    tombstones/<entry>.json                       withdrawn, and why; the entry stays

A record names the digest of the entry that it is about and ends in the first digits of its own, so a changed record is
found. Nothing here is ever edited or removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, FiniteFloat, ValidationError

from curation.errors import CurateError
from curation.files import canonical_json, replacing
from leaderboard.entries.manifest import DIGEST_DIGITS, Name, NonNegative, Part, RunRecord, Sha256

BADGES = "badges"
CHALLENGES = "challenges"
CONFIRMATIONS = "confirmations"
CONFIRMATION_FILE = "confirmation.json"
TOMBSTONES = "tombstones"
FIRST_CONFIRMATION_SEED = 1000
CONFIRMATION_SEEDS = 9_000
MAX_RECORD_BYTES = 4_000_000

Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class RecordError(CurateError):
    """A record of a board is damaged, or may not be written."""


class Badge(Part):
    """A level that an entry reached."""

    schema_: Literal["curate-badge@1"] = Field(default="curate-badge@1", alias="schema")
    entry: Name
    digest: Sha256
    level: Annotated[int, Field(ge=0, le=4)]
    by: str = ""
    """Who verified it; empty on the board's own behalf."""
    code: str = ""
    checks: tuple[str, ...] = ()
    """Names of the checks that passed."""
    flags: tuple[str, ...] = ()
    """Why an audit is asked for though nothing is inconsistent."""
    evidence: str = ""
    """sha256 of the independent party's report (level 4)."""
    signature: str = ""
    """Detached signature over the evidence, as given (level 4)."""


class Challenge(Part):
    """A doubt about an entry."""

    schema_: Literal["curate-challenge@1"] = Field(default="curate-challenge@1", alias="schema")
    entry: Name
    digest: Sha256
    reason: Reason
    by: Annotated[str, Field(min_length=1, max_length=64)]
    evidence: str = ""
    """sha256 of the file that was given; the file itself stays with the challenger."""
    evidence_bytes: int | None = None


class Tombstone(Part):
    """The end of an entry: shown as retracted, out of every rank."""

    schema_: Literal["curate-tombstone@1"] = Field(default="curate-tombstone@1", alias="schema")
    entry: Name
    digest: Sha256
    reason: Reason
    by: Annotated[str, Field(max_length=64)] = ""


class Confirmation(Part):
    """Runs of an entry's arms with the seed that the board assigned."""

    schema_: Literal["curate-confirmation@1"] = Field(default="curate-confirmation@1", alias="schema")
    entry: Name
    digest: Sha256
    tier: Name
    seed: Annotated[int, Field(ge=FIRST_CONFIRMATION_SEED)]
    runs: tuple[RunRecord, ...] = Field(min_length=1)
    log_ratios: Mapping[str, FiniteFloat]
    """Arm -> ln(bits per byte / the baseline's), mean over the slices, with this seed."""
    distances: Mapping[str, NonNegative] = {}
    """Arm -> how far that is from the mean of seeds 1..n, in standard errors; empty with one seed an arm."""
    agrees: bool
    """Whether it supports what seeds 1..n said."""
    files: Mapping[str, Sha256] = {}


Record = TypeVar("Record", Badge, Challenge, Tombstone, Confirmation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What all records say of one entry."""

    level: int = 0
    flags: tuple[str, ...] = ()
    challenges: int = 0
    confirmed: bool = False
    retracted: str = ""


def confirmation_seed(digest: str) -> int:
    """Return the seed that the board assigns to an entry: a function of its digest, never one of 1..n (rule 10)."""
    found = hashlib.sha256(f"confirmation seed of {digest}".encode()).digest()
    return FIRST_CONFIRMATION_SEED + int.from_bytes(found[:8], "big") % CONFIRMATION_SEEDS


def record_text(record: Badge | Challenge | Tombstone | Confirmation) -> str:
    """Return a record's file: canonical JSON."""
    return canonical_json(record.model_dump(mode="json", by_alias=True)) + "\n"


def record_digest(text: str) -> str:
    """Return the digits that end a record's name."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:DIGEST_DIGITS]


def badge_path(board: Path, badge: Badge) -> Path:
    """Return where a badge lies."""
    return board / BADGES / badge.entry / f"L{badge.level}-{record_digest(record_text(badge))}.json"


def challenge_path(board: Path, challenge: Challenge) -> Path:
    """Return where a challenge lies."""
    return board / CHALLENGES / challenge.entry / f"{record_digest(record_text(challenge))}.json"


def tombstone_path(board: Path, entry: str) -> Path:
    """Return where an entry's tombstone lies."""
    return board / TOMBSTONES / f"{entry}.json"


def add_record(path: Path, record: Badge | Challenge | Tombstone) -> bool:
    """Write a record, and return whether it is new; an equal one already there is left alone.

    Raises: RecordError if another lies there: records are only added.
    """
    text = record_text(record)
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return False
        raise RecordError(f"{path}: holds another record, expected none: records are never changed; leave it as it is")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def read_record(path: Path, kind: type[Record]) -> Record:
    """Return a record.

    Raises: RecordError if it is missing, not canonical, of another schema, or not the one that its name's digits say.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_RECORD_BYTES:
        raise RecordError(
            f"{path}: is no plain file of at most {MAX_RECORD_BYTES:,} bytes; expected a record; remove it"
        )
    data = path.read_bytes()
    try:
        record = kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{path}: {place}: {first['msg']}; restore the file from the board's history") from None
    text = record_text(record)
    digits = path.stem.rpartition("-")[2]
    named = path.parent.parent.name in (BADGES, CHALLENGES)
    if text.encode("utf-8") != data or (named and digits != record_digest(text)):
        raise RecordError(f"{path}: was changed after it was written; restore the file from the board's history")
    return record


def status_of(board: Path, entry: str, digest: str) -> Status:
    """Return what the records of a board say of an entry; nothing where the folder is no part of a board.

    Raises: RecordError for a damaged record, or one that is about another entry of this name.
    """
    badges = [read_record(path, Badge) for path in _files(board / BADGES / entry)]
    challenges = [read_record(path, Challenge) for path in _files(board / CHALLENGES / entry)]
    folder = board / CONFIRMATIONS / entry
    found = sorted(folder.glob(f"[!.]*/{CONFIRMATION_FILE}")) if folder.is_dir() else []
    confirmations = [read_record(path, Confirmation) for path in found]
    grave = tombstone_path(board, entry)
    tombstones = [read_record(grave, Tombstone)] if grave.is_file() else []
    every: list[Badge | Challenge | Confirmation | Tombstone] = [*badges, *challenges, *confirmations, *tombstones]
    for record in every:
        if (record.entry, record.digest) != (entry, digest):
            raise RecordError(
                f"{board}: a {record.schema_.split('@')[0]} under {entry} is about {record.entry} "
                f"({record.digest[:DIGEST_DIGITS]}), expected {digest[:DIGEST_DIGITS]}; restore the board's files"
            )
    level = max((badge.level for badge in badges), default=0)
    assigned = [record for record in confirmations if record.seed == confirmation_seed(digest)]
    flags = set() if level >= 2 else {flag for badge in badges for flag in badge.flags}
    flags |= {
        f"seed {record.seed}, which the board assigned, does not agree" for record in assigned if not record.agrees
    }
    return Status(
        level=level,
        flags=tuple(sorted(flags)),
        challenges=len(challenges),
        confirmed=bool(assigned) and all(record.agrees for record in assigned),
        retracted=tombstones[0].reason if tombstones else "",
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith(".")) if folder.is_dir() else []
