"""The chain behind a corpus: every link back to the pool's files, and whether it still holds."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.curation.publishing.conftest import Built, curate


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    capsys.readouterr()
    code = curate("show", *words, "--provenance", "--json")
    return code, json.loads(capsys.readouterr().out)


def test_the_chain_of_a_corpus_leads_to_the_files_of_its_pool(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = shown(capsys, built.out, "--store", built.store)
    assert (code, told["ok"]) == (0, True)
    assert {link["state"] for link in told["links"].values()} == {"verified"}
    (pool,) = [link for link in told["links"].values() if link["kind"] == "pool"]
    data = built.pool.read_bytes()
    assert pool["files"] == [{"name": str(built.pool), "bytes": len(data), "sha256": sha256(data).hexdigest()}]
    kinds = {link["kind"] for link in told["links"].values()}
    assert kinds >= {"corpus", "pool", "panel", "verdict", "token-counts", "signatures"}
    assert sum(told["licenses"].values()) > 100


def test_without_the_store_the_published_record_speaks_and_hashes_to_its_fingerprints(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, whole = shown(capsys, built.out, "--store", built.store)
    code, told = shown(capsys, built.out, "--store", tmp_path / "empty")
    assert code == 0
    assert told["links"].keys() == whole["links"].keys()
    states = {link["kind"]: link["state"] for link in told["links"].values()}
    assert states.pop("corpus") == "verified"
    assert set(states.values()) == {"recorded"}


def test_without_store_and_record_inputs_are_not_here(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(built.out, tmp_path / "out")
    (tmp_path / "out/provenance.json").unlink()
    code, told = shown(capsys, tmp_path / "out", "--store", tmp_path / "empty")
    assert code == 0
    assert sorted({link["state"] for link in told["links"].values()}) == ["not here", "verified"]


def flip_last_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def edit(path: Path, key: str, value: str) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda out: flip_last_byte(next((out / "data").iterdir())), "has sha256"),
        (lambda out: edit(out / "manifest.json", "version", "corpus@99"), "hashes to"),
    ],
)
def test_a_changed_link_is_named_and_the_exit_code_says_so(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    shutil.copytree(built.out, tmp_path / "out")
    change(tmp_path / "out")
    code, told = shown(capsys, tmp_path / "out", "--store", built.store)
    assert (code, told["ok"]) == (5, False)
    (link,) = [link for link in told["links"].values() if link["state"] == "changed"]
    assert said in link["why"]


def test_a_false_record_of_an_input_is_found(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(built.out, tmp_path / "out")
    record = json.loads((tmp_path / "out/provenance.json").read_text())
    key = next(key for key, link in record["links"].items() if link["kind"] == "verdict")
    record["links"][key]["params"]["threshold"] = 0.99
    (tmp_path / "out/provenance.json").write_text(json.dumps(record))
    code, told = shown(capsys, tmp_path / "out", "--store", tmp_path / "empty")
    assert (code, told["links"][key]["state"]) == (5, "changed")


def test_the_chain_of_an_entry_begins_at_its_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, corpus = "a" * 64, "b" * 64
    entry = {
        "study": {"name": "mine"},
        "runs": [{"arm": "x", "tier": "pico", "seed": 1, "fingerprint": run, "corpus": corpus, "tokens": None}],
        "artifacts": [
            {"kind": "corpus", "fingerprint": corpus, "inputs": {"pool": "c" * 64}, "counts": {"num_docs": 3}}
        ],
    }
    (tmp_path / "entry.json").write_text(json.dumps(entry))
    code, told = shown(capsys, tmp_path, "--store", tmp_path / "store")
    assert code == 0
    assert [link["kind"] for link in told["links"].values()] == ["entry", "run", "corpus", ""]
    assert told["links"]["c" * 64]["state"] == "not here"


@pytest.mark.parametrize(("name", "said"), [("g.html", "<table"), ("g.mmd", "flowchart TD")])
def test_the_graph_is_written_as_a_page_or_for_mermaid(built: Built, tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    assert curate("show", built.out, "--provenance", "--store", built.store, "--out", path, "--json") == 0
    text = path.read_text()
    assert said in text
    assert text.count("verified") >= 5
    assert "<script" not in text


def test_another_ending_is_refused(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = curate("show", built.out, "--provenance", "--store", built.store, "--out", tmp_path / "g.png")
    assert code == 2
    assert "expected .html or .mmd" in capsys.readouterr().err
