"""Garbage of a store: what is referred to stays, what is in use stays, and freeing survives a kill."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from curation import store_gc
from curation.cli import main
from curation.files import write_json, write_text
from curation.store import Store
from curation.store_gc import free, survey


def digest(mark: str) -> str:
    return mark * 64


def make(store: Store, kind: str, mark: str, inputs: tuple[str, ...] = ()) -> Path:
    """Build an artifact `kind` with fingerprint `mark`, made from others."""
    with store.building(kind, digest(mark)) as out:
        write_text(out.path / "part-00000.parquet", "x" * 100)
        out.finish({"summary": {}, "inputs": {name: digest(name) for name in inputs}})
        return out.path


def names(items: list[store_gc.Garbage]) -> set[str]:
    return {item.path.name for item in items}


def test_what_a_corpus_was_made_from_stays_and_the_rest_is_listed(store: Store) -> None:
    make(store, "pool", "a")
    make(store, "verdict", "b", ("a",))
    make(store, "corpus", "c", ("b",))
    make(store, "signals", "d", ("a",))
    found = survey(store, min_age_hours=0)
    assert names(found.garbage) == {"signals-dddddddd"}
    assert found.num_kept == 3


def test_a_reference_in_a_studys_file_keeps_an_artifact(store: Store) -> None:
    make(store, "verdict", "b")
    make(store, "signals", "d")
    write_json(store.root / "study-mine-0123abcd" / "arms.json", {"arm": digest("b"), "other": "signals-dddddddd"})
    assert not survey(store, min_age_hours=0).garbage


def test_what_gc_does_not_know_is_never_listed(store: Store) -> None:
    write_text(store.root / "notes-aaaaaaaa" / "mine.txt", "my own")
    write_text(store.root / "ingest-digests.json", "{}")
    make(store, "invented", "e")
    (store.root / "pool-link").symlink_to(store.root / "notes-aaaaaaaa")
    assert not survey(store, min_age_hours=0).garbage


def kinds_made() -> set[str]:
    """Return the kinds named where the code makes a `Node` or opens a build, by reading the source itself."""
    kinds: set[str] = set()
    for package in ("curation", "filters", "mixtures", "train", "leaderboard"):
        for file in (Path(__file__).parents[2] / package).rglob("*.py"):
            source = file.read_text()
            kinds.update(re.findall(r"""\bNode\(\s*kind="([a-z-]+)\"""", source))
            kinds.update(re.findall(r"""\.building\(\s*"([a-z-]+)\"""", source))
            kinds.update(re.findall(r"""^KIND = "([a-z-]+)\"""", source, re.MULTILINE))
    return kinds


def test_every_kind_that_the_code_makes_is_a_root_or_derived() -> None:
    assert not store_gc.ROOTS & store_gc.DERIVED
    made = kinds_made()
    assert {"pool", "verdict", "tags", "findings", "scores", "run"} <= made
    assert made <= store_gc.ROOTS | store_gc.DERIVED
    assert made >= store_gc.ROOTS


def test_scores_of_documents_are_freed_and_scores_of_models_stay(store: Store) -> None:
    make(store, "scores", "a")
    with store.building("scores", digest("b")) as out:
        out.finish({"summary": {}, "inputs": {"pool": digest("c")}})
    make(store, "findings", "d")
    make(store, "tags", "e")
    with pytest.raises(RuntimeError), store.building("scores", digest("f")):
        raise RuntimeError
    assert names(free(store, min_age_hours=0)) == {"scores-bbbbbbbb", "findings-dddddddd", "tags-eeeeeeee"}
    assert (store.root / "scores-aaaaaaaa").is_dir()
    assert (store.root / "scores-ffffffff").is_dir()


def test_where_no_store_is_nothing_is_listed_and_none_is_made(tmp_path: Path) -> None:
    found = survey(Store.reading(tmp_path / "none"))
    assert (found.garbage, found.num_kept, (tmp_path / "none").exists()) == ([], 0, False)


def test_an_unfinished_build_waits_for_the_age_limit(store: Store) -> None:
    with pytest.raises(RuntimeError), store.building("verdict", digest("b")):
        raise RuntimeError
    found = survey(store, min_age_hours=1)
    assert not found.garbage
    assert [item.why for item in found.too_young] == ["unfinished"]
    assert names(free(store, min_age_hours=0)) == {"verdict-bbbbbbbb"}
    assert not (store.root / "verdict-bbbbbbbb").exists()


def test_an_interrupted_training_is_not_garbage(store: Store) -> None:
    with pytest.raises(RuntimeError), store.building("run", digest("b")):
        raise RuntimeError
    assert not survey(store, min_age_hours=0).garbage


def test_old_temporary_files_of_kept_artifacts_are_freed(store: Store) -> None:
    path = make(store, "corpus", "c")
    (path / ".tmp-left").write_text("half")
    (store.root / ".tmp-folder").mkdir()
    assert names(free(store, min_age_hours=0)) == {".tmp-left", ".tmp-folder"}
    assert store.find("corpus", digest("c")) is not None


def ended(*words: str) -> int:
    """Run `curate doctor --gc` with more words and return its exit code."""
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--gc", "--older-than", "0", *words])
    return int(stop.value.code or 0)


def apart(root: Path) -> subprocess.CompletedProcess[str]:
    """Free in a process of its own: a refused command's traceback would go on holding the store in this one."""
    code = "from curation.cli import main; main()"
    words = ["doctor", "--gc", "--yes", "--older-than", "0", "--store", str(root)]
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def test_nothing_is_freed_while_another_process_builds(tmp_path: Path) -> None:
    make(Store.open(tmp_path), "signals", "d")
    code = (
        "import sys; from pathlib import Path; from curation.store import Store\n"
        f"with Store.open(Path({str(tmp_path)!r})).building('verdict', {digest('b')!r}):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        refused = apart(tmp_path)
        assert refused.returncode == 3
        assert "another process uses this store" in refused.stderr
        assert names(survey(Store(tmp_path), min_age_hours=0).garbage) == {"signals-dddddddd"}
        other.kill()
    assert apart(tmp_path).returncode == 0
    assert not list(tmp_path.glob("[a-z]*-*"))


def test_a_kill_while_freeing_leaves_no_half_artifact(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make(store, "signals", "d")

    def killed(path: Path) -> None:
        next(path.glob("part-*")).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(store_gc.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        free(store, min_age_hours=0)
    monkeypatch.undo()
    assert store.find("signals", digest("d")) is None
    assert [item.why for item in free(store)] == ["half-freed"]
    assert not list(store.root.glob(".tmp-*"))


def test_the_command_lists_and_removes_nothing_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(Store.open(tmp_path), "signals", "d")
    size = sum(file.stat().st_size for file in path.iterdir())
    assert ended("--json", "--store", str(tmp_path)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["freed"], [item["path"] for item in told["items"]], told["bytes"]) == (False, [str(path)], size)
    assert path.exists()
    assert ended("--yes", "--store", str(tmp_path)) == 0
    assert "freed: 1" in capsys.readouterr().out
    assert not path.exists()


def test_the_limits_without_gc_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--yes", "--store", str(tmp_path)])
    assert stop.value.code == 2


def test_a_build_after_gc_gives_the_same_bytes(tmp_path: Path) -> None:
    from curation.ingest import ensure_pool
    from curation.progress import SilentProgress
    from curation.recipe import PoolSpec

    (tmp_path / "docs.jsonl").write_text("".join(json.dumps({"text": f"document {n}"}) + "\n" for n in range(20)))
    store, spec = Store.open(tmp_path / "store"), PoolSpec(path=(str(tmp_path / "docs.jsonl"),))

    def built() -> dict[str, bytes]:
        pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
        return {path.name: path.read_bytes() for path in pool.path.iterdir() if path.name != "build.lock"}

    first = built()
    freed = free(store, min_age_hours=0)
    assert {item.path.name.partition("-")[0] for item in freed} == {"pool", "ingest"}
    assert built() == first


def test_nothing_is_freed_while_a_store_is_only_read(tmp_path: Path) -> None:
    make(Store.open(tmp_path), "signals", "d")
    reader = Store.reading(tmp_path)
    assert apart(tmp_path).returncode == 3
    del reader
    assert apart(tmp_path).returncode == 0


def test_reading_where_no_store_is_makes_none_and_finds_nothing(tmp_path: Path) -> None:
    store = Store.reading(tmp_path / "none")
    assert store.artifacts() == []
    assert store.find("signals", digest("d")) is None
    assert not (tmp_path / "none").exists()


def test_a_store_that_cannot_be_locked_is_still_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    assert Store.open(store.root).hold is None
