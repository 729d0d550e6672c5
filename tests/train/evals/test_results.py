"""The results contract: what is written is read back, damage is named, and unlike results are kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import write_table
from curation.errors import ResultsError
from train.evals.results import Results, Scored, differences, read_results, refuse_unlike, write_results
from train.evals.score_tables import DOCUMENTS_SCHEMA, ITEMS_SCHEMA

ROW = {
    "task": "arc", "group": "0", "gold": 1, "log_likelihoods": [-2.0, -1.0], "greedy": [False, True],
    "num_tokens": [1, 1], "num_bytes": [2, 3], "num_chars": [2, 3],
}  # fmt: skip


def results(**changes: Any) -> Results:
    task = {
        "family": "knowledge", "kind": "mc", "shots": 0, "n": 2, "excluded": {"too-long": 1}, "digest": "d" * 16,
        "primary": "acc_raw", "metrics": {"acc_raw": {"value": 1.0, "se": None, "n": 2}},
    }  # fmt: skip
    suite = {"name": "small", "version": "1", "digest": "a" * 64}
    base = {
        "model": {"name": "run-1", "digest": "b" * 64}, "suite": suite, "context": 64,
        "metric_versions": {"choice-metrics": "1"}, "software": {}, "tasks": {"arc": task},
    }  # fmt: skip
    return Results.model_validate({**base, **changes})


def items(*rows: dict[str, Any]) -> pa.Table:
    excluded = {"task": "arc", "item": 2, "group": "2", "gold": 0, "excluded": "too-long"}
    chosen = rows or ({**ROW, "item": 0}, {**ROW, "item": 1}, excluded)
    return pa.Table.from_pylist(list(chosen), ITEMS_SCHEMA)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_results(tmp_path, Scored(results=results(), items=items()))
    found = read_results(tmp_path)
    assert found.results == results()
    assert found.items is not None
    assert found.items.equals(items())
    assert json.loads((tmp_path / "results.json").read_text())["schema"] == "curate-results@1"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{**ROW, "item": 0}], "1 scored items, results.json says 2"),
        ([{**ROW, "item": 0}, {**ROW, "item": 0}], "stands there twice"),
        ([{**ROW, "item": 0}, {**ROW, "item": 1, "gold": 2}], "task `arc` item 1: gold 2"),
        ([{**ROW, "item": 0}, {**ROW, "item": 1, "greedy": [True]}], "greedy has 1 entries"),
        ([{**ROW, "item": 0}, {**ROW, "item": 1, "log_likelihoods": [-1.0, float("nan")]}], "log_likelihoods"),
        ([{**ROW, "item": 0}, {**ROW, "item": 1, "task": "piqa"}], "task `piqa`"),
    ],
)
def test_rows_that_contradict_the_sums_are_refused_by_name(
    rows: list[dict[str, Any]], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ResultsError, match=told):
        write_results(tmp_path, Scored(results=results(), items=items(*rows)))


def test_documents_belong_to_the_slices_of_the_summary(tmp_path: Path) -> None:
    one = {
        "nats_per_token": 1.0, "bits_per_byte": 1.0, "perplexity": 2.7, "num_docs": 1, "num_families": 1,
        "num_bytes": 4, "num_tokens": 2,
    }  # fmt: skip
    panel = results(tasks={}, slices={"web": one})
    row = {"id": "p", "slice": "web", "family": "f", "nats": 2.0, "num_bytes": 4, "num_tokens": 2}
    write_results(tmp_path, Scored(results=panel, documents=pa.Table.from_pylist([row], DOCUMENTS_SCHEMA)))
    assert read_results(tmp_path).documents is not None
    for wrong, told in (({**row, "nats": float("nan")}, "document p: nan"), ({**row, "slice": "code"}, "`code`")):
        with pytest.raises(ResultsError, match=told):
            write_results(tmp_path, Scored(results=panel, documents=pa.Table.from_pylist([wrong], DOCUMENTS_SCHEMA)))


def damaged(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        held = json.loads((folder / "results.json").read_text())
        change(held)
        (folder / "results.json").write_text(json.dumps(held))

    return damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "results.json").unlink(), "no results.json"),
        (lambda folder: (folder / "results.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "items.parquet").unlink(), "no such file"),
        (lambda folder: (folder / "items.parquet").write_text("x"), "not a readable table"),
        (lambda folder: write_table(folder / "items.parquet", pa.table({"task": ["arc"]})), "no columns item"),
        (damaged(lambda held: held.update(schema="other@2")), "schema 'other@2'"),
        (damaged(lambda held: held.update(context=0)), "context: Input should be greater than 0"),
        (damaged(lambda held: held["tasks"]["arc"].update(colour="red")), "tasks.arc.colour"),
    ],
)
def test_damage_is_named_with_its_place(damage: Callable[[Path], None], told: str, tmp_path: Path) -> None:
    write_results(tmp_path, Scored(results=results(), items=items()))
    damage(tmp_path)
    with pytest.raises(ResultsError, match=told) as refused:
        read_results(tmp_path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"suite": {"name": "small", "version": "1", "digest": "c" * 64}}, "digest cccc"),
        ({"suite": {"name": "core", "version": "1", "digest": "a" * 64}}, "suite core, expected small"),
        ({"context": 128}, "context 128, expected 64"),
        ({"metric_versions": {"choice-metrics": "2"}}, "choice-metrics is 2, expected 1"),
        ({"metric_versions": {}}, "choice-metrics is None, expected 1"),
        ({"partial": {"limit": 5}}, "the first 5 items"),
        ({"partial": {"tasks": ["arc"]}}, "only the tasks arc"),
    ],
)
def test_results_that_answer_another_question_share_no_table(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ResultsError, match=told):
        refuse_unlike([Scored(results=results()), Scored(results=results(**changes))])


def test_results_of_two_models_on_one_suite_share_a_table() -> None:
    other = results(model={"name": "run-2", "digest": "e" * 64}, date="2026-11-23", duration_seconds=3.0)
    assert differences(results(), other) == []
    refuse_unlike([Scored(results=results()), Scored(results=other)])  # raises nothing
