"""Where a run stands, put together from its two files of rows; read-only, for the live view and `curate watch`."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curation.errors import RunError, nearest
from curation.files import Json, read_json
from curation.store import MANIFEST
from train.metrics import METRICS, RowReader

Status = Literal["running", "scoring", "stopped", "silent", "finished"]
SILENT_SECONDS = 600.0
"""Without a row for so long, a run on another machine is called silent."""
CAVEAT = "A lower training loss can mean easier or more often repeated text; only the panel compares recipes."


@dataclass(slots=True)
class RunState:
    """Rows and telemetry of one run so far."""

    name: str
    losses: list[tuple[int, float]] = field(default_factory=list)
    """Step and mean loss of each row."""
    row: Mapping[str, Any] = field(default_factory=dict)
    slice_losses: dict[str, float] = field(default_factory=dict)
    """The newest training loss of each slice; not every slice is in every row."""
    source_losses: dict[str, float] = field(default_factory=dict)
    """The same of each source."""
    validation: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: Mapping[str, Any] = field(default_factory=dict)
    """The newest start in the telemetry."""
    speed: Mapping[str, Any] = field(default_factory=dict)
    """The newest telemetry beside a row."""
    end: Mapping[str, Any] = field(default_factory=dict)
    """How the newest process left the run, empty while it goes on."""

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Take in a metrics row; one of an earlier step means that the run went back."""
        self.losses = [point for point in self.losses if point[0] < row["step"]]
        if row.get("loss") is not None:
            self.losses.append((int(row["step"]), float(row["loss"])))
        self.row = row
        self.slice_losses |= row.get("loss_by_slice") or {}
        self.source_losses |= row.get("loss_by_source") or {}
        self.validation = row.get("validation", self.validation)
        self.settings = row.get("settings", self.settings)

    def add_telemetry(self, line: Mapping[str, Any]) -> None:
        """Take in a line of telemetry."""
        if line.get("kind") == "start":
            self.start, self.end = line, {}
        elif line.get("kind") == "row":
            self.speed = line
        elif line.get("kind") == "end":
            self.end = line

    @property
    def steps(self) -> int | None:
        """Steps of the whole run, where known."""
        return self.start.get("steps")

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the present speed."""
        speed, steps = self.speed.get("tokens_per_second"), self.steps
        if not speed or steps is None or not self.row:
            return None
        return float((steps - self.row["step"]) * self.start["batch_tokens"] / speed)

    def as_json(self) -> dict[str, Json]:
        """Return all of it."""
        return {
            "run": self.name,
            "steps": self.steps,
            "row": dict(self.row),
            "telemetry": dict(self.speed),
            "start": dict(self.start),
            "end": dict(self.end),
            "slice_losses": dict(self.slice_losses),
            "source_losses": dict(self.source_losses),
            "validation": dict(self.validation),
            "settings": dict(self.settings),
            "seconds_left": self.seconds_left,
            "caveat": CAVEAT,
        }


class RunFollower:
    """Reads what is new in the files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = RunState(name=path.name)
        self._rows = RowReader(path / METRICS)
        self._telemetry = RowReader(path.parent / "timing" / f"{path.name}.telemetry.jsonl")

    def look(self) -> bool:
        """Take in what came since the last look; return whether anything did."""
        rows, lines = self._rows.new_rows(), self._telemetry.new_rows()
        for row in rows:
            self.state.add_row(row)
        for line in lines:
            self.state.add_telemetry(line)
        summary = self.summary
        if summary is not None and not self.state.start:  # a run that came without its telemetry
            self.state.start = {key: summary.get(key) for key in ("steps", "tier", "seed")}
        return bool(rows or lines)

    @property
    def summary(self) -> Mapping[str, Any] | None:
        """What the manifest of a finished run says."""
        try:
            manifest = read_json(self.path / MANIFEST)
        except (OSError, ValueError):
            return None
        return manifest["summary"] if isinstance(manifest, dict) else None

    @property
    def status(self) -> Status:
        """Whether the run goes on, by its files and, on the machine that trains it, by its process."""
        state = self.state
        if self.summary is not None:
            return "finished"
        if state.end:
            gone = state.end.get("how") != "finished"
        else:
            gone = False
        if gone or _is_gone(state.start):
            return "stopped"
        if state.end:
            return "scoring"
        last = state.speed.get("unix_seconds") or state.start.get("unix_seconds")
        return "silent" if last is not None and time.time() - last > SILENT_SECONDS else "running"


def find_run(place: Path, store: Path) -> Path:
    """Return the directory of the run that `place` means: its directory, a store (the run written to last) or a name.

    Raises: RunError if there is no such run.
    """
    if (place / METRICS).is_file():
        return place.resolve()
    root = place if place.is_dir() else store
    prefix = "" if place.is_dir() else place.name.removeprefix("run-")
    known = {path.parent.name: path for path in root.glob(f"run-*/{METRICS}")}
    matches = {name: path for name, path in known.items() if name.removeprefix("run-").startswith(prefix)}
    if not matches or (prefix and len(matches) > 1):
        problem = f"{len(matches)} runs match" if matches else "no such run has begun"
        raise RunError(f"{place}: {problem} in {root}; expected a run's directory, a store or a run's name; "
                       f"{nearest(place.name, known)}")  # fmt: skip
    return max(matches.values(), key=lambda path: path.stat().st_mtime).parent.resolve()


def _is_gone(start: Mapping[str, Any]) -> bool:
    """Return whether the process of this start ran on this machine and runs no more."""
    if start.get("host") != platform.node() or not isinstance(start.get("process"), int):
        return False
    try:
        os.kill(start["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
