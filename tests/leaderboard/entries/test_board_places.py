"""Boards in folders, checkouts and bare repositories: made where it works, shown from the newest commit."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from leaderboard.entries import git_board
from leaderboard.entries.entry import Entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.places import place_of
from leaderboard.entries.study_source import find_study
from leaderboard.entries.submit import Request, submit
from leaderboard.entries.tracks import make_board
from leaderboard.ranking.from_entries import board_rows

KEEPER = ("-c", "user.name=Keeper", "-c", "user.email=keeper@board.invalid")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *KEEPER, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def run(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    streams = capsys.readouterr()
    return int(caught.value.code or 0), streams.out, streams.err


@pytest.fixture
def bare(template: Path, tmp_path: Path) -> Path:
    """A bare repository with the template's board as its newest commit, on branch main."""
    work, folder = tmp_path / "work", tmp_path / "board.git"
    shutil.copytree(template / "board", work)
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "-A")
    git(work, "commit", "--quiet", "-m", "board")
    git(work, "clone", "--quiet", "--bare", str(work), str(folder))
    return folder


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_bare_repository_shows_what_its_newest_commit_holds(
    bare: Path, template: Path, tmp_path: Path, capsys: Any, form: str
) -> None:
    store = ("--store", str(tmp_path / "empty"), "--json")
    code, out, err = run(capsys, "leaderboard", "show", form.format(bare), *store)
    assert code == 0, err
    told = json.loads(out)
    assert told == json.loads(run(capsys, "leaderboard", "show", str(template / "board"), *store)[1])
    assert {row["arm"] for row in told["tables"][0]["rows"]} >= {"baseline", "mine"}


def test_a_board_elsewhere_without_entries_is_named_as_it_was_given(tmp_path: Path, capsys: Any) -> None:
    make_board(tmp_path / "work", "b", [])
    git(tmp_path / "work", "init", "--quiet", "--initial-branch=main")
    git(tmp_path / "work", "add", "-A")
    git(tmp_path / "work", "commit", "--quiet", "-m", "board")
    address = f"file://{tmp_path}/work"
    code, _, err = run(capsys, "leaderboard", "show", address, "--store", str(tmp_path / "s"))
    assert code == 2
    assert f"{address}: holds no entry" in err.replace("\n", "")


def test_what_is_neither_board_nor_study_is_told_of_both(tmp_path: Path, capsys: Any) -> None:
    for place, what in ((tmp_path / "nosuchboard", "no such folder"), (tmp_path, "neither results.json nor board")):
        code, _, err = run(capsys, "leaderboard", "show", str(place), "--store", str(tmp_path / "s"))
        assert code == 2
        assert what in err
        assert "expected a board (a folder, a git repository or its URL) or a study directory" in err


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_board_is_not_made_among_the_files_of_a_bare_repository(tmp_path: Path, capsys: Any, form: str) -> None:
    folder = tmp_path / "empty.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    before = sorted(folder.rglob("*"))
    address = form.format(folder)
    code, _, err = run(capsys, "leaderboard", "init", address)
    assert code == 2
    assert f"git clone {address} BOARD && curate leaderboard init BOARD && git -C BOARD add board.json tracks" in err
    assert sorted(folder.rglob("*")) == before


def test_the_refusals_commands_make_a_board_that_takes_a_submission(template: Path, tmp_path: Path) -> None:
    """The commands of the refusal, one after another; git's identity is given as a user has it."""
    bare, work = tmp_path / "empty.git", tmp_path / "BOARD"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(bare), str(work)], check=True, capture_output=True)
    make_board(work, "board", [])
    git(work, "add", "board.json", "tracks")
    git(work, "commit", "-m", "board")
    git(work, "push", "--quiet", "origin", "HEAD")
    assert _send(template, bare).new


def test_init_in_a_checkout_says_to_commit_before_submitting(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "my board"
    folder.mkdir()
    git(folder, "init", "--quiet")
    code, out, _ = run(capsys, "leaderboard", "init", str(folder), "--json")
    assert code == 0
    commit, send = json.loads(out)["next"]
    assert commit == f"git -C '{folder}' add board.json tracks && git -C '{folder}' commit -m board"
    assert send == f"curate submit STUDY_DIR --to '{folder}'"
    assert json.loads(run(capsys, "leaderboard", "init", str(tmp_path / "plain"), "--json")[1])["next"] == [
        f"curate submit STUDY_DIR --to {tmp_path / 'plain'}"
    ]


def test_the_loser_of_a_race_hears_that_the_entry_is_there(
    bare: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody pushes the same branch after it was looked for and before ours is pushed."""
    empty = tmp_path / "empty.git"
    make_board(tmp_path / "fresh", "board", [])
    git(tmp_path / "fresh", "init", "--quiet", "--initial-branch=main")
    git(tmp_path / "fresh", "add", "-A")
    git(tmp_path / "fresh", "commit", "--quiet", "-m", "board")
    git(tmp_path / "fresh", "clone", "--quiet", "--bare", str(tmp_path / "fresh"), str(empty))
    held, looked = git_board._branch_holds, []

    def late(*arguments: Any, **more: Any) -> bool:
        looked.append(arguments)
        if len(looked) > 1:
            return held(*arguments, **more)
        git(empty, "update-ref", f"refs/heads/{arguments[2]}", git(empty, "commit-tree", "HEAD^{tree}", "-m", "other"))
        return False

    monkeypatch.setattr(git_board, "_branch_holds", late)
    assert not _send(template, empty).new


def test_show_does_not_follow_a_link_out_of_the_board(entry: Entry, tmp_path: Path) -> None:
    record = next(one for one in entry.manifest.runs if one.arm == "mine")
    path = entry.folder / str(record.documents)
    shutil.move(path, tmp_path / "outside.parquet")
    path.symlink_to(tmp_path / "outside.parquet")
    found = board_rows(entry.folder.parent.parent)
    assert found.candidates == ()
    assert [(one.study, "is no file of the entry" in one.reason) for one in found.left_out] == [(entry.id, True)]


def _send(template: Path, address: Path) -> Submitted:
    (study,) = (template / "store").glob("study-made-*")
    return submit(find_study(study, None), place_of(str(address)), Request(submitter="A Lab"))
