"""Archives of strangers: unpacked by hand, member by member, into a fresh folder, or refused with the member's name.

Refused: links, devices, names that are absolute or climb out, more members or bytes than a board takes, bytes that
unpack to more than a thousand times the archive, and members longer than they say. Nothing is unpacked before all names
and sizes were looked at; sizes are counted again while unpacking.
"""

from __future__ import annotations

import contextlib
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from leaderboard.entries.check_files import MAX_FILES
from leaderboard.entries.entry import EntryError
from leaderboard.entries.manifest import ENTRY_FILE
from leaderboard.entries.tracks import DEFAULT_MAX_BYTES

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
MAX_RATIO = 1_000
RATIO_FROM = 10_000_000
CHUNK = 1 << 20
DAMAGES = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # an encrypted member, and NotImplementedError of an unknown compression
    IndexError,
)
"""What the standard library raises on archives that are damaged or made to look it."""
SAFE_AGAIN = "pack the entry's folder itself: `tar czf entry.tar.gz ENTRY`"


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its name."""
    return path.is_file() and path.name.endswith(SUFFIXES)


@contextlib.contextmanager
def unpacked(path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> Iterator[Path]:
    """Give the entry's folder out of an archive, unpacked into a temporary place that then goes.

    Raises: EntryError for an archive that is too large, damaged or not safe, or that holds no entry.
    """
    if (size := path.stat().st_size) > max_bytes:
        raise EntryError(
            f"{path}: {size:,} bytes, expected at most {max_bytes:,}; not read; submit fewer runs: one study an entry"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "unpacked"
        try:
            if path.name.endswith(".zip"):
                with zipfile.ZipFile(path) as held:
                    extract_zip(held, folder, where=str(path), max_bytes=max_bytes, packed=size)
            else:
                mode: Literal["r:", "r:gz"] = "r:" if path.name.endswith(".tar") else "r:gz"
                with tarfile.open(path, mode) as archive:
                    extract_tar(archive, folder, where=str(path), max_bytes=max_bytes, packed=size)
        except DAMAGES as error:
            raise EntryError(f"{path}: cannot be unpacked ({error}); {SAFE_AGAIN}") from None
        found = sorted(folder.rglob(ENTRY_FILE))
        if len(found) != 1:
            raise EntryError(f"{path}: holds {len(found)} entries ({ENTRY_FILE}), expected one; {SAFE_AGAIN}")
        yield found[0].parent


def extract_tar(
    archive: tarfile.TarFile,
    folder: Path,
    *,
    where: str,
    max_bytes: int = DEFAULT_MAX_BYTES,
    packed: int | None = None,
) -> None:
    """Unpack an archive's files into `folder`. Raises: EntryError for a member that is not safe."""
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in archive:
        if not (member.isfile() or member.isdir()):
            kind = "a link" if member.issym() or member.islnk() else "a device or another special file"
            raise EntryError(f"{where}: member `{_shown(member.name)}` is {kind}, expected plain files; {SAFE_AGAIN}")
        safe_name(member.name, where)
        total += member.size
        members.append(member)
        _refuse_bomb(where, total, len(members), max_bytes, packed)
    _refuse_twice([member.name for member in members if member.isfile()], where)
    for member in members:
        stream = archive.extractfile(member) if member.isfile() else None
        if stream is not None:
            _write(folder / safe_name(member.name, where), stream, member.size, where)


def extract_zip(
    archive: zipfile.ZipFile, folder: Path, *, where: str, max_bytes: int = DEFAULT_MAX_BYTES, packed: int | None = None
) -> None:
    """Unpack an archive's files into `folder`. Raises: EntryError for a member that is not safe."""
    total = 0
    files = []
    for number, member in enumerate(archive.infolist(), start=1):
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            shown = "a link" if kind == stat.S_IFLNK else "a special file"
            raise EntryError(
                f"{where}: member `{_shown(member.filename)}` is {shown}, expected plain files; {SAFE_AGAIN}"
            )
        safe_name(member.filename, where)
        total += member.file_size
        _refuse_bomb(where, total, number, max_bytes, packed)
        if not member.is_dir():
            files.append(member)
    _refuse_twice([member.filename for member in files], where)
    for member in files:
        with archive.open(member) as stream:
            _write(folder / safe_name(member.filename, where), stream, member.file_size, where)


def safe_name(name: str, where: str) -> PurePosixPath:
    """Return a member's path below the folder. Raises: EntryError if it leaves it."""
    path = PurePosixPath(name)
    odd = "\\" in name or "\0" in name or ":" in name or not name.isprintable()
    if path.is_absolute() or ".." in path.parts or odd or len(path.parts) > 10:
        raise EntryError(
            f"{where}: member `{_shown(name)}` climbs out of the archive or is no plain name, expected relative paths; "
            f"{SAFE_AGAIN}"
        )
    return path


def _write(path: Path, stream: IO[bytes], size: int, where: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("xb") as out:
        while chunk := stream.read(CHUNK):
            written += len(chunk)
            if written > size:
                raise EntryError(f"{where}: member `{_shown(path.name)}` is longer than it says; {SAFE_AGAIN}")
            out.write(chunk)


def _refuse_bomb(where: str, total: int, count: int, max_bytes: int, packed: int | None) -> None:
    if total > max_bytes or count > MAX_FILES:
        raise EntryError(
            f"{where}: unpacks to more than {max_bytes:,} bytes or {MAX_FILES:,} members; not unpacked; "
            "submit fewer runs"
        )
    if packed and total > RATIO_FROM and total > MAX_RATIO * packed:
        raise EntryError(f"{where}: unpacks to over {MAX_RATIO:,} times its size; not unpacked; {SAFE_AGAIN}")


def _refuse_twice(names: list[str], where: str) -> None:
    plain = [str(PurePosixPath(name)) for name in names]
    if len(set(plain)) < len(plain):
        twice = next(name for name in plain if plain.count(name) > 1)
        raise EntryError(f"{where}: member `{_shown(twice)}` stands there twice, expected once; {SAFE_AGAIN}")


def _shown(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[:120]
