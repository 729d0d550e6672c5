"""Which document repeats which earlier one: clusters of equal band keys, and verified copies of documents that stay.

Documents are numbered in survivor order, so a smaller number is the copy that stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # keys of one range have equal upper bits
_STEPS = 32  # of a merge between two looks at whether the bound can still be reached


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
        for _ in range(min(_STEPS, end - i, other_end - j)):  # without branches: which side advances is a coin toss
            one, other = values[i], values[j]
            shared += one == other
            i += one <= other
            j += other <= one
    return shared / (size + other_size - shared)


@kernel(
    "int64(int64[:, ::1], int64[::1], int64[::1], int64[::1], Array(uint32, 1, 'C', True), float64, int64, int64[::1], "
    "float64[::1])"
)
def copies_of_kept(
    buckets: npt.NDArray[np.int64],
    first_places: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint32],
    least: float,
    max_compared: int,
    witness: npt.NDArray[np.int64],
    similarity: npt.NDArray[np.float64],
) -> int:
    """Write to `witness[doc]` the most similar earlier document that stays and shares a bucket, from `least` on.

    Of equally similar ones it is the first. `buckets[doc]` are the buckets of the document, -1 for none; bucket b may
    list its documents that stay from `first_places[b]` up to `first_places[b + 1]`. A document is compared with the
    first `max_compared` of a bucket that stay; returns the number of buckets where that left some out. Documents come
    in survivor order.
    """
    num_buckets = len(first_places) - 1
    listed = np.empty(first_places[num_buckets], np.int64)
    num_listed, crowded = np.zeros(num_buckets, np.int64), np.zeros(num_buckets, np.bool_)
    compared_with = np.full(len(buckets), -1, np.int64)
    for doc in range(len(buckets)):
        found, most = -1, least
        for bucket in buckets[doc]:
            if bucket < 0:
                continue
            for place in range(first_places[bucket], first_places[bucket] + num_listed[bucket]):
                other = listed[place]
                if compared_with[other] == doc:
                    continue
                compared_with[other] = doc
                value = jaccard(values, begins[doc], ends[doc], begins[other], ends[other], most)
                if value > most or (value == most and (found < 0 or other < found)):
                    found, most = other, value
        witness[doc] = found
        if found >= 0:
            similarity[doc] = most
            continue
        for bucket in buckets[doc]:
            if bucket < 0:
                continue
            if num_listed[bucket] == max_compared:
                crowded[bucket] = True
            else:
                listed[first_places[bucket] + num_listed[bucket]] = doc
                num_listed[bucket] += 1
    return int(crowded.sum())


@kernel()
def root(parents: Any, doc: int) -> int:
    """Return the first document of the cluster of `doc`, shortening the path to it."""
    while parents[doc] != doc:
        parents[doc] = parents[parents[doc]]
        doc = parents[doc]
    return doc


@kernel()
def first_places_of_keys(keys: Any, first: Any) -> None:
    """Write for each key the place of the first one equal to it; -1 for 0, which is no key."""
    bits = 1
    while (1 << bits) < 2 * len(keys):
        bits += 1
    shift, last = np.uint64(64 - bits), (1 << bits) - 1
    table = np.full(1 << bits, -1, np.int64)
    for place in range(len(keys)):
        if keys[place] == 0:
            first[place] = -1
            continue
        slot = np.int64(keys[place] * _SPREAD >> shift)
        while table[slot] >= 0 and keys[table[slot]] != keys[place]:
            slot = (slot + 1) & last
        if table[slot] < 0:
            table[slot] = place
        first[place] = table[slot]


@kernel("Tuple((int64[::1], int64[::1]))(uint64[::1], int64[::1])")
def equal_keys(
    keys: npt.NDArray[np.uint64], docs: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pairs of documents with equal keys: each that is not the first of its key, with the first; 0 is no key."""
    first = np.empty(len(keys), np.int64)
    first_places_of_keys(keys, first)
    num_pairs = 0
    for place in range(len(keys)):
        num_pairs += first[place] >= 0 and first[place] != place
    firsts, others = np.empty(num_pairs, np.int64), np.empty(num_pairs, np.int64)
    pair = 0
    for place in range(len(keys)):
        if first[place] >= 0 and first[place] != place:
            firsts[pair], others[pair] = docs[first[place]], docs[place]
            pair += 1
    return firsts, others


@kernel("Tuple((int64[:, ::1], int64[::1]))(uint64[:, ::1])")
def buckets_of_keys(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the bucket of every key, -1 for keys that occur once, and where the list of each bucket begins."""
    flat = keys.ravel()
    first = np.empty(len(flat), np.int64)
    first_places_of_keys(flat, first)
    sizes = np.zeros(len(flat), np.int64)
    for place in range(len(flat)):
        if first[place] >= 0:
            sizes[first[place]] += 1
    buckets, begins = np.empty(len(flat), np.int64), np.zeros(len(flat) + 1, np.int64)
    num_buckets = 0
    for place in range(len(flat)):
        if first[place] < 0 or sizes[first[place]] < 2:
            buckets[place] = -1
        elif first[place] == place:
            begins[num_buckets + 1] = begins[num_buckets] + sizes[place]
            buckets[place] = num_buckets
            num_buckets += 1
        else:
            buckets[place] = buckets[first[place]]
    return buckets.reshape(keys.shape), begins[: num_buckets + 1].copy()


@kernel("void(int64[::1], int64[::1], int64[::1])")
def union_pairs(firsts: npt.NDArray[np.int64], others: npt.NDArray[np.int64], parents: npt.NDArray[np.int64]) -> None:
    """Join the clusters of the two documents of each pair; a cluster's root is its least document."""
    for i in range(len(firsts)):
        a, b = root(parents, firsts[i]), root(parents, others[i])
        parents[max(a, b)] = min(a, b)
