"""One input file: where its bytes are, how they are packed and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from curation.errors import ShardError

Compression = Literal["none", "gzip", "zstd", "lz4"]
Container = Literal[
    "jsonl", "parquet", "arrow", "csv", "tsv", "warc", "html", "text", "markdown", "code", "zip", "tar", "paths",
    "datatrove",
]  # fmt: skip

ROW_CONTAINERS = frozenset({"jsonl", "parquet"})
"""Rows that are their own record: renamed, split or recompressed files of them make the same pool."""
ONE_DOCUMENT = frozenset({"html", "text", "markdown", "code"})
"""A file of these is a document (or a few), known by its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one stored file may expand to."""

    max_ratio: float = 200
    max_bytes: int = 1_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input file and how to read it."""

    path: Path
    container: Container
    compression: Compression = "none"
    url: str | None = None
    """Where a remote file is; `path` then is its name alone."""
    relative: str = ""
    """Path below the directory or archive that was given; empty for a file that was given itself."""
    size: int | None = None
    """Stored bytes where no `stat` can tell."""
    stamp: str = ""
    """What a remote file is known by: size and etag, as its server said."""
    digest: str = ""
    """sha256 of a local file's bytes, or of a remote file's stamp, once known."""
    root: Path | None = None
    """The local directory that was given and holds the file."""
    member: str = ""
    """Name inside the archive that `digest` is of."""
    license: str | None = None
    """Licence of the nearest licence file, for source code."""
    limits: Limits = Limits()
    opener: Callable[[], BinaryIO] | None = field(default=None, compare=False, repr=False)
    """How to open what is no local file."""

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.url or str(self.path)

    @property
    def key(self) -> str:
        """Equal for two spellings of one file."""
        return self.url or str(self.path.resolve())

    @property
    def place(self) -> str:
        """The path by which a document of its own is known."""
        return self.relative or self.path.name

    def open(self) -> BinaryIO:
        """Return a new stream of the stored bytes. Raises: OSError, ShardError for a pipe, a device or a directory."""
        if self.opener is not None:
            return self.opener()
        if not self.path.is_file() and self.path.exists():
            raise ShardError(f"{self.path}: is {kind_of_node(self.path)}, expected a regular file; mend `path`")
        return cast("BinaryIO", self.path.open("rb"))

    def stored_bytes(self) -> int:
        """Return the size of the file as it is stored. Raises: OSError."""
        return self.path.stat().st_size if self.size is None else self.size


def kind_of_node(path: Path) -> str:
    """Return what a thing in the file system is, for messages; opening a pipe would wait for ever."""
    checks = ((path.is_dir, "a directory"), (path.is_fifo, "a named pipe"), (path.is_socket, "a socket"))
    found = next((name for check, name in checks if check()), None)
    return found or ("a device" if path.is_char_device() or path.is_block_device() else "no regular file")
