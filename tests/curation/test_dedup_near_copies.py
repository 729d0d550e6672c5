"""The MinHash engine: bounds on memory, workers and parts never change what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from curation.dedup.near_copies import Engine, components, near_copies
from curation.dedup.pair_kernels import buckets_of_keys, equal_keys, jaccard
from curation.dedup.pool_docs import HeldDocs
from curation.dedup.presets import Banding
from curation.dedup.set_kernels import compact_sets
from curation.dedup.set_spill import SetSpill
from curation.dedup.shingle_kernels import shingle_sets
from curation.dedup.signatures import minhash_keys
from curation.progress import SilentProgress
from curation.randomness import generator

BANDING = Banding(bands=6, rows=2, ngram=2)
TINY = {"key_bytes": 64, "spill_bytes": 200}


def held(texts: list[str], num_parts: int = 1) -> HeldDocs:
    view = text_view(text_array(texts))
    keys = minhash_keys(view, BANDING, 1000)
    return HeldDocs(texts=view, signatures=keys, banding=BANDING, limit=1000, num_parts=num_parts)


def engine(folder: Path, workers: int = 1, **bounds: int) -> Engine:
    return Engine(folder=folder / "spill", workers=workers, progress=SilentProgress(), **bounds)


def related_texts(seed: int, count: int = 120) -> list[str]:
    """Return families of texts, each a few words away from another of its family."""
    stream = generator(seed, "related")
    texts: list[str] = []
    for number in range(count):
        words = [f"w{value}" for value in stream.integers(0, 400, 30)]
        if number % 4:
            words = texts[int(stream.integers(0, number))].split()
            for place in stream.integers(0, len(words), 3):
                words[place] = f"v{stream.integers(0, 400)}"
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("least", [0.6, None])
@pytest.mark.parametrize(("workers", "num_parts", "bounds"), [(2, 7, {}), (1, 1, TINY), (3, 5, TINY)])
def test_memory_workers_and_parts_change_nothing(
    tmp_path: Path, least: float | None, workers: int, num_parts: int, bounds: dict[str, int]
) -> None:
    texts = related_texts(3)
    plain = near_copies(held(texts), BANDING.bands, least, engine(tmp_path))
    other = near_copies(held(texts, num_parts), BANDING.bands, least, engine(tmp_path, workers, **bounds))
    assert (plain.witness >= 0).sum() > 30
    assert other.witness.tolist() == plain.witness.tolist()
    assert np.array_equal(other.similarity, plain.similarity, equal_nan=True)
    assert not (tmp_path / "spill").exists()


def test_every_verified_copy_is_of_a_document_that_stays(tmp_path: Path) -> None:
    copies = near_copies(held(related_texts(5)), BANDING.bands, 0.6, engine(tmp_path))
    dropped = np.flatnonzero(copies.witness >= 0)
    assert (copies.witness[copies.witness[dropped]] == -1).all()
    assert (copies.similarity[dropped] >= 0.6).all()
    assert np.isnan(copies.similarity[copies.witness < 0]).all()


def test_a_killed_spill_is_not_read(tmp_path: Path) -> None:
    texts = related_texts(7)
    expected = near_copies(held(texts), BANDING.bands, 0.6, engine(tmp_path))
    stale = SetSpill(folder=tmp_path / "spill", num_bands=6)
    stale.add(
        np.zeros(1, np.int32),
        np.zeros(1, np.int64),
        np.ones((6, 1), np.uint64),
        np.ones(1, np.int64),
        np.ones(1, np.uint32),
    )
    assert near_copies(held(texts), BANDING.bands, 0.6, engine(tmp_path)).witness.tolist() == expected.witness.tolist()


def joined_until_nothing_changes(keys: npt.NDArray[np.uint64]) -> list[int]:
    """Return the least document that each one reaches by pairs with an equal key, the slow and obvious way."""
    group = list(range(keys.shape[1]))
    before: list[int] = []
    while group != before:
        before = list(group)
        for a in range(len(group)):
            for b in range(len(group)):
                if (keys[:, a] == keys[:, b]).any():
                    group[a] = group[b] = min(group[a], group[b])
    return group


def test_components_are_those_of_the_definition(tmp_path: Path) -> None:
    docs = held(related_texts(9))
    expected = joined_until_nothing_changes(docs.keys(0, range(6)))
    assert 1 < len(set(expected)) < docs.num_docs
    assert components(docs, 6, engine(tmp_path, **TINY)).tolist() == expected


KEYS = st.lists(st.sampled_from([0, 1, 3, 5, (7 << 60) | 1, (7 << 60) | 3, (1 << 64) - 1]), max_size=40)


@settings(max_examples=200, deadline=None)
@given(keys=KEYS)
def test_equal_keys_pairs_each_document_with_the_first_of_its_key(keys: list[int]) -> None:
    found = equal_keys(np.array(keys, np.uint64), np.arange(len(keys)) * 10)
    expected = [(keys.index(key), place) for place, key in enumerate(keys) if key and keys.index(key) != place]
    assert list(zip(*(side.tolist() for side in found), strict=True)) == [(10 * a, 10 * b) for a, b in expected]


@settings(max_examples=200, deadline=None)
@given(keys=KEYS.filter(lambda keys: len(keys) % 2 == 0))
def test_buckets_hold_the_places_of_keys_that_occur_again(keys: list[int]) -> None:
    buckets, begins = buckets_of_keys(np.array(keys, np.uint64).reshape(-1, 2))
    flat = buckets.ravel().tolist()
    again = {key for key in keys if key and keys.count(key) > 1}
    assert [bucket >= 0 for bucket in flat] == [key in again for key in keys]
    named = {bucket: key for bucket, key in zip(flat, keys, strict=True) if bucket >= 0}
    assert sorted(named) == list(range(len(again)))
    assert np.diff(begins).tolist() == [keys.count(named[bucket]) for bucket in sorted(named)]


SETS = st.lists(st.integers(0, 40), max_size=30).map(lambda values: sorted(set(values)))


@settings(max_examples=300, deadline=None)
@given(a=SETS, b=SETS, least=st.sampled_from([0.1, 0.5, 0.7, 1.0]))
def test_jaccard_is_exact_from_the_bound_on(a: list[int], b: list[int], least: float) -> None:
    values = np.array([*a, *b], np.uint32)
    union = set(a) | set(b)
    expected = len(set(a) & set(b)) / len(union) if union else 0.0
    found: Any = jaccard(values, 0, len(a), len(a), len(a) + len(b), least) if union else 0.0
    assert found == expected if expected >= least else found < least


AWKWARD = [
    "",
    "word",
    "a b\r\nc d e f",
    "\U0001f600 漢字 é",
    "\x01 \x1b[0m",
    "x" * 3000,
    " \n ",
    "a a a a",
    "a b " * 400,
]


def test_compact_sets_are_the_top_halves_of_the_shingle_sets() -> None:
    view = text_view(text_array([*AWKWARD, *related_texts(1)]))
    starts, values = shingle_sets(view, chars=False, ngram=2, limit=1000)
    rows = np.arange(len(view))[::2].copy()
    sizes, compact = compact_sets(view.data, view.offsets, rows, 0, 2, 1000)
    expected = [np.unique(values[starts[row] : starts[row + 1]] >> np.uint64(32)) for row in rows]
    assert sizes.tolist() == [len(item) for item in expected]
    assert compact.tolist() == np.concatenate(expected).tolist()
