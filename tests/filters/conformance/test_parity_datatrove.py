"""The same verdict as the installed datatrove filters on real documents of the shared pool.

Documents are spread over the pool's sources as evenly as these go. The default test reads each document's first 5,000
characters; the slow one whole documents of up to `MAX_CHARS` characters. Disagreements are explained in docs/dialects.md.
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

FAMILIES = ("gopher-quality/datatrove", "gopher-repetition/datatrove", "fineweb/datatrove")
MIN_AGREEMENT = 0.995
MAX_CHARS = 100_000
SMALL_CHARS = 5_000


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
    found = []
    for source in sorted(path for path in (shared / "pool").iterdir() if path.is_dir()):
        texts = [text[:max_chars] for text in texts_of(source) if cut or len(text) <= max_chars]
        found.append(texts)
    picked = shares([len(texts) for texts in found], total)
    return [
        texts[i * len(texts) // num] for texts, num in zip(found, picked, strict=True) if num for i in range(num)
    ]


def agreement(family: str, texts: list[str], our_reasons: Any, datatrove_reasons: Any) -> float:
    """Return the share of texts that both keep or both drop; disagreements are printed."""
    ours, theirs = our_reasons(family, texts), datatrove_reasons(family, texts)
    differing = [i for i in range(len(texts)) if (ours[i] is None) != (theirs[i] is None)]
    for i in differing:
        print(f"{family}: ours {ours[i]}, datatrove {theirs[i]}: {texts[i][:80]!r}")
    return 1 - len(differing) / len(texts)


@pytest.fixture(scope="module")
def thousand(shared: Path) -> list[str]:
    return spread(shared, 1_000, SMALL_CHARS, cut=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_thousand_pool_documents_get_datatroves_verdict(
    family: str, thousand: list[str], our_reasons: Any, datatrove_reasons: Any
) -> None:
    assert len(thousand) == 1_000
    assert agreement(family, thousand, our_reasons, datatrove_reasons) >= MIN_AGREEMENT


@pytest.fixture(scope="module")
def twenty_thousand(shared: Path) -> list[str]:
    return spread(shared, 20_000, MAX_CHARS, cut=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_thousand_pool_documents_get_datatroves_verdict(
    family: str, twenty_thousand: list[str], our_reasons: Any, datatrove_reasons: Any
) -> None:
    assert len(twenty_thousand) == 20_000
    assert agreement(family, twenty_thousand, our_reasons, datatrove_reasons) >= MIN_AGREEMENT
