"""Submitting to a board that is a plain folder: checked under a temporary name, then renamed, one writer at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurateError
from leaderboard.entries.check_repeated import NAME as REPEATED
from leaderboard.entries.checks import Check
from leaderboard.entries.consistency import consistency
from leaderboard.entries.entry import ENTRIES, EntryError, read_manifest
from leaderboard.entries.lock import writing
from leaderboard.entries.manifest import DIGEST_DIGITS, Manifest
from leaderboard.entries.records import tombstone_path
from leaderboard.entries.write import Draft, appear, filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a submission."""

    entry: str
    digest: str
    track: str
    division: str
    place: str
    """Where it is: a folder, a branch or an address."""
    new: bool
    """False when the same entry was there already."""
    checks: tuple[Check, ...]
    next_step: str = ""


def refuse_inconsistent(entry: str, checks: list[Check]) -> None:
    """Raise EntryError that lists every failed check with what mends it."""
    bad = [check for check in checks if check.bad or (check.name == REPEATED and check.state == "flag")]
    if bad:
        listed = "\n".join(f"  - {check.name}: {check.text}; {check.remedy}" for check in bad)
        raise EntryError(f"{entry}: not submitted, {len(bad)} of {len(checks)} checks failed\n{listed}")


def known_entry(board: Path, manifest: Manifest) -> Manifest | None:
    """Return the entry of the board that says the same: this one, or one of equal runs by the same submitter.

    Only entries whose name begins with the study's are read: its fingerprint is taken over the name. Raises: EntryError
    if the study is there with other numbers or by somebody else, and was not retracted.
    """
    place = board / ENTRIES
    prefix = f"{manifest.study.name}-"
    names = [path.name for path in place.glob(f"{prefix}*")] if place.is_dir() else []
    for name in sorted(names):
        if len(name) != len(prefix) + DIGEST_DIGITS or tombstone_path(board, name).is_file():
            continue
        try:
            held, _ = read_manifest(place / name)
        except CurateError:
            continue  # damaged: `verify` says so, and it is no duplicate
        if held.study.fingerprint != manifest.study.fingerprint:
            continue
        if (held.submitter, held.runs, held.with_text) == (manifest.submitter, manifest.runs, manifest.with_text):
            return held
        raise EntryError(
            f"{manifest.entry_id}: study {manifest.study.fingerprint[:16]} is on the board as {name}, expected each "
            "study once (nobody picks the best of many, rule 10); keep that one, or retract it first: "
            f"`curate leaderboard retract {place / name} --reason TEXT`"
        )
    return None


def add(board: Path, draft: Draft) -> Submitted:
    """Write a draft to the board in folder `board` if all checks pass.

    Raises: EntryError that lists what failed, or names the entry that the study has already.
    """
    with filled(board / ENTRIES, draft) as (temporary, manifest):
        checks = checked(temporary, manifest, board)
        with writing(board):
            known = known_entry(board, manifest)
            new = known is None and appear(temporary, board, manifest)
    told = known or manifest
    return submitted(told, checks, place=str(board / ENTRIES / told.entry_id), new=new)


def checked(folder: Path, manifest: Manifest, board: Path) -> list[Check]:
    """Return the checks of a filled folder.

    Raises: EntryError that lists what failed.
    """
    checks = consistency(folder, board)
    refuse_inconsistent(manifest.entry_id, checks)
    return checks


def submitted(manifest: Manifest, checks: list[Check], *, place: str, new: bool, next_step: str = "") -> Submitted:
    """Return what became of a manifest's submission."""
    return Submitted(
        entry=manifest.entry_id,
        digest=manifest.digest,
        track=manifest.track,
        division=manifest.division,
        place=place,
        new=new,
        checks=tuple(checks),
        next_step=next_step,
    )
