"""Entropies and compression against a slow twin that follows the definitions."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.signal_sets.information import INFORMATION
from filters.signals import compute_signals

NAMES = [signal.name for signal in INFORMATION.signals]
TEXTS = st.text(alphabet=st.sampled_from("ab é中\n\u3000🎉"), max_size=60)


def entropy(items: Sequence[object]) -> float:
    return -sum(n / len(items) * math.log2(n / len(items)) for n in Counter(items).values())


def slowly(text: str) -> dict[str, float]:
    raw, words = text.encode(), text.split()
    grams = {n: [tuple(words[i : i + n]) for i in range(len(words) - n + 1)] for n in (2, 3)}
    return {
        "num_bytes": len(raw),
        "compression_ratio": len(zlib.compress(raw, 6)) / len(raw) if raw else 0,
        "byte_entropy": entropy(raw),
        "char_entropy": entropy(text),
        "word_entropy": entropy(words),
        "bigram_entropy": entropy(grams[2]),
        "trigram_entropy": entropy(grams[3]),
        "unique_word_fraction": len(set(words)) / len(words) if words else 0,
    }


def measured(texts: list[str], column: pa.Array | None = None) -> list[dict[str, float]]:
    columns = compute_signals(INFORMATION, pa.table({"text": text_array(texts) if column is None else column}))
    return [{name: float(columns[name][row]) for name in NAMES} for row in range(len(texts))]


@given(st.lists(TEXTS, max_size=4))
@example([""])
@example(["a", "", "b b b b"])
@settings(max_examples=200, deadline=None)
def test_every_column_is_what_the_definition_says(texts: list[str]) -> None:
    for text, columns in zip(texts, measured(texts), strict=True):
        assert columns == pytest.approx(slowly(text), rel=1e-9, abs=1e-9)


def test_awkward_text_is_measured_as_defined(awkward_text: str) -> None:
    assert measured([awkward_text])[0] == pytest.approx(slowly(awkward_text), rel=1e-9, abs=1e-9)


def test_a_sliced_column_is_measured_as_its_own_rows() -> None:
    texts = ["left out", "one two two", "", "🎉 x"]
    assert measured(texts[1:], text_array(texts).slice(1)) == measured(texts[1:])


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [("ab" * 8, "byte_entropy", 1.0), ("a b c d", "word_entropy", 2.0), ("a a b b", "unique_word_fraction", 0.5)],
)
def test_values_worked_out_by_hand(text: str, name: str, value: float) -> None:
    assert measured([text])[0][name] == value


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_entropies_lie_between_zero_and_the_logarithm_of_the_count(text: str) -> None:
    columns = measured([text])[0]
    assert 0 <= columns["word_entropy"] <= math.log2(max(1, len(text.split()))) + 1e-9
    assert 0 <= columns["byte_entropy"] <= 8


def test_ten_million_characters_without_a_space_are_measured() -> None:
    columns = measured(["x" * 10_000_000])[0]
    assert columns["char_entropy"] == 0
    assert columns["compression_ratio"] < 0.002


def test_the_fingerprint_holds_the_library_whose_stream_is_measured() -> None:
    assert INFORMATION.params == {"zlib": zlib.ZLIB_RUNTIME_VERSION}
