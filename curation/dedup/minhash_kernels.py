"""MinHash band keys of documents, one pass over the bytes.

A shingle counts by the top 32 bits of its 64-bit hash. Value k of a document is the least of
`multipliers[k] * shingle + addends[k]` (mod 2^32, odd multipliers, so a permutation) over its shingles; a band's key
hashes its values. An empty document has key 0 in every band, which matches nothing; one shorter than a shingle has the
hash of all its units as its only shingle, one without words (or characters) that of its bytes, so only equal ones
collide.

32 bits, and few permutations at a time over all shingles, because that loop becomes vector instructions: 112
permutations of 290 shingles take 1.4 µs, one at a time 1.9 µs, and twice that with the shingles outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel
from curation.dedup.shingle_kernels import WORDS, hash_units, most_units
from curation.text_kernels import BYTES, OFFSETS, hash_shingles, mix

if TYPE_CHECKING:
    from curation.batches import TextView

_NUMBERS = "Array(uint32, 1, 'C', True)"

PADDING = 16
"""Shingles of the widest vector."""


@kernel()
def top_halves(shingles: Any, num_shingles: int, halves: Any) -> None:
    """Write the top 32 bits of each shingle."""
    for i in range(num_shingles):
        halves[i] = np.uint32(shingles[i] >> np.uint64(32))


@kernel()
def take_minima(halves: Any, num_shingles: int, multipliers: Any, addends: Any, minima: Any) -> None:
    """Write the least permuted value of the shingles for each permutation.

    `halves` has room for `PADDING` more than there are, so that no loop ends in the middle of a vector: the last
    shingle is repeated, which changes no minimum.
    """
    padded = -(-num_shingles // PADDING) * PADDING
    halves[num_shingles:padded] = halves[num_shingles - 1]
    last = len(minima) - 1
    for first in range(0, len(minima), 4):  # a shingle is loaded once for four permutations
        second, third, fourth = min(first + 1, last), min(first + 2, last), min(first + 3, last)
        multiplier, addend = multipliers[first], addends[first]
        multiplier_2, addend_2 = multipliers[second], addends[second]
        multiplier_3, addend_3 = multipliers[third], addends[third]
        multiplier_4, addend_4 = multipliers[fourth], addends[fourth]
        least = least_2 = least_3 = least_4 = np.uint32(0xFFFFFFFF)
        for i in range(padded):
            half = halves[i]
            least = min(least, np.uint32(multiplier * half + addend))
            least_2 = min(least_2, np.uint32(multiplier_2 * half + addend_2))
            least_3 = min(least_3, np.uint32(multiplier_3 * half + addend_3))
            least_4 = min(least_4, np.uint32(multiplier_4 * half + addend_4))
        minima[first], minima[second], minima[third], minima[fourth] = least, least_2, least_3, least_4


@kernel()
def hash_bands(minima: Any, bands: int, keys: Any, doc: int) -> None:
    """Write the key of each band of one document; keys are odd, so never 0."""
    rows = len(minima) // bands
    for band in range(bands):
        key = np.uint64(band + 1)
        for k in range(band * rows, (band + 1) * rows):
            key = mix(key ^ np.uint64(minima[k])) + np.uint64(0x9E3779B97F4A7C15)
        keys[band, doc] = mix(key) | np.uint64(1)


@kernel(
    f"Tuple((uint64[:, ::1], uint32[::1], int64))"
    f"({BYTES}, {OFFSETS}, int64, int64, int64, int64, {_NUMBERS}, {_NUMBERS}, uint32[::1])"
)
def band_keys(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    unit: int,
    ngram: int,
    limit: int,
    bands: int,
    multipliers: npt.NDArray[np.uint32],
    addends: npt.NDArray[np.uint32],
    kept: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], int]:
    """Return the keys (one row a band, one column a document), how many shingles each document has, and all together.

    `kept` gets the shingles' top halves in the order of the text, repeats counted, if it has `most_shingles` places;
    an array of none asks for none.
    """
    num_docs = len(offsets) - 1
    keys, counts = np.zeros((bands, num_docs), np.uint64), np.zeros(num_docs, np.uint32)
    room = most_units(unit, offsets)
    units, shingles = np.empty(room, np.uint64), np.empty(room, np.uint64)
    halves, minima = np.empty(room + PADDING, np.uint32), np.empty(len(multipliers), np.uint32)
    total = 0
    for doc in range(num_docs):
        num_units = hash_units(unit, data, offsets[doc], offsets[doc + 1], units, limit)
        if num_units == 0:
            continue
        num_shingles = hash_shingles(units, num_units, ngram, shingles)
        counts[doc] = num_shingles
        top_halves(shingles, num_shingles, halves)
        take_minima(halves, num_shingles, multipliers, addends, minima)
        hash_bands(minima, bands, keys, doc)
        if len(kept):
            kept[total : total + num_shingles] = halves[:num_shingles]
        total += num_shingles
    return keys, counts, total


def most_shingles(unit: int, texts: TextView) -> int:
    """Return an upper bound on the shingles of all documents together, in units of `unit`."""
    most = int(texts.offsets[-1] - texts.offsets[0])
    return (most // 2 if unit == WORDS else most) + len(texts)
