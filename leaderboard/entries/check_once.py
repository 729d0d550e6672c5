"""A study stands on a board once: of several results of one study nobody may pick the best (rule 10).

A folder refuses the second submission. Branches of a git board are merged by people, so level 1 asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboard.entries.checks import Check, Subject, verdict
from leaderboard.entries.entry import Entry
from leaderboard.entries.records import status_of


def once_check(subject: Subject, board: Path | None) -> Check:
    """Return whether no other entry of the board, retracted ones aside, holds the same study."""
    own = subject.manifest.study.fingerprint
    twins = [
        folder.name
        for other, folder in subject.references
        if other.study.fingerprint == own
        and board is not None
        and not status_of(board, folder.name, other.digest).retracted
    ]
    remedy = "keep the first, and `curate leaderboard retract ENTRY --reason TEXT` the others"
    faults = [f"study {own[:16]} is on the board as {', '.join(twins)} too, expected once (rule 10)"] if twins else []
    return verdict("once", faults, "the board holds the study once", remedy=remedy)


def told_twice(entries: Sequence[Entry]) -> dict[str, str]:
    """Return why an entry stands in no table, by id: the board holds its study more than once, none retracted."""
    by_study: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.ranked and entry.manifest.division != "published":
            by_study.setdefault(entry.manifest.study.fingerprint, []).append(entry)
    return {
        entry.id: f"its study is on the board {len(group)} times, expected once (rule 10): keep the first, and "
        "`curate leaderboard retract ENTRY --reason TEXT` the others"
        for group in by_study.values()
        if len(group) > 1
        for entry in group
    }
