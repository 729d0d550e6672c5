"""Level 1 asks for an audit where smoke had nothing to look at, so leaving facts out is no way round it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from curation.files import canonical_json
from leaderboard.entries.check_smoke import LEARNED, smoke_check
from leaderboard.entries.entry import Entry, read_entry
from leaderboard.entries.verify import Asked, verify
from leaderboard.studies.results import read_result


def test_the_limit_is_that_of_the_gate() -> None:
    shipped = files("leaderboard") / "data" / "gates" / "gates@1.yaml"
    assert f"max_final_over_initial_loss: {LEARNED}," in shipped.read_text(encoding="utf-8")


def test_a_study_whose_trainings_learned_passes(make_study: Callable[..., Path]) -> None:
    check = smoke_check(read_result(make_study()))
    assert (check.state, check.text) == ("pass", "1 of 1 arms may enter a table")


def test_one_run_without_facts_is_flagged_by_name(make_study: Callable[..., Path]) -> None:
    result = read_result(make_study())
    bare = next(run for run in result.runs if run.arm == "mine")
    cut = replace(result, runs=tuple(replace(run, facts=None) if run is bare else run for run in result.runs))
    check = smoke_check(cut)
    assert check.state == "flag"
    assert f"1 runs without a record of how training went (mine {bare.tier} seed {bare.seed})" in check.text


def test_trainings_that_all_stood_still_are_flagged(make_study: Callable[..., Path]) -> None:
    """Loss 6.0 from the first step to the last: 100 % of it is left, more than 75 %."""
    check = smoke_check(read_result(make_study(loss=lambda arm, step: 6.0)))
    assert check.state == "flag"
    assert "4 runs kept over 75% of their initial loss" in check.text


def test_stripped_facts_leave_a_mark_beside_the_badge(
    entry: Entry, forge: Callable[[Entry, Callable[[dict[str, Any]], None]], Path]
) -> None:
    path = entry.folder / "results.json"
    value = json.loads(path.read_text())
    for run in value["runs"]:
        run["facts"] = None
    path.write_text(canonical_json(value) + "\n")
    folder = forge(entry, lambda _: None)
    found = verify(folder, Asked())
    assert any("4 runs without a record of how training went" in flag for flag in found.flags)
    assert read_entry(folder).flags == found.flags
