"""C4's line rules against datatrove's own filter and against plain-Python twins of TFDS and DCLM."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from curation.errors import RecipeError
from filters.signal_sets.c4_lines import C4_DIALECTS, REMOVED_REASONS, clean_c4_lines

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def twin(text: str, *, min_words: int, words_with_citations: bool, marks: tuple[str, ...] | None) -> str:
    """Datatrove's and TFDS's loop over lines, without their verdicts on the page."""
    kept = []
    for line in text.splitlines():
        line = line.strip()
        words = line.split()
        if any(len(word) > 1000 for word in words):
            continue
        line = CITATION.sub("", line)
        if marks and (not line.endswith(marks) or line.endswith("...")):
            continue
        if len(words if words_with_citations else line.split()) < min_words:
            continue
        if "javascript" in line.lower() or any(phrase in line.lower() for phrase in POLICY):
            continue
        kept.append(line)
    return "\n".join(kept).strip()


def datatrove_twin(text: str) -> str:
    return twin(text, min_words=3, words_with_citations=True, marks=(".", "?", "!", '"', "'"))


def fineweb_twin(text: str) -> str:
    return twin(text, min_words=3, words_with_citations=True, marks=None)


def tfds_twin(text: str) -> str:
    return twin(text, min_words=5, words_with_citations=False, marks=(".", "?", "!", '"'))


def dclm_twin(text: str) -> str:
    """The modifiers of c4.yaml one after the other, each over the whole page."""
    lines = [line for line in text.split("\n") if all(len(word) <= 1000 for word in line.split())]
    lines = CITATION.sub("", "\n".join(lines)).split("\n")
    lines = [line for line in lines if re.search(r'[.!?"\u2026]\s*$', line) or not line]
    lines = [line for line in lines if not re.search(r"(?:\.\.\.|\u2026)\s*$", line)]
    lines = [line for line in lines if len(line.split()) >= 5 or not line]
    for phrases in (("javascript",), POLICY):
        banned = re.compile("|".join(phrases), re.IGNORECASE)
        lines = [line for line in "\n".join(lines).strip().split("\n") if not banned.search(line)]
    return "\n".join(lines).strip()


TWINS: dict[str, Callable[[str], str]] = {
    "datatrove": datatrove_twin,
    "fineweb": fineweb_twin,
    "tfds": tfds_twin,
    "dclm": dclm_twin,
}


PIECES = st.sampled_from(
    ["a", "bb ", "the ", "one two three ", "four five ", "JavaScript", "java\u017fcr\u0130pt", "javascr\u0131pt", "{",
     " ", "\n", "\n\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028", "\u2029", ".",
     ".\n", "...\n", "…\n", "!\n", "?\n", '"\n', "'\n", ". \n", "[1]", "[]", "[\u0661\uff12]", "[edit]", "[Edit]",
     "[citation needed]", "[", "]", "[[2]3]", "Terms of Use", "privacy policy", "use coo\u212aies", "uses cookies",
     "u\u017fe coo\u212aies", "lorem ipsum", "é", "中", "\u0130", "x" * 1000, "x" * 1001, "é" * 1001, "\u3000", "\xa0"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize("dialect", C4_DIALECTS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["", "\n", "a b c d e.\n", "[1] a b c d e. [2]", "[1]"])
def test_the_cleaned_text_equals_the_plain_twin(dialect: str, texts: list[str]) -> None:
    assert clean_c4_lines(text_array(texts), dialect).texts.to_pylist() == list(map(TWINS[dialect], texts))


@pytest.mark.parametrize("dialect", C4_DIALECTS)
def test_awkward_text_is_cleaned_as_by_the_twin(dialect: str, awkward_text: str) -> None:
    texts = text_array(["before it stood a line.", awkward_text, "after"])
    assert clean_c4_lines(texts, dialect).texts.to_pylist()[1] == TWINS[dialect](awkward_text)


@pytest.mark.parametrize("dialect", C4_DIALECTS)
def test_a_slice_of_chunks_is_read_at_its_own_offsets(dialect: str) -> None:
    line = "One good line of five words."
    texts = pa.chunked_array([text_array(["skipped here.", line]), text_array([line * 2, "no"])]).slice(1, 2)
    assert clean_c4_lines(texts, dialect).texts.to_pylist() == [line, line * 2]


def test_a_column_without_rows_is_cleaned_to_none() -> None:
    assert len(clean_c4_lines(pa.chunked_array([], pa.large_string()), "tfds").texts) == 0


def test_removed_lines_are_counted_by_the_first_reason_that_meets_them() -> None:
    text = "\n".join(
        ["x" * 1001 + " javascript", "no end mark javascript", "too few.", "Please do enable JavaScript now.",
         "We and they use cookies here.", "This line[3] stays as it is."]
    )  # fmt: skip
    found = clean_c4_lines(text_array([text]), "tfds")
    assert {reason: counts.tolist() for reason, counts in found.removed_lines.items()} == {
        reason: [1] for reason in REMOVED_REASONS
    }
    assert (found.num_lines.tolist(), found.num_citations.tolist()) == ([6], [1])
    assert found.removed_chars.tolist() == [len(text) - len("This line stays as it is.")]


def test_an_unknown_dialect_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="datatrove"):
        clean_c4_lines(text_array(["a"]), "datatrov")


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="the digits of Unicode 14 are written down")
def test_every_digit_of_python_makes_a_citation_and_nothing_else_does() -> None:
    everything = [chr(c) for c in range(1, sys.maxunicode + 1) if not 0xD800 <= c < 0xE000 and chr(c) not in "[]"]
    found = clean_c4_lines(text_array([f"a b c d[{char}]e." for char in everything]), "fineweb")
    assert {everything[i] for i in found.num_citations.nonzero()[0]} == {c for c in everything if c.isdecimal()}


@pytest.mark.parametrize("dialect", C4_DIALECTS)
def test_every_separator_of_python_and_no_other_code_point_ends_a_line(dialect: str) -> None:
    everything = [chr(c) for c in range(1, 0x3100)]
    texts = [f"One more line to keep here.{char}Two." for char in everything]
    assert clean_c4_lines(text_array(texts), dialect).texts.to_pylist() == list(map(TWINS[dialect], texts))


@pytest.mark.parametrize("phrase", ["javascript", "uses cookies", "use cookies"])
@pytest.mark.parametrize("dialect", ["tfds", "dclm"])
def test_a_phrase_is_folded_as_python_folds_it(dialect: str, phrase: str) -> None:
    everything = [chr(c) for c in range(0x80, 0x3100)]
    texts = [
        f"One two three {phrase[:i]}{char}{phrase[i + 1 :]} four."
        for i in range(len(phrase))
        for char in (everything if phrase[i] in "ikstuv" else "\u0130\u212a\u212b")
    ]
    assert clean_c4_lines(text_array(texts), dialect).texts.to_pylist() == list(map(TWINS[dialect], texts))
