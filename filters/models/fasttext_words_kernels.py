r"""fastText's words over the bytes of a document: where they stand, their hashes, their numbers in the dictionary.

A token is a run of bytes without fastText's separators (space, \t \n \v \f \r and NUL); a normalisation may add
Python's other line ends and trim Python's whitespace. Every document ends in the token `</s>`, which has no bytes.
Source: fastText 0.9.2, `dictionary.cc`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import BYTES, OFFSETS, decode, is_space, last_code

MASK_32 = np.uint64(0xFFFFFFFF)
HALF, BYTE, ZERO = np.uint64(32), np.uint64(8), np.uint64(0)
FNV_BASIS = np.uint64(2166136261)
FNV_FACTOR = np.uint64(16777619)
EOS_HASH = np.uint64(functools.reduce(lambda h, byte: (h ^ byte) * 16777619 & 0xFFFFFFFF, b"</s>", 2166136261))


@kernel(inline=True)
def mixed_in(state: Any, byte: Any) -> Any:
    """Return the FNV-1a state after one byte, which fastText reads as signed; the low 32 bits are the hash."""
    return (state ^ np.uint64(np.int64(np.int8(byte)))) * FNV_FACTOR


@kernel()
def hash_bytes(data: Any, begin: int, end: int) -> Any:
    """Return the hash of `data[begin:end]`."""
    state = FNV_BASIS
    for at in range(begin, end):
        state = mixed_in(state, data[at])
    return state & MASK_32


@kernel(f"Tuple((uint64[::1], uint64[::1]))({BYTES}, {OFFSETS})")
def build_table(words: Any, offsets: Any) -> Any:
    """Return an open-addressing table of the words and the last 8 bytes of each.

    A slot holds the hash in its high half and number + 1 in its low one; 0 is a free slot.
    """
    num_slots = 16
    while num_slots < 2 * len(offsets):
        num_slots *= 2
    slots = np.zeros(num_slots, np.uint64)
    tails = np.zeros(len(offsets) - 1, np.uint64)
    for number in range(len(offsets) - 1):
        state = hash_bytes(words, offsets[number], offsets[number + 1])
        slot = np.int64(state) & (num_slots - 1)
        while slots[slot]:
            slot = (slot + 1) & (num_slots - 1)
        slots[slot] = (state << HALF) | np.uint64(number + 1)
        for at in range(offsets[number], offsets[number + 1]):
            tails[number] = (tails[number] << BYTE) | np.uint64(words[at])
    return slots, tails


@kernel(inline=True)
def same_bytes(data: Any, begin: int, other: Any, other_begin: int, length: int) -> bool:
    """Return whether two runs of `length` bytes are equal."""
    for i in range(length):  # noqa: SIM110 - numba has no `all` over a generator
        if data[begin + i] != other[other_begin + i]:
            return False
    return True


@kernel(inline=True)
def find_word(
    data: Any, begin: int, end: int, state: Any, tail: Any, words: Any, offsets: Any, tails: Any, slots: Any
) -> Any:
    """Return the number of the word `data[begin:end]`, -1 for an unknown one; up to 8 bytes are compared at once."""
    slot = np.int64(state) & (len(slots) - 1)
    while slots[slot]:
        if slots[slot] >> HALF == state:
            number = np.int64(slots[slot] & MASK_32) - 1
            length = end - begin
            fits = tails[number] == tail and offsets[number + 1] - offsets[number] == length
            if fits and (length <= 8 or same_bytes(data, begin, words, offsets[number], length - 8)):
                return number
        slot = (slot + 1) & (len(slots) - 1)
    return -1


@kernel()
def wide_separator(data: Any, at: int, end: int) -> int:
    """Return the bytes of U+0085, U+2028 or U+2029 at `at`, 0 if none of them stands there."""
    if data[at] == 0xC2 and at + 1 < end and data[at + 1] == 0x85:
        return 2
    if data[at] == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and (data[at + 2] & 0xFE) == 0xA8:
        return 3
    return 0


@kernel()
def byte_kinds(line_ends: int) -> Any:
    """Return the kind of every byte: 0 in a word, 1 a separator, 2 perhaps the first of a wide one."""
    kinds = np.zeros(256, np.uint8)
    kinds[0] = kinds[0x20] = 1
    kinds[0x09:0x0E] = 1
    if line_ends:
        kinds[0x1C:0x1F] = 1
        kinds[0xC2] = kinds[0xE2] = 2
    return kinds


@kernel()
def trimmed_begin(data: Any, begin: int, end: int) -> int:
    """Return where `data[begin:end]` starts without leading whitespace of `str.strip()`."""
    while begin < end:
        stop = begin + 1
        while stop < end and (data[stop] & 0xC0) == 0x80:
            stop += 1
        if not is_space(decode(data, begin, stop - begin)):
            return begin
        begin = stop
    return begin


@kernel()
def trimmed_end(data: Any, begin: int, end: int) -> int:
    """Return where `data[begin:end]` ends without trailing whitespace of `str.strip()`."""
    while end > begin:
        code, at = last_code(data, begin, end)
        if not is_space(code):
            return end
        end = at
    return end


@kernel()
def next_tokens(data: Any, at: Any, end: int, kinds: Any, found: Any, states: Any, slots: Any) -> Any:
    """Fill `found` (begin, end) and `states` (hash, last 8 bytes) with tokens; return how many and where to go on.

    That place is -1 after the closing `</s>`, a token from `end` to `end`.
    """
    for count in range(len(states)):
        while at < end and kinds[data[at]]:
            step = 1 if kinds[data[at]] == 1 else wide_separator(data, at, end)
            if step == 0:
                break
            at += step
        start = at
        state, tail = FNV_BASIS, ZERO
        while at < end:
            byte = data[at]
            if kinds[byte] and (kinds[byte] == 1 or wide_separator(data, at, end) > 0):
                break
            state = mixed_in(state, byte)
            tail = (tail << BYTE) | np.uint64(byte)
            at += 1
        found[count, 0], found[count, 1], states[count, 0], states[count, 1] = start, at, state & MASK_32, tail
        if start == at:
            found[count, 0] = found[count, 1] = end
            return count + 1, np.int64(-1)
    return len(states), np.int64(at)
