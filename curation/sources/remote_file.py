"""A remote file as a stream: read block by block in ranges, each block tried again after a failure that may pass."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from curation.errors import ShardError
from curation.sources import remote


def open_remote(fs: Any, path: str, url: str, size: int, *, ranged: bool) -> BinaryIO:
    """Return a stream of the file; one that cannot move backwards where its server serves no ranges."""
    raw = RangedFile(fs, path, url, size) if ranged else ForwardFile(fs, path, url, size)
    return cast("BinaryIO", io.BufferedReader(raw, 1 << 16))


class RangedFile(io.RawIOBase):
    """A file whose server serves ranges of bytes."""

    def __init__(self, fs: Any, path: str, url: str, size: int) -> None:
        self._fs, self._path, self._url, self._size = fs, path, url, size
        self._at = 0
        self._block = b""
        self._block_at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the current block reaches. Raises: ShardError, IncompleteError."""
        if self._at >= self._size:
            return 0
        if not self._block_at <= self._at < self._block_at + len(self._block):
            self._block_at, self._block = self._at, self._fetch(self._at)
        start = self._at - self._block_at
        data = self._block[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, start: int) -> bytes:
        end = min(start + remote.BLOCK_BYTES, self._size)
        with remote.explained(self._url):
            data: bytes = remote.retried(lambda: self._whole(start, end))
        return data

    def _whole(self, start: int, end: int) -> bytes:
        data: bytes = self._fs.cat_file(self._path, start=start, end=end)
        if len(data) > end - start:
            raise ShardError(f"{self._url}: its server ignores ranges; download it and name the local file")
        if len(data) < end - start:
            raise ConnectionError(f"{len(data):,} bytes of {end - start:,} at byte {start:,}")
        return data


class ForwardFile(io.RawIOBase):
    """A file that comes as one answer; after a broken connection it is asked for anew and read up to the place."""

    def __init__(self, fs: Any, path: str, url: str, size: int) -> None:
        self._fs, self._path, self._url, self._size = fs, path, url, size
        self._at = 0
        self._stream: Any = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what comes next. Raises: ShardError, IncompleteError."""
        with remote.explained(self._url):
            data: bytes = remote.retried(lambda: self._next(len(buffer)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _next(self, size: int) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._fs.open(self._path, "rb", block_size=0)
                left = self._at
                while left and (passed := self._stream.read(min(left, 1 << 20))):
                    left -= len(passed)
            data: bytes = self._stream.read(size)
        except Exception:
            self._stream = None
            raise
        if not data and self._at < self._size:
            self._stream = None
            raise ConnectionError(f"ends at byte {self._at:,} of {self._size:,}")
        return data

    def close(self) -> None:
        """End the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        super().close()
