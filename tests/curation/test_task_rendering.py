"""Prompts as llm-foundry shows them: small tasks by hand, the tasks of CORE against digests of llm-foundry's own."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ShardError
from curation.files import digest_json
from curation.suites.fewshot import drawn_examples, limited
from curation.suites.prompted import EMPTY_CHOICE, Prompted
from curation.suites.rendering import render_task
from curation.suites.task_data import Absent, TaskData, read_task
from curation.suites.tasks import Task, load_task_suite

EVALS = Path(os.environ.get("CURATE_SHARED", "../shared")) / "evals"
LLM_FOUNDRY = {
    "jeopardy": "c3bb7747d5902854", "bigbench_qa_wikidata": "680c25b0d50ab5c1", "arc_easy": "3671fe5c46b2a3d9",
    "arc_challenge": "8b23e4ca7c66daac", "copa": "b4afb83a45884f89", "commonsense_qa": "5339f3b6ea262419",
    "piqa": "bf9ee4d3edf2b655", "openbook_qa": "735d90fceb6832b2", "lambada_openai": "9df9247af28cd9ea",
    "winograd": "a60315fd648a710f", "winogrande": "1740542b20b9cecf", "bigbench_dyck_languages": "331a885913414b62",
    "agi_eval_lsat_ar": "225add2a4c835921", "bigbench_cs_algorithms": "504d3349749007d4",
    "bigbench_operators": "95450bcb6a37eb5b", "bigbench_repeat_copy_logic": "3bc20c5d32647e23",
    "boolq": "9d6fb69be5b670ed", "bigbench_language_identification": "a7fa86af4ca57c25",
}  # fmt: skip
"""Digests of the texts (context, continuation) that llm-foundry 0.9.0 itself made of the pinned files: its dataset
classes run over them with a tokenizer of one id a character, seed 1234, the settings of DCLM's eval/heavy.yaml."""

LARGE = ("bigbench_language_identification", "bigbench_qa_wikidata", "boolq", "lambada_openai")

COLOURS: list[dict[str, Any]] = [
    {"query": " Q: sky? ", "choices": ["blue", "red"], "gold": 0},
    {"query": "Q: grass?", "choices": ["pink", "green"], "gold": 1},
]


def a_task(kind: str = "mc", **settings: Any) -> Task:
    return Task(name="t", family="knowledge", kind=kind, data=("t",), **settings)  # type: ignore[arg-type]


def rendered(records: list[dict[str, Any]], task: Task, context_tokens: int = 512) -> list[Prompted]:
    data = TaskData(suite="t", origin="t.jsonl", digest="0" * 64, records=tuple(records))
    return render_task(task, data, context_tokens)


def test_choices_follow_a_stripped_question_with_one_space() -> None:
    first, second = rendered(COLOURS, a_task(continuation_delimiter="\nAnswer: "))
    assert first.pairs == (("Q: sky?\nAnswer:", " blue"), ("Q: sky?\nAnswer:", " red"))
    assert (second.item, second.gold) == (1, 1)


def test_an_example_shows_its_right_answer_and_a_line_end() -> None:
    """With two items each can only draw the other, whatever the seed."""
    first, second = rendered(COLOURS, a_task(continuation_delimiter="\nAnswer: ", shots=10))
    assert first.contexts[0] == "Q: grass?\nAnswer: green\nQ: sky?\nAnswer:"
    assert second.contexts[0] == "Q: sky?\nAnswer: blue\nQ: grass?\nAnswer:"


def test_schema_contexts_compete_for_one_continuation() -> None:
    record = {"context_options": ["Ann saw Bo so Ann", "Ann saw Bo so Bo"], "continuation": " waved. ", "gold": 1}
    item = rendered([record], a_task("schema"))[0]
    assert item.pairs == (("Ann saw Bo so Ann", " waved."), ("Ann saw Bo so Bo", " waved."))
    shown = rendered([record, record], a_task("schema", shots=1))[0]
    assert shown.contexts[0] == "Ann saw Bo so Bo waved.\nAnn saw Bo so Ann"


def test_language_modelling_keeps_the_prompt_before_the_examples() -> None:
    records = [{"context": "one", "continuation": "two"}, {"context": "three", "continuation": "four"}]
    item = rendered(records, a_task("lm", shots=1, prompt="Count.", prelimiter="> "))[0]
    assert item.pairs == (("Count.\n> three four\n> one", " two"),)
    assert item.gold == 0


def test_a_gold_answer_may_follow_its_chain_of_thought() -> None:
    record = {"context": "1 + 1", "answer": "2", "chain_of_thought": "one more"}
    settings = {"continuation_delimiter": "\nA: ", "prelimiter": "Q: "}
    assert rendered([record], a_task("gold", **settings))[0].pairs == (("Q: 1 + 1\nA:", " 2"),)
    item = rendered([record], a_task("gold", chain_of_thought=" #### ", **settings))[0]
    assert item.continuations == (" one more #### 2",)


def test_spaces_that_end_a_template_move_to_the_continuation() -> None:
    record = {"prompt": "def f():\r\n", "canonical_solution": "    return 1\r\n"}
    task = a_task("gold", layout="cloze", context="{record.prompt}", answer="{record.canonical_solution}")
    item = rendered([record], task)[0]
    assert item.pairs == (("def f():", "\n    return 1\n"),)
    assert item.num_bytes == (len("\n    return 1\n"),)


def test_letters_become_the_texts_of_their_choices() -> None:
    record = {"query": "Question: Where?\nChoices:\nA. bank\nB. zoo\nAnswer:", "choices": ["A", "B"], "gold": 1}
    item = rendered([record], a_task(layout="cloze"))[0]
    assert item.pairs == (("Question: Where?\nAnswer:", " bank"), ("Question: Where?\nAnswer:", " zoo"))
    assert (item.gold, item.num_chars) == (1, (4, 3))


def test_a_context_shows_the_examples_that_it_has_room_for() -> None:
    task = a_task(shots={0: 0, 1024: 1})
    assert "grass" not in rendered(COLOURS, task, 512)[0].contexts[0]
    assert "grass" in rendered(COLOURS, task, 1024)[0].contexts[0]
    assert task.asked("d", 512) != task.asked("d", 1024) == task.asked("d", 2048)


def test_examples_come_from_another_split_and_from_the_items_own_part() -> None:
    rows = [("dev", "a", "x"), ("dev", "b", "y"), ("test", "a", "q"), ("test", "b", "r")]
    records = [{"context": text, "continuation": "z", "split": s, "subject": p} for s, p, text in rows]
    found = rendered(records, a_task("lm", split="test", fewshot_split="dev", partition="subject", shots=5))
    assert [(one.item, one.contexts[0]) for one in found] == [(2, "x z\nq"), (3, "y z\nr")]


@pytest.mark.parametrize(("num_items", "shots"), [(1, 3), (2, 3), (5, 3), (5, 9), (40, 10)])
def test_no_item_is_its_own_example_and_none_stands_twice(num_items: int, shots: int) -> None:
    drawn = drawn_examples(num_items, shots, 1234)
    assert len(drawn) == num_items
    for item, places in enumerate(drawn):
        assert item not in places
        assert len(set(places)) == len(places) == min(shots, num_items - 1)


def test_the_first_draw_is_the_sample_of_the_seed() -> None:
    expected = set(random.Random(1234).sample(range(1000), 10))
    assert 0 not in expected
    assert set(drawn_examples(1000, 10, 1234)[0]) == expected


def test_a_limit_takes_the_same_items_from_files_of_one_length() -> None:
    assert limited(range(100), 7) == limited(range(100), 7) == sorted(limited(range(100), 7))
    assert len(limited(range(100), 7)) == 7
    assert limited(range(5), None) == limited(range(5), 9) == [0, 1, 2, 3, 4]


def test_twin_sentences_and_shared_passages_are_one_cluster() -> None:
    twin = {"context_options": ["a", "b"], "continuation": "c", "gold": 0}
    first, second, other = rendered([twin, {**twin, "gold": 1}, {**twin, "context_options": ["d", "e"]}],
                                    a_task("schema", cluster="options"))  # fmt: skip
    assert first.group == second.group != other.group


def test_an_empty_choice_excludes_its_item() -> None:
    items = rendered([{"query": "q", "choices": ["", "x"], "gold": 1}], a_task())
    assert items[0].excluded == EMPTY_CHOICE
    assert rendered(COLOURS, a_task())[0].excluded is None


@pytest.mark.parametrize(
    ("record", "told"),
    [({"query": "q", "choices": ["a"], "gold": 3}, "gold 3 is no choice"), ({"query": "q", "gold": 0}, "no `choices`"),
     ({"query": "q", "choices": "ab", "gold": 0}, "no list of texts"), ({"choices": ["a"], "gold": 0}, "no `query`")],
)  # fmt: skip
def test_a_record_that_is_not_of_the_kind_is_named(record: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ShardError, match=rf"t\.jsonl: record 1 \(from 0\): .*{told}.*mend the record"):
        rendered([COLOURS[0], dict(record)], a_task())


@pytest.mark.skipif(not EVALS.is_dir(), reason="no benchmark files here; set CURATE_SHARED")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in LLM_FOUNDRY]
)
def test_a_core_task_is_asked_letter_by_letter_as_llm_foundry_does(name: str) -> None:
    task = next(task for task in load_task_suite("core@1").tasks if task.name == name)
    data = read_task(task, EVALS)
    assert not isinstance(data, Absent)
    items = render_task(task, data, 2048)
    assert [one.item for one in items] == list(range(task.num_items or 0))
    assert digest_json([[context, text] for one in items for context, text in one.pairs])[:16] == LLM_FOUNDRY[name]
