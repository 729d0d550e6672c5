"""Records of a JSON Lines file, split at newline bytes only (U+2028 and its kin live inside strings).

Blank lines and a byte order mark at the start are passed over; the last line needs no newline. A line longer than any
acceptable document is never held in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import orjson

from curation.sources.decompress import byte_chunks
from curation.sources.inputs import Input
from curation.sources.lines import byte_lines
from curation.sources.records import Rejected

ESCAPE_BYTES = 6  # the longest spelling of one byte of text: \u0001
OTHER_FIELDS_BYTES = 1 << 24


def jsonl_records(
    item: Input, max_doc_bytes: int, on_read: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[tuple[int, object]]:
    """Yield (line number from 1, JSON value or `Rejected`) for every line that is not blank."""
    max_line_bytes = ESCAPE_BYTES * max_doc_bytes + OTHER_FIELDS_BYTES
    for number, line in byte_lines(byte_chunks(item, on_read), max_line_bytes):
        if line is None:
            yield number, Rejected("too-long")
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if line.strip():
                yield number, _why_invalid(line, str(error))


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
