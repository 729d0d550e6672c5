"""Reading `hf://` over HTTP from a local Hub: revisions, tokens, what is private or gated, what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import EXIT_USAGE, ShardError
from curation.ingest import ensure_pool
from curation.pool_spec import PoolSpec
from curation.progress import SilentProgress
from curation.store import Store
from tests.curation.hub_client import hub
from tests.curation.hub_server import Hub

__all__ = ["hub"]
SECRET = "hf_never_shown"


@pytest.fixture
def data(hub: Hub) -> Hub:
    """A Hub with one data set, of which the branch `main` moved on after `v1`."""
    hub.commit("org/set", "v1", {"a.jsonl": b'{"text": "first"}\n'})
    hub.commit("org/set", "main", {"a.jsonl": b'{"text": "second"}\n'})
    return hub


def texts(root: Path, revision: str, path: str = "a.jsonl", repo: str = "org/set") -> list[str]:
    from curation.batches import read_table

    spec = PoolSpec(path=(f"hf://datasets/{repo}@{revision}/{path}",), protocols=("hf",))
    pool = ensure_pool(Store.open(root), spec, workers=1, progress=SilentProgress())
    return [text for part in pool.part_paths() for text in read_table(part, ["text"])["text"].to_pylist()]


def refused(root: Path, revision: str = "main", path: str = "a.jsonl", repo: str = "org/set") -> str:
    with pytest.raises(ShardError) as error:
        texts(root, revision, path, repo)
    assert error.value.exit_code == EXIT_USAGE
    said = " ".join(str(error.value).split())
    assert said.startswith(f"hf://datasets/{repo}@")
    assert SECRET not in said
    return said


@pytest.mark.parametrize("path", ["a.jsonl", "*.jsonl", ""])
def test_a_branch_and_its_commit_give_what_they_held(path: str, data: Hub, tmp_path: Path) -> None:
    assert texts(tmp_path, "v1", path) == ["first"]
    assert texts(tmp_path, "main", path) == ["second"]
    assert texts(tmp_path, data.branches["org/set"]["v1"], path) == ["first"]


@pytest.mark.parametrize(
    ("revision", "path", "repo", "said"),
    [("v9", "a.jsonl", "org/set", "Revision Not Found"), ("main", "b.jsonl", "org/set", "not found"),
     ("main", "a.jsonl", "org/none", "not found, or private, asked without a token (404)")],
)  # fmt: skip
def test_a_revision_a_file_or_a_data_set_that_is_not_there_is_named(
    revision: str, path: str, repo: str, said: str, data: Hub, tmp_path: Path
) -> None:
    assert said in refused(tmp_path, revision, path, repo)


@pytest.mark.parametrize("pinned", [False, True])
def test_a_private_data_set_is_read_with_a_token_alone(
    pinned: bool, data: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.tokens, data.private = {"reader": "read"}, {"org/set"}
    revision = data.branches["org/set"]["main"] if pinned else "main"
    said = refused(tmp_path, revision)
    assert "not found, or private, asked without a token (401)" in said
    assert "set HF_TOKEN or run `hf auth login`" in said
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert "does not know the token it was asked with the token of HF_TOKEN (401)" in refused(tmp_path, revision)
    monkeypatch.setenv("HF_TOKEN", "reader")
    assert texts(tmp_path, revision) == ["second"]


@pytest.mark.parametrize(("token", "asked"), [(None, "without a token"), ("reader", "with the token of HF_TOKEN")])
def test_a_gated_data_set_says_whose_token_is_needed(
    token: str | None, asked: str, data: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.tokens, data.gated = {"reader": "read"}, {"org/set"}
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    said = refused(tmp_path)
    assert f"is gated, asked {asked}" in said
    assert "accept its conditions on its page" in said


def test_a_token_without_the_right_is_told_apart_from_none(
    data: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    data.status = 403
    said = refused(tmp_path)
    assert "no permission to read it, asked with the token of HF_TOKEN (403" in said
    assert "expected a token that may read it" in said
