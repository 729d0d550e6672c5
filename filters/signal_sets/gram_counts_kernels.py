"""How often every n-gram of words occurs in a document, for n = 2 to 10, without looking at n-grams that cannot repeat.

An n-gram occurs twice only if the (n-1)-gram at its start does, so each round looks at the survivors of the last; most
documents are done after n = 5. Words compare by a 64-bit hash. What the counts mean differs by dialect (see
`docs/dialects.md`), so the result holds every reading: `grams[n]` is (count of the most frequent, word characters of
the longest such, of the first such, characters under repeated n-grams with each word once, characters summed over all
occurrences of repeated n-grams). All are 0 if no n-gram occurs twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.repetition_kernels import GRAM_PRIME, find_slot, table_mask

MIN_GRAM, MAX_GRAM = 2, 10
TOP_COUNT, TOP_LONGEST, TOP_FIRST, COVERED, SUMMED = range(5)
"""Columns of `grams`."""


@kernel()
def count_round(hashes: Any, keys: Any, counts: Any, starts: Any, slots: Any, num_starts: int) -> None:
    """Count the hashes at `starts`: `counts[slots[i]]` is how often the n-gram at `starts[i]` occurs."""
    mask = table_mask(num_starts)
    keys[: mask + 1] = 0
    for i in range(num_starts):
        slot = find_slot(keys, mask, hashes[starts[i]])
        if keys[slot] == 0:
            keys[slot] = hashes[starts[i]]
            counts[slot] = 0
        counts[slot] += 1
        slots[i] = slot


@kernel()
def keep_repeated(counts: Any, starts: Any, slots: Any, num_starts: int, last_start: int) -> int:
    """Keep the starts of n-grams that occur twice and have room for one more word; return how many."""
    kept = 0
    for i in range(num_starts):
        if counts[slots[i]] > 1 and starts[i] <= last_start:
            starts[kept] = starts[i]
            kept += 1
    return kept


@kernel()
def read_round(counts: Any, starts: Any, slots: Any, num_starts: int, chars: Any, length: int, row: Any) -> None:
    """Fill one row of `grams` from the counts of a round; `chars[i]` are the characters of the first i words."""
    covered_to = 0
    for i in range(num_starts):
        count = counts[slots[i]]
        if count < 2:
            continue
        first, after = starts[i], starts[i] + length
        size = chars[after] - chars[first]
        if count > row[TOP_COUNT]:
            row[TOP_COUNT], row[TOP_LONGEST], row[TOP_FIRST] = count, size, size
        elif count == row[TOP_COUNT]:
            row[TOP_LONGEST] = max(row[TOP_LONGEST], size)
        row[COVERED] += chars[after] - chars[max(first, covered_to)]
        row[SUMMED] += size
        covered_to = after


@kernel()
def count_grams(
    hashes: Any, chars: Any, num_words: int, work: Any, starts: Any, slots: Any, keys: Any, counts: Any, grams: Any
) -> None:
    """Fill `grams` (11 x 5, by n) for the words with these hashes; the other arrays are working space."""
    grams[:] = 0
    for i in range(num_words):
        starts[i] = i
        work[i] = hashes[i]
    num_starts = num_words
    for length in range(1, MAX_GRAM + 1):
        count_round(work, keys, counts, starts, slots, num_starts)
        if length >= MIN_GRAM:
            read_round(counts, starts, slots, num_starts, chars, length, grams[length])
        num_starts = keep_repeated(counts, starts, slots, num_starts, num_words - length - 1)
        if num_starts == 0:
            return
        for i in range(num_starts):
            gram = work[starts[i]] * GRAM_PRIME + hashes[starts[i] + length]
            work[starts[i]] = gram if gram != np.uint64(0) else np.uint64(1)
