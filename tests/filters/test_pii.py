"""Counts of personal data: the scan that skips documents never changes a count."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.pii_patterns import PII_PATTERNS
from filters.signal_sets.pii import PII
from filters.signals import compute_signals

PIECES = st.sampled_from(
    ["a@b.co", "8.8.8.8", "10.0.0.1", "+49 30 901820", "(212) 555-0123", "4111 1111 1111 1111",
     "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "1.2.3", "@", "AB12", " ", "\n", ".", "-", "x", "é", "7",
     "+"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def counts(texts: list[str]) -> list[list[int]]:
    columns = compute_signals(PII, pa.table({"text": text_array(texts)}))
    return [[int(columns[signal.name][row]) for signal in PII.signals] for row in range(len(texts))]


@given(st.lists(TEXTS, max_size=3))
@example(["1.1.1.1", "", "+12345678"])
@settings(max_examples=500, deadline=None)
def test_the_counts_are_those_of_the_patterns_on_every_document(texts: list[str]) -> None:
    assert counts(texts) == [[sum(1 for _ in p.find(text)) for p in PII_PATTERNS.values()] for text in texts]


def test_one_of_each_is_counted() -> None:
    text = "a@b.co from 8.8.8.8, +49 30 901820; card 4111111111111111; IBAN DE89370400440532013000."
    assert counts([text]) == [[1, 1, 1, 1, 1]]


def test_awkward_text_holds_nothing(awkward_text: str) -> None:
    assert counts([awkward_text, "\0" + awkward_text]) == [[0] * 5] * 2


def test_ten_million_digits_are_survived() -> None:
    assert counts(["7" * 10_000_000]) == [[0] * 5]


def test_the_signals_are_named_after_the_patterns() -> None:
    assert [signal.name for signal in PII.signals] == [pattern.signal for pattern in PII_PATTERNS.values()]
