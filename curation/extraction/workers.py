"""Many pages through worker processes, in order; a page that takes for ever or crashes its worker is counted.

A worker is a fresh interpreter that answers one page at a time. The kernel ends it when a page has used up its
processor time (`ITIMER_PROF`), inside C code too, whatever else the machine does; a page that sleeps meets a clock.
A worker that dies otherwise is replaced and its page tried once more, so that a stray kill changes nothing.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TypeVar

from curation.errors import PluginError
from curation.extraction.base import EXTRACTORS, Extracted, Page
from curation.extraction.extract import Limits, oversized, resolve

T = TypeVar("T")

WALL_FACTOR = 20
"""Wall seconds a page may take for each second of processor time it may use."""
_AHEAD = 4  # pages in flight a worker
_START = "from curation.extraction.serve import main; main()"
_PATH = "import pickle, sys; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[2])); "


def extract_pages(
    name: str, pages: Iterable[tuple[T, Page | None]], *, workers: int = 1, limits: Limits | None = None
) -> Iterator[tuple[T, Extracted | None]]:
    """Yield each tag with what its page gave, in the order of `pages`; a tag with None passes through.

    Results do not depend on `workers`. A few pages a worker are held in memory.

    Raises: PluginError for an unknown extractor, or one that a fresh process cannot load.
    """
    pool = _Pool(name=resolve(name), limits=limits or Limits())
    EXTRACTORS.get(pool.name)  # fails here, with its own message, before any process starts
    waiting: deque[tuple[T, Future[Extracted] | None]] = deque()
    with pool, ThreadPoolExecutor(max_workers=workers) as threads:
        try:
            for tag, page in pages:
                waiting.append((tag, None if page is None else threads.submit(pool.extract, page)))
                while len(waiting) > _AHEAD * workers or (waiting and _is_done(waiting[0][1])):
                    yield _taken(waiting.popleft())
            while waiting:
                yield _taken(waiting.popleft())
        finally:
            pool.close()  # threads that wait for a worker see it gone
            threads.shutdown(wait=True, cancel_futures=True)


def _is_done(future: Future[Extracted] | None) -> bool:
    return future is None or future.done()


def _taken(entry: tuple[T, Future[Extracted] | None]) -> tuple[T, Extracted | None]:
    tag, future = entry
    return tag, None if future is None else future.result()


class _DiedError(Exception):
    """A worker is gone; the page it had is not answered."""


@dataclass(slots=True)
class _Pool:
    """Idle workers, made when one is asked for and none is idle."""

    name: str
    limits: Limits
    idle: queue.SimpleQueue[_Worker] = field(default_factory=queue.SimpleQueue)
    all: list[_Worker] = field(default_factory=list)
    closed: bool = False

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def extract(self, page: Page) -> Extracted:
        """Return what a worker says of the page; a second worker is asked when the first died."""
        too_large = oversized(page.content, self.limits)
        if too_large is not None:
            return too_large
        for attempt in (1, 2):
            worker = self._take()
            try:
                answer = worker.ask(page, self.limits.cpu_seconds * WALL_FACTOR)
            except TimeoutError:
                worker.kill()
                return _timeout(f"{self.limits.cpu_seconds * WALL_FACTOR:g} s by the clock")
            except _DiedError:
                code = worker.kill()
                if code == -signal.SIGPROF:
                    return _timeout(f"{self.limits.cpu_seconds:g} s of processor time")
                if attempt == 2 or self.closed:
                    return Extracted(text="", reason="extractor-died", detail=f"exit code {code}, twice")
            else:
                self.idle.put(worker)
                return answer
        raise AssertionError("the second attempt returns")

    def close(self) -> None:
        """End every worker."""
        self.closed = True
        for worker in self.all:
            worker.kill()

    def _take(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self.idle.get_nowait()
        worker = _Worker.start(self.name, self.limits)
        self.all.append(worker)
        if self.closed:  # between the check and the start
            worker.kill()
        return worker


def _timeout(detail: str) -> Extracted:
    return Extracted(text="", reason="extractor-timeout", detail=detail)


@dataclass(frozen=True, slots=True)
class _Worker:
    """One process and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection

    @classmethod
    def start(cls, name: str, limits: Limits) -> _Worker:
        """Start a process that extracts pages.

        Raises: PluginError if it cannot load the extractor.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            told = [str(theirs.fileno()), pickle.dumps(sys.path).hex(), name, str(limits.cpu_seconds)]
            process = subprocess.Popen(
                [sys.executable, "-c", _PATH + _START, *told, str(limits.memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        worker = cls(process, Connection(ours.detach()))
        try:
            fault = worker.connection.recv()
        except (EOFError, OSError):
            fault = f"its process ended with exit code {worker.kill()}"
        if fault:
            worker.kill()
            raise PluginError(f"extractor `{name}` does not load in a process of its own: {fault}; reinstall it")
        return worker

    def ask(self, page: Page, wall_seconds: float) -> Extracted:
        """Return the answer.

        Raises: TimeoutError after so many seconds; _DiedError when the process is gone.
        """
        try:
            self.connection.send((page.content, page.url, page.declared_charset))
            if not self.connection.poll(wall_seconds):
                raise TimeoutError
            answer: Extracted = self.connection.recv()
        except (EOFError, ConnectionError, ValueError) as error:
            raise _DiedError from error
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise _DiedError from error  # closed under our hands
        return answer

    def kill(self) -> int:
        """End the process and return its exit code, negative for a signal."""
        self.process.kill()
        code = self.process.wait()
        with contextlib.suppress(OSError):
            self.connection.close()
        return code
