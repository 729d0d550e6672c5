"""The compiled statistics against a slow plain-Python twin that follows the definitions word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.signal_sets.text import TEXT
from filters.signals import compute_signals

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
SPACES = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())
PUNCTUATION_BLOCKS = (
    (0x2000, 0x2BFF), (0x2E00, 0x2E7F), (0x3000, 0x3004), (0x3008, 0x3030), (0xE000, 0xF8FF), (0xFE00, 0xFE6F),
    (0xFF00, 0xFF20), (0xFFE0, 0xFFFF), (0x1F000, 0x1FAFF), (0xE0000, 0x10FFFF),
)  # fmt: skip


def letter(char: str) -> bool:
    code = ord(char)
    if code < 0x80:
        return char.isalpha()
    if code < 0xC0:
        return char in "ªµº"
    return char not in "×÷" and not any(low <= code <= high for low, high in PUNCTUATION_BLOCKS)


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def copies(spans: Sequence[str]) -> list[str]:
    return [span for i, span in enumerate(spans) if span in spans[:i]]


def top_gram_chars(words: list[str], n: int) -> int:
    grams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    most = max(grams.values(), default=0)
    return most * max(len(gram) for gram, count in grams.items() if count == most) if most > 1 else 0


def duplicate_gram_chars(words: list[str], n: int) -> int:
    seen, chars, i = set(), 0, 0
    while i <= len(words) - n:
        gram = tuple(words[i : i + n])
        if gram in seen:
            chars += len("".join(gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return chars


def paragraphs_of(text: str) -> list[str]:
    groups: list[list[str]] = [[]]
    for line in text.split("\n"):
        groups[-1].append(line) if line.strip() else groups.append([])
    return ["\n".join(group).strip() for group in groups if group]


def ends_sentence(word: str) -> bool:
    return word.rstrip("\"')]}”’»").endswith((".", "!", "?"))


def twin(text: str) -> dict[str, float]:
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = paragraphs_of(text)
    chars, num_words, num_lines = len(text), len(words), len(lines)
    bare = {re.sub(r"^[^0-9A-Za-z\u0080-\U0010ffff]+|[^0-9A-Za-z\u0080-\U0010ffff]+$", "", word) for word in words}
    lowered = {"".join(c.lower() if c < "\x80" else c for c in word) for word in bare}
    repeated = sum(map(len, copies(lines)))
    return {
        "num_chars": chars,
        "num_words": num_words,
        "num_lines": num_lines,
        "num_paragraphs": len(paragraphs),
        "mean_word_chars": share(sum(map(len, words)), num_words),
        "hash_word_ratio": share(text.count("#"), num_words),
        "ellipsis_word_ratio": share(text.count("...") + text.count("…"), num_words),
        "bullet_line_fraction": share(sum(line[0] in "-*•●" for line in lines), num_lines),
        "ellipsis_line_fraction": share(sum(line.endswith(("...", "…")) for line in lines), num_lines),
        "alphabetic_word_fraction": share(sum(any(map(letter, word)) for word in words), num_words),
        "num_stop_words": len(lowered & STOP_WORDS),
        "terminal_line_fraction": share(sum(line[-1] in ".!?\"'…”’。！？؟।" for line in lines), num_lines),
        "short_line_fraction": share(sum(len(line) <= 30 for line in lines), num_lines),
        "newline_word_ratio": share(text.count("\n"), num_words),
        "repeated_line_char_fraction": share(repeated, chars - text.count("\n")),
        "num_lorem_ipsum": len(re.findall("lorem ipsum", text, re.IGNORECASE | re.ASCII)),
        "num_curly_brackets": text.count("{"),
        "num_sentences": sum(map(ends_sentence, words)) + sum(map(text.count, "。！？")),
        "duplicate_line_fraction": share(len(copies(lines)), num_lines),
        "duplicate_line_char_fraction": share(repeated, chars),
        "duplicate_paragraph_fraction": share(len(copies(paragraphs)), len(paragraphs)),
        "duplicate_paragraph_char_fraction": share(sum(map(len, copies(paragraphs))), chars),
        **{f"top_{n}_gram_char_fraction": share(top_gram_chars(words, n), chars) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram_char_fraction": share(duplicate_gram_chars(words, n), chars) for n in range(5, 11)},
    }


def kernel(texts: Sequence[str]) -> list[dict[str, float]]:
    return rows(text_array(list(texts)))


def rows(texts: pa.Array) -> list[dict[str, float]]:
    columns = compute_signals(TEXT, pa.table({"text": texts}))
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(texts))]


PIECES = st.sampled_from(
    ["a", "b", "the", "The,", "lorem ipsum", " ", " ", "\n", "\n\n", "\r\n", "...", "…", ".", "#", "{", "- ", "• ",
     "* ", "é", "e\u0301", "中。", "！", "🎉", "\u2028", "\u3000", "\x85", "\t", "”", "')", "x.", "Y!", "Æ", "×",
     "\ufe0f", "1"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=120).map("".join) | st.text(max_size=60)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["", "a a", ". . ...."])
def test_the_compiled_statistics_equal_the_plain_twin(texts: list[str]) -> None:
    assert kernel(texts) == [pytest.approx(twin(text), abs=1e-12) for text in texts]


def test_awkward_text_has_the_statistics_of_the_twin(awkward_text: str) -> None:
    assert kernel(["before", awkward_text, "after"])[1] == pytest.approx(twin(awkward_text), abs=1e-12)


def test_a_slice_of_a_column_is_read_at_its_own_offsets() -> None:
    column = text_array(["skipped words here", "one two.", "three"]).slice(1, 2)
    assert rows(column) == [pytest.approx(twin("one two.")), pytest.approx(twin("three"))]


def test_every_space_of_python_separates_words_and_nothing_else_does() -> None:
    everything = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    columns = compute_signals(TEXT, pa.table({"text": text_array([f"a{char}b" for char in everything])}))
    assert {everything[i] for i in np.flatnonzero(columns["num_words"] == 2)} == set(SPACES)


def test_every_code_point_is_a_letter_exactly_where_the_definition_says() -> None:
    everything = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 and not chr(c).isspace()]
    columns = compute_signals(TEXT, pa.table({"text": text_array(everything)}))
    assert (columns["alphabetic_word_fraction"] == 1.0).tolist() == [letter(char) for char in everything]


def test_copies_after_the_first_count_as_duplicate_lines() -> None:
    text = "\n".join(["a"] * 4 + list("bcdefg"))  # DCLM would say 0.40, datatrove 0.30
    assert kernel([text])[0]["duplicate_line_fraction"] == pytest.approx(0.30)


def test_a_top_gram_covers_its_occurrences_with_their_inner_space() -> None:
    assert kernel(["ab cd x ab cd"])[0]["top_2_gram_char_fraction"] == pytest.approx(2 * 5 / 13)


def test_a_gram_that_occurs_once_repeats_nothing() -> None:
    assert kernel(["one two three four"])[0]["top_2_gram_char_fraction"] == 0.0


def test_duplicate_grams_are_skipped_whole() -> None:
    words = ["a", "b", "c", "d", "e"]
    assert kernel([" ".join(words * 3)])[0]["duplicate_5_gram_char_fraction"] == pytest.approx(10 / 29)


def test_a_blank_line_with_spaces_parts_paragraphs() -> None:
    assert kernel(["a\n \t\nb\nc"])[0]["num_paragraphs"] == 2


def test_an_empty_column_has_no_rows() -> None:
    assert kernel([]) == []
