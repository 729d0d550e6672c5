"""Files and database become one list of runs, and every difference is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ResultsError
from leaderboard.published.faults import faults_json
from leaderboard.published.reconcile import earlier_core, read_dclm
from leaderboard.published.run import AGGREGATES


def test_a_file_and_a_row_of_one_uuid_and_evaluation_are_one_run(directory: Any) -> None:
    scores = directory.scores(0.5)
    directory.file(directory.name("c4"), scores, "u1")
    directory.row("c4", scores, "u1")
    directory.row("rw", directory.scores(0.6), "u2")
    found = read_dclm(directory.folder)
    assert [(run.dataset, run.sources) for run in found.runs] == [("c4", ("file", "database")), ("rw", ("database",))]
    assert (found.num_both, found.disagreements) == (1, ())


def test_a_score_that_differs_is_listed_and_the_files_counts(directory: Any) -> None:
    directory.file(directory.name("c4"), directory.scores(0.5), "u1")
    directory.row("c4", directory.scores(0.5, copa=0.7), "u1")
    found = read_dclm(directory.folder)
    assert [(one.what, one.left, one.right, one.kind) for one in found.disagreements] == [
        ("copa", 0.5, 0.7, "other-score")
    ]
    assert found.runs[0].scores["copa"] == 0.5


def test_a_row_given_twice_is_counted_and_one_run(directory: Any) -> None:
    for name in ("c4", "c4_again"):
        directory.row(name, directory.scores(0.5), "u1")
    found = read_dclm(directory.folder)
    assert len(found.runs) == 1
    assert faults_json(found.database.duplicates)["by_reason"] == {"duplicate-row": 1}


def test_checkpoints_of_one_training_are_kept_and_marked(directory: Any) -> None:
    directory.row("c4", directory.scores(0.5), "u1")
    directory.row("c4b", directory.scores(0.6), "u1")
    runs = read_dclm(directory.folder).runs
    assert {run.notes for run in runs} == {("one of 2 evaluated checkpoints of one training: no run of its own",)}


def test_equal_scores_under_two_uuids_are_named(directory: Any) -> None:
    directory.row("c4", directory.scores(0.5), "u1")
    directory.row("rw", directory.scores(0.5), "u2")
    found = read_dclm(directory.folder)
    assert len(found.twins) == 1
    assert all("the very scores of" in run.notes[0] for run in found.runs)


def test_a_stated_mean_with_a_task_missing_is_not_taken_over(directory: Any) -> None:
    directory.row("c4", directory.scores(0.5, gpqa_main=None), "u1", Extended="0.31")
    found = read_dclm(directory.folder)
    assert [(one.what, one.kind) for one in found.disagreements] == [("Extended", "missing-tasks")]
    assert found.runs[0].aggregates["Extended_v2"] is None
    assert found.runs[0].reasons["Extended_v2"] == "no score of gpqa_main"


def test_core_by_the_earlier_baselines_is_recognised(directory: Any) -> None:
    scores = directory.scores(0.5, boolq=0.7)
    directory.row("c4", scores, "u1", Core=str(earlier_core(scores)))
    directory.row("rw", directory.scores(0.4), "u2", Core="0.9")
    kinds = [(one.run.partition("-")[0], one.kind) for one in read_dclm(directory.folder).disagreements]
    assert kinds == [("c4", "earlier-baselines"), ("rw", "unexplained")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not-json"),
        ("[]", "no-scores"),
        ('{"eval_metrics": {"icl": {}}}', "no-scores"),
        ('{"eval_metrics": {"icl": {"copa": NaN}}}', "score-not-a-share"),
        ('{"eval_metrics": {"icl": {"copa": 60}}}', "score-not-a-share"),
        ('{"eval_metrics": {"icl": {"copa": "0.6"}}}', "score-not-a-share"),
        ("[" * 100_000, "not-json"),
    ],
)
def test_a_bad_file_is_counted_by_its_reason(directory: Any, text: str, reason: str) -> None:
    directory.file(directory.name("c4"), directory.scores(0.5), "u1")
    (directory.folder / "evals" / "bad.json").write_text(text)
    found = read_dclm(directory.folder)
    assert [(fault.reason, fault.place) for fault in found.files.faults] == [(reason, "bad.json")]
    assert len(found.runs) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"copa": "60"}, "score-not-a-share"), ({"copa": "nan"}, "score-not-a-share"), ({"model_uuid": ""}, "no-uuid")],
)
def test_a_bad_row_is_counted_by_its_reason(directory: Any, changes: dict[str, str], reason: str) -> None:
    directory.row("c4", directory.scores(0.5), "u1")
    directory.row("rw", directory.scores(0.6), "u2", **changes)
    found = read_dclm(directory.folder)
    assert [fault.reason for fault in found.database.faults] == [reason]


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="give the directory that holds both"):
        read_dclm(tmp_path)


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "DCLM_model_database.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultsError, match="no column Model JSON"):
        read_dclm(tmp_path)


def test_the_published_files_give_their_stored_aggregates(published_dclm: Path) -> None:
    """156 records store Core and Extended by both baselines, and no number where a task of theirs is missing."""
    found = read_dclm(published_dclm)
    for one in found.files.runs:
        assert {name for name in AGGREGATES if one.run.aggregates[name] is not None} == set(one.stored)
    assert sum(len(one.stored) for one in found.files.runs) == 610
    assert [one.off for one in found.files.runs if one.off] == []
    path = published_dclm / "evals" / "evaluation_mistral_7b_heavy.json"
    stored = json.loads(path.read_text())["Core_v2"]
    run = next(run for run in found.runs if run.name == "mistral_7b_heavy")
    assert run.aggregates["Core_v2"] == pytest.approx(stored, abs=1e-9)


def test_the_published_database_reconciles(published_dclm: Path) -> None:
    """416 rows, one given twice; 115 of the 156 files are rows too, and agree on every task."""
    found = read_dclm(published_dclm)
    assert (found.database.num_rows, len(found.database.duplicates), found.num_both) == (416, 1, 115)
    assert len(found.runs) == 415 + 156 - 115
    assert {one.kind for one in found.disagreements} == {"earlier-baselines", "missing-tasks"}
