"""Confirmations: the board's seed follows from the entry, and a run with it counts or fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from leaderboard.entries.checks import Subject
from leaderboard.entries.confirm import add_confirmation, agreement, assigned, confirmation_faults
from leaderboard.entries.entry import Entry, EntryError, read_entry
from leaderboard.entries.records import confirmation_seed
from leaderboard.entries.statements import challenge_entry, retract_entry
from leaderboard.entries.verify import Asked, sound_subject, verify
from leaderboard.ranking.from_entries import board_rows
from leaderboard.ranking.tables import ranked_tables
from leaderboard.ranking.view import draw_tables


@pytest.fixture
def subject(entry: Entry) -> Subject:
    return sound_subject(entry.folder, None)[0]


def _train(made: Any, subject: Subject, **changes: float) -> None:
    wanted = assigned(subject)
    for name, value in changes.items():
        setattr(made, name, value)
    for arm, corpus in wanted.corpora.items():
        made.confirm(arm, corpus, wanted.seed)


def test_the_board_asks_for_its_own_seed_of_baseline_and_arm(subject: Subject) -> None:
    wanted = assigned(subject)
    assert wanted.seed == confirmation_seed(subject.digest) >= 1000
    assert wanted.arms == ("baseline", "mine")
    lines = wanted.commands(Path("board/entries/x"), "store")
    corpus = wanted.corpora["mine"][:8]
    assert f"curate train corpus-{corpus} --tier pico-1x --seed {wanted.seed} --store store" in lines
    assert lines[-1] == "curate leaderboard confirm board/entries/x --add --store store"


def test_without_the_runs_the_commands_are_told(subject: Subject, board: Path, made: Any) -> None:
    with pytest.raises(EntryError, match=r"(?s)seed \d+ of baseline, mine.*curate train corpus-.*--add"):
        add_confirmation(subject, board, made.store)


def test_an_entry_is_confirmed_by_the_runs_that_agree(subject: Subject, board: Path, made: Any) -> None:
    assert not read_entry(subject.folder).confirmed
    _train(made, subject)
    record, _, new = add_confirmation(subject, board, made.store)
    assert new
    assert record.agrees
    assert read_entry(subject.folder).confirmed
    assert not add_confirmation(subject, board, made.store)[2]


def test_the_rows_of_an_entry_say_its_seed_and_whether_it_was_run(subject: Subject, board: Path, made: Any) -> None:
    seed = confirmation_seed(subject.digest)
    before = board_rows(board).candidates
    assert {row.marks[-1] for row in before} == {f"unconfirmed: the board's seed {seed} was not run (rule 10)"}
    _train(made, subject)
    add_confirmation(subject, board, made.store)
    assert {row.marks for row in board_rows(board).candidates} == {(f"confirmed by the board's seed {seed}",)}
    assert "L0 confirmed" in " ".join(_shown(board).split())


def test_doubts_stand_in_every_row_and_a_withdrawn_entry_has_no_rank(subject: Subject, board: Path) -> None:
    challenge_entry(subject.folder, reason="odd", by="B Lab", evidence=None)
    assert all("challenged (1)" in row.marks for row in board_rows(board).candidates)
    assert "[challenged (1)]" in _shown(board)
    retract_entry(subject.folder, reason="wrong pool", by="A Lab")
    (table,) = ranked_tables(board_rows(board).candidates, ())
    assert {(row.rank, row.unranked) for row in table.rows} == {(None, "retracted: wrong pool")}
    assert all("retracted: wrong pool" in row.marks for row in table.rows)


def _shown(board: Path) -> str:
    console = Console(width=130, record=True, file=io.StringIO())
    draw_tables(console, ranked_tables(board_rows(board).candidates, ()))
    return console.export_text()


def test_a_gain_that_is_gone_is_no_confirmation_and_asks_for_an_audit(subject: Subject, board: Path, made: Any) -> None:
    _train(made, subject, gain=-0.05)
    assert not add_confirmation(subject, board, made.store)[0].agrees
    again = read_entry(subject.folder)
    assert not again.confirmed
    assert "does not agree" in again.flags[0]


def test_changed_documents_of_a_confirmation_are_found(subject: Subject, board: Path, made: Any) -> None:
    _train(made, subject)
    record, folder, _ = add_confirmation(subject, board, made.store)
    assert confirmation_faults(subject, folder, record) == []
    path = sorted(folder.glob("*.parquet"))[0]
    path.write_bytes(path.read_bytes() + b"x")
    assert "hash" in confirmation_faults(subject, folder, record)[0]
    found = verify(subject.folder, Asked())
    assert {check.name for check in found.checks if check.bad} == {"confirmation"}


def test_with_one_seed_a_confirmation_must_have_the_same_sign(subject: Subject) -> None:
    one = subject.manifest.model_copy(update={"runs": tuple(run for run in subject.manifest.runs if run.seed == 1)})
    alone = Subject(folder=subject.folder, manifest=one, digest=subject.digest, tracks=subject.tracks)
    assert agreement(alone, "pico-1x", {"mine": -0.001}) == ({}, True)
    assert agreement(alone, "pico-1x", {"mine": 0.001}) == ({}, False)
