"""What every modifier keeps to, and the wrapped line rules of C4 and RefinedWeb."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.recipe import validate
from filters.modifiers.base import MODIFIERS, Rewritten, find_modifier
from filters.modifiers.rewriting import rewrite_table

NAMES = sorted(MODIFIERS.builtin)
IDEMPOTENT = sorted(set(NAMES) - {"c4-lines", "url-removal", "ftfy"})
# Not these: without its citations a line may be too short, what stands around a URL may be one, mojibake may be nested.
LONG = ("x" * 10_000_000, "a.com." * 50_000, "1.2." * 50_000, "@" * 100_000, "&amp;" * 20_000, "2001:" * 20_000)
AWKWARD = (
    "\0",
    "a\0b\n\0",
    "مرحبا بالعالم https://a.example\n",
    "\u200f\u202bשלום\u202c",
    "\r\r\n\r",
    "\ufeff",
    "\ud7ff",
)
TEXTS = st.text(alphabet="aB1 .\n\r@:/|-_&#;é中©\0\u200b", max_size=60)


def rewrite(name: str, texts: list[str], **params: Any) -> Rewritten:
    """Return what a modifier makes of texts under the given settings."""
    modifier = find_modifier(name, "test")
    chosen = validate(modifier.settings, params, "test")
    return rewrite_table(modifier, chosen, pa.table({"text": pa.array(texts, pa.large_string())}))


def one(name: str, text: str, **params: Any) -> tuple[str, dict[str, int]]:
    """Return one document's new text and what was counted in it."""
    made = rewrite(name, [text], **params)
    return made.texts[0].as_py(), {key: int(values[0]) for key, values in made.counters.items() if values[0]}


@pytest.mark.parametrize("name", NAMES)
def test_clean_prose_is_unchanged_and_nothing_is_counted(name: str, clean_text: str) -> None:
    text = clean_text if name not in ("c4-lines", "refinedweb-lines") else clean_text.rstrip("\n")
    assert one(name, text) == (text, {})


@pytest.mark.parametrize("name", NAMES)
def test_awkward_text_is_survived_and_one_text_comes_back_for_each(name: str, awkward_text: str) -> None:
    texts = [awkward_text, *AWKWARD, awkward_text]
    made = rewrite(name, texts)
    assert len(made.texts) == len(texts)
    assert made.texts[0].equals(made.texts[-1])
    assert all((values >= 0).all() for values in made.counters.values())


@pytest.mark.parametrize("name", NAMES)
def test_long_runs_are_survived(name: str) -> None:
    assert len(rewrite(name, list(LONG)).texts) == len(LONG)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_comes_out_the_same_alone_and_among_others(name: str, clean_text: str) -> None:
    texts = [
        "",
        "Mail me@home.example now.\n\n\n\nRead more",
        clean_text,
        "Home | News | Contact\n© 2020 Us",
        "8.8.8.8",
    ]
    together = rewrite(name, texts).texts.to_pylist()
    assert together == [one(name, text)[0] for text in texts]


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_of_a_column_is_read_at_its_offset(name: str) -> None:
    texts = ["first a@b.com\n\n\n\n", "second\r\n c@d.com http://x.org/y\n\n\n", "third\n"]
    modifier = find_modifier(name, "test")
    table = pa.table({"text": pa.array(texts, pa.large_string())}).slice(1, 1)
    assert rewrite_table(modifier, modifier.settings(), table).texts[0].as_py() == one(name, texts[1])[0]


@pytest.mark.parametrize("name", IDEMPOTENT)
@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_a_second_pass_changes_nothing(name: str, text: str) -> None:
    once, _ = one(name, text)
    assert one(name, once) == (once, {})


@pytest.mark.parametrize("name", NAMES)
def test_the_modifier_says_what_it_counts_and_after_whom(name: str) -> None:
    modifier = find_modifier(name, "test")
    assert modifier.summary.endswith(".")
    assert modifier.source
    assert "@" in modifier.version
    assert all(counter.meaning for counter in modifier.counters)


def test_no_texts_give_no_texts() -> None:
    for name in NAMES:
        assert len(rewrite(name, []).texts) == 0


C4 = "A line of five words here.\nshort one.\nno end mark in this line\nPlease enable javascript to see this page now."


@pytest.mark.parametrize(("dialect", "left"), [("datatrove", 1), ("fineweb", 2), ("tfds", 1), ("dclm", 1)])
def test_c4_lines_go_by_dialect_and_each_for_its_reason(dialect: str, left: int) -> None:
    text, counts = one("c4-lines", C4, dialect=dialect)
    assert len(text.split("\n")) == left
    assert counts["lines-javascript"] == 1
    assert counts["lines-too-few-words"] == 1
    assert counts.get("lines-no-end-mark", 0) == (0 if dialect == "fineweb" else 1)
    assert sum(counts.values()) == 4 - left


def test_c4_counts_citations_that_it_cuts() -> None:
    assert one("c4-lines", "The town has a harbour.[3] It is old.[citation needed]")[1] == {"citations": 2}


def words_around(line: str, num_words: int) -> str:
    return "\n".join(["plain words in a line of ten words, no more."] * (num_words // 10)) + "\n" + line


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SHOUTING HERE", "too-many-upper-case"),
        ("1234567", "only-digits"),
        ("12 likes", "counter"),
        ("alone", "too-few-words"),
    ],
)
def test_refinedweb_lines_go_each_for_its_reason(line: str, reason: str) -> None:
    text, counts = one("refinedweb-lines", words_around(line, 100))
    assert counts == {f"lines-{reason}": 1}
    assert line not in text


@pytest.mark.parametrize(("num_words", "bound", "dropped"), [(100, 0.05, False), (30, 0.05, True), (30, 0.1, False)])
def test_a_page_that_loses_too_many_words_is_refused_with_the_share_lost(
    num_words: int, bound: float, dropped: bool
) -> None:
    text = words_around("12 likes", num_words)
    made = rewrite("refinedweb-lines", [text], max_removed_word_fraction=bound)
    assert made.refusals is not None
    assert (made.refusals.reason[0] >= 0) == dropped
    if dropped:
        assert np.isclose(made.refusals.value[0], 2 / (num_words + 2))


NEW_LINES: list[tuple[str, str, dict[str, int]]] = [
    ("a\n\nb", "a\n\nb", {}),
    ("a\n\n\nb", "a\n\nb", {"newlines-removed": 1}),
    ("a\r\nb", "a\nb", {"carriage-returns-removed": 1}),
    ("a\r\n\r\n\r\nb", "a\n\nb", {"carriage-returns-removed": 3, "newlines-removed": 1}),
    ("a\r\r\nb\rc\r", "a\nb\rc\r", {"carriage-returns-removed": 2}),
    ("\n\n\n\n", "\n\n", {"newlines-removed": 2}),
]


@pytest.mark.parametrize(("text", "expected", "counts"), NEW_LINES)
def test_newlines_are_folded_and_crlf_is_lf(text: str, expected: str, counts: dict[str, int]) -> None:
    assert one("newlines", text) == (expected, counts)


@given(texts=st.lists(st.text(alphabet="a\n\ré", max_size=30), max_size=5), most=st.integers(1, 3), crlf=st.booleans())
@settings(max_examples=300, deadline=None)
def test_newlines_are_what_two_substitutions_give(texts: list[str], most: int, crlf: bool) -> None:
    unified = [re.sub(r"\r+\n", "\n", text) if crlf else text for text in texts]
    expected = [re.sub(rf"\n{{{most + 1},}}", "\n" * most, text) for text in unified]
    made = rewrite("newlines", texts, max_consecutive=most, crlf=crlf)
    assert made.texts.to_pylist() == expected
    removed = sum(int(values.sum()) for values in made.counters.values())
    assert removed == sum(map(len, texts)) - sum(map(len, expected))
