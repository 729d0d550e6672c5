"""Band keys against a slow plain-Python twin, and their collision rate against the S-curve."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from curation.batches import TextView, text_array, text_view
from curation.dedup.params import Banding, candidate_probability
from curation.dedup.shingle_kernels import shingle_sets
from curation.dedup.signatures import (
    ShingleScratch,
    byte_digests,
    minhash_keys,
    permutations,
    signed,
    word_digests,
)
from curation.randomness import generator

MASK = (1 << 64) - 1
AWKWARD = [
    "",
    "word",
    "a b\r\nc d e f",
    "\U0001f600 \u6f22\u5b57 e\u0301",
    "\x01 \x1b[0m",
    "x" * 3000,
    " \n ",
    "a a a a a a a",
]


def view(texts: list[str]) -> TextView:
    return text_view(text_array(texts))


def mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def slow_keys(shingles: list[int], banding: Banding) -> list[int]:
    if not shingles:
        return [0] * banding.bands
    multipliers, addends = (array.tolist() for array in permutations(banding.bands * banding.rows))
    minima = [
        min((a * (s >> 32) + b) & 0xFFFFFFFF for s in shingles) for a, b in zip(multipliers, addends, strict=True)
    ]
    keys = []
    for band in range(banding.bands):
        key = band + 1
        for value in minima[band * banding.rows : (band + 1) * banding.rows]:
            key = (mixed(key ^ value) + 0x9E3779B97F4A7C15) & MASK
        keys.append(mixed(key) | 1)
    return keys


def test_band_keys_equal_the_slow_twin_on_awkward_text() -> None:
    banding = Banding(bands=3, rows=2, ngram=2)
    starts, values = shingle_sets(view(AWKWARD), chars=False, ngram=2, limit=1000)
    expected = [slow_keys(values[a:b].tolist(), banding) for a, b in pairwise(starts.tolist())]
    assert minhash_keys(view(AWKWARD), banding, 1000).T.tolist() == expected


@pytest.mark.parametrize("num_hashes", [1, 4, 7])
@pytest.mark.parametrize("num_words", [1, 15, 16, 17, 40])
def test_minima_of_any_numbers_of_shingles_and_permutations_equal_the_slow_twin(
    num_hashes: int, num_words: int
) -> None:
    banding = Banding(bands=1, rows=num_hashes, ngram=1)
    texts = view([" ".join(f"w{number}" for number in range(num_words)), "one", ""])
    starts, values = shingle_sets(texts, chars=False, ngram=1, limit=1000)
    expected = [slow_keys(values[a:b].tolist(), banding) for a, b in pairwise(starts.tolist())]
    assert minhash_keys(texts, banding, 1000).T.tolist() == expected


def test_kept_shingles_are_those_of_each_batch_though_the_scratch_is_used_again() -> None:
    banding, scratch = Banding(bands=1, rows=2, ngram=1), ShingleScratch()
    for texts in (["a b c a", "", "d"], ["e"], ["f g " * 500]):
        _, kept = signed(view(texts), banding, 1000, scratch=scratch)
        _, values = shingle_sets(view(texts), chars=False, ngram=1, limit=1000)
        assert set(kept.tolist()) == {value >> 32 for value in values.tolist()}
        assert len(kept) == sum(len(text.split()) for text in texts)


@pytest.mark.parametrize("jaccard", [0.5, 0.7, 0.8, 0.9])
def test_pairs_share_a_band_as_often_as_the_s_curve_says(jaccard: float) -> None:
    banding, pairs, union = Banding(bands=14, rows=8, ngram=1), 1500, 200
    shared = round(jaccard * union)
    stream = generator(7, "s-curve", str(jaccard))
    texts = []
    for _ in range(pairs):
        words = [f"{value:x}" for value in stream.integers(0, 1 << 62, union)]
        half = shared + (union - shared) // 2
        texts += [" ".join(words[:half]), " ".join(words[:shared] + words[half:])]
    keys = minhash_keys(view(texts), banding, 10_000)
    found = (keys[:, ::2] == keys[:, 1::2]).any(axis=0).mean()
    expected = candidate_probability(jaccard, banding)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / pairs) + 1e-3)


def test_more_bands_keep_the_first_permutations() -> None:
    assert permutations(8)[0].tolist() == permutations(200)[0].tolist()[:8]


def test_byte_digests_are_equal_exactly_for_equal_bytes() -> None:
    texts = [*AWKWARD, "word", "Word"]
    digests = [tuple(pair) for pair in byte_digests(view(texts)).T.tolist()]
    assert [[a == b for b in digests] for a in digests] == [[a == b for b in texts] for a in texts]


def test_word_digests_are_equal_exactly_for_equal_words() -> None:
    texts = ["A b!", "a  B", "ab", "a b c", "!!", "??", "!!", ""]
    words = [re.findall(r"\w+", text.lower()) or [text] for text in texts]
    digests = [tuple(pair) for pair in word_digests(view(texts)).T.tolist()]
    assert [[a == b for b in digests] for a in digests] == [[a == b for b in words] for a in words]
