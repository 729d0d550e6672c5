"""One check of an entry: its name, what it found, and what would mend it; and the entry as checks read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa

from curation.errors import CurateError
from curation.files import Json
from leaderboard.entries.manifest import RESULT_FILE, STUDY_FILE, Manifest, RunRecord
from leaderboard.entries.safe_tables import DOCUMENT_COLUMNS, read_safe_table
from leaderboard.entries.tracks import Track

State = Literal["pass", "fail", "flag", "absent", "not-applicable"]
MAX_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found."""

    name: str
    level: int
    state: State
    """`flag`: nothing is inconsistent, but somebody should look; `absent`: what it needs is not there, and it fails;
    `not-applicable`: an entry of this kind has no such thing."""
    text: str
    remedy: str = ""

    @property
    def bad(self) -> bool:
        """Whether the level is not reached because of it."""
        return self.state in ("fail", "absent")

    def as_json(self) -> dict[str, Json]:
        """Return the check as plain JSON."""
        return {
            "name": self.name,
            "level": self.level,
            "state": self.state,
            "text": self.text,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An entry's folder whose files are those of its manifest."""

    folder: Path
    manifest: Manifest
    digest: str
    tracks: Mapping[str, Track] | None = None
    """Of its board; None where the entry lies on none."""
    references: tuple[tuple[Manifest, Path], ...] = field(default=())
    """Other entries of the track on the board, with their folders."""

    @cached_property
    def frozen(self) -> Mapping[str, Any]:
        """What `study.json` holds; empty when the entry has none."""
        return cast("Mapping[str, Any]", self._json(STUDY_FILE) or {})

    @cached_property
    def result(self) -> Mapping[str, Any]:
        """What `results.json` holds; empty when the entry has none."""
        return cast("Mapping[str, Any]", self._json(RESULT_FILE) or {})

    @cached_property
    def documents(self) -> Mapping[str, pa.Table]:
        """Scores of panel documents by run fingerprint. Raises: TableError for a file that may not be read."""
        return {
            run.fingerprint: read_safe_table(self.folder / run.documents, DOCUMENT_COLUMNS)
            for run in self.manifest.runs
            if run.documents is not None
        }

    def of(self, tier: str) -> tuple[RunRecord, ...]:
        """Return the runs of a tier."""
        return self.manifest.run_records(tier=tier)

    def _json(self, name: str) -> Json:
        path = self.folder / name
        return cast("Json", json.loads(path.read_bytes())) if path.is_file() else None


def verdict(name: str, faults: Iterable[str], good: str, *, level: int = 1, remedy: str = "") -> Check:
    """Return a check that failed with the first faults, or passed with `good` when there are none."""
    listed = list(faults)
    if not listed:
        return Check(name=name, level=level, state="pass", text=good)
    rest = f" (and {len(listed) - MAX_LISTED} more)" if len(listed) > MAX_LISTED else ""
    return Check(name=name, level=level, state="fail", text="; ".join(listed[:MAX_LISTED]) + rest, remedy=remedy)


def absent(name: str, text: str, remedy: str, *, level: int = 1) -> Check:
    """Return a check that had nothing to look at."""
    return Check(name=name, level=level, state="absent", text=text, remedy=remedy)


def not_applicable(name: str, text: str, *, level: int = 1) -> Check:
    """Return a check that entries of this kind cannot have; it holds nothing back."""
    return Check(name=name, level=level, state="not-applicable", text=text)


def guarded(name: str, error: CurateError, remedy: str, *, level: int = 1) -> Check:
    """Return the check that an error ended."""
    return Check(name=name, level=level, state="fail", text=str(error), remedy=remedy)
