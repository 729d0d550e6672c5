"""The Hub is answered from a folder of the same layout: files of the data set, and pull requests beside them."""

from __future__ import annotations

import fnmatch
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from leaderboard.entries.entry import EntryError
from leaderboard.entries.hub_board import HubError, submit_to_hub
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.study_source import find_study
from leaderboard.entries.submit import Request, draft_of
from leaderboard.entries.tracks import make_board


@dataclass
class Discussion:
    title: str
    num: int
    url: str
    status: str = "open"
    is_pull_request: bool = True


@dataclass
class FolderHub:
    """A data set as a folder; a pull request is a copy of what it would add."""

    data: Path
    requests: Path
    open: list[Discussion] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def snapshot_download(self, **options: Any) -> str:
        assert options["repo_type"] == "dataset"
        for path in (path for path in self.data.rglob("*") if path.is_file()):
            name = path.relative_to(self.data).as_posix()
            if any(fnmatch.fnmatch(name, pattern) for pattern in options["allow_patterns"] or ["*"]):
                self.asked.append(name)
                (Path(options["local_dir"]) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, Path(options["local_dir"]) / name)
        return str(options["local_dir"])

    def get_repo_discussions(self, **options: Any) -> list[Discussion]:
        return self.open

    def upload_folder(self, **options: Any) -> Any:
        assert options["create_pr"]
        number = len(self.open) + 1
        shutil.copytree(options["folder_path"], self.requests / str(number) / options["path_in_repo"])
        found = Discussion(title=options["commit_message"], num=number, url=f"https://hub.example/discussions/{number}")
        self.open.append(found)

        class Info:
            pr_url = found.url

        return Info()


@pytest.fixture
def hub(tmp_path: Path) -> FolderHub:
    make_board(tmp_path / "data", "board", [])
    return FolderHub(data=tmp_path / "data", requests=tmp_path / "requests")


def _send(template: Path, hub: Any, *, submitter: str = "A Lab", dry_run: bool = False) -> Submitted:
    (study,) = (template / "store").glob("study-made-*")
    source = find_study(study, None)
    request = Request(submitter=submitter)
    return submit_to_hub("lab/board", lambda tracks: draft_of(source, tracks, request), dry_run=dry_run, client=hub)


def test_a_submission_opens_a_pull_request_with_the_entry(template: Path, hub: FolderHub) -> None:
    done = _send(template, hub)
    assert done.new
    assert done.place == "hf:lab/board https://hub.example/discussions/1"
    assert (hub.requests / "1" / "entries" / done.entry / "entry.json").is_file()


def test_the_same_submission_again_opens_no_second_one(template: Path, hub: FolderHub) -> None:
    _send(template, hub)
    assert not _send(template, hub).new
    assert len(hub.open) == 1


def test_a_merged_entry_is_there_and_its_scores_are_not_downloaded(template: Path, hub: FolderHub) -> None:
    done = _send(template, hub)
    shutil.copytree(hub.requests / "1", hub.data, dirs_exist_ok=True)
    hub.open[0].status = "merged"
    assert not _send(template, hub).new
    assert f"entries/{done.entry}/entry.json" in hub.asked
    assert not any(name.endswith(".parquet") for name in hub.asked)
    with pytest.raises(EntryError, match=r"once \(rule 10\)"):
        _send(template, hub, submitter="B Lab")


def test_a_dry_run_opens_nothing(template: Path, hub: FolderHub) -> None:
    assert _send(template, hub, dry_run=True).new
    assert hub.open == []


def test_what_the_hub_says_is_told_without_tokens(template: Path) -> None:
    class Broken:
        def snapshot_download(self, **options: Any) -> str:
            raise ConnectionError("no route with token hf_abcdefghijklmnopqrstuvwxyz")

    with pytest.raises(HubError, match="ConnectionError: no route") as caught:
        _send(template, Broken())
    assert "hf_abc" not in str(caught.value)
