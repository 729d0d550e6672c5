"""Features and rows of tag models against plain-Python twins, on awkward text."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from curation.tags.feature_kernels import MIN_CHARS, feature_lists, nearest_centroids, project_documents
from curation.tags.settings import FeatureSettings
from curation.words import folded

ALL = (1 << 64) - 1
AWKWARD = [
    "",
    "word",
    "no newline, one\r\nCRLF line and another\rold one",
    "the quick brown fox jumps over the lazy dog again and again " * 20,
    "\U0001f600\U0001f680 emoji \U0001f1e9\U0001f1ea between the words of a text that goes on",
    "\U0001f600" * 100,
    "港口是由来自北方的人们建造的他们来此与邻居进行贸易往来港口是由来自北方的人们建造的",
    "ｆｕｌｌ　ｗｉｄｔｈ ＴＥＸＴ that folds, as ÉCOLE and ŒUVRE do, soft\u00adhyphen, zero\u200bwidth",
    "e\u0301 combining marks o\u0308 and \U00020000 a rare ideograph in the text",
    "x" * 1_000_000,
    "Старая гавань была построена людьми, которые пришли с севера",
]


def mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & ALL
    value = (value ^ value >> 27) * 0x94D049BB133111EB & ALL
    return value ^ value >> 31


def fnv(values: list[int]) -> int:
    found = 0xCBF29CE484222325
    for value in values:
        found = (found ^ value) * 0x100000001B3 & ALL
    return found


def features(text: str, settings: FeatureSettings) -> Counter[int]:
    """Return the features of a text by the definition, a character at a time."""
    shape = [int(number) for number in settings.shape()]
    head = text.encode()[: settings.head_bytes].decode("utf-8", "ignore")
    signs = [" " if 0x1F000 <= ord(char) <= 0x1FFFF else folded(char) for char in head]
    found: Counter[int] = Counter()
    words = [word for word in "".join(signs).split(" ") if word]
    if sum(map(len, words)) < MIN_CHARS:
        return found
    for word in words:
        if settings.words:
            found[mix(mix(fnv(list(word.encode()))) ^ shape[4]) & settings.buckets - 1] += 1
        padded = [32, *(int.from_bytes(char.encode(), "little") for char in word), 32]
        for i in range(len(padded) - settings.chars + 1 if settings.chars else 0):
            found[mix(fnv(padded[i : i + settings.chars]) ^ shape[5]) & settings.buckets - 1] += 1
    return found


def kernel_features(texts: list[str], settings: FeatureSettings) -> list[Counter[int]]:
    view = text_view(text_array(texts))
    starts, buckets, counts = feature_lists(view.data, view.offsets, settings.shape())
    pairs = list(zip(buckets.tolist(), counts.tolist(), strict=True))
    return [Counter(dict(pairs[a:b])) for a, b in pairwise(starts)]


@pytest.mark.parametrize(
    "given_settings", [{}, {"chars": 0}, {"words": False, "chars": 4}, {"buckets": 256, "head_bytes": 99}]
)
def test_features_are_those_of_a_plain_twin(given_settings: dict[str, int]) -> None:
    chosen = FeatureSettings(**given_settings)  # type: ignore[arg-type]
    assert kernel_features(AWKWARD, chosen) == [features(text, chosen) for text in AWKWARD]


@settings(max_examples=40)
@given(st.lists(st.text(max_size=80), max_size=4))
def test_features_of_any_text_are_those_of_the_twin(texts: list[str]) -> None:
    chosen = FeatureSettings(buckets=4096, head_bytes=64)
    assert kernel_features(texts, chosen) == [features(text, chosen) for text in texts]


def test_a_row_is_the_weighted_sum_of_its_features_scaled_to_length_one() -> None:
    chosen = FeatureSettings(buckets=1024)
    projection = np.random.default_rng(0).standard_normal((1024, 5)).astype(np.float32)
    view = text_view(text_array(AWKWARD))
    rows = project_documents(view.data, view.offsets, chosen.shape(), projection)
    for text, row in zip(AWKWARD, rows, strict=True):
        found = features(text, chosen)
        total = sum(((1 + math.log(n)) * projection[b].astype(np.float64) for b, n in found.items()), np.zeros(5))
        expected = total / np.linalg.norm(total) if found else total
        assert row == pytest.approx(expected, abs=1e-6)


def test_a_documents_row_depends_on_no_other_document_and_on_no_slice_of_the_column() -> None:
    chosen = FeatureSettings(buckets=1024)
    projection = np.random.default_rng(0).standard_normal((1024, 5)).astype(np.float32)

    def rows(column: object) -> bytes:
        view = text_view(column)  # type: ignore[arg-type]
        return project_documents(view.data, view.offsets, chosen.shape(), projection).tobytes()

    together = text_array([*AWKWARD, *AWKWARD])
    alone = b"".join(rows(text_array([text])) for text in AWKWARD)
    assert rows(together.slice(0, len(AWKWARD))) == alone
    assert rows(together.slice(len(AWKWARD))) == alone


def test_of_equally_near_centroids_the_first_is_taken_and_a_zero_row_has_none() -> None:
    rows = np.array([[1, 0], [0, 0], [0, -1]], np.float32)
    centroids = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    nearest, cosine = nearest_centroids(rows, centroids)
    assert (nearest.tolist(), cosine.tolist()) == ([1, -1, 1], [1.0, 0.0, 0.0])
