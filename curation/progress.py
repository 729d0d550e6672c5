"""Progress: bars on a terminal, one log line every 30 seconds elsewhere, nothing on stdout ever."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID
    from rich.progress import Task as RichTask

LOG_EVERY_SECONDS = 30.0


class Task(Protocol):
    """One thing that advances."""

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more units as done; safe from any thread."""


class Progress(Protocol):
    """Where work reports how far it is."""

    def task(self, label: str, total: float | None, *, unit: str = "") -> contextlib.AbstractContextManager[Task]:
        """Open a task of `total` units (None when unknown); leaving the context ends it.

        With `unit="bytes"` the speed in MB or GB a second and the time left are shown, with any other unit the latter.
        """

    def note(self, message: str) -> None:
        """Tell the user one thing worth a line."""


@dataclass(slots=True)
class SilentProgress:
    """Says nothing: tests, libraries, `-q`."""

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Task]:
        """Count nothing."""
        yield _Silent()

    def note(self, message: str) -> None:
        """Drop the message."""


class _Silent:
    def advance(self, amount: float = 1.0) -> None:
        return None


@dataclass(slots=True)
class LogProgress:
    """A line on stderr when a task of more than a second ends, and every 30 s while one runs, advancing or not."""

    every_seconds: float = LOG_EVERY_SECONDS

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Task]:
        """Log the task's state at most every `every_seconds`."""
        task = _Logged(label=label, total=total, every_seconds=self.every_seconds, unit=unit)
        ended = threading.Event()
        ticker = threading.Thread(target=task.tick, args=(ended,), daemon=True)
        ticker.start()
        try:
            yield task
        finally:
            ended.set()
            ticker.join()
        if time.monotonic() - task.started > 1.0:
            task.say()

    def note(self, message: str) -> None:
        """Write one line to stderr."""
        print(message, file=sys.stderr, flush=True)


@dataclass(slots=True)
class _Logged:
    label: str
    total: float | None
    every_seconds: float
    unit: str = ""
    done: float = 0.0
    started: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, amount: float = 1.0) -> None:
        with self.lock:
            self.done += amount
            self.say_when_due()

    def tick(self, ended: threading.Event) -> None:
        """Keep the lines coming while one long step runs."""
        while not ended.wait(max(self.every_seconds, 0.05)):
            with self.lock:
                self.say_when_due()

    def say_when_due(self) -> None:
        if time.monotonic() - self.said >= self.every_seconds:
            self.said = time.monotonic()
            self.say()

    def say(self) -> None:
        if self.unit == "bytes":
            print(f"{self.label}: {self._bytes_text()}", file=sys.stderr, flush=True)
            return
        of_total = f"/{self.total:,.0f}" if self.total else ""
        seconds = time.monotonic() - self.started
        left = ""
        if self.unit and self.total and 0 < self.done < self.total:
            left = f", {(self.total - self.done) * seconds / self.done:,.0f} s left"
        print(f"{self.label}: {self.done:,.0f}{of_total} in {seconds:.0f} s{left}", file=sys.stderr, flush=True)

    def _bytes_text(self) -> str:
        seconds = time.monotonic() - self.started
        speed = self.done / seconds if seconds > 0 else 0.0
        text = f"{self.done / 1e6:,.1f}"
        if self.total is not None:
            left = (self.total - self.done) / speed if speed else 0.0
            text += f"/{self.total / 1e6:,.1f}"
            return f"{text} MB in {seconds:,.0f} s, {speed_text(speed)}, {max(left, 0.0):,.0f} s left"
        return f"{text} MB in {seconds:,.0f} s, {speed_text(speed)}"


def speed_text(bytes_a_second: float) -> str:
    """Return a speed in MB/s, from a thousand of them on in GB/s."""
    return f"{bytes_a_second / 1e9:,.2f} GB/s" if bytes_a_second >= 1e9 else f"{bytes_a_second / 1e6:,.1f} MB/s"


class BarProgress:
    """Live bars on a terminal; all open tasks share one display, as rich allows only one."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._lock = threading.Lock()
        self._open = 0
        self._bars: RichProgress | None = None

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Task]:
        """Draw a bar while the context is open."""
        bars = self._enter()
        number = bars.add_task(label, total=total, unit=unit)
        try:
            yield _Bar(bars, number)
            end = total if total is not None else 1.0
            bars.update(number, completed=end, total=end)
        finally:
            self._leave()

    def note(self, message: str) -> None:
        """Print one line above the bars."""
        self._console.print(message, highlight=False, markup=False)

    def _enter(self) -> RichProgress:
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        with self._lock:
            if self._bars is None:
                columns = (
                    TextColumn("{task.description:<32}"),
                    BarColumn(),
                    TaskProgressColumn(),
                    TimeElapsedColumn(),
                    _pace_column(),
                )
                self._bars = Bars(*columns, console=self._console)
                self._bars.start()
            self._open += 1
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None


def _pace_column() -> ProgressColumn:
    """Return a column with the time left of tasks that have a unit, and the speed of those that count bytes."""
    from rich.progress import ProgressColumn as Column
    from rich.text import Text

    class Pace(Column):
        def render(self, task: RichTask) -> Text:
            unit = task.fields.get("unit")
            if not unit or not task.speed or task.finished:
                return Text("")
            left = f"{task.time_remaining:,.0f} s left" if task.time_remaining is not None else ""
            if unit != "bytes":
                return Text(left)
            return Text(f"{speed_text(task.speed)}, {left}" if left else speed_text(task.speed))

    return Pace()


class _Bar:
    def __init__(self, bars: RichProgress, number: TaskID) -> None:
        self._bars = bars
        self._number = number

    def advance(self, amount: float = 1.0) -> None:
        self._bars.advance(self._number, amount)


def default_progress(*, quiet: bool) -> Progress:
    """Return the progress that fits stderr: bars on a terminal, log lines elsewhere, silence when quiet."""
    if quiet:
        return SilentProgress()
    return BarProgress() if sys.stderr.isatty() else LogProgress()
