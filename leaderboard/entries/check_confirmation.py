"""L1, confirmations: those that lie beside an entry follow from their own document scores."""

from __future__ import annotations

from pathlib import Path

from leaderboard.entries.checks import Check, Subject, verdict
from leaderboard.entries.confirm import confirmation_faults
from leaderboard.entries.records import CONFIRMATION_FILE, CONFIRMATIONS, Confirmation, read_record

REMEDY = "restore the board's files; `curate leaderboard confirm ENTRY` says what a confirmation needs"


def confirmation_check(subject: Subject, board: Path | None) -> Check:
    """Check every confirmation of an entry; one that has none is consistent and unconfirmed."""
    place = board / CONFIRMATIONS / subject.folder.name if board else None
    found = sorted(place.glob(f"[!.]*/{CONFIRMATION_FILE}")) if place and place.is_dir() else []
    faults: list[str] = []
    for path in found:
        faults += confirmation_faults(subject, path.parent, read_record(path, Confirmation))
    good = f"{len(found)} confirmations follow from their scores" if found else "unconfirmed (rule 10)"
    return verdict("confirmation", faults, good, remedy=REMEDY)
