"""One writer of a board's folder at a time: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".lock"


@contextlib.contextmanager
def writing(board: Path) -> Iterator[None]:
    """Hold the board for writing; wait for whoever holds it."""
    import fcntl

    descriptor = os.open(board / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
