"""The decompressed bytes of a WARC or ARC as one stream that survives damage and knows where records may start.

A *wall* is a place where a read stops: the start of a member (a gzip member, a zstd or lz4 frame) that begins with a
record, a damaged stretch, the end. Whoever reads a record never crosses a wall; `next_record` does. After damage the
stream goes on at the next member that decompresses to the start of a record; what lies between is counted as lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from curation.sources.inputs import Compression, Input
from curation.sources.kinds import compression_of
from curation.sources.members import KEPT_BYTES, PROBE_BYTES, READ_BYTES, RECORD_START, Damage, Members, Piece

MAX_LINE_BYTES = 1 << 16
_NEXT = re.compile(rb"\n(?=WARC/\d|[a-z][a-z0-9+.-]*:[^\s]{0,8000} \d{1,3}(?:\.\d{1,3}){3} \d{8,14} [^\n]{1,200}\n)")


class Tape:
    """A file-like reader (`read`, `readline`) of one record after another; see the module."""

    def __init__(self, item: Input, stream: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._pieces = _pieces(item, stream, on_read)
        self._wall: Piece | None = None
        self._end = False
        self._plain = False
        self._member = 0
        self._in_member = 0
        self.damages: list[Damage] = []
        """Damaged stretches passed since `take_losses`."""
        self.stray_bytes = 0
        """Bytes passed that belong to no record, likewise."""
        self._stray_before = 0  # of them, those before the member that is read

    @property
    def offset(self) -> int:
        """Where the next byte is: stored offset of its member; of an uncompressed file the byte itself."""
        return self._member + self._in_member

    @property
    def ended_plain(self) -> bool:
        """Whether an uncompressed file is at its end."""
        return self._plain and self._end and not self._held()

    def take_losses(self) -> tuple[list[Damage], int]:
        """Return damages and stray bytes passed since the last call."""
        found = self.damages, self.stray_bytes
        self.damages, self.stray_bytes, self._stray_before = [], 0, 0
        return found

    def next_record(self) -> bool:
        """Move to the start of the next record; False at the end of the file."""
        while True:
            self._skip_blank()
            if self._held():
                if self._at_start():
                    return True
                self._seek_start()
            elif not self._fill() and not self._pass_wall():
                return False

    def peek(self, size: int) -> bytes:
        """Return up to `size` bytes without moving."""
        while self._held() < size and self._fill():
            pass
        return bytes(self._buffer[self._at : self._at + size])

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; fewer only at a wall."""
        size = READ_BYTES if size < 0 else size
        while self._held() < size and self._fill():
            pass
        return self._take(min(size, self._held()))

    def readline(self, size: int = -1) -> bytes:
        """Return up to the next newline, at most `size` bytes and never more than 64 KiB."""
        limit = MAX_LINE_BYTES if size is None or size < 0 else min(size, MAX_LINE_BYTES)
        searched = self._at
        while (found := self._buffer.find(b"\n", searched)) < 0 and self._held() < limit:
            searched = len(self._buffer)
            before = self._at
            if not self._fill():
                break
            searched -= before - self._at
        return self._take(min(limit, (found + 1 - self._at) if found >= 0 else self._held()))

    def tell(self) -> int:
        """Return a position that grows with every byte; warcio only takes differences."""
        return self._in_member

    def _held(self) -> int:
        return len(self._buffer) - self._at

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[self._at : self._at + size])
        self._at += size
        if self._plain:
            self._in_member += size
        return data

    def _fill(self) -> bool:
        """Add the next piece; False at a wall."""
        if self._wall is not None or self._end:
            return False
        piece = next(self._pieces, None)
        if piece is None:
            self._end = True
            return False
        if piece.damage is not None or (piece.fresh and RECORD_START.match(piece.data)):
            self._wall = piece
            return False
        self._append(piece)
        return True

    def _append(self, piece: Piece) -> None:
        if self._at > KEPT_BYTES or self._at == len(self._buffer):
            del self._buffer[: self._at]
            self._at = 0
        self._plain = piece.offset < 0
        if not self._plain and piece.fresh:
            self._member, self._stray_before = piece.offset, self.stray_bytes
        self._buffer += piece.data

    def _pass_wall(self) -> bool:
        if self._wall is None:
            return False
        piece, self._wall = self._wall, None
        if piece.damage is not None:
            self.damages.append(piece.damage)
            if piece.damage.start == self._member:  # what decoded behind its record is part of that loss
                self.stray_bytes = min(self.stray_bytes, self._stray_before)
        else:
            self._append(piece)
        return True

    def _skip_blank(self) -> None:
        while self._held():
            rest = bytes(self._buffer[self._at : self._at + READ_BYTES])
            blank = len(rest) - len(rest.lstrip(b"\r\n\t "))
            self._take(blank)
            if blank < len(rest):
                return

    def _at_start(self) -> bool:
        self.peek(PROBE_BYTES)
        head = bytes(self._buffer[self._at : self._at + PROBE_BYTES])
        if RECORD_START.match(head):
            return True
        if b"\n" not in head:  # a long URL of an ARC
            head = self.peek(MAX_LINE_BYTES)
        return RECORD_START.match(head) is not None

    def _seek_start(self) -> None:
        """Skip to the line that starts the next record, or to the next wall."""
        while True:
            self.peek(READ_BYTES)
            window = bytes(self._buffer[self._at : self._at + READ_BYTES])
            found = _NEXT.search(window)
            keep = min(len(window), MAX_LINE_BYTES // 4) if len(window) == READ_BYTES else 0
            skipped = found.start() + 1 if found else len(window) - keep
            self.stray_bytes += skipped
            self._take(skipped)
            if found or not keep:
                return


def _pieces(item: Input, stream: BinaryIO, on_read: Callable[[int], None]) -> Iterator[Piece]:
    head = stream.read(READ_BYTES)
    compression: Compression = compression_of(head)
    if compression != "none":
        yield from Members(item, stream, on_read, compression).pieces(head)
        return
    while head:
        on_read(len(head))
        yield Piece(head, -1)
        head = stream.read(READ_BYTES)
