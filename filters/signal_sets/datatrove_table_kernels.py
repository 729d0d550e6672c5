"""The hash set that the datatrove dialect asks "seen before in this document?", never cleared between questions.

An entry is 48 bits of a mixed key and a 16-bit generation. A new question (a document's lines, its 5-grams, ...) takes
the next generation, which makes every older entry a free slot; only when the generations run out is the table
cleared. The slot comes from bits that the entry lacks: slot and entry tell apart at least 54 bits of the key. Keys are
polynomial hashes of bytes modulo 2^64: hash(ab) = hash(a) * BASE^len(b) + hash(b), so a string has one hash however it
was cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel

BASE = np.uint64(0x9E3779B97F4A7C55)
GOLDEN = np.uint64(0xD6E8FEB86659FD93)
ONE = np.uint64(1)
ENTRY_SHIFT = np.uint64(16)
HALF_SHIFT = np.uint64(32)
GENERATION_BITS = np.uint64(0xFFFF)
LAST_GENERATION = 0xFFFF
MIN_BITS, MAX_BITS = 6, 40


@kernel()
def table_bits(num_entries: int) -> int:
    """Return the base-2 logarithm of the smallest table that `num_entries` fill to at most a half."""
    bits = MIN_BITS
    while (1 << bits) < 2 * num_entries and bits < MAX_BITS:
        bits += 1
    return bits


@kernel()
def next_generation(keys: Any, generation: int) -> int:
    """Return the generation after `generation` (0 of a new table), with a cleared table when they run out."""
    if generation < LAST_GENERATION:
        return generation + 1
    keys[:] = np.uint64(0)
    return 1


@kernel()
def mixed(key: Any) -> Any:
    """Return `key` with its bits spread: the table reads the top ones as the slot, the others as the entry."""
    return (key ^ (key >> HALF_SHIFT)) * GOLDEN


@kernel()
def find_entry(keys: Any, bits: int, generation: int, key: Any) -> Any:
    """Return the slot of `key` if it was seen in this generation, else enter it and return -1 - slot."""
    spread = mixed(key)
    entry = (spread << ENTRY_SHIFT) | np.uint64(generation)
    mask = (1 << bits) - 1
    slot = np.int64(spread >> np.uint64(64 - bits))
    while True:
        found = keys[slot]
        if found == entry:
            return slot
        if (found & GENERATION_BITS) != np.uint64(generation):
            keys[slot] = entry
            return -1 - slot
        slot = (slot + 1) & mask


@kernel()
def byte_hash(data: Any, begin: int, end: int) -> Any:
    """Return the polynomial hash of `data[begin:end]`; bytes count from 1, so leading zero bytes count too."""
    state = np.uint64(0)
    for i in range(begin, end):
        state = state * BASE + (np.uint64(data[i]) + ONE)
    return state
