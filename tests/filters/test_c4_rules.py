"""C4's signal sets and rule sets as filters: columns that agree with the cleaned text, settings, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.signal_sets.c4_lines import C4_DIALECTS, REMOVED_REASONS, clean_c4_lines
from filters.signals import Columns, compute_signals, signal_set

C4_RULE_SETS = ("c4/datatrove", "c4-fineweb/datatrove", "c4/tfds", "c4/dclm")
SETS = {"datatrove": "c4-datatrove", "fineweb": "c4-fineweb", "tfds": "c4-tfds", "dclm": "c4-dclm"}
SIGNALS = ("long_word", "no_end_mark", "few_words", "javascript", "policy")


def columns_of(name: str, texts: list[str]) -> Columns:
    return compute_signals(signal_set(name), pa.table({"text": text_array(texts)}))


def doc(id_: str, text: str) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": "prose", "role": 0}


def shown(columns: Columns) -> list[dict[str, float]]:
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(columns["num_lines"]))]


@pytest.mark.parametrize("rule_set", C4_RULE_SETS)
def test_a_clean_document_stays_and_each_rule_drops_one(
    rule_set: str, make_world: Callable[..., Any], clean_text: str
) -> None:
    page = clean_text + "The fifth line of this page is its last one.\n"
    rows = [doc("clean", page), doc("lorem", page + "It says lorem ipsum dolor here.")]
    rows += [doc("curly", page + "It says { and goes on."), doc("short", "One sentence is on this page.")]
    assert make_world(rows).judge(rule_set) == {
        "clean": None,
        "lorem": "lorem-ipsum",
        "curly": "curly-bracket",
        "short": "too-few-sentences",
    }


def test_every_bound_is_a_setting(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "One sentence is { on this page.")])
    assert world.judge("c4/tfds", min_sentences_left=1, max_curly_brackets=1) == {"a": None}
    assert world.judge("c4/dclm", max_chars=10) == {"a": "page-too-long"}


@pytest.mark.parametrize("dialect", C4_DIALECTS)
def test_the_signals_agree_with_the_cleaned_text(dialect: str, awkward_text: str, clean_text: str) -> None:
    texts = [
        awkward_text,
        clean_text + "Use cookies and\nno end[1] mark\n" + "Cut [2] this citation [edit] and stay.\n",
    ]
    columns, cleaned = columns_of(SETS[dialect], texts), clean_c4_lines(text_array(texts), dialect)
    assert columns["num_chars"].tolist() == list(map(len, texts))
    assert columns["num_words_left"].tolist() == [len(text.split()) for text in cleaned.texts.to_pylist()]
    assert columns["num_citations_removed"].tolist() == cleaned.num_citations.tolist()
    assert columns["num_lines"].tolist() == cleaned.num_lines.tolist()
    for signal, reason in zip(SIGNALS, REMOVED_REASONS, strict=True):
        assert columns[f"num_lines_removed_{signal}"].tolist() == cleaned.removed_lines[reason].tolist()
    shares = [removed / max(1, len(text)) for removed, text in zip(cleaned.removed_chars, texts, strict=True)]
    assert columns["removed_char_fraction"].tolist() == pytest.approx(shares)


@pytest.mark.parametrize("name", [*SETS.values(), "mc4-paragraph"])
@pytest.mark.parametrize(
    "text",
    ["x" * 10_000_000, "\0 " * 1_000_000, "[1" * 1_000_000, "." * 1_000_000, "a. " * 300_000, "שלום עולם. " * 50_000],
    ids=["no spaces", "NUL", "brackets", "periods", "one line", "right to left"],
)
def test_one_enormous_line_is_measured(name: str, text: str) -> None:
    assert all(len(column) == 1 for column in columns_of(name, [text]).values())


@pytest.mark.parametrize("name", SETS.values())
def test_documents_do_not_see_each_other(name: str, clean_text: str) -> None:
    texts = ["", clean_text, "[1] ", clean_text + "x", "\n"]
    assert shown(columns_of(name, texts)) == [shown(columns_of(name, [text]))[0] for text in texts]
