"""Lookups of an n-gram model: log-probability of every document under interpolated Kneser-Ney.

An n-gram of token ids below 4,096 is packed into 12 bits a token, oldest token highest, so keys are exact: no hash of
two n-grams can collide. Tables are open-addressed; a key is stored plus one, 0 is a free slot.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from curation.text_kernels import mix

BITS_PER_TOKEN = 12
MAX_ORDER = 5
_ONE = np.uint64(1)


@kernel()
def find_key(keys: Any, begin: int, mask: int, key: Any) -> int:
    """Return the slot of `key` in the table that starts at `begin`, or -1."""
    slot = np.int64(mix(key) & np.uint64(mask))
    while keys[begin + slot] != np.uint64(0):
        if keys[begin + slot] == key + _ONE:
            return int(begin + slot)
        slot = (slot + 1) & mask
    return -1


@kernel("void(uint64[::1], int64, int64, uint64[::1], int64[::1], int64[::1])")
def fill_table(keys: Any, begin: int, size: int, entries: Any, places: Any, slots: Any) -> None:
    """Insert distinct `entries` into the table of `size` slots at `begin`; `slots[places[i]]` says where i went."""
    mask = size - 1
    for i in range(len(entries)):
        slot = np.int64(mix(entries[i]) & np.uint64(mask))
        while keys[begin + slot] != np.uint64(0):
            slot = (slot + 1) & mask
        keys[begin + slot] = entries[i] + _ONE
        slots[places[i]] = begin + slot


@kernel(
    "void(Array(uint16, 1, 'C', True), Array(int64, 1, 'C', True), int64, int64, float64, uint64[::1], int64[::1],"
    " int64[::1], float64[::1], uint64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1])"
)
def document_nats(
    tokens: Any,
    offsets: Any,
    order: int,
    boundary: int,
    uniform: float,
    gram_keys: Any,
    gram_begins: Any,
    gram_sizes: Any,
    gram_counts: Any,
    context_keys: Any,
    context_begins: Any,
    context_sizes: Any,
    context_totals: Any,
    context_backoffs: Any,
    out: Any,
) -> None:
    """Fill `out` with -ln p of each document, its end (token `boundary`) included.

    Per order k: `gram_counts` hold count - discount, context tables (of k - 1 tokens) the total count and the weight
    that is left to the lower order. The history before the first token is `boundary`.
    """
    for row in range(len(offsets) - 1):
        nats = 0.0
        history = np.uint64(0)
        for _ in range(order - 1):
            history = (history << np.uint64(BITS_PER_TOKEN)) | np.uint64(boundary)
        for i in range(offsets[row], offsets[row + 1] + 1):
            token = np.uint64(boundary) if i == offsets[row + 1] else np.uint64(tokens[i])
            chance = uniform
            for k in range(order):
                kept = (_ONE << np.uint64(BITS_PER_TOKEN * k)) - _ONE
                past = history & kept
                place = find_key(context_keys, context_begins[k], context_sizes[k] - 1, past)
                if place < 0:
                    break
                gram = (past << np.uint64(BITS_PER_TOKEN)) | token
                slot = find_key(gram_keys, gram_begins[k], gram_sizes[k] - 1, gram)
                found = gram_counts[slot] if slot >= 0 else 0.0
                chance = found / context_totals[place] + context_backoffs[place] * chance
            nats -= np.log(chance)
            history = (history << np.uint64(BITS_PER_TOKEN)) | token
        out[row] = nats
