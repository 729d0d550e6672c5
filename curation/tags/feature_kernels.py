"""Hashed words and character n-grams of documents, and their projection, a document at a time: `tag-features@1`.

Only the head of a document counts, cut at a character's end. Words are those of `words@2`, but pictographs
(U+1F000-U+1FFFF) separate; character n-grams are windows over a word's folded characters with one blank before and
one behind, so they work where nothing separates words. Every feature is hashed to one of a power of two of buckets.
A row is the sum of (1 + ln count) times the bucket's row of the projection, in the order of first occurrence, scaled to
length 1: a document's row depends on no other document, on no batch and on no linear algebra library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel
from curation.text_kernels import BYTES, FNV_OFFSET, FNV_PRIME, IGNORED, OFFSETS, SEPARATES, character, hash_on, mix

FEATURES_VERSION = "tag-features@1"
MIN_CHARS = 20
"""Fewer characters in words say nothing of a topic; such a document has no row."""
BLANK = np.uint64(32)
MAX_CHAR_NGRAM = 8

SHAPE = "uint64[::1]"
"""Buckets, head in bytes, whether words count, length of character n-grams (0: none), seeds of words and of n-grams."""


@kernel(lean=True)
def cut_head(data: Any, start: int, end: int, head: Any) -> int:
    """Return where the head of a document ends: at most `head` bytes, at the end of a character."""
    if end - start <= head:
        return end
    end = start + head
    while end > start and (data[end] & 0xC0) == 0x80:
        end -= 1
    return end


@kernel(lean=True)
def add_feature(value: Any, counts: Any, touched: Any, num: int) -> int:
    """Count one feature; return the number of distinct ones so far."""
    bucket = np.int64(value & np.uint64(len(counts) - 1))
    if counts[bucket] == 0:
        touched[num] = bucket
        num += 1
    counts[bucket] += 1
    return num


@kernel(lean=True)
def add_ngram(ring: Any, filled: int, length: Any, value: Any, seed: Any, counts: Any, touched: Any, num: int) -> int:
    """Put one more character behind the last `length - 1` and count the n-gram that it completes."""
    for i in range(length - 1):
        ring[i] = ring[i + 1]
    ring[length - 1] = value
    if filled + 1 < length:
        return num
    hashed = FNV_OFFSET
    for i in range(length):
        hashed = (hashed ^ ring[i]) * FNV_PRIME
    return add_feature(mix(hashed ^ seed), counts, touched, num)


@kernel(lean=True)
def read_character(data: Any, place: int, end: int, word: Any) -> Any:
    """Return (bytes, value, hash of the word so far) of what stands at `place`; value 0 separates, 1 is ignored."""
    lead = data[place]
    if lead == 0xF0 and place + 1 < end and data[place + 1] == 0x9F:
        return min(4, end - place), np.uint64(SEPARATES), word
    width, sign = character(data, place, end)
    if sign <= IGNORED:
        return np.int64(width), np.uint64(sign), word
    if lead < 0xE0 or width > 1:
        return np.int64(width), np.uint64(sign), hash_on(word, sign)
    width = min(3 if lead < 0xF0 else 4, end - place)
    value = np.uint64(0)
    for i in range(width):
        byte = np.uint64(data[place + i])
        value |= byte << np.uint64(8 * i)
        word = (word ^ byte) * FNV_PRIME
    return np.int64(width), value, word


@kernel()
def count_features(data: Any, start: int, end: int, shape: Any, counts: Any, touched: Any) -> Any:
    """Count the features of `data[start:end]`; return (distinct features, characters in words).

    `counts` must be all zero; the buckets that are not afterwards are the first places of `touched`.
    """
    use_words, length = shape[2] != 0, np.int64(shape[3])
    ring = np.zeros(MAX_CHAR_NGRAM, np.uint64)
    num, num_chars, filled, inside, word, place = 0, 0, 0, False, FNV_OFFSET, start
    while place <= end:
        width, value = 1, np.uint64(SEPARATES)
        if place < end:
            width, value, word = read_character(data, place, end, word)
        place += width
        if value == np.uint64(IGNORED):
            continue
        if value != np.uint64(SEPARATES):
            if length > 0:
                if not inside:
                    num = add_ngram(ring, 0, length, BLANK, shape[5], counts, touched, num)
                    filled = 1
                num = add_ngram(ring, filled, length, value, shape[5], counts, touched, num)
                filled += 1
            inside = True
            num_chars += 1
        elif inside:
            if length > 0:
                num = add_ngram(ring, filled, length, BLANK, shape[5], counts, touched, num)
            if use_words:
                num = add_feature(mix(mix(word) ^ shape[4]), counts, touched, num)
            inside, word = False, FNV_OFFSET
    return num, num_chars


@kernel(f"Tuple((int64[::1], int32[::1], int32[::1]))({BYTES}, {OFFSETS}, {SHAPE})")
def feature_lists(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], shape: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return (starts, buckets, counts) of the features of all documents; too short a document has none."""
    room = 0
    for doc in range(len(offsets) - 1):
        room += min(2 * min(offsets[doc + 1] - offsets[doc], np.int64(shape[1])) + 2, np.int64(shape[0]))
    scratch, touched = np.zeros(np.int64(shape[0]), np.int32), np.empty(np.int64(shape[0]), np.int64)
    starts = np.zeros(len(offsets), np.int64)
    buckets, numbers = np.empty(room, np.int32), np.empty(room, np.int32)
    total = 0
    for doc in range(len(offsets) - 1):
        end = cut_head(data, offsets[doc], offsets[doc + 1], np.int64(shape[1]))
        num, num_chars = count_features(data, offsets[doc], end, shape, scratch, touched)
        for i in range(num):
            if num_chars >= MIN_CHARS:
                buckets[total] = touched[i]
                numbers[total] = scratch[touched[i]]
                total += 1
            scratch[touched[i]] = 0
        starts[doc + 1] = total
    return starts, buckets[:total].copy(), numbers[:total].copy()


@kernel(f"float32[:, ::1]({BYTES}, {OFFSETS}, {SHAPE}, Array(float32, 2, 'C', True))")
def project_documents(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    shape: npt.NDArray[np.uint64],
    projection: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return the unit row of each document; zero for too short a one and for one of unknown features alone."""
    scratch, touched = np.zeros(np.int64(shape[0]), np.int32), np.empty(np.int64(shape[0]), np.int64)
    dims = projection.shape[1]
    out = np.zeros((len(offsets) - 1, dims), np.float32)
    total = np.empty(dims, np.float64)
    for doc in range(len(offsets) - 1):
        end = cut_head(data, offsets[doc], offsets[doc + 1], np.int64(shape[1]))
        num, num_chars = count_features(data, offsets[doc], end, shape, scratch, touched)
        total[:] = 0.0
        for i in range(num):
            bucket = touched[i]
            weight = 1.0 + np.log(np.float64(scratch[bucket]))
            scratch[bucket] = 0
            for j in range(dims):
                total[j] += weight * projection[bucket, j]
        length = 0.0
        for j in range(dims):
            length += total[j] * total[j]
        if num_chars >= MIN_CHARS and length > 0.0:
            for j in range(dims):
                out[doc, j] = total[j] / np.sqrt(length)
    return out


@kernel("Tuple((int64[::1], float32[::1]))(float32[:, ::1], Array(float32, 2, 'C', True))")
def nearest_centroids(
    rows: npt.NDArray[np.float32], centroids: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the nearest centroid of each row, the first of equally near ones (-1 for a zero row), and its cosine."""
    nearest, best = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.float32)
    for row in range(len(rows)):
        empty = True
        for j in range(rows.shape[1]):
            empty = empty and rows[row, j] == 0.0
        if empty:
            continue
        for cluster in range(len(centroids)):
            cosine = 0.0
            for j in range(rows.shape[1]):
                cosine += np.float64(rows[row, j]) * np.float64(centroids[cluster, j])
            if nearest[row] < 0 or np.float32(cosine) > best[row]:
                nearest[row], best[row] = cluster, np.float32(cosine)
    return nearest, best
