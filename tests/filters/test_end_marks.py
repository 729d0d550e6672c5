"""Sentences by end marks: the definition on both sides, a plain twin, and Punkt itself where nothing is learnt."""

from __future__ import annotations

import re
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.signal_sets.end_marks_kernels import ABBREVIATIONS, count_sentences_by_marks
from filters.signal_sets.words_kernels import is_letter

QUOTES = "\u2018\u2019\u201c\u201d\xab\xbb"
CLOSING = re.compile(f"[\"')\\]}}{QUOTES}]+(?=\\s|--|$)")
PARTING = set(")\";}]*:@'({[?!" + QUOTES)
NUMBER = re.compile(r"[.,]?[0-9][0-9,.-]*")


def sentences(text: str) -> int:
    data = text.encode()
    out = np.zeros(1, np.int64)
    count_sentences_by_marks(np.frombuffer(data, np.uint8).copy(), np.array([[0, len(data)]], np.int64), out)
    return int(out[0])


def ends(word: str, following: str) -> bool:
    """Whether the mark at the end of `word` ends a sentence."""
    if "?" in word or "!" in word:
        return True
    if word.endswith(".."):
        return False
    token = re.split(f"[{re.escape(''.join(PARTING - set(QUOTES) - {chr(39)}))}]|(?=['{QUOTES}])", word[:-1])[-1]
    token = token.lstrip("-,&#`")
    if token.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")) in ABBREVIATIONS:
        return False
    if len(token) == 1 and is_letter(ord(token)):
        return not (following in ";:,.!?" or is_letter(ord(following)))
    return not (NUMBER.fullmatch(token) and (following in ";:,.!?" or "a" <= following <= "z"))


def twin(text: str) -> int:
    text = text.strip()
    words = list(re.finditer(r"\S+", text))
    count = 1 if words else 0
    for k, match in enumerate(words):
        word, is_last = match.group(), k + 1 == len(words)
        marks = [
            i
            for i, char in enumerate(word)
            if char in ".?!" and (word[i + 1] in PARTING if i + 1 < len(word) else not is_last)
        ]
        if not marks:
            continue
        rest = match.start() + marks[-1] + 1 if marks[-1] + 1 < len(word) else words[k + 1].start()
        if ends(word[: marks[-1] + 1], text[rest]):
            closing = CLOSING.match(text, rest)
            count += closing is None or closing.end() < len(text)
    return count


PIECES = st.sampled_from(
    ["a", "Foo", "J", "é", "5", "1,000", "e.g", "Mr", "u.s", ".", ".", "?", "!", "..", " ", " ", " ", '"', "'", ")",
     "(", "”", "’", "«", "--", "-", ",", ";", ":", "*", "[", "\n", "\u3000", "中", "#", "`", "@"]
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=30))
def test_the_count_equals_the_plain_twin(text: str) -> None:
    assert sentences(text) == twin(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        (" \n", 0),
        ("no mark", 1),
        ("One. Two. Three.", 3),
        ("One! Two? Three", 3),
        ("One.Two. Three", 2),
        ('He said "Go." Then he left.', 2),
        ("(One.) Two.", 2),
        ("One.[1] Two.", 2),
        ("Wait... What", 1),
        ("Wait..! What", 2),
        ("J. Smith came.", 1),
        ("Item 5. of many", 1),
        ("Item 5. Of many", 2),
        ("Mr. Smith, e.g. a man from the U.S. army, came. He left.", 2),
        ("Etc. The end.", 2),
        ("The end. ”", 1),
        ("这是。那是。", 1),
    ],
)
def test_sentences_of_a_written_example(text: str, expected: int) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "One. Two! Three? Four.",
        'He said "Go." Then (he left.) And more.',
        "J. Smith met A. Jones at No. 5. It was late.",
        "Wait... What is it? [It is.] Yes.",
        "Version 1.2.3 is out. See http://a.b/c?d=e. Done.",
        "“Quoted.” Unquoted. ‘Again.’",
        "Point 5. of the list. Point 6. Of the list.",
    ],
)
def test_without_listed_abbreviations_untrained_punkt_counts_the_same(text: str) -> None:
    punkt = import_module("nltk.tokenize.punkt")

    assert sentences(text) == len(list(punkt.PunktSentenceTokenizer().span_tokenize(text)))
