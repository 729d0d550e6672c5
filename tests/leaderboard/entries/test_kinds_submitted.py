"""Studies of every kind, and one that promotion thinned out, on a board: submitted, verified, shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from leaderboard.entries.entry import EntryError, read_entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.verify import Asked, verify
from leaderboard.ranking.from_entries import board_rows
from leaderboard.ranking.tables import ranked_tables
from leaderboard.ranking.view import draw_tables

Submit = Callable[..., Submitted]
WEIGHTS = {"docs": 0.7, "licences": 0.3}
KINDS: dict[str, dict[str, Any]] = {
    "dedup": {"vary": {"mine": {"dedup": "minhash", "verify": 0.5}}},
    "mixture": {"vary": {"mine": {"mix": {"weights": WEIGHTS}}}},
    "optimizer": {"vary": {"mine": {"optimizer": "muon"}}},
    "tokenizer": {"vary": {"mine": {"tokenizer": "ladder@1"}}},
}


def _submitted(submit_made: Submit, kind: str) -> Path:
    return Path(submit_made(words={"kind": kind}, **KINDS[kind]).place)


def _states(folder: Path) -> dict[str, str]:
    return {check.name: check.text for check in verify(folder, Asked()).checks if check.bad}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_study_of_every_kind_is_submitted_and_consistent(submit_made: Submit, kind: str) -> None:
    folder = _submitted(submit_made, kind)
    assert _states(folder) == {}
    assert read_entry(folder).level == 1


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_recipe_of_a_kind_is_one_row_that_says_what_it_is(submit_made: Submit, board: Path, kind: str) -> None:
    folder = _submitted(submit_made, kind)
    tables = ranked_tables(board_rows(board).candidates, ())
    rows = [row for table in tables for row in table.rows]
    arms = {run.arm for run in read_entry(folder).manifest.runs}
    assert sorted(row.arm for row in rows) == sorted(arms)
    assert all(row.rank is None and row.unranked for row in rows)
    console = Console(width=80, record=True, file=io.StringIO())
    draw_tables(console, tables)
    assert max(len(line) for line in console.export_text().splitlines()) <= 80


def test_roles_are_told_in_words(submit_made: Submit, board: Path) -> None:
    folder = _submitted(submit_made, "mixture")
    roles = {run.arm: run.role for run in read_entry(folder).manifest.runs}
    rows = {row.name: row for row in board_rows(board).candidates}
    assert roles["uniform"] == "uniform"
    assert rows["uniform"].verdict == "control: equal shares of all parts"
    assert rows["baseline"].verdict == "reference"


def test_points_of_a_sweep_are_told_in_words(submit_made: Submit, board: Path) -> None:
    folder = _submitted(submit_made, "optimizer")
    points = {run.arm for run in read_entry(folder).manifest.runs if run.role == "point"}
    assert points
    rows = {row.name: row.verdict for row in board_rows(board).candidates}
    assert {rows[name] for name in points} == {"another rate or batch size of its arm"}


def test_an_arm_that_promotion_stopped_has_its_seeds_where_it_was_trained(submit_made: Submit, board: Path) -> None:
    vary = {"mine": {"filter": "gopher-quality"}, "other": {"filter": "c4-quality"}}
    tiers = {"pico-1x": 2, "pico-2x": 2}
    folder = Path(submit_made(vary=vary, stopped=("other",), words={"tiers": tiers}).place)
    assert _states(folder) == {}
    runs = read_entry(folder).manifest.runs
    assert {run.tier for run in runs if run.arm == "other"} == {"pico-1x"}
    assert {run.tier for run in runs if run.arm == "mine"} == set(tiers)
    shown = {(row.name, row.key.tier) for row in board_rows(board).candidates}
    assert ("other", "pico-2x") not in shown
    assert ("mine", "pico-2x") in shown


def test_an_arm_that_nobody_stopped_may_not_lack_a_tier(submit_made: Submit) -> None:
    vary = {"mine": {"filter": "gopher-quality"}, "other": {"filter": "c4-quality"}}
    tiers = {"pico-1x": 2, "pico-2x": 2}
    done = submit_made(vary=vary, stopped=("other",), words={"tiers": tiers}, dry_run=True)
    assert done.new
    with pytest.raises(EntryError, match="other pico-2x: seeds none, expected 1, 2"):
        submit_made(vary=vary, stopped=("other",), words={"tiers": tiers}, silent=True)
