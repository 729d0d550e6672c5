"""Tokens by kind of bytes and by word, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.token_engines import TokenizedView, view_of
from curation.tokenizers import load_tokenizer
from leaderboard.protocols.token_spans import KINDS, byte_kinds, counts_by_kind, token_shares, word_counts


def kinds_of(*texts: str) -> list[str]:
    return [KINDS[code] for code in byte_kinds(view_of(texts))]


def slow_kind(code: int) -> str:
    char = chr(code)
    if code >= 0x80:
        return "beyond-ascii"
    if char == "\r":
        return "newline"
    if char.isalpha():
        return "letter"
    if char.isdigit():
        return "digit"
    return "bracket" if char in "()[]{}" else "operator" if char in "+-*/=<>!&|^~%@\\" else "other-sign"


def slow_kinds(text: str) -> list[str]:
    found = []
    for line in text.encode().split(b"\n"):
        own = [code for code in line if chr(code) in " \t"]
        begun = len(line) - len(line.lstrip(b" \t"))
        assert begun <= len(own)
        for place, code in enumerate(line):
            blank = "indentation" if place < begun else "other-blank"
            found.append(blank if chr(code) in " \t" else slow_kind(code))
        found.append("newline")
    return found[:-1]


@given(st.text(alphabet="aZ0 \t\n\r(+.é日\x00", max_size=40))
def test_kinds_are_those_of_a_slow_reading_line_by_line(text: str) -> None:
    assert kinds_of(text) == slow_kinds(text)


@given(st.lists(st.text(alphabet="a \n1(", max_size=8), max_size=5))
def test_every_document_is_read_as_if_it_were_alone(texts: list[str]) -> None:
    assert kinds_of(*texts) == [kind for text in texts for kind in kinds_of(text)]


def test_a_token_counts_on_its_bytes_alike() -> None:
    table = (b"\n    ", b"x", b"12", b"34")
    view = view_of(["x\n    1234"])
    encoded = TokenizedView(tokens=np.array([1, 0, 2, 3], np.uint16), offsets=np.array([0, 4]))
    found = counts_by_kind(view, token_shares(encoded, table))
    assert found["newline"].tokens == pytest.approx(1 / 5)
    assert found["indentation"].tokens == pytest.approx(4 / 5)
    assert (found["digit"].tokens_per_run, found["digit"].tokens_per_byte) == pytest.approx((2.0, 0.5))
    assert (found["indentation"].runs, found["letter"].runs, found["bracket"].runs) == (1, 1, 0)
    assert found["bracket"].tokens_per_byte is None


def test_runs_end_with_their_document() -> None:
    assert counts_by_kind(view_of(["12", "34", "", "5a6"]), np.ones(7))["digit"].runs == 4


@given(st.lists(st.text(max_size=30), max_size=4))
def test_tokens_of_all_kinds_add_up_to_the_tokens(texts: list[str]) -> None:
    tokenizer = load_tokenizer("ladder-pico@1")
    view = view_of(texts)
    encoded = tokenizer.encode(view)
    found = counts_by_kind(view, token_shares(encoded, tokenizer.file.table or ()))
    assert sum(one.tokens for one in found.values()) == pytest.approx(len(encoded.tokens))
    assert sum(one.num_bytes for one in found.values()) == sum(len(text.encode()) for text in texts)


def test_words_that_occur_once_are_counted_apart() -> None:
    found = word_counts(view_of(["cat cat zygote", " cat x"]), np.array([0.5] * 8 + [1.0] * 6 + [0.5] * 6))
    assert (found.words, found.rare_words) == (4, 1)
    assert found.tokens_per_rare_word == pytest.approx(6.0)
    assert found.tokens_per_word == pytest.approx((1.5 * 3 + 6) / 4)
    empty = word_counts(view_of([]), np.zeros(0))
    assert (empty.words, empty.tokens_per_word) == (0, None)
