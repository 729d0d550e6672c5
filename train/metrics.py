"""The rows of a run on disk: one JSON object a line, appended as the run goes.

`metrics.jsonl` holds nothing that a clock decides. A run that goes on from a checkpoint keeps the rows up to it and
cuts off those after, which it then writes again; so the finished file is the same bytes however often the run was
killed. A line that a kill tore apart is not a row. Fields: docs/training.md, "Watching a run".
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from curation.errors import RunError
from curation.files import Json, write_bytes
from train.checkpoint_files import FULL

METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run before its first step."""

    name: str
    """Of its directory in the store."""
    tier: str
    seed: int
    steps: int
    batch_tokens: int


class Listener(Protocol):
    """Is told the rows of a run by the process that trains it; changes no result."""

    def begin(self, facts: RunFacts, rows: Sequence[Mapping[str, Json]]) -> None:
        """Hear of the run and its rows so far; again, with fewer rows, if it goes back to an earlier state."""

    def row(self, row: Mapping[str, Json], telemetry: Mapping[str, Json]) -> None:
        """Hear of a new row, and of the telemetry of the same moment."""

    def end(self) -> None:
        """Hear that no row will come, for whatever reason."""


def row_line(row: Mapping[str, Json]) -> str:
    """Return the line of a row: sorted keys, no NaN (None stands for what is not finite)."""
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"


class RowFile:
    """An append-only file of rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: FileIO | None = None

    def begin(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Go on after `rows`: the file keeps them, loses what follows, and is only written where it differs.

        Raises: RunError if the disk takes no more.
        """
        self.close()
        wanted = "".join(map(row_line, rows)).encode("utf-8")
        held = self.path.read_bytes() if self.path.is_file() else b""
        if not held.startswith(wanted):
            with _disk_faults(self.path, len(wanted)):
                write_bytes(self.path, wanted)
        elif len(held) > len(wanted):
            with self.path.open("r+b") as stream:
                stream.truncate(len(wanted))

    def append(self, row: Mapping[str, Json]) -> None:
        """Add a row; a reader sees it at once.

        Raises: RunError if the disk takes no more; what is then half a line is cut off when the run goes on.
        """
        if self._stream is None:
            self._stream = self.path.open("ab", buffering=0)
        line = row_line(row).encode("utf-8")
        with _disk_faults(self.path, len(line)):
            while line:  # a disk that is nearly full takes a part, and says so only when asked for the rest
                line = line[self._stream.write(line) :]

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class RowReader:
    """Follows a growing file of rows, from the beginning; also one that is cut back and grows again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._inode = 0

    def new_rows(self) -> list[dict[str, Any]]:
        """Return the whole rows that came since the last call."""
        try:
            stat = self.path.stat()
            with self.path.open("rb") as stream:
                if stat.st_ino != self._inode or stat.st_size < self._offset:
                    self._offset, self._inode = 0, stat.st_ino
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return list(_rows(whole))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return all whole rows of a file; none if it is not there."""
    return RowReader(path).new_rows()


@contextmanager
def _disk_faults(path: Path, num_bytes: int) -> Iterator[None]:
    """Say what could not be written, and what is needed."""
    remedy = "the same command continues from the newest checkpoint"
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            why = error.strerror or error
            raise RunError(f"{path}: cannot be written ({why}), expected a disk that takes writes; {remedy}") from None
        free = shutil.disk_usage(path.parent).free
        raise RunError(
            f"{path}: disk full, needs >= {num_bytes:,} bytes, {free:,} are free; make room there; {remedy}"
        ) from None


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the line a kill tore apart, with what was appended to it
            continue
        if isinstance(row, dict):
            yield row
