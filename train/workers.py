"""Parallel child processes, one job each: bounded in number, dead when the parent dies, every failure kept.

A training runs in a process of its own, so its numbers do not depend on how many run beside it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from curation.progress import Progress, Task

POLL_SECONDS = 0.05
STOP_SECONDS = 10.0
TAIL_CHARS = 1_500
Slot = Mapping[str, str]
"""Environment variables of the jobs that run in one place, such as the card they see."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One module to run as a process: `python -m module *arguments`, with `stdin` given to it."""

    label: str
    module: str
    arguments: tuple[str, ...]
    stdin: str = ""
    weight: float = 1.0
    """Its share of the bar: tokens, or 1 a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended."""

    code: int
    seconds: float
    message: str
    """The end of what it wrote to stderr."""


@dataclass(slots=True, kw_only=True)
class _Child:
    number: int
    slot: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    started: float


def run_jobs(
    jobs: Sequence[Job],
    workers: int,
    progress: Progress,
    label: str = "train",
    done_fraction: Callable[[int], float] | None = None,
    slots: Sequence[Slot] = (),
    stop_seconds: float = STOP_SECONDS,
) -> list[Outcome]:
    """Run all jobs, at most `workers` at a time, and return their outcomes in order; a failed one stops no other.

    Each of `slots` gives a job its environment while it runs there; without any, all have the parent's.
    `done_fraction(i)` says how far job i is, for the bar. Call from the main thread (see `train.child`). On
    Ctrl-C or any other exception the running children are ended before it goes on: asked, and killed after
    `stop_seconds`.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = list(enumerate(jobs))
    running: list[_Child] = []
    places = list(slots[:workers]) or [{}] * workers
    free = list(range(len(places)))
    with progress.task(label, sum(job.weight for job in jobs)) as task, _ending(running, stop_seconds):
        meter = _Meter(task=task, weights=[job.weight for job in jobs], done_fraction=done_fraction)
        while waiting or running:
            while waiting and free:
                slot = free.pop(0)
                running.append(_start(*waiting.pop(0), slot=slot, environment=places[slot]))
            for child in list(running):
                if child.process.poll() is not None:
                    running.remove(child)
                    free.append(child.slot)
                    outcomes[child.number] = _outcome(child)
            meter.show(outcomes.keys(), [child.number for child in running])
            time.sleep(POLL_SECONDS)
    return [outcomes[number] for number in range(len(jobs))]


@dataclass(slots=True, kw_only=True)
class _Meter:
    """Turns finished jobs and the parts of running ones into advances of one task."""

    task: Task
    weights: Sequence[float]
    done_fraction: Callable[[int], float] | None
    shown: float = 0.0
    next_look: float = 0.0

    def show(self, finished: Collection[int], running: Sequence[int]) -> None:
        now = time.monotonic()
        if running and now < self.next_look:
            return
        self.next_look = now + 1.0
        done = sum(self.weights[number] for number in finished)
        if self.done_fraction is not None:
            done += sum(self.weights[number] * min(1.0, self.done_fraction(number)) for number in running)
        self.task.advance(max(0.0, done - self.shown))
        self.shown = max(done, self.shown)


def _start(number: int, job: Job, *, slot: int, environment: Slot) -> _Child:
    # A file, since a pipe nobody reads would block a child that says much; it is closed with the outcome.
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    command = [sys.executable, "-m", "train.child", str(os.getpid()), job.module, *job.arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env={**os.environ, **ONE_THREAD, **environment},
        start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its children in order
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(job.stdin.encode("utf-8"))
    return _Child(number=number, slot=slot, process=process, errors=errors, started=time.monotonic())


def _outcome(child: _Child) -> Outcome:
    with child.errors as stream:
        stream.seek(0)
        text = stream.read().decode("utf-8", "replace").strip()
    code = child.process.returncode
    if code < 0 and not text:
        text = f"ended by signal {signal.Signals(-code).name}"
    return Outcome(code=code, seconds=time.monotonic() - child.started, message=text[-TAIL_CHARS:])


@contextlib.contextmanager
def _ending(running: list[_Child], stop_seconds: float) -> Iterator[None]:
    """End the children that still run when the block is left by an exception: asked first, then killed."""
    try:
        yield
    except BaseException:
        for child in running:
            _signal(child, signal.SIGTERM)
        until = time.monotonic() + stop_seconds
        for child in running:
            try:
                child.process.wait(timeout=max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.process.wait()
            child.errors.close()
        raise


def _signal(child: _Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)
