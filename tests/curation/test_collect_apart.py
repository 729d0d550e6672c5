"""Pools read by several processes: the same bytes, counts and errors as reading one file after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation import ids
from curation.errors import CurateError, IncompleteError, ShardError
from curation.files import sha256_file
from curation.ingest import ensure_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.sources import collect_apart
from curation.store import Artifact, Store

NUM_FILES = 7


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_apart, "MIN_BYTES", 0)
    monkeypatch.setattr(ids, "PARTITION_BYTES", 2000)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Documents, some of them in two files, some in place of which there is something else."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(NUM_FILES):
        rows: list[object] = [{"text": f"document {number * 30 + i} " * 3, "slice": "ab"[i % 2]} for i in range(40)]
        rows.insert(number * 5, {"words": number})
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def build(folder: Path, store: Path, workers: int, *, bad: float = 0.5, max_bytes: int | None = None) -> Artifact:
    spec = PoolSpec(path=(str(folder),), max_bad_fraction=bad, max_bytes=max_bytes, places=True)
    return ensure_pool(Store.open(store), spec, workers=workers, progress=SilentProgress())


def content(artifact: Artifact) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in artifact.path.iterdir() if path.name != "build.lock"}


def fault(folder: Path, store: Path, workers: int) -> CurateError:
    with pytest.raises(CurateError) as caught:
        build(folder, store, workers, bad=0.0)
    return caught.value


@pytest.mark.parametrize("max_bytes", [None, 3000])
def test_pools_read_by_one_process_and_by_three_have_equal_bytes(
    files: Path, tmp_path: Path, max_bytes: int | None
) -> None:
    one = content(build(files, tmp_path / "one", 1, max_bytes=max_bytes))
    assert len(one) > 2
    assert content(build(files, tmp_path / "three", 3, max_bytes=max_bytes)) == one


def test_too_many_bad_records_are_told_in_the_same_words(files: Path, tmp_path: Path) -> None:
    told = str(fault(files, tmp_path / "one", 1))
    assert "7 no-text" in told
    assert str(fault(files, tmp_path / "three", 3)) == told


def test_of_two_damaged_files_the_first_is_told(files: Path, tmp_path: Path) -> None:
    for number in (2, 5):
        (files / f"{number}.jsonl").unlink()
        (files / f"{number}.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip")
    told = str(fault(files, tmp_path / "one", 1))
    assert "2.jsonl.gz" in told
    assert str(fault(files, tmp_path / "three", 3)) == told


def test_a_killed_reader_leaves_no_pool_and_the_next_run_is_whole(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(collect_apart, "_START", "import os; os.kill(os.getpid(), 9)")
        with pytest.raises(IncompleteError, match="exit code -9"):
            build(files, tmp_path / "three", 2)
    assert not list((tmp_path / "three").glob("pool-*/manifest.json"))
    assert content(build(files, tmp_path / "three", 2)) == content(build(files, tmp_path / "one", 1))


def test_few_bytes_one_file_or_one_worker_are_read_here(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation.sources.find import pool_inputs

    spec = PoolSpec(path=(str(files),))
    items = pool_inputs(spec).files
    monkeypatch.setattr(collect_apart, "MIN_BYTES", 100)
    asked = [(items, 2, 100), (items, 2, 99), (items, 1, 100), (items[:1], 2, 100), (items, 50, 100)]
    found = [
        collect_apart.readers_for(some, spec, workers=workers, estimated_bytes=size) for some, workers, size in asked
    ]
    assert found == [2, 1, 1, 1, NUM_FILES]


def test_an_error_that_cannot_travel_is_told_by_name() -> None:
    class OwnError(Exception):
        pass

    told = collect_apart._told(OwnError("odd"))
    assert (type(told), str(told)) == (RuntimeError, "OwnError: odd")
    assert isinstance(collect_apart._told(ShardError("x")), ShardError)
