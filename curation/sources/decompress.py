"""Bytes of an input file, decompressed as a stream; a damaged or exploding container is one clear error.

Concatenated gzip members, zstd and lz4 frames are accepted. A file that ends inside one is refused, and so is one that
expands beyond its `Limits` (200-fold once past 100 MB, or 1 TB in all, unless the pool says otherwise).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from curation.errors import ShardError
from curation.sources.inputs import Compression, Input

CHUNK_BYTES = 1 << 22
RATIO_FREE_BYTES = 100_000_000

# One zstd byte can stand for 32 KB; feeding 8 KB at a time bounds what one call may return to 256 MB.
_ZSTD_FEED_BYTES = 1 << 13
_GZIP_FEED_BYTES = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How one compression is undone, member by member."""

    new: Callable[[], Any]  # zlib's and zstandard's objects share `eof`, `unused_data` and `decompress` only
    damaged: type[Exception]
    feed_bytes: int


def byte_chunks(item: Input, on_read: Callable[[int], None] = lambda num_bytes: None) -> Iterator[bytes]:
    """Yield the file's decompressed bytes in pieces; `on_read` hears of every stored byte consumed.

    Raises: ShardError for a file that cannot be read, is truncated or damaged, or expands too much.
    """
    try:
        with item.open() as stream:
            if item.compression == "none":
                yield from _plain(stream, on_read)
            else:
                yield from _bounded(item, _members(item, stream, on_read))
    except OSError as error:
        raise ShardError(f"{item.name}: cannot be read ({error.strerror or error}); mend `path` or the file") from None


def _plain(stream: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        on_read(len(chunk))
        yield chunk


def _members(item: Input, stream: BinaryIO, on_read: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Yield (stored bytes so far, next decompressed bytes) over all members of the file."""
    codec = codec_of(item.compression)
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
                for data in drained(current, raw, item.compression):
                    yield stored, data
                raw = current.unused_data if current.eof else b""
                current = None if current.eof else current
        except codec.damaged as error:
            raise ShardError(
                f"{item.name}: damaged {item.compression} data before byte {stored:,} of the file ({error}); "
                "expected an intact file; fetch it again"
            ) from None
    if current is not None or stored == 0:
        raise ShardError(
            f"{item.name}: truncated, the {item.compression} data breaks off at byte {stored:,} of the file; "
            "expected a complete file; fetch it again"
        )


def codec_of(compression: Compression) -> Codec:
    """Return how `compression` is undone. Raises: ShardError if the package for it is not installed."""
    if compression == "gzip":
        return Codec(new=lambda: zlib.decompressobj(wbits=31), damaged=zlib.error, feed_bytes=_GZIP_FEED_BYTES)
    if compression == "lz4":
        try:
            import lz4.frame
        except ImportError as error:
            raise ShardError(f"lz4: the package is not installed ({error}); `pip install lz4`") from None
        return Codec(new=lz4.frame.LZ4FrameDecompressor, damaged=RuntimeError, feed_bytes=_GZIP_FEED_BYTES)
    import zstandard

    return Codec(
        new=lambda: zstandard.ZstdDecompressor().decompressobj(),
        damaged=zstandard.ZstdError,
        feed_bytes=_ZSTD_FEED_BYTES,
    )


def drained(current: Any, raw: bytes, compression: Compression) -> Iterator[bytes]:
    """Yield what `raw` decompresses to; zstd cannot be told to stop early and is bounded by its small feeds."""
    if compression == "zstd":
        yield current.decompress(raw)
        return
    data = current.decompress(raw, CHUNK_BYTES)
    yield data
    if compression == "lz4":
        while not current.eof and not current.needs_input:
            yield current.decompress(b"", CHUNK_BYTES)
        return
    while current.unconsumed_tail or (len(data) == CHUNK_BYTES and not current.eof):  # zlib may hold output back
        data = current.decompress(current.unconsumed_tail, CHUNK_BYTES)
        yield data


def refuse_bomb(item: Input, stored: int, total: int) -> None:
    """Raise ShardError if `stored` bytes of a file expanded to more than its limits allow."""
    ratio, most = item.limits.max_ratio, item.limits.max_bytes
    if total > RATIO_FREE_BYTES and total > ratio * stored:
        raise ShardError(
            f"{item.name}: expands {total / max(1, stored):,.0f}-fold within its first {stored:,} bytes; expected at "
            f"most {ratio:g}-fold; raise `pool.max_expansion` or decompress it yourself if it is what you want"
        )
    if total > most:
        raise ShardError(
            f"{item.name}: expands beyond {most:,} bytes; raise `pool.max_expanded_bytes` if it is what you want"
        )


def _bounded(item: Input, pieces: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Join small pieces into chunks and refuse a file that expands too much."""
    total = 0
    held: list[bytes] = []
    held_bytes = 0
    for stored, data in pieces:
        total += len(data)
        refuse_bomb(item, stored, total)
        held.append(data)
        held_bytes += len(data)
        if held_bytes >= CHUNK_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)


class ChunkStream(io.RawIOBase):
    """A stream, forward only, over pieces of bytes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the next piece reaches."""
        while not self._held:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
