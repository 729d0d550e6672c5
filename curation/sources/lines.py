"""Lines of a byte stream, split at newline bytes only; one beyond a limit is never held in memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator


def byte_lines(chunks: Iterator[bytes], max_line_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield numbered lines without their newline and without a byte order mark; None is one beyond the limit."""
    number = 1
    open_line: list[bytes] | None = []  # pieces of the unfinished line; None while skipping one that is too long
    open_bytes = 0
    first = True
    for chunk in chunks:
        lines = chunk.removeprefix(codecs.BOM_UTF8).split(b"\n") if first else chunk.split(b"\n")
        first = False
        for line in lines[:-1]:
            if open_bytes or open_line is None:
                whole = None if open_line is None or open_bytes + len(line) > max_line_bytes else open_line
                yield number, None if whole is None else b"".join([*whole, line])
                open_line, open_bytes = [], 0
            else:
                yield number, line if len(line) <= max_line_bytes else None
            number += 1
        if open_line is not None:
            open_line.append(lines[-1])
            open_bytes += len(lines[-1])
            if open_bytes > max_line_bytes:
                open_line, open_bytes = None, 0
    if open_line is None or open_bytes:
        yield number, None if open_line is None else b"".join(open_line)
