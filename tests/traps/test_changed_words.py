"""Words of a study changed after its results were seen: every earlier version is a try that counts (rule 10)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.gates.looks import looks_of
from leaderboard.studies.results import read_result

VERSIONS = 5


def screening(folder: Path) -> Any:
    """Return the condition as `curate study gate` finds it, with the studies beside this one."""
    result = read_result(folder)
    report = judge(evidence_of(result, looks=looks_of(folder, result)), load_gates(), "G1")
    return next(item for item in report.conditions if item.name == "screening")


def test_a_lucky_gain_among_reworded_versions_of_a_study_does_not_pass(made: Any, world: Any, tmp_path: Path) -> None:
    """Nothing has an effect; the fifth draw of noise alone gives a p of 0.07."""
    lucky = made(world(world=5, study={"tiers": {"micro-1x": 3}, "budgets": []}), tmp_path)
    alone = screening(lucky.folder)
    assert alone.state == "pass"
    assert "as one of 1 tries" in alone.text
    for number in range(VERSIONS):
        words = {"tiers": {"micro-1x": 3}, "budgets": [], "hypothesis": f"the filter helps, version {number}"}
        made(world(world=100 + number, study=words), tmp_path)
    among = screening(lucky.folder)
    assert among.state != "pass"
    assert f"as one of {VERSIONS + 1} tries ({VERSIONS} of them earlier looks)" in among.text


def test_a_study_of_other_words_is_another_study(made: Any, world: Any, tmp_path: Path) -> None:
    first = world(study={"tiers": {"micro-1x": 3}, "budgets": []})
    again = replace(first, study={**first.study, "protect": ["docs"]}, world=2)
    assert made(first, tmp_path).folder != made(again, tmp_path).folder
