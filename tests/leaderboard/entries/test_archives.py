"""Archives of strangers: what unpacks is an entry, everything else is refused by name."""

from __future__ import annotations

import contextlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from leaderboard.entries.archives import unpacked
from leaderboard.entries.entry import Entry, EntryError
from leaderboard.entries.verify import Asked, VerificationError, verify_given


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data) if member.isfile() else 0
            archive.addfile(member, io.BytesIO(data))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_a_packed_entry_verifies_as_its_folder_does(entry: Entry, board: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"entry{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(entry.folder.rglob("*")):
                archive.write(file, file.relative_to(entry.folder.parent))
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.add(entry.folder, entry.id)
    assert verify_given(path, Asked(board=board)).passed
    without = verify_given(path, Asked())  # of a private pool: it names no track of a board
    assert without.passed
    assert next(check.state for check in without.checks if check.name == "track") == "not-applicable"


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\..\\evil", "c:evil"])
def test_a_name_that_climbs_out_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = _tar(tmp_path / "e.tar.gz", (_member(name), b"x"))
    with pytest.raises(VerificationError, match=r"climbs out.*tar czf"):
        verify_given(path, Asked())
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = _tar(tmp_path / "e.tar.gz", (_member("entry.json", kind, "/etc/passwd"), b""))
    with pytest.raises(EntryError, match="expected plain files"), unpacked(path):
        pass


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("entry.json")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(EntryError, match="is a link"), unpacked(path):
        pass


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("entry.json", b"\0" * 30_000_000)
    with pytest.raises(EntryError, match="not unpacked"), unpacked(path):
        pass


def test_an_archive_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "e.tar.gz"
    with path.open("wb") as stream:
        stream.truncate(1_000_000_001)
    with pytest.raises(EntryError, match="not read"), unpacked(path):
        pass


@pytest.mark.parametrize("data", [b"", b"junk", b"\x1f\x8b\x08broken"])
def test_a_damaged_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e.tar.gz"
    path.write_bytes(data)
    with pytest.raises(EntryError, match="tar czf"), unpacked(path):
        pass


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = _tar(tmp_path / "e.tar.gz", (_member("entry.json"), b"{}"), (_member("./entry.json"), b"[]"))
    with pytest.raises(EntryError, match="stands there twice"), unpacked(path):
        pass


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_with_any_byte_changed_is_refused_or_still_whole(entry: Entry, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"entry{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(entry.folder / "entry.json", "e/entry.json")
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.add(entry.folder / "entry.json", "e/entry.json")
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 300)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(EntryError), unpacked(path) as folder:
            assert (folder / "entry.json").is_file()


def test_an_archive_of_another_compression_than_its_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.tar"
    with tarfile.open(path, "w:xz") as archive:
        member = _member("entry.json")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))
    with pytest.raises(EntryError, match="cannot be unpacked"), unpacked(path):
        pass
