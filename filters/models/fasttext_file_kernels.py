"""The dictionary of a fastText file, which may hold millions of entries: where each stands, and their bytes joined."""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import BYTES


@kernel(f"Tuple((int64[:, ::1], int64[::1], uint8[::1], int64))({BYTES}, int64, int64)")
def read_entries(data: Any, begin: int, num_entries: int) -> Any:
    """Return each entry's byte range, count and kind, and the bytes of all; -1 if the data end before the entries."""
    bounds = np.zeros((num_entries, 2), np.int64)
    counts = np.zeros(num_entries, np.int64)
    kinds = np.zeros(num_entries, np.uint8)
    at = begin
    for i in range(num_entries):
        start = at
        while at < len(data) and data[at] != 0:
            at += 1
        if at + 10 > len(data):
            return bounds, counts, kinds, np.int64(-1)
        bounds[i, 0], bounds[i, 1] = start, at
        value = np.uint64(0)
        for j in range(8):
            value |= np.uint64(data[at + 1 + j]) << np.uint64(8 * j)
        counts[i] = np.int64(value)
        kinds[i] = data[at + 9]
        at += 10
    return bounds, counts, kinds, np.int64(at - begin)


@kernel(f"uint8[::1]({BYTES}, Array(int64, 2, 'C', readonly=True), Array(int64, 1, 'C', readonly=True))")
def join_entries(data: Any, bounds: Any, offsets: Any) -> Any:
    """Return the bytes of all entries, one after another."""
    joined = np.empty(offsets[-1], np.uint8)
    for i in range(len(bounds)):
        for j in range(bounds[i, 1] - bounds[i, 0]):
            joined[offsets[i] + j] = data[bounds[i, 0] + j]
    return joined
