"""The scan behind `curation.near_copies`: exact Jaccard and shared spans of each document against a small panel.

A pair with Jaccard >= 1/2 shares an element among the first |A|//2 + 1 shingles of both, when both are ordered rare
first (prefix filtering; Bayardo, Ma, Srikant, WWW 2007). So only those are posted and probed: boilerplate sorts last
and its long posting lists are reached only by documents that are little else. Candidates are then counted exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel
from curation.table_kernels import contains, find, insert, table_size
from curation.text_kernels import BYTES, OFFSETS, hash_shingles, hash_words, longest_document, window_hash


@kernel()
def has_sorted(values: Any, value: Any) -> bool:
    """Return whether sorted `values` hold `value`."""
    place = np.searchsorted(values, value)
    return bool(place < len(values) and values[place] == value)


@kernel()
def shares_span(words: Any, places: Any, num_shingles: int, ngram: int, span: int, spans: Any) -> bool:
    """Return whether a window of `span` words is among `spans`; only runs of known shingles are looked up."""
    run = 0
    for i in range(num_shingles):
        run = run + 1 if places[i] >= 0 else 0
        if run >= span - ngram + 1 and has_sorted(spans, window_hash(words, i + ngram - span, span)):
            return True
    return False


@kernel()
def is_near_copy(
    size: int, rare: Any, posts: Any, post_docs: Any, starts: Any, values: Any, seen: Any, doc: int, scratch: Any
) -> bool:
    """Return whether some panel document with a rare shingle in `rare` has Jaccard >= 1/2 with this one."""
    keys, stamps, mask = scratch
    for i in range(len(rare)):
        for j in range(posts[rare[i]], posts[rare[i] + 1]):
            other = post_docs[j]
            if seen[other] == doc:
                continue
            seen[other] = doc
            other_size = starts[other + 1] - starts[other]
            if 2 * size < other_size or 2 * other_size < size:
                continue
            shared = 0
            for k in range(starts[other], starts[other + 1]):
                shared += contains(keys, stamps, doc, mask, values[k])
            if 3 * shared >= size + other_size:
                return True
    return False


@kernel()
def rare_first(places: Any, num_shingles: int, shingles: Any, scratch: Any, doc: int, known: Any) -> tuple[int, int]:
    """Fill the scratch set with the distinct shingles; return (their number, number of known ones to probe).

    The places to probe lie in `known`, ascending: place order is rare first, and shingles that the panel lacks are
    rarer than any.
    """
    keys, stamps, mask = scratch
    size, num_known = 0, 0
    for i in range(num_shingles):
        if insert(keys, stamps, doc, mask, shingles[i]):
            size += 1
            if places[i] >= 0:
                known[num_known] = places[i]
                num_known += 1
    to_probe = size // 2 + 1 - (size - num_known)
    if to_probe <= 0:
        return size, 0
    known[:num_known].sort()
    return size, min(to_probe, num_known)


@kernel(
    f"boolean[::1]({BYTES}, {OFFSETS}, int64, int64, uint64[::1], int32[::1], uint64[::1], int64[::1], int32[::1], "
    "int64[::1], uint64[::1], uint64[::1])"
)
def near_copies(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    ngram: int,
    span: int,
    table_keys: npt.NDArray[np.uint64],
    table_places: npt.NDArray[np.int32],
    table_bits: npt.NDArray[np.uint64],
    posts: npt.NDArray[np.int64],
    post_docs: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint64],
    spans: npt.NDArray[np.uint64],
) -> npt.NDArray[np.bool_]:
    """Return which documents are near copies of a panel document or share a span of `span` words with one."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    room = longest_document(offsets)
    words, shingles = np.empty(room, np.uint64), np.empty(room, np.uint64)
    places, known = np.empty(room, np.int32), np.empty(room, np.int32)
    keys = np.empty(table_size(room), np.uint64)
    stamps = np.full(len(keys), -1, np.int64)
    seen = np.full(len(starts), -1, np.int64)
    for doc in range(len(out)):
        num_words = hash_words(data, offsets[doc], offsets[doc + 1], words, room)
        num_shingles = hash_shingles(words, num_words, ngram, shingles)
        num_hits = 0
        for i in range(num_shingles):
            places[i] = find(table_keys, table_places, table_bits, shingles[i])
            num_hits += places[i] >= 0
        if num_hits == 0:
            continue
        if num_hits >= span - ngram + 1 and shares_span(words, places, num_shingles, ngram, span, spans):
            out[doc] = True
            continue
        scratch = (keys, stamps, table_size(num_shingles) - 1)
        size, to_probe = rare_first(places, num_shingles, shingles, scratch, doc, known)
        out[doc] = is_near_copy(size, known[:to_probe], posts, post_docs, starts, values, seen, doc, scratch)
    return out
