"""Files that are a document each, or a few: HTML pages, plain text, Markdown.

A text file may also be cut at blank lines or at every line (`pool.documents`). The front matter of Markdown stays in
the text; `title, date, license, url, lang` are read from it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

from curation.pool_spec import PoolSpec
from curation.sources.charsets import decoded, utf8_chunks
from curation.sources.decompress import byte_chunks
from curation.sources.inputs import Input
from curation.sources.lines import byte_lines
from curation.sources.records import Page, Placed, RawRecord, Rejected

OnRead = Callable[[int], None]
WRONG_CHARSET = "wrong-charset"
_FRONT = re.compile(r"\A---\r?\n(.{0,20000}?)\n---\s*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(title|date|license|url|lang)[ \t]*:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)


def prose_records(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    """Yield (line number or 1, `Placed` page or record). Raises: ShardError for a damaged or exploding file."""
    place: RawRecord = {"path": item.place}
    if item.container == "html":
        data = whole_file(item, spec.max_doc_bytes, on_read)
        yield 1, Placed(data if isinstance(data, Rejected) else Page({}, data, None, html=True), place)
    elif spec.documents == "file":
        data = whole_file(item, spec.max_doc_bytes, on_read)
        yield 1, Placed(data if isinstance(data, Rejected) else _document(item, data, spec), place)
    else:
        for line, text in _parts(item, spec, on_read):
            yield line, Placed(text if isinstance(text, Rejected) else {spec.text: text}, {**place, "line": line})


def whole_file(item: Input, max_bytes: int, on_read: OnRead) -> bytes | Rejected:
    """Return a file's decompressed bytes, or `too-long` without holding more than the limit and one chunk."""
    held: list[bytes] = []
    size = 0
    for chunk in byte_chunks(item, on_read):
        held.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            return Rejected("too-long", f"more than {max_bytes:,} bytes")
    return b"".join(held)


def _document(item: Input, data: bytes, spec: PoolSpec) -> RawRecord | Rejected:
    try:
        text = decoded(data, spec.charset)
    except UnicodeDecodeError as error:
        return wrong_charset(error)
    fields: RawRecord = {}
    if item.container == "markdown" and (front := _FRONT.match(text)):
        fields = {name: value.strip("\"'") for name, value in _FIELD.findall(front[1])}
    return {spec.text: text, **fields}


def wrong_charset(error: UnicodeDecodeError) -> Rejected:
    """Return the rejection of text that is not in its charset."""
    return Rejected(
        WRONG_CHARSET, f"not {error.encoding} at byte {error.start:,}; set `pool.charset` to the files' encoding"
    )


def _parts(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, str | Rejected]]:
    """Yield (line number, text) of every paragraph or line that is not blank."""
    held: list[bytes] = []
    held_bytes, first_line = 0, 1
    limit = spec.max_doc_bytes
    try:
        for number, line in byte_lines(utf8_chunks(byte_chunks(item, on_read), spec.charset), limit):
            blank = line is not None and not line.strip()
            if spec.documents == "lines":
                if not blank:
                    yield number, _text(line)
                continue
            if blank:
                if held:
                    yield first_line, _text(b"\n".join(held) if held_bytes <= limit else None)
                held, held_bytes = [], 0
                continue
            if not held:
                first_line = number
            held_bytes += limit + 1 if line is None else len(line) + 1
            if held_bytes > limit:  # a mark of it is enough
                held = [b""]
            else:
                held.append(line or b"")
        if held:
            yield first_line, _text(b"\n".join(held) if held_bytes <= limit else None)
    except UnicodeDecodeError as error:
        yield first_line, wrong_charset(error)


def _text(data: bytes | None) -> str | Rejected:
    if data is None:
        return Rejected("too-long")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        return wrong_charset(error)
