"""Entropies of bytes, code points, words and word n-grams of each document: the entry point `information`.

Entropy of a sample in bits: H = log2 n - (1/n) sum of c log2 c over the counts c of its n items; of nothing it is 0.
It is the empirical (plug-in) entropy, so it grows with the length of the text until the vocabulary is used up:
compare documents of like length. Words as in `words_kernels` (dialect `curate@1`), case-sensitive, by 64-bit hash.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.repetition_kernels import extend_grams, find_slot, table_mask
from filters.signal_sets.words_kernels import BYTES, OFFSETS, code_length, count_words, decode, split_words

NUM_COLUMNS = 7
NUM_CODES = 0x110000


@kernel()
def surprise(count: int) -> Any:
    """Return c log2 c, 0 for 0."""
    return count * np.log2(count) if count > 0 else 0.0


@kernel()
def entropy(num_items: int, surprises: float) -> float:
    """Return the entropy in bits of `num_items` items whose counts' c log2 c sum to `surprises`."""
    if num_items == 0:
        return 0.0
    return max(0.0, float(np.log2(num_items)) - surprises / num_items)


@kernel()
def byte_entropy(data: Any, begin: int, end: int, counts: Any) -> float:
    """Return the entropy of the bytes in bits per byte; `counts` is scratch for 256."""
    counts[:] = 0
    for i in range(begin, end):
        counts[data[i]] += 1
    surprises = 0.0
    for byte in range(256):
        surprises += surprise(counts[byte])
    return entropy(end - begin, surprises)


@kernel()
def char_entropy(data: Any, begin: int, end: int, counts: Any) -> float:
    """Return the entropy of the code points in bits per code point; `counts` is all zero before and after."""
    num_chars = 0
    i = begin
    while i < end:
        size = code_length(data[i])
        counts[decode(data, i, size)] += 1
        num_chars += 1
        i += size
    surprises = 0.0
    i = begin
    while i < end:
        size = code_length(data[i])
        code = decode(data, i, size)
        surprises += surprise(counts[code])
        counts[code] = 0
        i += size
    return entropy(num_chars, surprises)


@kernel()
def gram_entropy(grams: Any, num_grams: int, keys: Any, counts: Any) -> tuple[float, int]:
    """Return the entropy of hashed items in bits per item, and the number of distinct ones."""
    if num_grams <= 0:
        return 0.0, 0
    mask = table_mask(num_grams)
    keys[: mask + 1] = 0
    distinct = 0
    for i in range(num_grams):
        slot = find_slot(keys, mask, grams[i])
        if keys[slot] == 0:
            keys[slot] = grams[i]
            counts[slot] = 0
            distinct += 1
        counts[slot] += 1
    surprises = 0.0
    for slot in range(mask + 1):
        if keys[slot] != 0:
            surprises += surprise(counts[slot])
    return entropy(num_grams, surprises), distinct


@kernel(f"void({BYTES}, {OFFSETS}, float64[:, ::1])")
def information(data: Any, offsets: Any, out: Any) -> None:
    """Fill `out` (documents x NUM_COLUMNS): bytes; entropy of bytes, chars, words, 2-grams, 3-grams; distinct words."""
    byte_counts = np.zeros(256, np.int64)
    char_counts = np.zeros(NUM_CODES, np.int64)
    capacity = 1
    for row in range(len(offsets) - 1):
        capacity = max(capacity, count_words(data, offsets[row], offsets[row + 1]))
    words = np.empty((capacity, 4), np.int64)
    hashes = np.empty(capacity, np.uint64)
    grams = np.empty(capacity, np.uint64)
    flags = np.empty(capacity, np.uint8)
    keys = np.empty(table_mask(capacity) + 1, np.uint64)
    counts = np.empty(table_mask(capacity) + 1, np.int64)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        result = out[row]
        num_words, _, _ = split_words(data, begin, end, words, hashes, flags)
        result[0] = end - begin
        result[1] = byte_entropy(data, begin, end, byte_counts)
        result[2] = char_entropy(data, begin, end, char_counts)
        result[3], distinct = gram_entropy(hashes, num_words, keys, counts)
        result[6] = distinct / num_words if num_words > 0 else 0.0
        grams[:num_words] = hashes[:num_words]
        for length in (2, 3):
            extend_grams(grams, hashes, num_words, length)
            result[2 + length], _ = gram_entropy(grams, num_words - length + 1, keys, counts)
