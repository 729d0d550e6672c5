"""Repeated lines, paragraphs and word n-grams of one document, over the word table of `words_kernels`.

Duplicate lines and paragraphs are the copies after the first (datatrove's meaning, not DCLM's "all copies"); their
characters are divided by the characters of the whole text. Top n-gram: occurrences x (word characters + single
spaces) of the most frequent n-gram, the longest on a tie; an n-gram that occurs once repeats nothing and counts 0;
overlapping occurrences all count, so the share can pass 1. Duplicate n-grams are found greedily from the left: one
that was seen before adds its word characters and is skipped whole. Words compare case-sensitively by a 64-bit hash.
Source: Gopher, arXiv:2112.11446, appendix A1.1; datatrove `gopher_repetition_filter.py` for what the paper leaves open.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import (
    BEGIN,
    CHAR_BEGIN,
    CHAR_END,
    END,
    FLAG_LINE_START,
    FLAG_PARAGRAPH_START,
    hash_bytes,
)

GRAM_PRIME = np.uint64(0x9E3779B97F4A7C15)
MIN_TOP, MAX_TOP, MIN_DUPLICATE, MAX_DUPLICATE = 2, 4, 5, 10


@kernel()
def find_slot(keys: Any, mask: int, key: Any) -> Any:
    """Return the slot of `key` in an open-addressing table, or the free slot where it belongs."""
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel()
def table_mask(num_entries: int) -> int:
    """Return size - 1 of the smallest power-of-two table at most half full with `num_entries`."""
    size = 16
    while size < 2 * num_entries:
        size *= 2
    return size - 1


@kernel()
def span_duplicates(
    data: Any, words: Any, flags: Any, num_words: int, start_flag: int, keys: Any
) -> tuple[int, int, int]:
    """Return the number of spans (lines or paragraphs), of duplicate spans, and of characters in duplicates."""
    mask = table_mask(num_words)
    keys[: mask + 1] = 0
    spans, duplicates, chars = 0, 0, 0
    first = 0
    for i in range(num_words):
        if i + 1 < num_words and not flags[i + 1] & start_flag:
            continue
        key = hash_bytes(data, words[first, BEGIN], words[i, END])
        slot = find_slot(keys, mask, key)
        if keys[slot] == key:
            duplicates += 1
            chars += words[i, CHAR_END] - words[first, CHAR_BEGIN]
        keys[slot] = key
        spans += 1
        first = i + 1
    return spans, duplicates, chars


@kernel()
def gram_chars(words: Any, first: int, length: int) -> int:
    """Return the word characters of the n-gram of `length` words from word `first`."""
    chars = 0
    for i in range(first, first + length):
        chars += words[i, CHAR_END] - words[i, CHAR_BEGIN]
    return chars


@kernel()
def extend_grams(grams: Any, hashes: Any, num_words: int, length: int) -> None:
    """Turn hashes of (length - 1)-grams, by first word, into hashes of `length`-grams."""
    for i in range(num_words - length + 1):
        gram = grams[i] * GRAM_PRIME + hashes[i + length - 1]
        grams[i] = gram if gram != np.uint64(0) else np.uint64(1)


@kernel()
def top_gram_chars(words: Any, grams: Any, num_words: int, length: int, keys: Any, counts: Any) -> int:
    """Return the characters covered by the most frequent n-gram, 0 if none occurs twice."""
    mask = table_mask(num_words)
    keys[: mask + 1] = 0
    best_count, best_chars = 1, 0
    for i in range(num_words - length + 1):
        slot = find_slot(keys, mask, grams[i])
        if keys[slot] == 0:
            keys[slot] = grams[i]
            counts[slot] = 1
            continue
        counts[slot] += 1
        if counts[slot] >= best_count:
            chars = gram_chars(words, i, length) + length - 1
            best_chars = chars if counts[slot] > best_count else max(best_chars, chars)
            best_count = counts[slot]
    return best_count * best_chars


@kernel()
def duplicate_gram_chars(words: Any, grams: Any, num_words: int, length: int, keys: Any) -> int:
    """Return the word characters inside n-grams seen before, scanning greedily from the left."""
    mask = table_mask(num_words)
    keys[: mask + 1] = 0
    chars = 0
    i = 0
    while i < num_words - length + 1:
        slot = find_slot(keys, mask, grams[i])
        if keys[slot] != 0:
            chars += gram_chars(words, i, length)
            i += length
        else:
            keys[slot] = grams[i]
            i += 1
    return chars


@kernel()
def repetition_statistics(
    data: Any,
    words: Any,
    hashes: Any,
    flags: Any,
    num_words: int,
    num_chars: int,
    grams: Any,
    keys: Any,
    counts: Any,
    out: Any,
) -> tuple[int, int, int]:
    """Fill `out` with the 13 repetition shares; return numbers of lines, paragraphs, duplicate-line characters.

    `out`: duplicate line, its characters, duplicate paragraph, its characters, top 2..4-gram, duplicate 5..10-gram.
    """
    out[:] = 0.0
    if num_words == 0:
        return 0, 0, 0
    lines, line_duplicates, line_chars = span_duplicates(data, words, flags, num_words, FLAG_LINE_START, keys)
    paragraphs, duplicates, chars = span_duplicates(data, words, flags, num_words, FLAG_PARAGRAPH_START, keys)
    out[0] = line_duplicates / lines
    out[1] = line_chars / num_chars
    out[2] = duplicates / paragraphs
    out[3] = chars / num_chars
    grams[:num_words] = hashes[:num_words]
    for length in range(MIN_TOP, MAX_DUPLICATE + 1):
        extend_grams(grams, hashes, num_words, length)
        if length <= MAX_TOP:
            covered = top_gram_chars(words, grams, num_words, length, keys, counts)
        else:
            covered = duplicate_gram_chars(words, grams, num_words, length, keys)
        out[2 + length] = covered / num_chars
    return lines, paragraphs, line_chars
