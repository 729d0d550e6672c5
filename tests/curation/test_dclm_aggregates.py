"""DCLM's aggregates recomputed from the raw task scores of its published evaluation files."""

from __future__ import annotations

import ast
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from curation.suites.dclm import dclm_aggregates, dclm_groups, dclm_tasks
from curation.suites.tasks import load_task_suite

FOLDER = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results" / "dclm" / "evals"
needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="published DCLM results are not here; set CURATE_SHARED")
TOLERANCE = 1e-6


@cache
def published() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json")))


def test_the_table_has_53_tasks_of_which_22_are_core() -> None:
    assert (len(dclm_tasks()), len(dclm_groups()["core"])) == (53, 22)
    changed = {name: (task.v1, task.v2) for name, task in dclm_tasks().items() if task.v1 != task.v2}
    assert len(changed) == 12
    assert changed["commonsense_qa"] == (20, 40.3)
    assert changed["bigbench_language_identification"] == (9.1, 25)


def test_the_core_suite_and_the_table_agree() -> None:
    suite = load_task_suite("core")
    assert [task.name for task in suite.tasks] == list(dclm_groups()["core"])
    for task in suite.tasks:
        row = dclm_tasks()[task.name]
        assert (task.shots, task.baselines) == ({0: row.shots}, {"v1": row.v1, "v2": row.v2})
        assert task.category == row.category


@needs_files
@pytest.mark.parametrize("name", ["Core_v1", "Core_v2", "rw_small"])
def test_core_of_all_156_files_is_recomputed_from_raw_scores(name: str) -> None:
    worst = max(abs(_ours(file)[name].value - file[name]) for file in published())
    assert len(published()) == 156
    assert worst < TOLERANCE


@needs_files
@pytest.mark.parametrize("name", ["Extended_v1", "Extended_v2"])
def test_extended_is_recomputed_for_149_files_and_not_available_in_the_7_that_lack_tasks(name: str) -> None:
    whole = [file for file in published() if not isinstance(file[name], str)]
    assert (len(whole), len(published()) - len(whole)) == (149, 7)
    assert max(abs(_ours(file)[name].value - file[name]) for file in whole) < TOLERANCE
    for file in published():
        if isinstance(file[name], str):
            missing = ast.literal_eval(file[name].partition(": ")[2])
            assert (_ours(file)[name].value, _ours(file)[name].reason) == (None, f"no score of {', '.join(missing)}")


@needs_files
def test_categories_agree_where_no_task_of_theirs_is_missing() -> None:
    compared = 0
    for file in published():
        for category, value in file["aggregated_task_categories_centered"].items():
            ours = _ours(file)[category]
            if ours.value is not None:
                compared += 1
                assert abs(ours.value - value) < TOLERANCE
    assert compared == 156 * 6 - 7 - 5


def _ours(file: dict[str, Any]) -> dict[str, Any]:
    return dict(dclm_aggregates(file["eval_metrics"]["icl"]))
