from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from curation.cli import main
from curation.errors import ShardError, StoreBusyError
from curation.files import write_text
from curation.store import Store, load_artifact

FINGERPRINT = "ab" * 32


def make(store: Store) -> Path:
    with store.building("thing", FINGERPRINT) as out:
        write_text(out.path / "part-00000.parquet", "x" * 10)
        out.finish({"summary": {}})
        return out.path


def test_an_artifact_exists_only_after_its_manifest(store: Store) -> None:
    with store.building("thing", FINGERPRINT) as out:
        write_text(out.path / "part-00000.parquet", "x")
        assert store.find("thing", FINGERPRINT) is None
        out.finish({"summary": {}})
    found = store.find("thing", FINGERPRINT)
    assert found is not None
    assert [path.name for path in found.part_paths()] == ["part-00000.parquet"]


def test_the_manifest_is_the_same_whoever_reads_the_files(tmp_path: Path) -> None:
    manifests = []
    for workers in (1, 3):
        with Store.open(tmp_path / str(workers)).building("thing", FINGERPRINT) as out:
            for number in range(5):
                write_text(out.path / f"part-{number:05d}.parquet", str(number) * number)
            manifests.append(out.finish({"summary": {}}, workers=workers).manifest)
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_a_damaged_file_is_named_and_never_read(store: Store, damage: str) -> None:
    file = make(store) / "part-00000.parquet"
    file.unlink() if damage == "gone" else file.write_text("x")
    with pytest.raises(ShardError, match=r"part-00000.parquet: .*remove"):
        store.find("thing", FINGERPRINT)


@pytest.mark.parametrize("text", ['{"name": "somebody else\'s"}', "[]", "{cut off"])
def test_a_manifest_that_is_not_ours_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ShardError, match="manifest.json"):
        load_artifact(tmp_path)


def test_a_manifest_never_lists_a_temporary_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "unlink", lambda path: None)  # as if another process made it again at once
    with store.building("thing", FINGERPRINT) as out:
        (out.path / ".tmp-late.bin").write_text("half")
        assert out.finish({"summary": {}}).manifest["files"] == []


def test_two_artifacts_with_one_short_name_are_refused(store: Store) -> None:
    make(store)
    with pytest.raises(ShardError, match="share a short name"):
        store.find("thing", FINGERPRINT[:8] + "0" * 56)


def test_temporary_files_of_a_dead_build_vanish(store: Store) -> None:
    folder = store.path_of("thing", FINGERPRINT)
    folder.mkdir(parents=True)
    (folder / ".tmp-abc").write_text("half")
    assert not (make(store) / ".tmp-abc").exists()


def test_a_live_builder_keeps_others_out_and_a_killed_one_does_not(store: Store) -> None:
    code = (
        "import sys, time; from pathlib import Path; from curation.store import Store\n"
        f"with Store(Path({str(store.root)!r})).building('thing', {FINGERPRINT!r}):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusyError, match=str(holder.pid)), store.building("thing", FINGERPRINT):
            pass
        holder.kill()
    make(store)
    assert store.find("thing", FINGERPRINT) is not None


@pytest.mark.parametrize("place", ["file", "file/below", "n" * 300])
def test_a_store_that_is_no_directory_is_refused_by_name(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ShardError, match=r"the store .*, expected a directory; choose another --store"):
        Store.open(tmp_path / place)
    with pytest.raises(ShardError, match=r"the store .*, expected a directory; choose another --store"):
        Store.reading(tmp_path / place)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_store_that_cannot_be_written_is_for_the_user_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--gc", "--yes", "--store", str(tmp_path / "s")])
    assert ended.value.code == 2
    assert re.search(rf"ShardError: .*/s: {os.strerror(code)}, .* --store", capsys.readouterr().err)
