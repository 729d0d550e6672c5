"""The process of a worker: pages come through a socket, what they gave goes back; it ends with its parent."""

from __future__ import annotations

import contextlib
import gc
import logging
import resource
import signal
import sys
from multiprocessing.connection import Connection

from curation.extraction.base import EXTRACTORS
from curation.extraction.extract import Limits, extract

_COLLECT_EVERY = 64  # pages; lxml trees hang in cycles


def main() -> None:
    """Serve until the parent closes the connection; arguments: descriptor, path, extractor, seconds, bytes."""
    descriptor, _, name, cpu_seconds, memory_bytes = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    logging.disable(logging.CRITICAL)  # libraries say of every odd page that it is odd
    connection = Connection(int(descriptor))
    with contextlib.suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        EXTRACTORS.get(name)
        extract(name, b"<html><body><p>Libraries load before the clock runs.</p></body></html>")
    except Exception as error:  # the parent says it
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send("")
    with contextlib.suppress(EOFError, ConnectionError):
        _serve(connection, name, float(cpu_seconds))


def _serve(connection: Connection, name: str, cpu_seconds: float) -> None:
    no_limit = Limits(max_page_bytes=sys.maxsize)  # the parent looked at the size
    number = 0
    while True:
        content, url, declared = connection.recv()
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)  # its signal ends the process
        found = extract(name, content, url=url, declared_charset=declared, limits=no_limit)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(found)
        number += 1
        if number % _COLLECT_EVERY == 0:
            gc.collect()
