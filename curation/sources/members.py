"""Members of a compressed WARC (gzip members, zstd or lz4 frames) one after another, with what is damaged in between.

After damage the next member that decompresses to the start of a record is looked for, inside the damaged one too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO, NamedTuple

from curation.sources.decompress import codec_of, drained, refuse_bomb
from curation.sources.inputs import Compression, Input

READ_BYTES = 1 << 16
KEPT_BYTES = 1 << 23
"""Stored bytes of a member that are kept, to look for the next one in when it proves damaged."""
PROBE_BYTES = 1024
_MAGIC = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
RECORD_START = re.compile(
    rb"WARC/\d|filedesc://|[a-z][a-z0-9+.-]*:[^\n]{0,8000}? \d{1,3}(?:\.\d{1,3}){3} \d{8,14} [^\n]{1,200}\n"
)
"""How a WARC or ARC record begins."""


class Damage(NamedTuple):
    """A stretch of the file that cannot be read."""

    reason: str
    lost_bytes: int
    """Stored bytes between the damaged member's start and the next good one."""
    detail: str
    start: int
    """Stored offset of the damaged member."""


class Piece(NamedTuple):
    """Decompressed bytes, or damage."""

    data: bytes = b""
    offset: int = 0
    """Stored offset of the member that the data is from."""
    fresh: bool = False
    """Whether it is the first of its member."""
    damage: Damage | None = None


class Members:
    """Members of a compressed file, one after another, with what is damaged in between."""

    def __init__(self, item: Input, stream: BinaryIO, on_read: Callable[[int], None], compression: Compression) -> None:
        self._item, self._stream, self._on_read, self._compression = item, stream, on_read, compression
        self._codec = codec_of(compression)
        self._raw = b""
        self._offset = 0  # of the first byte of `_raw`
        self._ended = False
        self._total = 0

    def pieces(self, head: bytes) -> Iterator[Piece]:
        """Yield the pieces of the whole file, which begins with `head`."""
        self._raw = head
        self._on_read(len(head))
        if self._raw.startswith(_DICTIONARY_MAGIC):
            self._take_dictionary()
        while True:
            if self._compression == "gzip":
                self._skip_padding()
            if not self._raw and not self._more():
                return
            start = self._offset
            kept, reason = yield from self._member(start)
            if reason is not None:
                lost = self._resync(start, kept)
                short = "truncated-file" if reason == "truncated" and not self._raw else "damaged-member"
                yield Piece(damage=Damage(short, lost, f"{self._compression} at byte {start:,}: {reason}", start))

    def _more(self) -> bool:
        if self._ended:
            return False
        data = self._stream.read(self._codec.feed_bytes)
        self._on_read(len(data))
        self._ended = not data
        self._raw += data
        return bool(data)

    def _skip_padding(self) -> None:
        while True:
            stripped = self._raw.lstrip(b"\0")
            self._offset += len(self._raw) - len(stripped)
            self._raw = stripped
            if stripped or not self._more():
                return

    def _member(self, start: int) -> Generator[Piece, None, tuple[bytes, str | None]]:
        """Yield one member's pieces; return the stored bytes kept of it, and why it broke off or None."""
        current = self._codec.new()
        kept = bytearray()
        opening: bytearray | None = bytearray()
        while not current.eof:
            if not self._raw and not self._more():
                if opening:
                    yield Piece(bytes(opening), start, fresh=True)
                return bytes(kept), "truncated"
            fed, self._raw = self._raw[: self._codec.feed_bytes], self._raw[self._codec.feed_bytes :]
            kept += fed[: max(0, KEPT_BYTES - len(kept))]
            self._offset += len(fed)
            try:
                for data in drained(current, fed, self._compression):
                    self._total += len(data)
                    refuse_bomb(self._item, self._offset, self._total)
                    if opening is not None:
                        opening += data
                        if len(opening) >= PROBE_BYTES:
                            yield Piece(bytes(opening), start, fresh=True)
                            opening = None
                    elif data:
                        yield Piece(data, start)
            except self._codec.damaged as error:
                if opening:
                    yield Piece(bytes(opening), start, fresh=True)
                return bytes(kept), str(error)
        unused = current.unused_data or b""
        self._offset -= len(unused)
        self._raw = unused + self._raw
        if opening:
            yield Piece(bytes(opening), start, fresh=True)
        return b"", None

    def _resync(self, start: int, kept: bytes) -> int:
        """Move to the next member that starts a record; return the stored bytes passed since `start`."""
        if start + len(kept) == self._offset:  # all of the member is still here: look inside it again
            self._raw, self._offset = kept[1:] + self._raw, start + 1
        magic = _MAGIC[self._compression]
        while True:
            found = self._raw.find(magic)
            if found < 0:
                drop = max(0, len(self._raw) - len(magic) + 1)
                self._raw, self._offset = self._raw[drop:], self._offset + drop
                if not self._more():
                    self._offset += len(self._raw)
                    self._raw = b""
                    return self._offset - start
                continue
            self._raw, self._offset = self._raw[found:], self._offset + found
            while len(self._raw) < READ_BYTES and self._more():
                pass
            if self._starts_record():
                return self._offset - start
            self._raw, self._offset = self._raw[1:], self._offset + 1

    def _starts_record(self) -> bool:
        try:
            data = next(iter(drained(self._codec.new(), self._raw[:READ_BYTES], self._compression)), b"")
        except self._codec.damaged:
            return False
        return RECORD_START.match(bytes(data)) is not None

    def _take_dictionary(self) -> None:
        """Read the dictionary that a skippable first frame of a `.warc.zst` holds, itself compressed or not."""
        import zstandard

        size = int.from_bytes(self._raw[4:8], "little")
        while len(self._raw) < 8 + size and self._more():
            pass
        dictionary, self._raw, self._offset = self._raw[8 : 8 + size], self._raw[8 + size :], 8 + size
        if dictionary.startswith(_MAGIC["zstd"]):
            dictionary = zstandard.ZstdDecompressor().decompress(dictionary, max_output_size=1 << 27)
        shared = zstandard.ZstdCompressionDict(dictionary)
        self._codec = type(self._codec)(
            new=lambda: zstandard.ZstdDecompressor(dict_data=shared).decompressobj(),
            damaged=self._codec.damaged,
            feed_bytes=self._codec.feed_bytes,
        )
