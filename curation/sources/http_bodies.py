"""The body of an archived HTTP message: chunks joined and content encodings undone, never beyond a limit of bytes.

A server's word is not taken: a body that is not chunked, or not compressed, in spite of its header is taken as it is
(crawlers often undo both and keep the header). A body that ends early keeps what could be decoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

PIECE_BYTES = 1 << 16
MAX_ENCODINGS = 4
_NO_ENCODING = frozenset({"", "identity", "none", "utf-8", "chunked"})


class Body(NamedTuple):
    """A decoded body, or why there is none."""

    data: bytes
    fault: str | None = None
    """`too-long`, `broken-encoding` or `unknown-encoding`."""
    detail: str = ""


def decoded_body(read: Callable[[int], bytes], transfer: str, content: str, limit: int) -> Body:
    """Return the body that `read` yields, decoded by its `Transfer-Encoding` and `Content-Encoding` headers."""
    pieces = _pieces(read)
    if "chunked" in transfer.lower():
        pieces = _joined(pieces)
    names = [name.strip().lower() for name in content.split(",") if name.strip().lower() not in _NO_ENCODING]
    if len(names) > MAX_ENCODINGS:
        return Body(b"", "unknown-encoding", content[:80])
    for name in reversed(names):
        if name not in _DECODERS:
            return Body(b"", "unknown-encoding", name[:80])
        pieces = _decoded(pieces, name)
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size > limit:
                return Body(b"", "too-long")
    except _BrokenEncoding as error:
        return Body(b"", "broken-encoding", str(error))
    return Body(b"".join(held))


class _BrokenEncoding(Exception):
    """Compressed data that goes wrong after its first bytes."""


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(PIECE_BYTES):
        yield piece


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the data of chunks; from the first place that reads like no chunk on, everything as it is."""
    held = b""
    left = 0
    first = True
    for piece in pieces:
        held += piece
        while held:
            if left:
                taken, held = held[:left], held[left:]
                left -= len(taken)
                yield taken
                continue
            line, newline, rest = held.removeprefix(b"\r\n" if not first else b"").partition(b"\n")
            if not newline and len(held) < PIECE_BYTES // 64:
                break  # the size may go on in the next piece
            size = _chunk_size(line) if newline else None
            if size is None:
                yield held
                yield from pieces
                return
            first, left, held = False, size, rest
            if size == 0:
                for _ in pieces:  # trailers
                    pass
                return
    if held.strip() and not left and _chunk_size(held.strip()) != 0:
        yield held


def _chunk_size(line: bytes) -> int | None:
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16) if 0 < len(digits) <= 16 and digits.isalnum() else None
    except ValueError:
        return None


def _decoded(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield decompressed pieces; what fails at its very start was not compressed."""
    first = next(pieces, b"")
    if not first:
        return
    try:
        decoder = _DECODERS[name](first)
        opening = decoder(first)
        produced = next(opening, b"")
    except Exception:
        yield first
        yield from pieces
        return
    try:
        yield produced
        yield from opening
        for piece in pieces:
            yield from decoder(piece)
    except Exception as error:
        raise _BrokenEncoding(f"{name}: {error}") from None


_Decoder = Callable[[bytes], Iterator[bytes]]


def _zlib_decoder(wbits: int) -> _Decoder:
    current = zlib.decompressobj(wbits)

    def decode(data: bytes) -> Iterator[bytes]:
        while data and not current.eof:  # bytes after the end are ignored, as browsers do
            yield current.decompress(data, PIECE_BYTES)
            data = current.unconsumed_tail

    return decode


def _gzip(first: bytes) -> _Decoder:
    return _zlib_decoder(31)


def _deflate(first: bytes) -> _Decoder:
    zlib_header = len(first) > 1 and first[0] & 15 == 8 and (first[0] << 8 | first[1]) % 31 == 0
    return _zlib_decoder(15 if zlib_header else -15)


def _brotli(first: bytes) -> _Decoder:
    import brotli

    current: Any = brotli.Decompressor()

    def decode(data: bytes) -> Iterator[bytes]:
        produced = current.process(data, output_buffer_limit=PIECE_BYTES)
        while produced or not current.can_accept_more_data():  # output may wait when all input is taken
            yield produced
            produced = current.process(b"", output_buffer_limit=PIECE_BYTES)

    return decode


def _zstd(first: bytes) -> _Decoder:
    import zstandard

    current = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def decode(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), 1024):  # one zstd byte can stand for 32 KB
            yield b"" if current.eof else current.decompress(data[start : start + 1024])

    return decode


_DECODERS: dict[str, Callable[[bytes], _Decoder]] = {
    "gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd,
}  # fmt: skip
