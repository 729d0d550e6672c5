"""Files of a pool read by several processes at once: rows to files of their own, counts joined in the order of files.

Parsing records holds Python's lock, so threads gain nothing. This process reads too; each other one is a fresh
interpreter that gets one file at a time. Which process reads a file changes no byte of the pool: partitions sort what
they get from every process, and counts, cases and the error that is told are those of reading one file after the other.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection

from curation.errors import IncompleteError
from curation.recipe import PoolSpec
from curation.sources.collect import Collected, collect_here
from curation.sources.inputs import ROW_CONTAINERS, Input
from curation.sources.pages import needs_extraction
from curation.sources.records import RecordReader

MIN_BYTES = 1 << 27
"""Text below which one process reads all: another costs half a second to start (benchmarks/growth.py)."""
READER_BUFFER_BYTES = 48 << 20
"""Rows that a reader beside this process holds before it writes them down."""
_START = (
    "import pickle, sys; sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[2])); "
    "from curation.sources.collect_apart import serve; serve(int(sys.argv[1]))"
)
OnRead = Callable[[float], None]


def readers_for(files: Sequence[Input], spec: PoolSpec, *, workers: int, estimated_bytes: int) -> int:
    """Return how many processes read: 1 unless there are several local files of rows, and enough in them."""
    if workers < 2 or estimated_bytes < MIN_BYTES or needs_extraction(files, spec):
        return 1
    if not all(item.container in ROW_CONTAINERS and item.opener is None for item in files):
        return 1
    return min(workers, len(files))


@dataclass(slots=True, kw_only=True)
class _Turn:
    """Which file is next; after a fault none is, so that every file before the first bad one has been read."""

    num_files: int
    next_file: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    parts: dict[int, Collected] = field(default_factory=dict)
    faults: dict[int, Exception] = field(default_factory=dict)
    stopped: bool = False

    def take(self) -> int | None:
        """Return the number of a file that nobody has read."""
        with self.lock:
            if self.stopped or self.faults or self.next_file == self.num_files:
                return None
            self.next_file += 1
            return self.next_file - 1

    def run(self, read: Callable[[int], Collected]) -> None:
        """Read files until none is left or one has a fault."""
        while (number := self.take()) is not None:
            try:
                self.parts[number] = read(number)
            except Exception as error:
                self.faults[number] = error


def collect_apart(
    collected: Collected, files: Sequence[Input], spec: PoolSpec, num_readers: int, on_read: OnRead
) -> None:
    """Read every file into `collected`, here and in `num_readers - 1` other processes.

    Raises: what reading one after the other raises first; IncompleteError for a process that was killed.
    """
    turn = _Turn(num_files=len(files))
    spill = collected.spill
    spill.num_writers = num_readers
    others = [_Reader.start(_part(collected, writer), spec, on_read) for writer in range(1, num_readers)]
    try:
        with ThreadPoolExecutor(max_workers=num_readers) as threads:
            waiting = [threads.submit(other.read_all, turn, files) for other in others]
            try:
                reader = RecordReader(spec=spec)
                turn.run(lambda number: _read(_part(collected, 0), number, files[number], reader, on_read))
            finally:
                turn.stopped = True
                if sys.exc_info()[0] is not None:  # an interrupt: nobody waits for the others' files
                    for other in others:
                        other.kill()
        for future in waiting:
            future.result()
    finally:
        for other in others:
            other.kill()
    if turn.faults:
        raise turn.faults[min(turn.faults)]
    for number in range(len(files)):
        collected.merge(turn.parts[number])


def _part(collected: Collected, writer: int) -> Collected:
    """Return an empty collection that writes rows as the given writer; this process shares its spill."""
    spill = collected.spill
    if writer:
        spill = replace(spill, writer=writer, buffer_bytes=READER_BUFFER_BYTES, _held={}, _held_bytes=0)
    part = Collected(spill=spill, files=collected.files, digests=collected.digests)
    part.sizes = None if collected.sizes is None else []
    return part


def _read(part: Collected, number: int, item: Input, reader: RecordReader, on_read: OnRead) -> Collected:
    collect_here(part, [(number, item)], reader.spec, on_read, reader=reader)
    return part


@dataclass(frozen=True, slots=True)
class _Reader:
    """Another process that reads, and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection
    on_read: OnRead

    @classmethod
    def start(cls, empty: Collected, spec: PoolSpec, on_read: OnRead) -> _Reader:
        ours, theirs = socket.socketpair()
        with theirs:
            told = [str(theirs.fileno()), pickle.dumps(sys.path).hex()]
            process = subprocess.Popen(
                [sys.executable, "-c", _START, *told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        found = cls(process, Connection(ours.detach()), on_read)
        with contextlib.suppress(ConnectionError):  # gone already: the first answer tells
            found.connection.send((empty, spec))
        return found

    def read_all(self, turn: _Turn, files: Sequence[Input]) -> None:
        """Read files until none is left, then have the rows written down. Raises: IncompleteError."""
        try:
            turn.run(lambda number: self._ask((number, files[number])))
            self._ask(None)
        except Exception as error:
            turn.faults.setdefault(turn.num_files, error)  # told only when no file has a fault

    def kill(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.connection.close()

    def _ask(self, question: tuple[int, Input] | None) -> Collected:
        try:
            self.connection.send(question)
            while isinstance(answer := self.connection.recv(), (int, float)):
                self.on_read(answer)
        except (EOFError, OSError) as error:
            code = self.process.wait()
            where = question[1].name if question else "pool"
            raise IncompleteError(
                f"{where}: a process that read the pool's files ended with exit code {code}, expected 0; "
                "see whether memory ran out, then run the same command again"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Collected)
        return answer


def serve(descriptor: int) -> None:
    """Read the files that the other side names until it closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, ConnectionError):
        empty, spec = connection.recv()
        reader = None
        while True:
            question: tuple[int, Input] | None = connection.recv()
            part = replace(empty, rejected=type(empty.rejected)(), cases=[], tallies={})
            part.sizes = None if empty.sizes is None else []
            try:
                if question is None:
                    empty.spill.flush()
                else:
                    reader = reader or RecordReader(spec=spec)
                    _read(part, question[0], question[1], reader, connection.send)
            except ConnectionError:
                raise
            except Exception as error:
                connection.send(_told(error))
                continue
            connection.send(replace(part, spill=replace(empty.spill, _held={}, _held_bytes=0)))


def _told(error: Exception) -> Exception:
    """Return the error if it can travel, else what it says."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        again = None
    return error if str(again) == str(error) else RuntimeError(f"{type(error).__name__}: {error}")
