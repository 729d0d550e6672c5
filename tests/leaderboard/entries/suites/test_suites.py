"""Level 1 and 2 of results on suites: items by the contract's writer, on a suite of the user's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation.batches import read_table, write_table
from curation.errors import StudyError
from leaderboard.entries.entry import Entry, read_entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.suite_definitions import DEFINITION
from leaderboard.entries.verify import Asked, verify
from train.evals.engine import ItemScores
from train.evals.results import ITEMS, RESULTS

Forge = Callable[[Entry, Callable[[dict[str, Any]], None]], Path]
Again = Callable[[Path, pa.Table], None]
Submit = Callable[..., Submitted]


def _suites(folder: Path) -> str:
    found = verify(folder, Asked(record=False))
    (check,) = [one for one in found.checks if one.name == "suites"]
    assert check.bad == (not found.passed)
    return check.text if check.bad else ""


def _place(entry: Entry, run: int = 0) -> Path:
    return entry.folder / entry.manifest.runs[run].suites[0].folder


def _edit_results(entry: Entry, edit: Callable[[dict[str, Any]], None], run: int = 0) -> None:
    path = _place(entry, run) / RESULTS
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def _edit_items(entry: Entry, column: str, values: Callable[[list[Any]], list[Any]]) -> None:
    path = _place(entry) / ITEMS
    table = read_table(path)
    place = table.column_names.index(column)
    changed = pa.array(values(table[column].to_pylist()), table.schema.field(column).type)
    write_table(path, table.set_column(place, table.schema.field(column), changed))


def test_results_on_a_suite_of_ones_own_are_recomputed_by_the_definition_in_the_entry(scored: Entry) -> None:
    assert _suites(scored.folder) == ""
    definition = json.loads((_place(scored) / DEFINITION).read_text())
    assert [task["data"] for task in definition["tasks"]] == [["colours"], ["sums"]]
    assert all(len(task["digest"]) == 64 and task["num_items"] == 8 for task in definition["tasks"])


def test_the_aggregate_is_the_mean_of_centred_accuracies(scored: Entry) -> None:
    results = json.loads((_place(scored) / RESULTS).read_text())
    means = [results["tasks"][name]["metrics"]["acc_per_char"]["value"] for name in ("colours", "sums")]
    assert results["aggregates"]["all"]["value"] == pytest.approx(sum((one - 0.5) / 0.5 for one in means) / 2)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("aggregates", "all", "value"), "aggregate all: .* by its tasks, .* said"),
        (("families", "math", "value"), "family math: "),
        (("tasks", "sums", "metrics", "acc_per_char", "value"), "task sums, acc_per_char: .* by its items"),
    ],
)
def test_a_number_that_does_not_follow_is_found(scored: Entry, forge: Forge, keys: tuple[str, ...], said: str) -> None:
    def edit(value: dict[str, Any]) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] += 0.01

    _edit_results(scored, edit)
    assert re.search(said, _suites(forge(scored, lambda _: None)))


def test_a_missing_task_makes_the_aggregate_not_available_and_names_it(submit_scored: Submit) -> None:
    entry = read_entry(Path(submit_scored(missing="sums").place))
    results = json.loads((_place(entry) / RESULTS).read_text())
    assert results["aggregates"]["all"]["value"] is None
    assert "sums" in results["aggregates"]["all"]["reason"]
    assert _suites(entry.folder) == ""


def test_the_mean_of_the_rest_in_place_of_not_available_is_refused(submit_scored: Submit, forge: Forge) -> None:
    entry = read_entry(Path(submit_scored(missing="sums").place))

    def edit(value: dict[str, Any]) -> None:
        mean = value["tasks"]["colours"]["metrics"]["acc_per_char"]["value"]
        value["aggregates"]["all"] = {"value": (mean - 0.5) / 0.5, "se": None, "metric": None, "reason": None}

    _edit_results(entry, edit)
    assert "aggregate all: N/A by its tasks (missing: sums)" in _suites(forge(entry, lambda _: None))


def test_a_task_left_out_without_a_word_is_refused(scored: Entry, forge: Forge) -> None:
    _edit_results(scored, lambda value: value["tasks"].pop("sums"))
    assert "task `sums`, which results.json does not name" in _suites(forge(scored, lambda _: None))


@pytest.mark.parametrize("column", ["acc_per_char", "log_likelihoods"])
def test_a_score_that_is_no_number_is_refused(scored: Entry, forge: Forge, column: str) -> None:
    bad: Any = float("nan") if column == "acc_per_char" else [float("nan"), -1.0]
    _edit_items(scored, column, lambda values: [bad, *values[1:]])
    assert "expected finite" in _suites(forge(scored, lambda _: None)).replace("a finite", "finite")


def test_nan_in_the_results_is_refused(scored: Entry, forge: Forge) -> None:
    path = _place(scored) / RESULTS
    path.write_text(path.read_text().replace('"value":', '"value":NaN,"x":', 1))
    assert _suites(forge(scored, lambda _: None))


def test_a_wrong_item_turned_right_does_not_follow_from_its_log_likelihoods(scored: Entry, forge: Forge) -> None:
    _edit_items(scored, "acc_per_char", lambda values: [1.0] * len(values))
    assert "by its log-likelihoods, 1.000000 said" in _suites(forge(scored, lambda _: None))


@pytest.mark.parametrize("how", ["dropped", "excluded"])
def test_a_wrong_item_dropped_from_one_run_is_found_though_every_mean_follows(
    scored: Entry, forge: Forge, again: Again, how: str
) -> None:
    table = read_table(_place(scored, -1) / ITEMS)
    wrong = pc.index(table["acc_per_char"], 0.0).as_py()
    rows = table.to_pylist()
    if how == "dropped":
        rows.pop(wrong)
    else:
        kept = ("task", "item", "own_id", "group", "gold", "partition")
        rows[wrong] = {name: rows[wrong][name] for name in kept} | {"excluded": "too-long"}
    again(_place(scored, -1), pa.Table.from_pylist(rows, table.schema))
    said = _suites(forge(scored, lambda _: None))
    assert "excludes other items than" in said if how == "excluded" else "has 7 items of 8" in said


def test_an_item_dropped_from_every_run_is_found_by_the_number_of_records(
    scored: Entry, forge: Forge, again: Again
) -> None:
    for place in range(len(scored.manifest.runs)):
        table = read_table(_place(scored, place) / ITEMS)
        again(_place(scored, place), table.slice(1))
    assert "task colours: 7 items, expected 8" in _suites(forge(scored, lambda _: None))


def test_another_version_of_a_metric_in_one_run_is_refused(scored: Entry, forge: Forge) -> None:
    def results(value: dict[str, Any]) -> None:
        value["metric_versions"]["scorer"] = "2"

    def manifest(value: dict[str, Any]) -> None:
        value["runs"][0]["suites"][0]["metric_versions"]["scorer"] = "2"

    _edit_results(scored, results)
    assert "2 sets of metric versions among the runs" in _suites(forge(scored, manifest))


def test_another_version_of_a_metric_than_the_manifests_is_refused(scored: Entry, forge: Forge) -> None:
    _edit_results(scored, lambda value: value["metric_versions"].update(scorer="2"))
    assert "metric versions" in _suites(forge(scored, lambda _: None))


def test_another_suite_digest_is_refused(scored: Entry, forge: Forge) -> None:
    def manifest(value: dict[str, Any]) -> None:
        value["runs"][0]["suites"][0]["digest"] = "e" * 64

    _edit_results(scored, lambda value: value["suite"].update(digest="e" * 64))
    said = _suites(forge(scored, manifest))
    assert "its tasks make" in said
    assert "suite tiny has 2 digests" in said


def test_an_easier_definition_of_the_suite_is_found_by_its_digests(scored: Entry, forge: Forge) -> None:
    path = _place(scored) / DEFINITION
    value = json.loads(path.read_text())
    value["tasks"][0]["baselines"] = {"v2": 0.0}
    path.write_text(json.dumps(value))
    assert "its definition and records make" in _suites(forge(scored, lambda _: None))


def test_results_of_another_model_are_refused(scored: Entry, forge: Forge) -> None:
    first, second = _place(scored, 0), _place(scored, -1)
    for name in (RESULTS, ITEMS):
        (first / name).write_bytes((second / name).read_bytes())
    assert "results of model" in _suites(forge(scored, lambda _: None))


def test_a_suite_that_only_some_runs_were_asked_is_refused(scored: Entry, forge: Forge) -> None:
    gone = _place(scored, -1)

    def manifest(value: dict[str, Any]) -> None:
        value["runs"][-1]["suites"] = []
        value["files"] = [one for one in value["files"] if not (scored.folder / one["path"]).is_relative_to(gone)]

    for path in list(gone.iterdir()):
        path.unlink()
    gone.rmdir()
    assert "was not scored on it" in _suites(forge(scored, manifest))


def test_a_suite_whose_file_was_changed_since_is_not_submitted(submit_scored: Submit, tmp_path: Path) -> None:
    def answer(run: str, item: Any) -> ItemScores:
        path = tmp_path / "tiny.yaml"
        path.write_text(path.read_text().replace("v2: 50", "v2: 40"))
        return ItemScores(log_likelihoods=(-1.0, -2.0), greedy=(False, False), num_tokens=(2, 2))

    with pytest.raises(StudyError, match="no suite of the study makes this digest.*CURATE_EVALS"):
        submit_scored(answer=answer)


def test_partial_results_are_refused(scored: Entry, forge: Forge) -> None:
    _edit_results(scored, lambda value: value.update(partial={"limit": 5, "tasks": []}))
    assert "partial results" in _suites(forge(scored, lambda _: None))
