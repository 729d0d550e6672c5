"""Bytes of text, CSV and code files as UTF-8: the pool's `charset`, else a byte order mark, else UTF-8, all strict."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator

from curation.errors import ShardError

_MARKS = (  # the longer first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"),
)  # fmt: skip


def known_charset(name: str) -> str:
    """Return the name that Python knows a charset by. Raises: ShardError for an unknown one."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ShardError(f"pool.charset: {name!r} is unknown; expected one of Python's, such as `cp1252`") from None


def charset_of(head: bytes, charset: str | None) -> str:
    """Return the charset of a file that begins with `head`."""
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if charset is None:
        return marked or "utf-8"
    return known_charset(charset)


def decoded(data: bytes, charset: str | None) -> str:
    """Return a whole file's text. Raises: UnicodeDecodeError where it is not in its charset."""
    return data.decode(charset_of(data[:4], charset)).removeprefix("\ufeff")


def utf8_chunks(chunks: Iterator[bytes], charset: str | None) -> Iterator[bytes]:
    """Yield the same text as UTF-8; bytes that are UTF-8 already pass unchecked.

    Raises: UnicodeDecodeError where another charset does not fit.
    """
    head = next(chunks, b"")
    name = charset_of(head[:4], charset)
    if name in ("utf-8", "utf-8-sig"):
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(name)()
    for chunk in itertools.chain((head,), chunks):
        yield decoder.decode(chunk).encode("utf-8")
    yield decoder.decode(b"", final=True).encode("utf-8")
