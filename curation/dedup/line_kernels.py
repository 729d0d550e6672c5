r"""Lines of documents as hashes, and documents written again without some of their lines.

A line stands between `\n`; its hash is over ASCII-lower-cased bytes with runs of ASCII whitespace as one space and none
at its ends. A line of fewer than `min_words` runs hashes to 0, which means "never compared".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from curation.text_kernels import BYTES, OFFSETS, hash_windows, hash_words, longest_document, mix

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_ONE = np.uint64(1)


@kernel(f"int64[::1]({BYTES}, {OFFSETS})")
def count_lines(data: Any, offsets: Any) -> Any:
    """Return the number of lines of each document: one more than its newlines, 0 for an empty one."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(counts)):
        if offsets[row] < offsets[row + 1]:
            counts[row] = 1
        for at in range(offsets[row], offsets[row + 1]):
            counts[row] += data[at] == 0x0A
    return counts


@kernel()
def line_hash(data: Any, begin: int, end: int, min_words: int) -> Any:
    """Return the hash of one line, 0 if it has too few words to be compared."""
    value = _FNV_OFFSET
    num_words = 0
    inside = False
    for at in range(begin, end):
        byte = data[at]
        if byte == 0x20 or 0x09 <= byte <= 0x0D:
            inside = False
            continue
        if not inside:
            if num_words:
                value = (value ^ np.uint64(0x20)) * _FNV_PRIME
            num_words += 1
            inside = True
        lowered = byte + 32 if 0x41 <= byte <= 0x5A else byte
        value = (value ^ np.uint64(lowered)) * _FNV_PRIME
    return mix(value) | _ONE if num_words and num_words >= min_words else np.uint64(0)


@kernel(f"void({BYTES}, {OFFSETS}, int64, uint64[::1])")
def hash_lines(data: Any, offsets: Any, min_words: int, hashes: Any) -> None:
    """Fill the hashes of all lines of all documents, one after the other."""
    number = 0
    for row in range(len(offsets) - 1):
        begin = offsets[row]
        for at in range(offsets[row], offsets[row + 1]):
            if data[at] == 0x0A:
                hashes[number] = line_hash(data, begin, at, min_words)
                number += 1
                begin = at + 1
        if offsets[row] < offsets[row + 1]:
            hashes[number] = line_hash(data, begin, offsets[row + 1], min_words)
            number += 1


@kernel(f"int64[::1]({BYTES}, {OFFSETS}, Array(bool, 1, 'C', True), uint8[::1])")
def without_lines(data: Any, offsets: Any, removed: Any, out: Any) -> Any:
    """Write every document without its `removed` lines (one entry a line) to `out`; return the new offsets.

    A removed line takes its newline along; the last line of what is left has none if the document's last had none.
    """
    ends = np.zeros(len(offsets), np.int64)
    number = 0
    size = 0
    for row in range(len(offsets) - 1):
        begin = offsets[row]
        first = size
        for at in range(offsets[row], offsets[row + 1] + 1):
            last = at == offsets[row + 1]
            if (last and offsets[row] < at) or (not last and data[at] == 0x0A):
                if not removed[number]:
                    for i in range(begin, at if last else at + 1):
                        out[size] = data[i]
                        size += 1
                elif last and size > first:
                    size -= 1  # the newline that led to this line
                number += 1
                begin = at + 1
        ends[row + 1] = size
    return ends


@kernel(f"int64({BYTES}, {OFFSETS}, Array(bool, 1, 'C', True), int64)")
def count_ngrams(data: Any, offsets: Any, alive: Any, ngram: int) -> int:
    """Return the number of n-grams of words in the lines of the documents that are alive."""
    words = np.empty(longest_document(offsets), np.uint64)
    total = 0
    for row in range(len(offsets) - 1):
        begin = offsets[row]
        for at in range(offsets[row], offsets[row + 1] + 1 if alive[row] else offsets[row]):
            if at == offsets[row + 1] or data[at] == 0x0A:
                total += max(0, hash_words(data, begin, at, words, len(words)) - ngram + 1)
                begin = at + 1
    return total


@kernel()
def bloom_has(bits: Any, num_hashes: int, value: Any) -> bool:
    """Return whether all bits of `value` are set (double hashing, Kirsch and Mitzenmacher 2006)."""
    step = mix(value) | _ONE
    mask = np.uint64(len(bits) * 64 - 1)
    for _ in range(num_hashes):
        place = value & mask
        if not (bits[place >> np.uint64(6)] >> (place & np.uint64(63))) & _ONE:
            return False
        value = value + step
    return True


@kernel()
def bloom_add(bits: Any, num_hashes: int, value: Any) -> None:
    """Set all bits of `value`."""
    step = mix(value) | _ONE
    mask = np.uint64(len(bits) * 64 - 1)
    for _ in range(num_hashes):
        place = value & mask
        bits[place >> np.uint64(6)] |= _ONE << (place & np.uint64(63))
        value = value + step


@kernel(
    f"void({BYTES}, {OFFSETS}, Array(bool, 1, 'C', True), int64, float64, int64, uint64[::1], boolean[::1],"
    " float64[::1])"
)
def seen_before(
    data: Any,
    offsets: Any,
    alive: Any,
    ngram: int,
    threshold: float,
    num_hashes: int,
    bits: Any,
    removed: Any,
    seen: Any,
) -> None:
    """Mark the lines whose n-grams were mostly seen before, and fill each document's share of n-grams seen before.

    Documents in order; the n-grams of a line that stays are added after the line is judged. A line of fewer words than
    an n-gram stays and adds nothing. `seen` is 0 for a document without n-grams or not alive.
    """
    room = longest_document(offsets)
    words, grams = np.empty(room, np.uint64), np.empty(room, np.uint64)
    number = 0
    for row in range(len(offsets) - 1):
        begin = offsets[row]
        total, found = 0, 0
        for at in range(offsets[row], offsets[row + 1] + 1):
            last = at == offsets[row + 1]
            if (last and offsets[row] == at) or (not last and data[at] != 0x0A):
                continue
            if alive[row]:
                num_words = hash_words(data, begin, at, words, room)
                num_grams = hash_windows(words, num_words, ngram, grams)
                known = 0
                for i in range(num_grams):
                    known += bloom_has(bits, num_hashes, grams[i])
                total += num_grams
                found += known
                if num_grams and known > threshold * num_grams:
                    removed[number] = True
                else:
                    for i in range(num_grams):
                        bloom_add(bits, num_hashes, grams[i])
            number += 1
            begin = at + 1
        seen[row] = found / total if total else 0.0
