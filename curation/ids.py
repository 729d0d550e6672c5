"""Identity and place of documents: ids, the hash that orders and partitions them, numbers of equal records.

A document's id is the record's own, else xxh128 of its canonical columns; equal records get `-1`, `-2`. Documents lie
in N partitions by the high bits of xxh64(id before numbering), N a power of two that depends only on the bytes of text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xxhash

PARTITION_BYTES = 32 << 20
"""Upper bound on the mean UTF-8 bytes of text in a partition."""


def content_digest(content: bytes) -> bytes:
    """Return the 16-byte xxh128 of a document's canonical JSON; its hex is the computed id."""
    return xxhash.xxh3_128_digest(content)


def id_hash(document_id: str) -> int:
    """Return the 64-bit hash that decides a document's partition and its turn under a cap."""
    return xxhash.xxh64_intdigest(document_id.encode("utf-8"))


def num_partitions(num_bytes: int) -> int:
    """Return the number of partitions for a pool of `num_bytes` of text: a power of two, at least 1."""
    return 1 << max(0, (max(0, num_bytes - 1) // PARTITION_BYTES).bit_length())


def partition_of(hashes: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int64]:
    """Return the partition, 0 to `count - 1`, of each hash; partitions of a smaller count are unions of these."""
    bits = count.bit_length() - 1
    if bits == 0:
        return np.zeros(len(hashes), np.int64)
    return (hashes >> np.uint64(64 - bits)).astype(np.int64)


def numbered(ids: list[str]) -> list[str]:
    """Return sorted ids with the second and later of equal ones called `id-1`, `id-2`."""
    result = list(ids)
    run = 0
    for index in range(1, len(ids)):
        run = run + 1 if ids[index] == ids[index - 1] else 0
        if run:
            result[index] = f"{ids[index]}-{run}"
    return result


def common_ceiling(totals: Sequence[int], max_total: int) -> int:
    """Return the largest ceiling under which slices of `totals` bytes sum to at most `max_total`.

    Small slices stay whole and only large ones are cut, so that a cap does not thin out what is rare already.
    """
    left = max_total
    for place, total in enumerate(sorted(totals)):
        share = left // (len(totals) - place)
        if total > share:
            return share
        left -= total
    return max(totals, default=0)


def kept_under_cap(
    hashes: npt.NDArray[np.uint64], num_bytes: npt.NDArray[np.int64], quota_bytes: int
) -> npt.NDArray[np.uint64]:
    """Return the hashes of documents that stay when a slice may hold `quota_bytes`, sorted.

    Documents come in hash order; one that does not fit is passed over (up to 64 times, then the cut is made), and
    equal records go together. The result depends on the set of documents only.
    """
    groups, place = np.unique(hashes, return_inverse=True)
    sizes = np.bincount(place, weights=num_bytes, minlength=len(groups)).astype(np.int64)
    kept = np.zeros(len(groups), np.bool_)
    left, start = quota_bytes, 0
    for _ in range(64):
        fitting = start + np.flatnonzero(sizes[start:] <= left)
        taken = int(np.searchsorted(np.cumsum(sizes[fitting]), left, side="right"))
        if taken == 0:
            break
        kept[fitting[:taken]] = True
        left -= int(sizes[fitting[:taken]].sum())
        start = int(fitting[taken - 1]) + 1
    return groups[kept]
