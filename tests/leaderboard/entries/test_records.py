"""Badges, challenges and tombstones lie beside entries and are only ever added."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.errors import CurateError
from leaderboard.entries.entry import Entry, read_entry
from leaderboard.entries.records import (
    CHALLENGES,
    TOMBSTONES,
    Badge,
    RecordError,
    add_record,
    badge_path,
    confirmation_seed,
)
from leaderboard.entries.statements import challenge_entry, retract_entry


def test_the_confirmation_seed_is_a_function_of_the_digest_and_none_of_1_to_n() -> None:
    seeds = {digest: confirmation_seed(digest * 64) for digest in "0123456789abcdef"}
    assert seeds == {digest: confirmation_seed(digest * 64) for digest in "0123456789abcdef"}
    assert len(set(seeds.values())) == 16
    assert all(1000 <= seed < 10_000 for seed in seeds.values())


def test_a_challenge_is_recorded_once_and_counted(entry: Entry, board: Path, tmp_path: Path) -> None:
    evidence = tmp_path / "plot.txt"
    evidence.write_text("look")
    path, new = challenge_entry(entry.folder, reason="the curve is odd", by="B Lab", evidence=evidence)
    assert new
    assert not challenge_entry(entry.folder, reason="the curve is odd", by="B Lab", evidence=evidence)[1]
    assert path.parent == board / CHALLENGES / entry.id
    assert json.loads(path.read_text())["evidence"] == hashlib.sha256(b"look").hexdigest()
    assert read_entry(entry.folder).challenges == 1


def test_a_retracted_entry_stays_and_leaves_the_ranks(entry: Entry, board: Path) -> None:
    path, _ = retract_entry(entry.folder, reason="wrong pool", by="A Lab")
    again = read_entry(entry.folder)
    assert path == board / TOMBSTONES / f"{entry.id}.json"
    assert (again.retracted, again.ranked) == ("wrong pool", False)
    assert again.manifest == entry.manifest
    assert not retract_entry(entry.folder, reason="another reason", by="A Lab")[1]
    assert read_entry(entry.folder).retracted == "wrong pool"


@pytest.mark.parametrize("reason", ["", "  ", "red\u202etxt", "a\x1b[2J", "x" * 2001])
def test_a_reason_that_may_not_be_shown_is_refused(entry: Entry, reason: str) -> None:
    with pytest.raises(CurateError, match="--reason"):
        retract_entry(entry.folder, reason=reason, by="")


def test_a_reason_keeps_its_markup_for_the_page_to_escape(entry: Entry) -> None:
    retract_entry(entry.folder, reason="<b>wrong</b> & [red]", by="")
    assert read_entry(entry.folder).retracted == "<b>wrong</b> & [red]"


def test_a_changed_record_is_found(entry: Entry) -> None:
    path, _ = challenge_entry(entry.folder, reason="odd", by="B Lab", evidence=None)
    path.write_text(path.read_text().replace("odd", "fine"))
    with pytest.raises(RecordError, match="was changed"):
        read_entry(entry.folder)


def test_a_badge_of_another_entry_counts_for_none(entry: Entry, board: Path) -> None:
    badge = Badge(schema="curate-badge@1", entry=entry.id, digest="e" * 64, level=4)
    add_record(badge_path(board, badge), badge)
    with pytest.raises(RecordError, match="is about"):
        read_entry(entry.folder)


def test_an_entry_outside_a_board_cannot_be_retracted(entry: Entry, board: Path) -> None:
    (board / "board.json").unlink()
    with pytest.raises(CurateError, match="lies on no board.*curate leaderboard init"):
        retract_entry(entry.folder, reason="x", by="")


def test_retract_says_who_submitted_and_who_retracts_and_keeps_the_first_reason(entry: Entry, capsys: Any) -> None:
    def retracted(*more: str) -> str:
        with pytest.raises(SystemExit):
            main(["leaderboard", "retract", str(entry.folder), *more])
        return str(capsys.readouterr().out)

    said = retracted("--by", "C Lab", "--reason", "not ours")
    assert "submitted by A Lab, retracted by C Lab: not ours" in said
    again = retracted("--by", "A Lab", "--reason", "other")
    assert "retracted by C Lab: not ours" in again
    assert "the first reason stands; the one given now was dropped" in again
