"""Locks of a store: advisory ones on files, which the kernel drops when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from curation.errors import StoreBusyError
from curation.files import TEMPORARY_PREFIX

IN_USE = ".in-use"


class Hold:
    """A shared lock on a store for as long as this object lives; only `Store.alone` asks whether there is any."""

    __slots__ = ("descriptor",)

    def __init__(self, root: Path, *, reads_only: bool) -> None:
        import fcntl

        self.descriptor = os.open(root / IN_USE, os.O_RDONLY if reads_only else os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self.descriptor)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # of another process it is no hold


@contextlib.contextmanager
def reserved(out: Path) -> Iterator[None]:
    """Hold a directory that is to appear at `out`, by a lock file beside it that goes when the block ends.

    Raises: StoreBusyError if a live process holds it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.parent / f"{TEMPORARY_PREFIX}{out.name}.lock"
    lock = acquire(path, out)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def held(path: Path) -> bool:
    """Return whether a live process holds the lock file `path`."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def acquire(path: Path, held: Path) -> int:
    """Take an advisory lock that the kernel drops when its holder dies, however it dies."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 400).decode("utf-8", "replace").strip() or "(unknown)"
        os.close(descriptor)
        raise StoreBusyError(
            f"{held}: process {holder} is building this artifact; wait for it, or stop it and rerun"
        ) from None
    os.ftruncate(descriptor, 0)
    started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    os.write(descriptor, f"{os.getpid()} on host {socket.gethostname()} (since {started})".encode())
    return descriptor
