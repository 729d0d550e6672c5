"""Words and word n-grams as datatrove's Gopher filters count them, over the token table of `spacy_words`.

Top n-grams are words joined by one space; duplicate n-grams are words joined by nothing, so two n-grams that are cut
differently and join to one string are the same. Both are compared by the hash of the joined bytes. The most frequent
n-gram is the first one seen among equally frequent ones, also when all occur once; its characters count once an
occurrence, overlapping or not. Source: datatrove 0.10 `gopher_repetition_filter.py`, `gopher_quality_filter.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.datatrove_table_kernels import (
    BASE,
    ONE,
    find_entry,
    next_generation,
    table_bits,
)

MIN_TOP, MAX_TOP, MIN_DUPLICATE, MAX_DUPLICATE = 2, 4, 5, 10
NUM_GRAM_SIZES = MAX_DUPLICATE - MIN_TOP + 1
SPACE = np.uint64(0x21)  # a space, counted from 1

STOP_WORDS = np.array(
    [
        sum(byte << (8 * i) for i, byte in enumerate(word)) + (len(word) << 32)  # the length tells "be" from "be\0"
        for word in (b"the", b"be", b"to", b"of", b"and", b"that", b"have", b"with")
    ],
    np.int64,
)


@kernel()
def stop_word_bit(data: Any, begin: int, end: int) -> int:
    """Return the bit of the stop word that the word is, letter by letter; else 0."""
    if end - begin < 2 or end - begin > 4:
        return 0
    packed = np.int64(end - begin) << 32
    for i in range(begin, end):
        packed |= np.int64(data[i]) << (8 * (i - begin))
    for i in range(len(STOP_WORDS)):
        if packed == STOP_WORDS[i]:
            return 1 << i
    return 0


@kernel()
def count_stop_words(data: Any, begins: Any, ends: Any) -> int:
    """Return how many different stop words are among the words, case-sensitive."""
    found = 0
    for i in range(len(begins)):
        found |= stop_word_bit(data, begins[i], ends[i])
    distinct = 0
    while found:
        distinct += found & 1
        found >>= 1
    return distinct


@kernel()
def hash_words(data: Any, begins: Any, ends: Any, lengths: Any, hashes: Any, steps: Any, chars: Any) -> None:
    """Fill `hashes` with the words' byte hashes, `steps` with BASE ** bytes, `chars` with running code points."""
    chars[0] = 0
    for i in range(len(begins)):
        state, step = np.uint64(0), ONE
        for j in range(begins[i], ends[i]):
            state = state * BASE + (np.uint64(data[j]) + ONE)
            step *= BASE
        hashes[i] = state
        steps[i] = step
        chars[i + 1] = chars[i] + lengths[i]


@kernel()
def spaced_word(hash_: Any, step: Any) -> Any:
    """Return hash and step of a word with a space after it."""
    return hash_ * BASE + SPACE, step * BASE


@kernel()
def top_gram_chars(
    grams: Any, hashes: Any, steps: Any, chars: Any, size: int, keys: Any, generation: int, counts: Any, firsts: Any
) -> Any:
    """Return occurrences x characters of the most frequent n-gram of `size` words; 0 if there is none.

    `grams` holds hashes of (size - 1)-grams with a space after each word, by first word, and is brought up to `size`.
    """
    num_grams = len(hashes) - size + 1
    if num_grams < 1:
        return 0
    bits = table_bits(num_grams)
    best_count, best_first = 0, 0
    for i in range(num_grams):
        hash_, step = spaced_word(hashes[i + size - 1], steps[i + size - 1])
        grams[i] = grams[i] * step + hash_
        slot = find_entry(keys, bits, generation, grams[i])
        if slot < 0:
            slot = -1 - slot
            counts[slot] = 0
            firsts[slot] = i
        counts[slot] += 1
        if counts[slot] > best_count or (counts[slot] == best_count and firsts[slot] < best_first):
            best_count, best_first = counts[slot], firsts[slot]
    return best_count * (chars[best_first + size] - chars[best_first] + size - 1)


@kernel()
def extend_grams(grams: Any, hashes: Any, steps: Any, size: int) -> None:
    """Turn hashes of (size - 1)-grams joined by nothing, by first word, into hashes of `size`-grams."""
    for i in range(len(hashes) - size + 1):
        grams[i] = grams[i] * steps[i + size - 1] + hashes[i + size - 1]


@kernel()
def duplicate_gram_chars(grams: Any, chars: Any, num_words: int, size: int, keys: Any, generation: int) -> int:
    """Return the word characters in n-grams seen before: greedily from the left, a copy is skipped whole."""
    num_grams = num_words - size + 1
    if num_grams < 1:
        return 0
    bits = table_bits(num_grams)
    covered = 0
    i = 0
    while i < num_grams:
        if find_entry(keys, bits, generation, grams[i]) >= 0:
            covered += chars[i + size] - chars[i]
            i += size
        else:
            i += 1
    return covered


@kernel()
def count_grams(
    hashes: Any, steps: Any, chars: Any, grams: Any, keys: Any, generation: int, counts: Any, firsts: Any, covered: Any
) -> Any:
    """Fill `covered` with the characters of top 2- to 4-grams and duplicate 5- to 10-grams; return the generation."""
    num_words = len(hashes)
    for i in range(num_words):
        grams[i], _ = spaced_word(hashes[i], steps[i])
    for size in range(MIN_TOP, MAX_TOP + 1):
        generation = next_generation(keys, generation)
        covered[size - MIN_TOP] = top_gram_chars(grams, hashes, steps, chars, size, keys, generation, counts, firsts)
    grams[:num_words] = hashes
    for size in range(2, MAX_DUPLICATE + 1):
        extend_grams(grams, hashes, steps, size)
        if size >= MIN_DUPLICATE:
            generation = next_generation(keys, generation)
            covered[size - MIN_TOP] = duplicate_gram_chars(grams, chars, num_words, size, keys, generation)
    return generation
