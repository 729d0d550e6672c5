"""C4 in datatrove's dialects against the installed filter itself on made-up text: verdict, and text where it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.rules import compute_columns, find_rule_set, judge_rows
from filters.signal_sets.c4_lines import clean_c4_lines

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "datatrove": ("c4/datatrove", {}),
    "fineweb": ("c4-fineweb/datatrove", {"filter_no_terminal_punct": False}),
}
PIECES = st.sampled_from(
    ["One two three. ", "Is it? ", "He said “no.” ", "Mr. Smith came! ", "a b c", "It's 5.", "[1]", "[edit]",
     " [2] [3]", "\n", "\n", ".\n", "...\n", "?!\n", "'\n", "\r", "\x0b", "\u2028", "  ", "\u3000", "javascript",
     "use cookies", "lorem ipsum", "{", "。", "é", "\u212a", "x" * 1001]
)  # fmt: skip


@pytest.mark.parametrize("dialect", VARIANTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=40), min_size=1, max_size=4))
def test_verdict_and_text_are_the_installed_filters(dialect: str, texts: list[str]) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4QualityFilter

    rule_set, constructor = VARIANTS[dialect]
    rules = find_rule_set(rule_set, "test").rules
    column = text_array(texts)
    kept = judge_rows(rules, compute_columns(rules, pa.table({"text": column})), np.ones(len(texts), np.bool_)).kept
    cleaned = clean_c4_lines(column, dialect).texts.to_pylist()
    documents = [Document(text=text, id="0") for text in texts]
    expected = [doc.text if C4QualityFilter(**constructor).filter(doc) is True else None for doc in documents]
    assert [text if stays else None for text, stays in zip(cleaned, kept, strict=True)] == expected
