"""`curate doctor`: what is broken is named with its remedy and decides the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from curation import doctor as doctor_module
from curation.doctor import Check, doctor
from curation.errors import EXIT_FAILURE
from curation.ingest import ensure_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.store import Store


def looked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Path) -> dict[str, Check]:
    """Run the command on `store` with `--json` and return its checks; the packages of this machine are not judged."""
    monkeypatch.setattr(doctor_module, "_packages", lambda: Check(name="packages", state="ok", found="not judged"))
    doctor(store=store, json_output=True)
    return {item["name"]: Check(**item) for item in json.loads(capsys.readouterr().out)}


def test_a_fresh_store_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checks = looked(monkeypatch, capsys, tmp_path / "store")
    assert checks["store"].state == "ok"
    assert "0 artifacts, 0 unfinished" in checks["store"].found


def test_an_interrupted_build_is_counted_and_not_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    with store.building("pool", "a" * 64) as out:
        out.finish({"summary": {}})
    with pytest.raises(RuntimeError), store.building("verdict", "b" * 64):
        raise RuntimeError("killed")
    checks = looked(monkeypatch, capsys, store.root)
    assert checks["store"].state == "note"
    assert "1 artifacts, 1 unfinished" in checks["store"].found


def test_a_finished_ingest_is_not_counted_as_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    ensure_pool(store, PoolSpec(path=(str(tmp_path / "a.jsonl"),)), workers=1, progress=SilentProgress())
    assert "1 artifacts, 0 unfinished" in looked(monkeypatch, capsys, store.root)["store"].found


def test_a_damaged_artifact_exits_1_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    with store.building("pool", "a" * 64) as out:
        (out.path / "part-00000.parquet").write_bytes(b"whole")
        out.finish({"summary": {}})
    (store.path_of("pool", "a" * 64) / "part-00000.parquet").write_bytes(b"cut")
    with pytest.raises(typer.Exit) as left:
        looked(monkeypatch, capsys, store.root)
    assert left.value.exit_code == EXIT_FAILURE
    broken = [item for item in json.loads(capsys.readouterr().out) if item["state"] == "broken"]
    assert [item["name"] for item in broken] == ["store"]
    assert broken[0]["remedy"]


def test_brackets_in_a_finding_are_shown_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = Check(name="packages", state="ok", found="curate-ladder[dev]")
    monkeypatch.setattr(doctor_module, "_packages", lambda: found)
    doctor(store=tmp_path / "store", json_output=False)
    assert "curate-ladder[dev]" in capsys.readouterr().out


def test_shared_data_is_found_where_the_variable_points(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CURATE_SHARED", str(tmp_path))
    assert looked(monkeypatch, capsys, tmp_path / "store")["shared data"].state == "note"
    (tmp_path / "pool").mkdir()
    assert looked(monkeypatch, capsys, tmp_path / "store")["shared data"].state == "ok"
