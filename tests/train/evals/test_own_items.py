"""Files of items, and what scores of them add up to."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from curation.errors import RunError
from curation.suites.prompted import Prompted
from train.evals.engine import ItemScores
from train.evals.own_items import Question, draw_report, read_questions, report

GOOD = '{"context": "", "choices": [" a", "b"], "answer": 1, "id": 7}'


def scored(*log_likelihoods: float) -> ItemScores:
    ones = (1,) * len(log_likelihoods)
    return ItemScores(log_likelihoods=log_likelihoods, greedy=(False,) * len(ones), num_tokens=ones)


def question(answer: int, *num_bytes: int) -> Question:
    choices = tuple("x" * count for count in num_bytes)
    item = Prompted(task="items", item=0, gold=answer, contexts=("c",) * len(choices), continuations=choices)
    return Question(item=item, where="here:1")


def test_lines_become_questions_that_know_their_place(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    path.write_text(f"\ufeff{GOOD}\n\n{GOOD}")
    found = read_questions(path)
    assert [one.where for one in found] == [f"{path}:1", f"{path}:3"]
    assert (found[0].item.pairs, found[0].item.gold) == ((("", " a"), ("", "b")), 1)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "expected one JSON object"),
        ('{"context": "\\ud800", "choices": ["a"], "answer": 0}', "expected one JSON object"),
        ("[1]", "list, expected an object"),
        ('{"context": "a", "choice": ["b"]}', "no `choices`, `answer`"),
        ('{"context": 3, "choices": ["b"], "answer": 0}', "context 3, expected text"),
        ('{"context": "a", "choices": [], "answer": 0}', "choices [], expected a list of texts"),
        ('{"context": "a", "choices": "bc", "answer": 0}', "choices 'bc', expected a list"),
        ('{"context": "a", "choices": ["b", ""], "answer": 0}', "none empty"),
        ('{"context": "a", "choices": ["b", " "], "answer": 0}', "beside its leading space"),
        ('{"context": "a", "choices": ["b", 3], "answer": 0}', "expected a list of texts"),
        ('{"context": "a", "choices": ["b"], "answer": 1}', "answer 1, expected a whole number from 0 to 0"),
        ('{"context": "a", "choices": ["b"], "answer": -1}', "answer -1, expected"),
        ('{"context": "a", "choices": ["b"], "answer": true}', "answer True, expected"),
        ('{"context": "a", "choices": ["b"], "answer": "b"}', "answer 'b', expected"),
    ],
)
def test_a_wrong_line_is_told_with_file_and_number(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "i.jsonl"
    path.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(RunError) as told:
        read_questions(path)
    assert f"{path}:2: " in str(told.value)
    assert fault in str(told.value)


def test_all_faults_are_told_at_once_up_to_twenty(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    path.write_text("[]\n" * 25)
    with pytest.raises(RunError, match="(?s)21 faults.*i.jsonl:20: .*and 5 more"):
        read_questions(path)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(RunError, match="no items"):
        read_questions(tmp_path / "empty.jsonl")


def test_the_sums_are_those_of_the_definitions() -> None:
    questions = [
        question(1, 2, 12),  # best 0, per byte 1
        question(0, 1, 1),  # 0 both ways
        question(0, 4, 4),  # equal: the first
        question(0, 3, 2),  # 1 both ways
    ]
    found = report(questions, [scored(-4.0, -6.0), scored(-1.0, -2.0), scored(-3.0, -3.0), scored(-9.0, -2.0)])
    assert (found["n"], found["accuracy"], found["accuracy_per_byte"]) == (4, 0.5, 0.75)
    assert found["standard_error"] == pytest.approx(math.sqrt(0.25 / 3))
    assert found["standard_error_per_byte"] == pytest.approx(math.sqrt(0.75 * 0.25 / 3))
    assert found["bits_per_byte"] == pytest.approx((6 + 1 + 3 + 9) / (12 + 1 + 4 + 3) / math.log(2))


def test_one_item_has_no_standard_error_and_a_person_is_told_that_it_is_plumbing() -> None:
    found = report([question(0, 1, 1)], [scored(-1.0, -2.0)])
    assert cast("float | None", found["standard_error"]) is None
    out = io.StringIO()
    draw_report(Console(file=out, width=120), "run-1", {**found, "context": 64})
    assert "no standard error of one item" in out.getvalue()
    assert "Plumbing" in out.getvalue()
