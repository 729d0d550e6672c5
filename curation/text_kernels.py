"""Words, word hashes and shingles of the normal form `words@1`, straight over UTF-8 bytes.

A word is a maximal run of ASCII letters and digits and of bytes of 0x80 or more; ASCII letters count as lower-case;
everything else separates. Digits are not folded, else number tables would collide. The text itself never changes.
Limits: letters outside ASCII keep their case and accents, and punctuation and spaces outside ASCII (curly quotes,
the no-break space, CJK full stops) belong to words, so text without ASCII spaces makes few, long words.

The shingles of a document are its windows of `ngram` words as 64-bit hashes (polynomial in the word hashes, mixed).
A document of fewer words has one shingle, the hash of all its words, which no full window can equal but by chance;
a document without words has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel

if TYPE_CHECKING:
    from curation.batches import TextView

BYTES = "Array(uint8, 1, 'C', True)"
"""Numba type of `TextView.data`: Arrow's buffers are read-only."""
OFFSETS = "Array(int64, 1, 'C', True)"
HASHES = "Array(uint64, 1, 'C', True)"

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C13)  # 3 mod 8: BASE^k - 1 holds few factors of two, so swapped words differ
_SHORT = np.uint64(0xD6E8FEB86659FD93)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


def _fold_table() -> npt.NDArray[np.uint8]:
    """Return the byte that each byte counts as inside a word; 0 separates words."""
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        char = chr(byte)
        if byte >= 0x80 or (char.isascii() and char.isalnum()):
            table[byte] = ord(char.lower()) if byte < 0x80 else byte
    return table


_FOLD = _fold_table()


@kernel()
def mix(value: Any) -> Any:
    """Return `value` with every input bit spread over all output bits (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel()
def is_word_byte(byte: Any) -> bool:
    """Return whether `byte` belongs to a word."""
    return bool(_FOLD[byte] != 0)


@kernel()
def hash_words(data: Any, start: int, end: int, words: Any, max_words: int) -> int:
    """Write the hashes of the words in `data[start:end]`, at most `max_words` of them; return how many."""
    num_words = 0
    inside = False
    value = _FNV_OFFSET
    for place in range(start, end):
        byte = _FOLD[data[place]]
        if byte != 0:
            value = (value ^ np.uint64(byte)) * _FNV_PRIME
            inside = True
        elif inside:
            words[num_words] = mix(value)
            num_words += 1
            inside = False
            value = _FNV_OFFSET
            if num_words == max_words:
                return num_words
    if inside:
        words[num_words] = mix(value)
        num_words += 1
    return num_words


@kernel()
def window_hash(words: Any, start: int, length: int) -> Any:
    """Return the hash of `length` words from `start`; never 0, which marks free slots of tables."""
    value = _ZERO
    for i in range(start, start + length):
        value = value * _BASE + words[i]
    return mix(value) | _ONE


@kernel()
def hash_windows(words: Any, num_words: int, length: int, out: Any) -> int:
    """Write the hash of every window of `length` words, as `window_hash` gives it; return how many."""
    if num_words < length:
        return 0
    power = _ONE
    for _ in range(length):
        power = power * _BASE
    value = _ZERO
    for i in range(num_words):
        value = value * _BASE + words[i]
        if i >= length:
            value = value - words[i - length] * power
        if i >= length - 1:
            out[i - length + 1] = mix(value) | _ONE
    return num_words - length + 1


@kernel()
def hash_shingles(words: Any, num_words: int, ngram: int, out: Any) -> int:
    """Write the shingles of a document in order, repeats included; return how many."""
    if num_words == 0:
        return 0
    if num_words < ngram:
        out[0] = mix(window_hash(words, 0, num_words) + _SHORT * np.uint64(num_words)) | _ONE
        return 1
    return hash_windows(words, num_words, ngram, out)


@kernel()
def longest_document(offsets: Any) -> int:
    """Return an upper bound on the words of any document, for scratch space."""
    longest = 0
    for doc in range(len(offsets) - 1):
        longest = max(longest, offsets[doc + 1] - offsets[doc])
    return longest // 2 + 1


@kernel(f"int64[::1]({BYTES}, {OFFSETS})")
def word_counts(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of words of each document."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    words = np.empty(longest_document(offsets), np.uint64)
    for doc in range(len(counts)):
        counts[doc] = hash_words(data, offsets[doc], offsets[doc + 1], words, len(words))
    return counts


@kernel(f"uint64[::1]({BYTES}, {OFFSETS}, int64[::1])")
def word_hashes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return the word hashes of all documents one after the other; `counts` as `word_counts` gives them."""
    out = np.empty(counts.sum(), np.uint64)
    first = 0
    for doc in range(len(counts)):
        hash_words(data, offsets[doc], offsets[doc + 1], out[first:], counts[doc])
        first += counts[doc]
    return out


@kernel(f"uint64[::1]({BYTES}, {OFFSETS}, int64)")
def window_hashes(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint64]:
    """Return the hashes of all windows of `length` words of all documents; none spans two documents."""
    room = longest_document(offsets)
    words = np.empty(room, np.uint64)
    out = np.empty((offsets[-1] - offsets[0]) // 2 + len(offsets), np.uint64)
    total = 0
    for doc in range(len(offsets) - 1):
        num_words = hash_words(data, offsets[doc], offsets[doc + 1], words, room)
        total += hash_windows(words, num_words, length, out[total:])
    return out[:total].copy()


@kernel(f"Tuple((int64[::1], uint64[::1]))({BYTES}, {OFFSETS}, int64, int64)")
def _shingle_sets(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], ngram: int, max_words: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    room = longest_document(offsets)
    words = np.empty(room, np.uint64)
    shingles = np.empty(room, np.uint64)
    starts = np.zeros(len(offsets), np.int64)
    values = np.empty((offsets[-1] - offsets[0]) // 2 + len(offsets), np.uint64)
    total = 0
    for doc in range(len(offsets) - 1):
        num_words = hash_words(data, offsets[doc], offsets[doc + 1], words, max_words)
        num_shingles = hash_shingles(words, num_words, ngram, shingles)
        ordered = np.sort(shingles[:num_shingles])
        for i in range(num_shingles):
            if i == 0 or ordered[i] != ordered[i - 1]:
                values[total] = ordered[i]
                total += 1
        starts[doc + 1] = total
    return starts, values[:total].copy()


def shingle_sets(texts: TextView, ngram: int, max_words: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return (starts, values): the distinct shingles of document i, sorted, are `values[starts[i]:starts[i + 1]]`.

    Only the first `max_words` words of a document count.
    """
    starts, values = _shingle_sets(texts.data, texts.offsets, ngram, max_words)
    return starts, values
