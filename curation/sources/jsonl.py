"""Records of a JSON Lines file, split at newline bytes only (U+2028 and its kin live inside strings).

Blank lines and a byte order mark at the start are passed over; the last line needs no newline. A line longer than any
acceptable document is never held in memory.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator

import orjson

from curation.sources.decompress import byte_chunks
from curation.sources.locate import Input
from curation.sources.records import Rejected

ESCAPE_BYTES = 6  # the longest spelling of one byte of text: \u0001
OTHER_FIELDS_BYTES = 1 << 24


def jsonl_records(
    item: Input, max_doc_bytes: int, on_read: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[tuple[int, object]]:
    """Yield (line number from 1, JSON value or `Rejected`) for every line that is not blank."""
    max_line_bytes = ESCAPE_BYTES * max_doc_bytes + OTHER_FIELDS_BYTES
    for number, line in _lines(byte_chunks(item, on_read), max_line_bytes):
        if line is None:
            yield number, Rejected("too-long")
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if line.strip():
                yield number, _why_invalid(line, str(error))


def _lines(chunks: Iterator[bytes], max_line_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield numbered lines without their newline; None stands for a line beyond the limit."""
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


def _why_invalid(line: bytes, error: str) -> Rejected:
    """Name what the strict parser refused: bytes that are no UTF-8, a lone surrogate, a NUL, or the JSON itself."""
    if b"\0" in line:
        return Rejected("nul-byte")
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return Rejected("invalid-utf8")
    except (ValueError, RecursionError):
        return Rejected("invalid-json", error)
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return Rejected("invalid-utf8", "lone surrogate")
    return Rejected("invalid-json", error)  # NaN and Infinity, which Python reads and JSON does not have
