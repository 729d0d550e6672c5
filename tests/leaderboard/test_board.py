"""The board: one row a recipe and tier, and no rank that was not earned."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curation.errors import RunError
from leaderboard.board import board_rows, load_results
from leaderboard.results import RESULT_FILE, write_result
from leaderboard.tables import draw_board, draw_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


def test_there_is_one_row_a_recipe_and_tier_with_its_seeds(make_result: Any) -> None:
    rows = board_rows([make_result(level, SLICES)])
    assert [(row.arm, row.num_seeds) for row in rows] == [
        ("baseline", 2),
        ("mine", 2),
        ("random", 2),
        ("random-matched", 2),
    ]


def test_laptop_tiers_have_no_rank_even_if_somebody_calls_them_better(make_result: Any) -> None:
    result = make_result(level, SLICES)
    forged = replace(result, assessments=tuple(replace(item, verdict="better") for item in result.assessments))
    assert {row.rank for row in board_rows([forged])} == {None}


def test_a_decided_arm_of_a_larger_tier_is_ranked(make_result: Any) -> None:
    result = make_result(level, SLICES, tier="micro-1x")
    decided = replace(result, assessments=tuple(replace(item, verdict="better") for item in result.assessments))
    assert {row.arm: row.rank for row in board_rows([decided])}["mine"] == 1


def test_an_insufficient_arm_says_by_which_rules(make_result: Any) -> None:
    rows = board_rows([make_result(level, SLICES, tier="micro-1x")])
    assert next(row for row in rows if row.arm == "mine").unranked == "insufficient: rule 9, rule 16"


def test_results_are_found_in_the_store_and_in_directories(make_result: Any, store: Any, tmp_path: Path) -> None:
    result = make_result(level, SLICES)
    write_result(store.root / "study-small-ffffffff" / RESULT_FILE, result)
    write_result(tmp_path / "own" / RESULT_FILE, result)
    assert len(load_results(store, [])) == 1
    assert len(load_results(store, [tmp_path / "own"])) == 1


def test_an_empty_store_says_how_to_make_a_result(store: Any) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    draw_board(console, board_rows(load_results(store, [])))
    assert "curate study run" in console.export_text()


def test_a_directory_without_a_result_is_refused(store: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="give a study directory"):
        load_results(store, [tmp_path])


def test_the_terminal_says_that_laptop_tiers_do_not_rank(make_result: Any) -> None:
    result = make_result(level, SLICES)
    console = Console(width=160, record=True, file=io.StringIO())
    draw_board(console, board_rows([result]))
    draw_result(console, result)
    shown = console.export_text()
    assert "without rank (rule 9)" in shown
    assert "verdict: insufficient" in shown
    assert "got worse: no slice" in shown
