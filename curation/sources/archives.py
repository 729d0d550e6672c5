"""Members of zip and tar archives as input files; nothing is ever written under a member's name.

An archive is refused whole for a member that would leave it (absolute, `..`, a drive), a link that points out, a device
or pipe, encryption, damage, or an expansion beyond the pool's limits. Links inside are passed over and counted. Members
are chosen by the rules for directories; archives in archives are not opened.
"""

from __future__ import annotations

import io
import posixpath
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from curation.errors import ShardError
from curation.pool_spec import PoolSpec
from curation.sources.code_trees import Licences, is_licence_file, licences_of
from curation.sources.decompress import ChunkStream, byte_chunks, refuse_bomb
from curation.sources.find import member_kinds
from curation.sources.inputs import Input
from curation.sources.kinds import Kind
from curation.sources.licences import READ_BYTES
from curation.sources.records import Rejected

_DRIVE = re.compile(r"[A-Za-z]:")
_SEEKING = frozenset({"parquet", "arrow"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a first look at an archive found: which members are read and how."""

    kinds: dict[str, Kind]
    licences: Licences
    num_others: int
    num_links: int


def archive_members(item: Input, spec: PoolSpec, on_read: Callable[[int], None]) -> Iterator[Input | Rejected]:
    """Yield each member that is read as an input, valid until the next, and a `Rejected` for each other.

    Raises: ShardError as the module says, and what zipfile and tarfile raise: read it, and the members, under `told`.
    """
    plan = _plan(item, spec)
    for _ in range(plan.num_links):
        yield Rejected("archive-link", harmless=True)
    for _ in range(plan.num_others):
        yield Rejected("other-kind", harmless=True)
    for name, stream, size in _members(item, on_read):
        kind = plan.kinds.get(name)
        if kind is None or stream is None:
            continue
        opened = _spooled(stream) if kind.container in _SEEKING else stream
        yield replace(
            item,
            path=Path(f"{item.name}!{name}"),
            url=None,
            container=kind.container,
            compression=kind.compression,
            relative=name,
            member=name,
            size=size,
            root=None,
            license=plan.licences.nearest(name),
            opener=lambda opened=opened: opened,  # type: ignore[misc]
        )


def _plan(item: Input, spec: PoolSpec) -> _Plan:
    """Look at every name, and at the licences where there will be code, before anything is read."""
    names: list[str] = []
    texts: dict[str, str] = {}
    links = 0
    for name, stream, _ in _members(item, lambda num_bytes: None):
        if stream is None:
            links += 1
            continue
        names.append(name)
        if spec.format == "code" and is_licence_file(name):
            texts[name] = stream.read(READ_BYTES).decode("utf-8", "replace")
    chosen = dict(member_kinds(names, spec))
    return _Plan(kinds=chosen, licences=licences_of(texts), num_others=len(names) - len(chosen), num_links=links)


_Member = tuple[str, "BinaryIO | None", int]
"""Name, stream (None for a link), bytes."""


def _members(item: Input, on_read: Callable[[int], None]) -> Iterator[_Member]:
    return _zip_members(item, on_read) if item.container == "zip" else _tar_members(item, on_read)


def _zip_members(item: Input, on_read: Callable[[int], None]) -> Iterator[_Member]:
    with item.open() as raw, zipfile.ZipFile(raw) as archive:
        infos = archive.infolist()
        refuse_bomb(item, max(1, item.stored_bytes()), sum(info.file_size for info in infos))
        for info in infos:
            _refuse_escape(item, info.filename)
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
                raise ShardError(f"{item.name}: member {info.filename!r} is a device or pipe; expected files; not read")
            if info.flag_bits & 1:
                raise ShardError(f"{item.name}: member {info.filename!r} is encrypted; decrypt the archive first")
        for info in infos:
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                yield _normal(info.filename), None, 0
                continue
            with archive.open(info) as stream:
                yield _normal(info.filename), cast("BinaryIO", stream), info.file_size
            on_read(info.compress_size)


def _tar_members(item: Input, on_read: Callable[[int], None]) -> Iterator[_Member]:
    stream = io.BufferedReader(ChunkStream(byte_chunks(item, on_read)), 1 << 20)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            _refuse_escape(item, info.name)
            if info.issym() or info.islnk():
                target = posixpath.join(posixpath.dirname(info.name), info.linkname) if info.issym() else info.linkname
                if info.linkname.startswith("/") or posixpath.normpath(target).startswith(".."):
                    raise ShardError(f"{item.name}: member {info.name!r} links to {info.linkname!r} outside; not read")
                yield _normal(info.name), None, 0
            elif info.isreg():
                yield _normal(info.name), cast("BinaryIO", archive.extractfile(info)), info.size
            elif not info.isdir():
                raise ShardError(f"{item.name}: member {info.name!r} is a device or pipe; expected files; not read")
    while stream.read(1 << 20):  # to the end, so that a truncated compressed file is noticed
        pass


def _normal(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))


def _refuse_escape(item: Input, name: str) -> None:
    plain = name.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain) or ".." in plain.split("/") or "\0" in plain:
        raise ShardError(
            f"{item.name}: member {name!r} would leave the archive (zip-slip); expected relative names without `..`; "
            "the archive is not read"
        )


def _spooled(stream: BinaryIO) -> BinaryIO:
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its reader
    while piece := stream.read(1 << 20):
        spooled.write(piece)
    spooled.seek(0)
    return cast("BinaryIO", spooled)


@contextmanager
def told(item: Input) -> Iterator[None]:
    """Turn what zipfile and tarfile raise into one clear error."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise ShardError(
            f"{item.name}: not an intact {item.container} archive ({error}); expected a complete file; fetch it again"
        ) from None
    except RuntimeError as error:  # zipfile's word for encryption and unknown methods
        raise ShardError(f"{item.name}: cannot be unpacked ({error}); pack it again") from None
