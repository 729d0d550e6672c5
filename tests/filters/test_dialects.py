"""Where published implementations of one rule disagree: the same text, each dialect's own number, by hand.

The disagreements are those of docs/dialects.md; `datatrove` stands for datatrove 0.10, `dclm` and `dolma` for the
repositories of those projects.
"""

from __future__ import annotations

import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.base import find_filter
from filters.rules import check_signals, find_rule_set
from filters.signals import compute_signals, signal_set

A_FOUR_TIMES = "\n".join(["so it"] * 4 + list("bcdfgh"))
FIVE_TWICE = "ab cd ef gh ij"

CASES: list[tuple[str, str, dict[str, tuple[str, float]]]] = [
    ("a x 4 and 6 distinct lines", A_FOUR_TIMES, {
        "dclm": ("duplicate_line_fraction", 0.40),
        "dolma": ("duplicate_line_fraction", 0.40),
        "datatrove": ("duplicate_line_fraction", 0.30),
        "text": ("duplicate_line_fraction", 0.30),
    }),
    ("blank lines repeat for dolma alone", "ab\n\ncd\n\nef", {
        "dclm": ("duplicate_line_fraction", 0.0),
        "dolma": ("duplicate_line_fraction", 2 / 5),
        "datatrove": ("duplicate_line_fraction", 0.0),
    }),
    ("letters of copies over letters of lines, of words, of the text", "ab cd\nab cd\nef", {
        "dclm": ("duplicate_line_char_fraction", 10 / 12),
        "dolma": ("duplicate_line_char_fraction", 10 / 10),
        "datatrove": ("duplicate_line_char_fraction", 5 / 14),
    }),
    ("a top 2-gram twice: with its space over the text, or letters over letters", "ab cd x ab cd", {
        "dclm": ("top_2_gram_char_fraction", 2 * 4 / 9),
        "dolma": ("top_2_gram_char_fraction", 2 * 4 / 9),
        "datatrove": ("top_2_gram_char_fraction", 2 * 5 / 13),
        "text": ("top_2_gram_char_fraction", 2 * 5 / 13),
    }),
    ("a top 2-gram once passes the page, or still counts", "ab cd ef", {
        "dclm": ("top_2_gram_char_fraction", 0.0),
        "dolma": ("top_2_gram_char_fraction", 4 / 6),
        "datatrove": ("top_2_gram_char_fraction", 5 / 8),
        "text": ("top_2_gram_char_fraction", 0.0),
    }),
    ("of two equally frequent 2-grams: the longest, or the first", "a b x cdef ghij y a b z cdef ghij", {
        "dclm": ("top_2_gram_char_fraction", 2 * 8 / 23),
        "dolma": ("top_2_gram_char_fraction", 2 * 2 / 23),
    }),
    ("5 words twice: each word, each copy over all 5-grams, copies after the first", f"{FIVE_TWICE} x {FIVE_TWICE}", {
        "dclm": ("duplicate_5_gram_char_fraction", 20 / 21),
        "dolma": ("duplicate_5_gram_char_fraction", 20 / (2 * 10 + 5 * 9)),
        "datatrove": ("duplicate_5_gram_char_fraction", 10 / 31),
        "text": ("duplicate_5_gram_char_fraction", 10 / 31),
    }),
    ("mean of all words, median, mean of words with a letter or digit", "- ab cdefgh", {
        "dclm": ("mean_word_chars", 9 / 3),
        "dolma": ("median_word_chars", 2.0),
        "datatrove": ("mean_non_symbol_word_chars", 8 / 2),
    }),
    ("stop words: occurrences in any case, occurrences as written, distinct as written", "The the the of Of", {
        "dclm": ("num_stop_words", 5),
        "dolma": ("num_required_words", 3),
        "datatrove": ("num_stop_words", 2),
    }),
    ("symbols: all of them pooled, words that hold one, ... beside #", "a## b... c… d", {
        "dclm": ("symbol_word_ratio", 4 / 4),
        "dolma": ("symbol_word_fraction", 2 / 4),
    }),
    ("bullets: four signs on stripped lines, * and - as it stands", "● a\n• b\n * c\n- d", {
        "dclm": ("bullet_line_fraction", 1.0),
        "dolma": ("bullet_line_fraction", 1 / 4),
        "datatrove": ("bullet_line_fraction", 2 / 4),
    }),
    ("ellipsis lines: three spellings, the sign alone", "a...\nb…\nc. . .\nd", {
        "dclm": ("ellipsis_line_fraction", 3 / 4),
        "dolma": ("ellipsis_line_fraction", 1 / 4),
        "datatrove": ("ellipsis_line_fraction", 2 / 4),
    }),
    ("words of the page length: fastText's, whitespace's, spaCy's", "don't (stop) it\u00a0now", {
        "dclm": ("num_words", 2),
        "dolma": ("num_words", 4),
    }),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "dialect", "signal", "value"),
    [(text, dialect, *said) for _, text, by_dialect in CASES for dialect, said in by_dialect.items()],
    ids=[f"{name}: {dialect}" for name, _, by_dialect in CASES for dialect in by_dialect],
)
def test_each_dialect_says_its_own_number(text: str, dialect: str, signal: str, value: float) -> None:
    columns = compute_signals(signal_set(dialect), pa.table({"text": text_array([text])}))
    assert columns[signal][0] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "name",
    ["gopher/dclm", "gopher-quality/dclm", "gopher-repetition/dclm", "refinedweb/dclm", "gopher/dolma", "c4/dolma",
     "dolma/1.7", "code/the-stack", "code/the-stack-v2", "code/starcoder", "code/dolma"],
)  # fmt: skip
def test_a_rule_set_is_a_filter_whose_every_bound_is_a_setting(name: str) -> None:
    found = find_filter(f"{name}@1", "here")
    rules = find_rule_set(name, "here").rules
    check_signals(rules, "here")
    assert found.settings().model_dump().keys() >= {"applies_to", *(rule.setting for rule in rules)}
    assert found.version == f"{name}@1"
