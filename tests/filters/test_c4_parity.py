"""C4 in datatrove's dialects against the installed filter on documents of the shared pool: verdict and cleaned text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from curation.batches import text_array
from filters.rules import compute_columns, find_rule_set, judge_rows
from filters.signal_sets.c4_lines import clean_c4_lines

SIZES = [
    pytest.param((1_000, 1_000, 3_000), id="1000"),
    pytest.param((4_000, 20_000, 8_000), id="many", marks=[pytest.mark.slow, pytest.mark.xdist_group("c4-parity")]),
]
"""(documents, in `make test-full`, characters of each): longer ones are cut, as spaCy reads some 0.5 MB a second."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "c4/datatrove": ("datatrove", {}),
    "c4-fineweb/datatrove": ("fineweb", {"filter_no_terminal_punct": False}),
}


def pool_documents(pool: Path) -> Iterator[str]:
    """Every native text of the pool, in the order of its files."""
    for path in sorted(pool.glob("*/*.jsonl.zst")):
        with path.open("rb") as raw:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8"):
                document = json.loads(line)
                if "text" in document:
                    yield document["text"]


@pytest.fixture(scope="module", params=SIZES)
def texts(shared: Path, request: pytest.FixtureRequest, full: bool) -> list[str]:
    """Documents of the pool, evenly taken."""
    sample, all_of_them, max_chars = request.param
    num_docs = all_of_them if full else sample
    found = [text[:max_chars] for text in pool_documents(shared / "pool")]
    return [found[i * len(found) // num_docs] for i in range(num_docs)]


def ours(rule_set: str, texts: Sequence[str]) -> list[str | None]:
    """The cleaned text of each document, None if the page is dropped."""
    rules = find_rule_set(rule_set, "test").rules
    columns = compute_columns(rules, pa.table({"text": text_array(list(texts))}))
    kept = judge_rows(rules, columns, np.ones(len(texts), np.bool_)).kept
    cleaned = clean_c4_lines(text_array(list(texts)), VARIANTS[rule_set][0]).texts.to_pylist()
    return [text if keep else None for text, keep in zip(cleaned, kept, strict=True)]


def theirs(rule_set: str, texts: Sequence[str]) -> list[str | None]:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4QualityFilter

    chosen = C4QualityFilter(**VARIANTS[rule_set][1])
    documents = [Document(text=text, id="0") for text in texts]
    return [document.text if chosen.filter(document) is True else None for document in documents]


def paragraph_verdicts(texts: Sequence[str]) -> tuple[list[bool], list[bool]]:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4ParagraphFilter

    rules = find_rule_set("mc4-paragraph/datatrove", "test").rules
    columns = compute_columns(rules, pa.table({"text": text_array(list(texts))}))
    chosen = C4ParagraphFilter()
    return (
        judge_rows(rules, columns, np.ones(len(texts), np.bool_)).kept.tolist(),
        [chosen.filter(Document(text=text, id="0")) is True for text in texts],
    )


@pytest.mark.parametrize("rule_set", VARIANTS)
def test_verdict_and_cleaned_text_are_datatroves_on_the_pool(texts: list[str], rule_set: str) -> None:
    assert ours(rule_set, texts) == theirs(rule_set, texts)


def test_the_paragraph_rule_is_datatroves_on_the_pool(texts: list[str]) -> None:
    mine, installed = paragraph_verdicts(texts)
    assert mine == installed
