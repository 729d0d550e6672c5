"""A read-only open-addressing table from 64-bit hashes to their places in an array, with a bit filter before it.

Most probes ask for something that is not there; one bit of a small array answers those without touching the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel

_BITS_PER_KEY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HashTable:
    """Arrays of a table; kernels get them one by one and probe with `find`."""

    keys: npt.NDArray[np.uint64]  # 0: free slot
    places: npt.NDArray[np.int32]
    bits: npt.NDArray[np.uint64]


@kernel()
def find(keys: Any, places: Any, bits: Any, value: Any) -> int:
    """Return the place of `value` (never 0) in the array that the table was built from, or -1."""
    bit = (value >> np.uint64(24)) & np.uint64(len(bits) * 64 - 1)
    if not (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
        return -1
    mask = len(keys) - 1
    slot = np.int64(value & np.uint64(mask))
    while keys[slot] != np.uint64(0):
        if keys[slot] == value:
            return int(places[slot])
        slot = (slot + 1) & mask
    return -1


@kernel()
def insert(keys: Any, stamps: Any, stamp: int, mask: int, value: Any) -> bool:
    """Add `value` to the scratch set whose live entries carry `stamp`; return whether it was new."""
    slot = np.int64((value >> np.uint64(20)) & np.uint64(mask))
    while stamps[slot] == stamp:
        if keys[slot] == value:
            return False
        slot = (slot + 1) & mask
    keys[slot] = value
    stamps[slot] = stamp
    return True


@kernel()
def contains(keys: Any, stamps: Any, stamp: int, mask: int, value: Any) -> bool:
    """Return whether the scratch set of `insert` holds `value`."""
    slot = np.int64((value >> np.uint64(20)) & np.uint64(mask))
    while stamps[slot] == stamp:
        if keys[slot] == value:
            return True
        slot = (slot + 1) & mask
    return False


@kernel()
def table_size(num_entries: int) -> int:
    """Return the smallest power of two that keeps `num_entries` at half load or less."""
    size = 64
    while size < 2 * num_entries:
        size *= 2
    return size


@kernel("void(uint64[::1], uint64[::1], int32[::1], uint64[::1])")
def _fill(values: Any, keys: Any, places: Any, bits: Any) -> None:
    mask = len(keys) - 1
    for i in range(len(values)):
        value = values[i]
        bit = (value >> np.uint64(24)) & np.uint64(len(bits) * 64 - 1)
        bits[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        slot = np.int64(value & np.uint64(mask))
        while keys[slot] != np.uint64(0) and keys[slot] != value:
            slot = (slot + 1) & mask
        if keys[slot] == np.uint64(0):
            keys[slot] = value
            places[slot] = i


def hash_table(values: npt.NDArray[np.uint64]) -> HashTable:
    """Return the table of `values` (odd, as `text_kernels` makes them); of equal ones the first place counts."""
    size = int(table_size(len(values)))
    keys, places = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    bits = np.zeros(max(1, int(table_size(len(values) * _BITS_PER_KEY // 2)) // 64), np.uint64)
    _fill(np.ascontiguousarray(values), keys, places, bits)
    return HashTable(keys=keys, places=places, bits=bits)
