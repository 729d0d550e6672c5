"""Which document repeats which earlier one, band by band.

Documents are numbered in survivor order, so a smaller number is the copy that stays. Every kernel keeps the least
number it finds, so the result depends neither on the order of bands nor on how threads share them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel


@kernel()
def jaccard(values: Any, begin: int, end: int, other_begin: int, other_end: int, least: float) -> float:
    """Return the Jaccard similarity of two sorted sets, or 0 as soon as it cannot reach `least`."""
    size, other_size = end - begin, other_end - other_begin
    if min(size, other_size) < least * max(size, other_size) - 1e-6:
        return 0.0
    needed = least / (1.0 + least) * (size + other_size) - 1e-6
    i, j, shared = begin, other_begin, 0
    while i < end and j < other_end:
        if shared + min(end - i, other_end - j) < needed:
            return 0.0
        if values[i] == values[j]:
            shared += 1
            i += 1
            j += 1
        elif values[i] < values[j]:
            i += 1
        else:
            j += 1
    return shared / (size + other_size - shared)


@kernel("int64(uint64[::1], int64[::1], int64[::1], int64[::1], uint64[::1], float64, int64, int64[::1], float64[::1])")
def earlier_near_copies(
    keys: npt.NDArray[np.uint64],
    docs: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint64],
    least: float,
    max_compared: int,
    witness: npt.NDArray[np.int64],
    similarity: npt.NDArray[np.float64],
) -> int:
    """Lower `witness[doc]` to the first earlier document that shares a key and is at least `least` similar.

    `keys` are sorted and `docs` ascend among equal keys. A document is compared with the first `max_compared` of its
    key; returns the number of keys where that left some out.
    """
    capped = 0
    first = 0
    for last in range(1, len(keys) + 1):
        if last < len(keys) and keys[last] == keys[first]:
            continue
        capped += last - first > max_compared + 1
        for i in range(first + 1, last):
            doc = docs[i]
            for j in range(first, min(i, first + max_compared)):
                other = docs[j]
                if 0 <= witness[doc] <= other:
                    break
                found = jaccard(values, begins[doc], ends[doc], begins[other], ends[other], least)
                if found >= least:
                    witness[doc] = other
                    similarity[doc] = found
                    break
        first = last
    return capped


@kernel()
def root(parents: Any, doc: int) -> int:
    """Return the first document of the cluster of `doc`, shortening the path to it."""
    while parents[doc] != doc:
        parents[doc] = parents[parents[doc]]
        doc = parents[doc]
    return doc


@kernel("void(uint64[::1], int64[::1], int64[::1])")
def union_equal_keys(keys: npt.NDArray[np.uint64], docs: npt.NDArray[np.int64], parents: npt.NDArray[np.int64]) -> None:
    """Join the clusters of documents with equal keys (`keys` sorted); a cluster's root is its least document."""
    for i in range(1, len(keys)):
        if keys[i] == keys[i - 1]:
            a, b = root(parents, docs[i - 1]), root(parents, docs[i])
            parents[max(a, b)] = min(a, b)
