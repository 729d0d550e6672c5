"""Unicode classes and words against Python's `str` methods, `uniseg` and fastText's own tokenizer."""

from __future__ import annotations

import re
import unicodedata
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from filters.signal_sets.unicode_classes import NUM_CODE_POINTS, WORD_BREAKS, unicode_classes

BITS = {"isalpha": 5, "isalnum": 6, "isupper": 7, "isdigit": 8, "isdecimal": 9, "isspace": 10}

PIECES = st.sampled_from(
    ["a", "Bc", "1", "23", ".", ",", "'", '"', ":", "_", "-", " ", "  ", "\n", "\r", "\x0b", "\x85", "\u200d",
     "\u00ad", "e\u0301", "\u0301", "א", "ב", "״", "ア", "ｶﾞ", "中", "文", "한", "ไทย", "🇩", "🇪", "👩", "👧🏽",
     "\u2060", "·", "‿", "١", "\u3000", "\x00", "§", "’", "can't", "3.14", "U.S.", "\uff9e", "ℹ", "Ⓐ", "²", "½"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=40)


def segments(text: str) -> list[str]:
    from filters.signal_sets.unicode_words_kernels import next_break

    view = text_view(text_array([text]))
    raw = bytes(view.data[: view.offsets[1]])
    found, at = [], 0
    while at < len(raw):
        end, chars = next_break(view.data, at, len(raw), unicode_classes())
        found.append(raw[at:end].decode())
        assert len(found[-1]) == chars
        at = end
    return found


@pytest.mark.parametrize("method", sorted(BITS))
def test_the_class_bits_are_what_the_str_methods_say(method: str) -> None:
    bits = unicode_classes() >> BITS[method] & 1
    said = np.array([getattr(chr(code), method)() for code in range(NUM_CODE_POINTS)], np.uint16)
    differing = np.flatnonzero(bits != said)
    newer = unicodedata.unidata_version != "14.0.0"  # a later Python knows later letters
    assert len(differing) <= (10_000 if newer else 0)


def test_a_word_code_of_re_is_alphanumeric_or_an_underscore() -> None:
    bits = unicode_classes() >> BITS["isalnum"] & 1
    for code in (*range(0x3000), 0x24B6, 0x2160, 0xFF9E):
        assert bool(re.match(r"\w", chr(code))) == bool(bits[code] or chr(code) == "_")


def test_word_break_values_of_known_code_points() -> None:
    known = {
        "a": "ALetter", "1": "Numeric", "_": "ExtendNumLet", "'": "Single_Quote", "\u0301": "Extend",
        "א": "Hebrew_Letter", "ア": "Katakana", " ": "WSegSpace", "\u200d": "ZWJ", "\u00ad": "Format", ":": "MidLetter",
        ",": "MidNum", ".": "MidNumLet", "中": "Other", "\U0001f1e6": "Regional_Indicator", "\r": "CR", "\n": "LF",
        "\x0b": "Newline",
    }  # fmt: skip
    assert {char: WORD_BREAKS[unicode_classes()[ord(char)] & 31] for char in known} == known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("can't U.S. 3.14 1,000", ["can't", " ", "U.S", ".", " ", "3.14", " ", "1,000"]),
        ("a.b:c d_e f-g", ["a.b:c", " ", "d_e", " ", "f", "-", "g"]),
        ("a. 'b'", ["a", ".", " ", "'", "b", "'"]),
        ("中文", ["中", "文"]),
        ("アイ", ["アイ"]),
        ('ב"ב א\' a"b', ['ב"ב', " ", "א'", " ", "a", '"', "b"]),
        ("e\u0301a \u0301", ["e\u0301a", " \u0301"]),
        ("👩\u200d👧x", ["👩\u200d👧", "x"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("a  b\r\n\n", ["a", "  ", "b", "\r\n", "\n"]),
    ],
)  # from the rules of UAX #29, by hand
def test_segments_follow_the_rules_of_uax_29(text: str, words: list[str]) -> None:
    assert segments(text) == words


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_segments_are_those_of_uniseg(text: str) -> None:
    wordbreak = import_module("uniseg.wordbreak")
    assert segments(text) == list(wordbreak.words(text))


def test_word_break_values_are_those_of_uniseg() -> None:
    wordbreak = import_module("uniseg.wordbreak")
    said = [wordbreak.word_break(chr(code)).value for code in range(NUM_CODE_POINTS)]
    assert [WORD_BREAKS[value] for value in unicode_classes() & 31] == said


def fasttext_words(text: str) -> list[str]:
    return [word for word in re.split("[ \t\n\x0b\x0c\r\x00]+", text) if word and word[0].isalnum()]


def count_fasttext_words(text: str) -> int:
    from filters.signal_sets import unicode_words_kernels as kernels

    view = text_view(text_array([text]))
    return int(kernels.count_fasttext_words(view.data, 0, int(view.offsets[1]), unicode_classes()))


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_fasttext_words_are_those_of_its_own_tokenizer(text: str) -> None:
    fasttext = import_module("fasttext")
    own = [word for word in fasttext.FastText.tokenize(text) if word[0].isalnum()]
    assert fasttext_words(text) == own
    assert count_fasttext_words(text) == len(own)


def test_awkward_text_is_cut_without_loss(awkward_text: str) -> None:
    assert "".join(segments(awkward_text)) == awkward_text


def test_the_table_is_read_only_and_shared() -> None:
    assert unicode_classes() is unicode_classes()
    assert not unicode_classes().flags.writeable
