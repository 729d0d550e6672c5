"""Inputs of the growth benchmark: every world has the same shares of copies, and words of its own."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.growth_inputs import Base, world_documents

NUM_DOCS, WORDS = 480, 120


@pytest.fixture(scope="module")
def base() -> Base:
    words = [f"word{i:04d}" for i in range(2_000)]
    stream = np.random.default_rng(1)
    documents = []
    for _ in range(NUM_DOCS):
        own = 2 + stream.integers(2_000, size=WORDS)
        codes = np.zeros(2 * WORDS, np.int32)  # a word, then a blank, every tenth time the end of a sentence
        codes[::2], codes[19::20] = own, 1
        documents.append(codes)
    pieces = pa.array([" ", ". ", *words], pa.large_string())
    starts = np.arange(NUM_DOCS + 1) * 2 * WORDS
    return Base(
        pieces=pieces,
        codes=np.concatenate(documents),
        starts=starts,
        sources=["web"] * NUM_DOCS,
        items=["benchmark item"],
    )


def test_every_world_repeats_the_same_share_of_its_documents(base: Base) -> None:
    for world in (0, 1, 57):
        texts, origins = world_documents(base, world, seed=1)
        planted = sum(text.endswith("benchmark item\n") for text in texts)
        assert len(texts) == len(origins) == NUM_DOCS + NUM_DOCS // 24 + NUM_DOCS // 6
        assert planted == len(texts) // 500
        exact = sum(count - 1 for count in Counter(texts).values())
        assert NUM_DOCS // 24 - planted <= exact <= NUM_DOCS // 24


def test_worlds_share_no_run_of_five_words(base: Base) -> None:
    runs = []
    for world in (0, 1):
        words = [text.replace(".", "").split() for text in world_documents(base, world, seed=1)[0]]
        runs.append({tuple(own[i : i + 5]) for own in words for i in range(len(own) - 4) if "benchmark" not in own})
    assert not runs[0] & runs[1]


def test_a_world_is_the_same_when_it_is_made_again(base: Base) -> None:
    assert world_documents(base, 3, seed=1) == world_documents(base, 3, seed=1)
