"""Publishing to the Hub with its own client, over HTTP to a local server: whole and verified, or no corpus at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.curation.hub_client import hub
from tests.curation.hub_server import LARGE, Hub
from tests.curation.publishing.conftest import Built, curate, write_pool

__all__ = ["hub"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own upload
OPEN = ("--licence-ok", "unknown")
REPO, PLACE = "me/mine", "hf://datasets/me/mine"
Files = dict[str, bytes]


def here(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def there(hub: Hub, branch: str = "main") -> Files:
    held = hub.tree(REPO, branch) if REPO in hub.commits else {}
    return {path: data for path, data in held.items() if path != ".gitattributes"}


def publish(
    capsys: pytest.CaptureFixture[str], built: Built, *words: str | Path, place: str = PLACE, corpus: Path | None = None
) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = curate("publish", corpus or built.out, place, *OPEN, "--store", built.store, "--json", "-q", *words)
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {}, said.err


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another corpus."""
    write_pool(tmp_path / "pool.jsonl", 60)
    words = ("--pool", tmp_path / "pool.jsonl", "--store", tmp_path / "s", "--out", tmp_path / "other", "-q")
    assert curate("build", *words, "--set", "stages=[]", "--set", "panel.bytes_per_slice=3000") == 0
    return tmp_path / "other"


def test_every_file_arrives_the_manifest_in_a_commit_of_its_own_and_again_sends_nothing(
    built: Built, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    code, dry, _ = publish(capsys, built, "--dry-run")
    assert (code, there(hub), hub.history) == (0, {}, [])
    code, told, _ = publish(capsys, built)
    assert (code, there(hub)) == (0, here(built.out))
    assert sorted(dry["sent"]) == sorted(told["sent"])
    assert [paths for _, paths in hub.history][1:] == [["manifest.json"]]
    assert len(hub.blobs) == len({data for data in there(hub).values() if len(data) > LARGE})
    asked = len(hub.asked)
    code, told, _ = publish(capsys, built)
    assert (code, told["sent"], len(told["kept"]), len(hub.history)) == (0, [], len(here(built.out)), 2)
    assert len(hub.asked) - asked < 10, "the tree is listed once, not once a file"


def test_a_new_branch_starts_without_what_main_holds_and_main_stays(
    built: Built, other: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(capsys, built, corpus=other)[0] == 0
    assert publish(capsys, built, place=f"{PLACE}@v1")[0] == 0
    assert (there(hub, "v1"), there(hub)) == (here(built.out), here(other))


def test_a_tree_of_many_pages_is_compared_whole(built: Built, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.num_listed = 3
    assert publish(capsys, built)[0] == 0
    assert publish(capsys, built)[1]["sent"] == []


def test_what_was_published_is_read_back_by_its_address(
    built: Built, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(capsys, built)
    words = ("import-corpus", f"{PLACE}@main/data/*.parquet", "--id", "id", "--store", tmp_path / "s", "--json", "-q")
    assert curate(*words) == 0
    told = json.loads(capsys.readouterr().out)
    manifest = json.loads((built.out / "manifest.json").read_text())
    assert told["summary"]["num_docs"] == manifest["summary"]["num_docs"]


def test_cut_off_there_is_no_manifest_and_the_same_command_sends_the_rest(
    built: Built, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.utils._http as client

    monkeypatch.setattr(client, "time", SimpleNamespace(**{**vars(client.time), "sleep": lambda _: None}))
    hub.cut_after = 2
    code, _, said = publish(capsys, built)
    assert (code, there(hub), len(hub.blobs)) == (3, {}, 2)
    assert "the connection broke" in said
    assert "run the same command again" in said
    hub.cut_after = None
    sent = sum(verb == "PUT" for verb, _ in hub.asked)
    assert publish(capsys, built)[0] == 0
    again = sum(verb == "PUT" for verb, _ in hub.asked) - sent
    assert (there(hub), again) == (here(built.out), len(hub.blobs) - 2)


def test_killed_half_way_there_is_no_manifest_and_the_same_command_goes_on(
    built: Built, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["publish", built.out, PLACE, *OPEN, "--store", built.store, "-q"]
    code = "from curation.cli import main; import sys; main(sys.argv[1:])"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "made-up"}
    with subprocess.Popen([sys.executable, "-c", code, *map(str, words)], env=environment) as process:
        hub.uploaded = process.kill
        assert process.wait(60) == -9
    hub.uploaded = lambda: None
    assert "manifest.json" not in there(hub)
    assert len(hub.blobs) > 0
    assert (publish(capsys, built)[0], there(hub)) == (0, here(built.out))


def test_a_file_that_the_hub_keeps_otherwise_leaves_no_manifest(
    built: Built, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.damaged = next(path for path in sorted(here(built.out)) if path.endswith(".parquet"))
    code, _, said = publish(capsys, built)
    assert (code, "manifest.json" in there(hub)) == (3, False)
    assert f"{hub.damaged}: what was sent came back different" in said
    damaged, hub.damaged = hub.damaged, None
    assert publish(capsys, built)[1]["sent"] == [damaged, "manifest.json"]
    assert there(hub) == here(built.out)


def test_another_corpus_stays_until_it_is_to_be_replaced_and_then_loses_its_manifest_first(
    built: Built, other: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(capsys, built)
    code, _, said = publish(capsys, built, corpus=other)
    assert (code, there(hub)) == (2, here(built.out))
    assert f"holds another corpus ({built.fingerprint[:8]})" in said
    hub.history.clear()
    assert publish(capsys, built, "--replace", corpus=other)[0] == 0
    assert there(hub) == here(other)
    assert (hub.history[0][1], hub.history[-1][1]) == (["manifest.json"], ["manifest.json"])


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "asked without a token (401"),
        ("mistyped-token", "does not know the token it was asked with the token of HF_TOKEN"),
        ("reader", "asked with the token of HF_TOKEN (403: Forbidden: you must use a write token"),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_whoever_may_not_write_is_told_which_token_was_used_and_what_to_do(
    token: str | None, said: str, known: bool, built: Built, hub: Hub, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    hub.tokens = {"reader": "read", "writer": "write"}
    if known:
        hub.commit(REPO, "main", {".gitattributes": b""})
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    code, _, told = publish(capsys, built)
    told = " ".join(told.split())
    assert (code, there(hub), hub.blobs) == (2, {}, {})
    assert said in told
    assert "a token with write access" in told
    assert "set HF_TOKEN" in told
    assert "mistyped-token" not in told
    monkeypatch.setenv("HF_TOKEN", "writer")
    assert publish(capsys, built)[0] == 0


def test_the_token_of_a_login_is_used_and_named(
    built: Built, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.tokens = {"reader": "read", "writer": "write"}
    (tmp_path / "token").write_text("reader")
    assert "the token of `hf auth login`" in " ".join(publish(capsys, built)[2].split())
    (tmp_path / "token").write_text("writer")
    assert publish(capsys, built)[0] == 0


@pytest.mark.parametrize(("status", "code"), [(400, 2), (503, 3), (429, 3)])
def test_a_request_that_is_never_taken_is_exit_2_and_a_busy_hub_is_exit_3(
    status: int, code: int, built: Built, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.utils._http as client

    monkeypatch.setattr(client, "time", SimpleNamespace(**{**vars(client.time), "sleep": lambda _: None}))
    hub.refuse = {"/preupload/": status}
    found, _, said = publish(capsys, built)
    assert (found, there(hub), "Traceback" in said) == (code, {}, False)
