"""Publishing to the Hub: order of commits, branches, comparison by the digests that the Hub lists.

The Hub is a folder that answers the calls of `HfApi` which `HubPlace` makes: there is no server of the Hub to install.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curation.errors import IncompleteError
from curation.progress import SilentProgress
from curation.publishing.places import open_place
from curation.publishing.remote import RemoteError, send

pytest.importorskip("huggingface_hub")
LARGE = 100


@dataclass(slots=True)
class Hub:
    """Branches of one data set in memory; files of more than `LARGE` bytes count as LFS."""

    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: list[tuple[str, list[str]]] = field(default_factory=list)
    folder: Path = Path()
    damage: str = ""

    def repo_exists(self, _: str, *, repo_type: str) -> bool:
        return bool(self.branches)

    def revision_exists(self, _: str, revision: str, *, repo_type: str) -> bool:
        return revision in self.branches

    def create_repo(self, _: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        assert private
        self.branches.setdefault("main", {})

    def create_branch(self, _: str, *, branch: str, repo_type: str, exist_ok: bool) -> None:
        self.branches.setdefault(branch, {})

    def list_repo_tree(self, _: str, *, recursive: bool, revision: str, repo_type: str) -> list[Any]:
        return [
            SimpleNamespace(
                path=path, size=len(data), blob_id=hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
                lfs=SimpleNamespace(sha256=hashlib.sha256(data).hexdigest()) if len(data) > LARGE else None,
            )
            for path, data in self.branches[revision].items()
        ]  # fmt: skip

    def hf_hub_download(self, _: str, path: str, *, repo_type: str, revision: str) -> str:
        (self.folder / "cached").write_bytes(self.branches[revision][path])
        return str(self.folder / "cached")

    def create_commit(
        self, _: str, operations: list[Any], *, commit_message: str, repo_type: str, revision: str
    ) -> None:
        self.commits.append((revision, [operation.path_in_repo for operation in operations]))
        for operation in operations:
            if hasattr(operation, "path_or_fileobj"):
                data = Path(operation.path_or_fileobj).read_bytes()
                self.branches[revision][operation.path_in_repo] = (
                    data[:-1] if operation.path_in_repo == self.damage else data
                )
            else:
                del self.branches[revision][operation.path_in_repo]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    held = {"data/a.parquet": b"x" * 500, "README.md": b"card", "manifest.json": b'{"fingerprint": "f1"}'}
    for name, data in held.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    return {name: tmp_path / "out" / name for name in held}


def publish(hub: Hub, files: dict[str, Path], fingerprint: str = "f1", *, replace: bool = False) -> Any:
    place = open_place("hf://datasets/me/mine@v1", hub)
    return send(place, files, fingerprint, replace=replace, progress=SilentProgress())


def test_the_manifest_is_the_last_commit_of_the_branch(files: dict[str, Path], tmp_path: Path) -> None:
    hub = Hub(folder=tmp_path)
    publish(hub, files)
    assert hub.commits == [("v1", ["data/a.parquet", "README.md"]), ("v1", ["manifest.json"])]
    assert hub.branches["v1"] == {name: path.read_bytes() for name, path in files.items()}
    assert publish(hub, files).sent == ()
    assert len(hub.commits) == 2


def test_a_file_that_arrives_different_leaves_no_manifest(files: dict[str, Path], tmp_path: Path) -> None:
    hub = Hub(folder=tmp_path, damage="data/a.parquet")
    with pytest.raises(IncompleteError, match="came back different"):
        publish(hub, files)
    assert "manifest.json" not in hub.branches["v1"]
    hub.damage = ""
    assert publish(hub, files).sent == ["data/a.parquet", "manifest.json"]


def test_another_corpus_keeps_its_place_until_it_is_to_be_replaced(files: dict[str, Path], tmp_path: Path) -> None:
    hub = Hub(folder=tmp_path)
    publish(hub, files)
    hub.branches["v1"] |= {"manifest.json": b'{"fingerprint": "f0"}', "data/old.parquet": b"old"}
    with pytest.raises(RemoteError, match="holds another corpus"):
        publish(hub, files)
    publish(hub, files, replace=True)
    assert hub.branches["v1"].keys() == files.keys()
