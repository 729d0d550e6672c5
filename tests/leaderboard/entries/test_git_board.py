"""Boards that are git repositories: a submission is a branch and touches nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.entries.entry import EntryError
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.places import place_of
from leaderboard.entries.study_source import find_study
from leaderboard.entries.submit import Request, submit
from leaderboard.entries.tracks import BoardError, make_board
from leaderboard.entries.verify import Asked, verify

Submit = Callable[..., Submitted]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Keeper", "-c", "user.email=keeper@board.invalid"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    make_board(folder, "board", [])
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "board")
    return folder


@pytest.fixture
def send(template: Path) -> Submit:
    (study,) = (template / "store").glob("study-made-*")

    def to(address: str, *, submitter: str = "A Lab", dry_run: bool = False) -> Submitted:
        return submit(find_study(study, None), place_of(address), Request(submitter=submitter, dry_run=dry_run))

    return to


def test_a_checkout_gets_a_branch_and_stays_as_it_is(checkout: Path, send: Submit) -> None:
    (checkout / "unsaved.txt").write_text("mine")
    (checkout / "board.json").write_text("broken by hand, not committed")
    before = (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD"))
    done = send(str(checkout))
    assert (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")) == before
    assert git(checkout, "branch", "--show-current") == "main"
    assert done.next_step == f"git -C {checkout} push origin submit/{done.entry}"
    changed = git(checkout, "diff", "--name-only", "main", f"submit/{done.entry}").splitlines()
    assert changed
    assert all(name.startswith(f"entries/{done.entry}/") for name in changed)


def test_the_branch_holds_an_entry_that_verifies(checkout: Path, send: Submit) -> None:
    done = send(str(checkout))
    git(checkout, "merge", "--quiet", f"submit/{done.entry}")
    assert verify(checkout / "entries" / done.entry, Asked()).passed
    assert not send(str(checkout)).new


def test_the_same_submission_again_makes_no_second_commit(checkout: Path, send: Submit) -> None:
    first = send(str(checkout))
    commit = git(checkout, "rev-parse", f"submit/{first.entry}")
    assert not send(str(checkout)).new
    assert git(checkout, "rev-parse", f"submit/{first.entry}") == commit


def test_a_study_that_was_merged_is_refused_from_another_submitter(checkout: Path, send: Submit) -> None:
    done = send(str(checkout))
    git(checkout, "merge", "--quiet", f"submit/{done.entry}")
    with pytest.raises(EntryError, match=r"once \(rule 10\)"):
        send(str(checkout), submitter="B Lab")


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_bare_repository_is_pushed_to(checkout: Path, send: Submit, tmp_path: Path, form: str) -> None:
    bare = tmp_path / "board.git"
    git(checkout, "clone", "--quiet", "--bare", str(checkout), str(bare))
    done = send(form.format(bare))
    assert done.new
    assert git(bare, "log", "-1", "--format=%an %s", f"submit/{done.entry}") == f"A Lab entries: add {done.entry}"
    assert not send(form.format(bare)).new


def test_a_dry_run_makes_no_branch(checkout: Path, send: Submit) -> None:
    assert send(str(checkout), dry_run=True).new
    assert git(checkout, "branch", "--list", "submit/*") == ""


def test_hooks_and_filters_of_the_repository_do_not_run(checkout: Path, send: Submit, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for name in ("reference-transaction", "post-commit", "pre-push"):
        hook = checkout / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    send(str(checkout))
    assert not mark.exists()


def test_a_repository_without_a_board_is_refused_with_the_command(tmp_path: Path, send: Submit) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    git(folder, "init", "--quiet")
    with pytest.raises(BoardError, match="curate leaderboard init"):
        send(str(folder))
    (folder / "readme").write_text("x")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "x")
    with pytest.raises(BoardError, match=r"holds no board.json.*curate leaderboard init"):
        send(str(folder))


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c touch% evil", "http://board.example/b.git", "git://b.example/b", "--upload-pack=evil", "ftp://b"],
)
def test_protocols_that_run_commands_or_are_open_are_refused(address: str) -> None:
    with pytest.raises(BoardError, match="protocol refused"):
        place_of(address)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://host.example/board.git", "remote"),
        ("git@host.example:lab/board.git", "remote"),
        ("hf:lab/board", "hub"),
        ("https://huggingface.co/datasets/lab/board", "hub"),
    ],
)
def test_addresses_mean_what_they_say(address: str, kind: str) -> None:
    assert place_of(address).kind == kind
