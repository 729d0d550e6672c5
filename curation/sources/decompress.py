"""Bytes of an input file, decompressed as a stream; a damaged or exploding container is one clear error.

Concatenated gzip members and zstd frames are accepted. A file that ends inside one is refused, and so is one that
expands more than 200-fold once past 100 MB.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curation.errors import ShardError
from curation.sources.locate import Input

CHUNK_BYTES = 1 << 22
MAX_RATIO = 200
RATIO_FREE_BYTES = 100_000_000

# One zstd byte can stand for 32 KB; feeding 8 KB at a time bounds what one call may return to 256 MB.
_ZSTD_FEED_BYTES = 1 << 13
_GZIP_FEED_BYTES = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codec:
    new: Callable[[], Any]  # zlib's and zstandard's objects share `eof`, `unused_data` and `decompress` only
    damaged: type[Exception]
    feed_bytes: int


def byte_chunks(item: Input, on_read: Callable[[int], None] = lambda num_bytes: None) -> Iterator[bytes]:
    """Yield the file's decompressed bytes in pieces; `on_read` hears of every stored byte consumed.

    Raises: ShardError for a file that cannot be read, is truncated or damaged, or expands too much.
    """
    try:
        with item.path.open("rb") as stream:
            if item.compression == "none":
                yield from _plain(stream, on_read)
            else:
                yield from _bounded(item.path, _members(item, stream, on_read))
    except OSError as error:
        raise ShardError(f"{item.path}: cannot be read ({error.strerror or error}); mend `path` or the file") from None


def _plain(stream: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        on_read(len(chunk))
        yield chunk


def _members(item: Input, stream: BinaryIO, on_read: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Yield (stored bytes so far, next decompressed bytes) over all members of the file."""
    codec = _codec(item)
    current: Any = None
    stored = 0
    while raw := stream.read(codec.feed_bytes):
        stored += len(raw)
        on_read(len(raw))
        try:
            while raw:
                if current is None:
                    raw = raw.lstrip(b"\0") if item.compression == "gzip" and stored > len(raw) else raw  # padding
                    if not raw:
                        break
                    current = codec.new()
                for data in _drained(current, raw, item.compression):
                    yield stored, data
                raw = current.unused_data if current.eof else b""
                current = None if current.eof else current
        except codec.damaged as error:
            raise ShardError(
                f"{item.path}: damaged {item.compression} data before byte {stored:,} of the file ({error}); "
                "expected an intact file; fetch it again"
            ) from None
    if current is not None or stored == 0:
        raise ShardError(
            f"{item.path}: truncated, the {item.compression} data breaks off at byte {stored:,} of the file; "
            "expected a complete file; fetch it again"
        )


def _codec(item: Input) -> _Codec:
    if item.compression == "gzip":
        return _Codec(new=lambda: zlib.decompressobj(wbits=31), damaged=zlib.error, feed_bytes=_GZIP_FEED_BYTES)
    import zstandard

    return _Codec(
        new=lambda: zstandard.ZstdDecompressor().decompressobj(),
        damaged=zstandard.ZstdError,
        feed_bytes=_ZSTD_FEED_BYTES,
    )


def _drained(current: Any, raw: bytes, compression: str) -> Iterator[bytes]:
    """Yield what `raw` decompresses to; only zlib can be told to stop early, zstd is bounded by its small feeds."""
    if compression == "zstd":
        yield current.decompress(raw)
        return
    data = current.decompress(raw, CHUNK_BYTES)
    yield data
    while current.unconsumed_tail or (len(data) == CHUNK_BYTES and not current.eof):  # zlib may hold output back
        data = current.decompress(current.unconsumed_tail, CHUNK_BYTES)
        yield data


def _bounded(path: Path, pieces: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Join small pieces into chunks and refuse a file that expands too much."""
    total = 0
    held: list[bytes] = []
    held_bytes = 0
    for stored, data in pieces:
        total += len(data)
        if total > RATIO_FREE_BYTES and total > MAX_RATIO * stored:
            raise ShardError(
                f"{path}: expands {total / stored:,.0f}-fold within its first {stored:,} bytes; expected at most "
                f"{MAX_RATIO}-fold; decompress it yourself if it is what you want"
            )
        held.append(data)
        held_bytes += len(data)
        if held_bytes >= CHUNK_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)
