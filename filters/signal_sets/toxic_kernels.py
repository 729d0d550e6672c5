"""Listed words and phrases in lower-cased text: the entry points `hash_entries` and `listed_words`.

A token is a maximal run of letters, digits and `_` (a code point counts by `is_letter`; ASCII digits and `_` too). An
entry is found where it stands from the start of a token to the end of one, byte for byte: "ass" not inside "class", and
"a b" with just that space. Finds may overlap. Entries are compared by 64-bit hash.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.repetition_kernels import find_slot, table_mask
from filters.signal_sets.words_kernels import (
    BYTES,
    FNV_OFFSET,
    FNV_PRIME,
    OFFSETS,
    code_length,
    decode,
    finished,
    is_letter,
)

PREFIX, WHOLE = 1, 2
KEYS = "Array(uint64, 1, 'C', readonly=True)"
KINDS = "Array(int32, 1, 'C', readonly=True)"


@kernel()
def is_word_code(code: int) -> bool:
    """Return whether a code point belongs to a token."""
    return is_letter(code) or 0x30 <= code <= 0x39 or code == 0x5F


@kernel()
def fold(state: Any, data: Any, begin: int, end: int) -> Any:
    """Return the hash state after `data[begin:end]`."""
    for i in range(begin, end):
        state = (state ^ np.uint64(data[i])) * FNV_PRIME
    return state


@kernel()
def token_end(data: Any, at: int, end: int) -> int:
    """Return where the token at `at` ends; `at` itself if none starts there."""
    while at < end:
        size = code_length(data[at])
        if not is_word_code(decode(data, at, size)):
            break
        at += size
    return at


@kernel()
def token_start(data: Any, at: int, end: int) -> int:
    """Return where the first token from `at` on starts, `end` if there is none."""
    while at < end:
        size = code_length(data[at])
        if is_word_code(decode(data, at, size)):
            break
        at += size
    return at


@kernel(f"int64({BYTES}, {OFFSETS}, uint64[::1], int32[::1])")
def hash_entries(data: Any, offsets: Any, keys: Any, kinds: Any) -> int:
    """Fill the table with every entry and every run of its first tokens; return the most tokens of an entry.

    `keys` is all zero, of a power-of-two size, at most half full with all tokens of all entries.
    """
    mask = len(keys) - 1
    most = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        state, at, tokens = FNV_OFFSET, begin, 0
        while at < end:
            stop = token_end(data, token_start(data, at, end), end)
            state = fold(state, data, at, stop)
            key = finished(state)
            slot = find_slot(keys, mask, key)
            keys[slot] = key
            kinds[slot] |= WHOLE if stop == end else PREFIX
            tokens += 1
            at = stop
        most = max(most, tokens)
    return most


@kernel(f"void({BYTES}, {OFFSETS}, {KEYS}, {KINDS}, int64, float64[:, ::1])")
def listed_words(data: Any, offsets: Any, keys: Any, kinds: Any, most_tokens: int, out: Any) -> None:
    """Fill `out` with tokens, finds and distinct entries found of each document."""
    mask = len(keys) - 1
    seen = np.full(len(keys), -1, np.int64)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        tokens, finds, distinct = 0, 0, 0
        at = token_start(data, offsets[row], end)
        while at < end:
            first_end = token_end(data, at, end)
            state, here, stop = FNV_OFFSET, at, first_end
            for _ in range(most_tokens):
                state = fold(state, data, here, stop)
                slot = find_slot(keys, mask, finished(state))
                if keys[slot] == 0:
                    break
                if kinds[slot] & WHOLE:
                    finds += 1
                    distinct += seen[slot] != row
                    seen[slot] = row
                here = stop
                start = token_start(data, here, end)
                if not kinds[slot] & PREFIX or start >= end:
                    break
                stop = token_end(data, start, end)
            tokens += 1
            at = token_start(data, first_end, end)
        out[row, 0], out[row, 1], out[row, 2] = tokens, finds, distinct


@kernel("int64(int64)")
def table_size(num_entries: int) -> int:
    """Return the size of a table that is at most half full with `num_entries`."""
    return table_mask(num_entries) + 1
