"""The same verdict as the installed datatrove filters on real documents of the shared pool.

Documents are spread over the pool's sources as evenly as these go. The default test reads each document's first 4,000
characters; the slow one 1,000 whole documents of up to `MAX_CHARS` characters, 20,000 in `make test-full`.
docs/dialects.md explains disagreements.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

FAMILIES = (
    "gopher-quality/datatrove",
    "gopher-repetition/datatrove",
    "fineweb/datatrove",
    "c4/datatrove",
    "c4-fineweb/datatrove",
)
MIN_AGREEMENT = 0.995
MAX_CHARS = 100_000
SMALL_CHARS = 4_000


def texts_of(source: Path) -> Iterator[str]:
    """Yield the texts of one source of the pool that are not empty."""
    for path in sorted(source.glob("*.jsonl.zst")):
        with path.open("rb") as file:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8"):
                text = json.loads(line).get("text")
                if text:
                    yield text


def shares(sizes: list[int], total: int) -> list[int]:
    """Return how many to take of each so that they sum to `total` and the largest take is the least possible."""
    taken = [0] * len(sizes)
    for rest, i in zip(range(len(sizes), 0, -1), np.argsort(sizes), strict=True):
        taken[i] = min(sizes[i], (total - sum(taken)) // rest)
    return taken


def spread(shared: Path, total: int, max_chars: int, cut: bool) -> list[str]:
    """Return `total` texts of the pool, evenly taken from each source, the longer ones cut or left out."""
    found: list[list[str]] = []
    for source in sorted(path for path in (shared / "pool").iterdir() if path.is_dir()):
        texts = [text[:max_chars] for text in texts_of(source) if cut or len(text) <= max_chars]
        found.append(texts)
    picked = shares([len(texts) for texts in found], total)
    return [texts[i * len(texts) // num] for texts, num in zip(found, picked, strict=True) if num for i in range(num)]


def all_reasons(texts: list[str], datatrove_reasons: Any) -> dict[str, list[str | None]]:
    """Return datatrove's reasons by family; document by document, as it keeps the words of the last few."""
    rows = [[datatrove_reasons(family, [text])[0] for family in FAMILIES] for text in texts]
    return dict(zip(FAMILIES, map(list, zip(*rows, strict=True)), strict=True))


def agreement(family: str, texts: list[str], ours: list[str | None], theirs: list[str | None]) -> float:
    """Return the share of texts that both keep or both drop; disagreements are printed."""
    differing = [i for i in range(len(texts)) if (ours[i] is None) != (theirs[i] is None)]
    for i in differing:
        print(f"{family}: ours {ours[i]}, datatrove {theirs[i]}: {texts[i][:80]!r}")
    return 1 - len(differing) / len(texts)


Judged = tuple[list[str], dict[str, list[str | None]]]


@pytest.fixture(scope="module")
def thousand(shared: Path, datatrove_reasons: Any) -> Judged:
    texts = spread(shared, 1_000, SMALL_CHARS, cut=True)
    return texts, all_reasons(texts, datatrove_reasons)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_thousand_pool_documents_get_datatroves_verdict(family: str, thousand: Judged, our_reasons: Any) -> None:
    texts, theirs = thousand
    assert len(texts) == 1_000
    assert agreement(family, texts, our_reasons(family, texts), theirs[family]) >= MIN_AGREEMENT


@pytest.fixture(scope="module")
def whole_documents(shared: Path, datatrove_reasons: Any, full: bool) -> Judged:
    texts = spread(shared, 20_000 if full else 1_000, MAX_CHARS, cut=False)
    return texts, all_reasons(texts, datatrove_reasons)


@pytest.mark.slow
@pytest.mark.xdist_group("parity-datatrove")  # minutes of datatrove: once, not once in each process
@pytest.mark.parametrize("family", FAMILIES)
def test_whole_pool_documents_get_datatroves_verdict(
    family: str, whole_documents: Judged, our_reasons: Any, full: bool
) -> None:
    texts, theirs = whole_documents
    assert len(texts) == (20_000 if full else 1_000)
    assert agreement(family, texts, our_reasons(family, texts), theirs[family]) >= MIN_AGREEMENT
