"""`words@2` against a slow plain-Python twin, on awkward text."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import TextView, text_array, text_view
from curation.text_kernels import shingle_sets, window_hashes, word_counts, word_hashes
from curation.words import split_words

MASK = (1 << 64) - 1
BLOCKS = ((0, 0x7FF), (0x2000, 0x206F), (0x3000, 0x303F), (0xFEFF, 0xFFEF))
AWKWARD_CHARACTERS = st.one_of(*(st.characters(min_codepoint=a, max_codepoint=b) for a, b in BLOCKS))
NO_LIMIT = 1 << 40
AWKWARD = [
    "",
    "word",
    "no newline at the end",
    "two\r\nlines\r\nof CRLF",
    "emoji \U0001f600 and \U0001f469\u200d\U0001f4bb joined",
    "\u6f22\u5b57\u304b\u306a and latin",
    "e\u0301 combining cafe\u0301",
    "bell \x07 and escape \x1b[0m",
    "x" * 5000,
    "UPPER lower MiXeD 123 4five",
    "it's a well-known under_score",
    " \n\t ",
    "\u00c4 \u00e4 \u0130 \u023a \u03a3\u03c2 \u0416",
    "\u201cdon\u2019t\u201d\u2014so\u2026no\u00a0break\u3000\u300c\u65e5\u3005\u300d\uff0c\uff21\uff42\uff11\uff0b",
    "\ufeffso\u00adft\u200d \u200d\u2060 \u200bzero\u200bwidth\u200c\u200f",
]


def words_of(text: str) -> list[bytes]:
    """Cut `text` into words@2."""
    return [word.encode() for word in split_words(text)]


def mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def hash_of(word: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in word:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return mixed(value)


def window_of(words: list[bytes]) -> int:
    value = 0
    for word in words:
        value = (value * 0x9E3779B97F4A7C13 + hash_of(word)) & MASK
    return mixed(value) | 1


def shingles_of(text: str, ngram: int, max_words: int = NO_LIMIT) -> list[int]:
    words = words_of(text)[:max_words]
    if not words:
        return []
    if len(words) < ngram:
        return [mixed((window_of(words) + 0xD6E8FEB86659FD93 * len(words)) & MASK) | 1]
    return sorted({window_of(words[i : i + ngram]) for i in range(len(words) - ngram + 1)})


def view(*texts: str) -> TextView:
    return text_view(text_array(list(texts)))


def hashes_of(text: str) -> list[int]:
    texts = view(text)
    hashes: list[int] = word_hashes(texts.data, texts.offsets, word_counts(texts.data, texts.offsets)).tolist()
    return hashes


def sets_of(texts: TextView, ngram: int, max_words: int = NO_LIMIT) -> list[list[int]]:
    starts, values = shingle_sets(texts, ngram, max_words)
    return [values[a:b].tolist() for a, b in itertools.pairwise(starts)]


@settings(max_examples=300, deadline=None)
@given(st.text(st.one_of(AWKWARD_CHARACTERS, st.characters(codec="utf-8")), max_size=40))
def test_word_hashes_equal_the_plain_twin_on_any_text(text: str) -> None:
    assert hashes_of(text) == [hash_of(word) for word in words_of(text)]


def test_every_character_counts_as_the_plain_twin_says() -> None:
    characters = [chr(code) for code in range(0x11000) if not 0xD800 <= code <= 0xDFFF]
    texts = [f"a{char}b{char}" for char in characters]
    columns = view(*texts)
    counts = word_counts(columns.data, columns.offsets)
    assert counts.tolist() == [len(words_of(text)) for text in texts]
    expected = [hash_of(word) for text in texts for word in words_of(text)]
    assert word_hashes(columns.data, columns.offsets, counts).tolist() == expected


def test_a_text_cut_inside_a_character_is_read_within_its_bounds() -> None:
    data = np.frombuffer("a\u201cb".encode(), np.uint8)
    for end in range(len(data) + 1):
        assert word_counts(data, np.array([0, end], np.int64)).tolist()[0] <= 2


def test_word_hashes_equal_the_slow_twin_on_awkward_text() -> None:
    texts = view(*AWKWARD)
    counts = word_counts(texts.data, texts.offsets)
    assert counts.tolist() == [len(words_of(text)) for text in AWKWARD]
    expected = [hash_of(word) for text in AWKWARD for word in words_of(text)]
    assert word_hashes(texts.data, texts.offsets, counts).tolist() == expected


@pytest.mark.parametrize("ngram", [1, 2, 5])
def test_shingle_sets_equal_the_slow_twin_on_awkward_text(ngram: int) -> None:
    assert sets_of(view(*AWKWARD), ngram) == [shingles_of(text, ngram) for text in AWKWARD]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="aAbB1 -\u00e9\u6f22\n", max_size=60), max_size=5), st.integers(1, 6))
def test_shingle_sets_equal_the_slow_twin_on_any_text(documents: list[str], ngram: int) -> None:
    assert sets_of(view(*documents), ngram) == [shingles_of(text, ngram) for text in documents]


def test_slice_offsets_of_the_arrow_array_are_honoured() -> None:
    sliced = text_view(pa.array(AWKWARD, pa.large_string()).slice(4, 3))
    assert sets_of(sliced, 2) == [shingles_of(text, 2) for text in AWKWARD[4:7]]


def test_words_beyond_the_limit_do_not_count() -> None:
    assert sets_of(view("a b c d e f"), 2, 3) == [shingles_of("a b c", 2)]


@pytest.mark.parametrize("texts", [["a b", " . "], [" ", "a", "...", "b c "], ["\u00bf \u201c", "x"]])
def test_hashes_of_documents_without_words_leave_their_neighbours_alone(texts: list[str]) -> None:
    view = text_view(text_array(texts))
    counts = word_counts(view.data, view.offsets)
    assert counts.tolist() == [len(words_of(text)) for text in texts]
    hashes = [hash_of(word) for text in texts for word in words_of(text)]
    assert word_hashes(view.data, view.offsets, counts).tolist() == hashes


def test_a_short_document_shares_no_shingle_with_a_window_of_another() -> None:
    short, full = sets_of(view("a b c", "a b c d e"), 5)
    assert not set(short) & set(full)
    assert short != sets_of(view("a b"), 5)[0]


def test_windows_do_not_span_documents() -> None:
    texts = view("a b c", "d", "e f")
    expected = [window_of(pair) for pair in ([b"a", b"b"], [b"b", b"c"], [b"e", b"f"])]
    assert window_hashes(texts.data, texts.offsets, 2).tolist() == expected


def test_numbers_are_not_folded() -> None:
    first, second = sets_of(view("1 2 3 4 5", "1 2 3 4 6"), 5)
    assert first != second


def test_an_empty_column_has_no_shingles() -> None:
    starts, values = shingle_sets(view(), 5, NO_LIMIT)
    assert starts.tolist() == [0]
    assert values.dtype == np.uint64
    assert len(values) == 0
