"""Suites of tasks: shipped tables, files of the user's, their data and digests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from curation.errors import RecipeError, ShardError, SuiteChangedError
from curation.suites.load import load_suites
from curation.suites.rendering import render_task
from curation.suites.task_data import Absent, TaskData, evals_directory, read_task, suite_digest
from curation.suites.tasks import FAMILIES, TaskSuite, load_task_suite, parse_suite, suite_names

EVALS = Path(os.environ.get("CURATE_SHARED", "../shared")) / "evals"
needs_files = pytest.mark.skipif(not EVALS.is_dir(), reason="no benchmark files here; set CURATE_SHARED")
LINES = [
    {"query": "sky?", "choices": ["blue", "red"], "gold": 0},
    {"query": "sea?", "choices": ["red", "wet"], "gold": 1},
]


def a_suite(**task: Any) -> TaskSuite:
    given = {"family": "knowledge", "kind": "mc", **task}
    return parse_suite({"name": "mine", "version": 1, "tasks": {"colours": given}}, "mine.yaml")


def a_file(folder: Path, records: list[dict[str, Any]], name: str = "colours.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def read(suite: TaskSuite, folder: Path) -> TaskData:
    found = read_task(suite.tasks[0], folder)
    assert isinstance(found, TaskData)
    return found


def test_core_and_small_ship_and_the_newest_version_is_meant() -> None:
    assert {"core@1", "small@1"} <= set(suite_names())
    assert load_task_suite("core").id == "core@1"
    assert len(load_task_suite("core").tasks) == 22


def test_small_shows_no_examples_where_the_context_is_short_and_counts_bits_first() -> None:
    small = load_task_suite("small@1")
    assert {task.shots_at(512) for task in small.tasks} == {0}
    assert max(task.shots_at(1024) for task in small.tasks) == 5
    assert {task.primary for task in small.tasks} == {"bits_per_byte_corr"}
    assert {task.family for task in small.tasks} == {"knowledge", "reasoning", "math", "code", "multilingual"}


def test_the_mean_of_bits_leaves_other_scripts_to_a_mean_of_ratios() -> None:
    small = load_task_suite("small@1")
    assert not {task.family for task in small.members("small_bpb")} & {"multilingual"}
    assert [task.name for task in small.members("multilingual_bpb")] == ["xquad_en", "xquad_de", "xquad_es", "xquad_zh"]
    assert small.family_spec("multilingual").mean == "geometric"


def test_long_context_and_safety_are_declared_and_empty() -> None:
    asked = {task.family for name in suite_names() for task in load_task_suite(name).tasks}
    assert {"long-context", "safety"} <= set(FAMILIES) - asked
    assert {"long-context", "safety"} <= set(load_task_suite("small").notes)


@needs_files
@pytest.mark.parametrize(
    ("name", "absent"), [("core@1", {"hellaswag_zeroshot", "hellaswag", "squad", "coqa"}), ("small@1", set())]
)
def test_what_is_here_has_its_pinned_digest_and_the_rest_is_absent(name: str, absent: set[str]) -> None:
    suite = load_task_suite(name)
    found = {task.name: read_task(task, EVALS) for task in suite.tasks}
    assert {task for task, data in found.items() if isinstance(data, Absent)} == absent
    pinned = {task.name: task.digest for task in suite.tasks if task.name not in absent}
    assert all(digest is not None and len(digest) == 32 for digest in pinned.values())


def test_a_missing_file_makes_the_task_absent_with_the_names_that_were_looked_for(tmp_path: Path) -> None:
    found = read_task(a_suite(data=["shades", "hues"]).tasks[0], tmp_path)
    assert found == Absent(task="colours", reason=f"no file `shades` or `hues` in {tmp_path}")


def test_changed_records_are_refused_and_repacked_ones_are_not(tmp_path: Path) -> None:
    a_file(tmp_path, LINES)
    digest = read(a_suite(), tmp_path).digest
    pinned = a_suite(digest=digest[:32])
    a_file(tmp_path, [dict(reversed(record.items())) for record in LINES])
    assert read(pinned, tmp_path).digest == digest
    a_file(tmp_path, [LINES[0], {**LINES[1], "gold": 0}])
    with pytest.raises(SuiteChangedError, match=r"task `colours`: its 2 records have the digest .*, pinned is "):
        read_task(pinned.tasks[0], tmp_path)


def test_a_part_of_a_benchmark_without_a_pin_does_not_stand_for_it(tmp_path: Path) -> None:
    a_file(tmp_path, LINES)
    with pytest.raises(SuiteChangedError, match="holds 2 records, expected the 10,042 of the benchmark"):
        read_task(a_suite(num_items=10_042).tasks[0], tmp_path)


@needs_files
@pytest.mark.parametrize("name", ["siqa", "sciq", "xquad_de"])
def test_an_item_is_the_one_at_its_place_in_the_lists_of_decontamination(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_EVALS", str(EVALS))
    task = next(task for task in load_task_suite("small").tasks if task.name == name)
    data = read_task(task, EVALS)
    assert isinstance(data, TaskData)
    listed = load_suites([data.suite], "test")[0]
    assert data.suite in task.data
    assert listed.name == data.suite
    for one in render_task(task, data, 512):
        assert listed.items[one.item].question in one.contexts[0]


def test_a_pinned_file_that_is_missing_leaves_the_digest_of_the_suite_alone(tmp_path: Path) -> None:
    a_file(tmp_path, LINES)
    data = read(a_suite(), tmp_path)
    pinned = a_suite(digest=data.digest)
    assert suite_digest(pinned, {}, 512) == suite_digest(pinned, {"colours": data}, 512)
    assert suite_digest(a_suite(), {}, 512) != suite_digest(a_suite(), {"colours": data}, 512)


def test_another_prompt_is_another_suite_and_where_its_data_lies_is_not() -> None:
    def digest(**task: Any) -> str:
        return suite_digest(a_suite(digest="0" * 32, **task), {}, 512)

    assert digest(prompt="Say it.") != digest()
    assert digest(data=["elsewhere"]) == digest()


def test_all_faults_of_a_suite_file_are_told_at_once() -> None:
    tasks = {
        "a": {"family": "maths", "kind": "mc"},
        "b": {"family": "math", "kind": "mc", "shot": 5},
        "c": {"kind": "lm"},
    }
    with pytest.raises(RecipeError) as caught:
        parse_suite({"name": "x", "version": 1, "tasks": tasks}, "x.yaml")
    told = str(caught.value)
    assert told.startswith("x.yaml: 3 faults")
    assert "tasks.a: family `maths`; did you mean `math`?" in told
    assert "tasks.b.shot: unknown key; did you mean `shots`?" in told
    assert "tasks.c.family: missing" in told


def test_an_aggregate_of_a_task_that_is_not_there_is_refused() -> None:
    value = {"name": "x", "version": 1, "tasks": {"arc": {"family": "math", "kind": "mc"}},
             "aggregates": {"all": {"of": "primary", "tasks": ["ark"]}}}  # fmt: skip
    with pytest.raises(RecipeError, match="`ark` is no task of the suite; did you mean `arc`"):
        parse_suite(value, "x.yaml")


def test_an_unknown_suite_offers_the_nearest() -> None:
    with pytest.raises(RecipeError, match="suite `smal`: no such suite; did you mean `small`"):
        load_task_suite("smal")


def test_the_directory_of_data_is_the_one_chosen_then_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_EVALS", str(tmp_path))
    assert evals_directory() == tmp_path
    with pytest.raises(ShardError, match="no such directory.*--evals DIR"):
        evals_directory(tmp_path / "none")


def test_a_suite_of_ones_own_finds_its_data_beside_itself(tmp_path: Path) -> None:
    a_file(tmp_path, LINES, "own.jsonl")
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nversion: 3\ndefaults: {family: target, kind: mc}\ntasks:\n  own: {data: own.jsonl}\n")
    suite = load_task_suite(str(file))
    data = read_task(suite.tasks[0], tmp_path / "elsewhere")
    assert isinstance(data, TaskData)
    assert (suite.id, data.suite, len(data.records)) == ("mine@3", "own", 2)


@pytest.mark.parametrize(
    ("record", "kind", "pair"),
    [({"query": "sky?", "choices": ["blue", "red"], "gold": 0}, "mc", ("sky?", " blue")),
     ({"context": "sky?", "choices": ["blue", "red"], "answer": 0}, "mc", ("sky?", " blue")),
     ({"question": "sky?", "choices": ["blue", "red"], "answer": 0}, "mc", ("Question: sky?\nAnswer:", " blue")),
     ({"context": "The sky is", "continuation": "blue"}, "lm", ("The sky is", " blue")),
     ({"context": "P", "question": "sky?", "answer": "blue"}, "gold", ("P\nQuestion: sky?\nAnswer:", " blue"))],
)  # fmt: skip
def test_a_file_of_items_is_a_suite_of_one_target_task(
    tmp_path: Path, record: dict[str, Any], kind: str, pair: tuple[str, str]
) -> None:
    suite = load_task_suite(str(a_file(tmp_path, [record])))
    task = suite.tasks[0]
    assert (suite.id, task.family, task.kind) == ("colours@1", "target", kind)
    assert task.chance == (0.5 if kind == "mc" else 0.0)
    assert render_task(task, read(suite, tmp_path / "x"), 512)[0].pairs[0] == pair


def test_a_file_of_items_of_no_kind_is_refused_with_its_fields(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="fields text; expected one of `context_options`"):
        load_task_suite(str(a_file(tmp_path, [{"text": "no task"}])))
    with pytest.raises(ShardError, match="no such file"):
        load_task_suite(str(tmp_path / "none.jsonl"))


def test_the_suite_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"
    block = page.read_text().partition("## A task of one's own")[2].partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "support.yaml"
    file.write_text(block)
    suite = load_task_suite(str(file))
    assert [task.name for task in suite.members("support_bpb")] == ["tickets", "refunds"]
    assert [task.shots_at(1024) for task in suite.tasks] == [5, 0]
