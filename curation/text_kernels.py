"""Words, word hashes and shingles of the normal form `words@2`, straight over UTF-8 bytes.

A word is a maximal run of characters that do not separate, each in its folded form; `curation.words` says what
separates, what is as if it were not there and what folds, and why. The text itself never changes. Every kernel that
cuts words goes through `character`, so numbers of words and places of bytes agree everywhere.

The shingles of a document are its windows of `ngram` words as 64-bit hashes (polynomial in the word hashes, mixed).
A document of fewer words has one shingle, the hash of all its words, which no full window can equal but by chance;
a document without words has none.
"""

from __future__ import annotations

import unicodedata
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

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C13)  # 3 mod 8: BASE^k - 1 holds few factors of two, so swapped words differ
_SHORT = np.uint64(0xD6E8FEB86659FD93)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


SEPARATES, IGNORED = np.uint32(0), np.uint32(1)
"""What `character` gives for characters of no word, and for those that neither separate nor count."""

_MORE = 1
"""In the table of bytes: the bytes behind decide."""

_GENERAL, _CJK, _WIDE = 0x800, 0x870, 0x8B0
"""Where U+2000, U+3000 and U+FF00 lie in the table of characters; below it is by code point."""


def _fold_table() -> npt.NDArray[np.uint8]:
    """Return the byte that each byte counts as inside a word; 0 separates, of `_MORE` those behind it decide."""
    table = np.arange(256, dtype=np.uint8)
    for byte in range(0x80):
        table[byte] = ord(chr(byte).lower()) if chr(byte).isalnum() else 0
    table[0xC2:0xE0] = _MORE
    table[[0xE2, 0xE3, 0xEF]] = _MORE
    return table


def _sign(code: int) -> int:
    """Return what a code point from U+0080 on counts as, as `character` gives it."""
    wide, lower, category = code - 0xFEE0, chr(code).lower(), unicodedata.category(chr(code))
    if 0x21 <= wide <= 0x7E:
        return int(_FOLD[wide])
    if code == 0xAD or code == 0x061C or (category == "Cf" and 0x2000 <= code != 0x200B):
        return int(IGNORED)
    if category[0] in "ZP" or category == "Cc" or 0x2000 <= code <= 0x206F:
        return int(SEPARATES)
    if 0x3000 <= code <= 0x303F and category[0] == "S":
        return int(SEPARATES)
    folded = lower if len(lower) == 1 and 0x80 <= ord(lower) < 0x800 else chr(code)
    return int.from_bytes(folded.encode(), "little")


def _character_table() -> npt.NDArray[np.uint32]:
    """Return what the characters of the blocks count as that hold more than letters."""
    blocks = ((0, 0x80, 0x800), (_GENERAL, 0x2000, 0x2070), (_CJK, 0x3000, 0x3040), (_WIDE, 0xFF00, 0xFFF0))
    table = np.zeros(_WIDE + 0xF0, np.uint32)
    for place, first, end in blocks:
        for code in range(first, end):
            table[place + code - (first if place else 0)] = _sign(code)
    return table


_FOLD = _fold_table()
_TABLE = _character_table()


@kernel(lean=True)
def character(data: Any, place: Any, end: int) -> Any:
    """Return (bytes, sign) of what stands at `place`; the sign is what it counts as in `words@2`.

    The sign is `SEPARATES`, `IGNORED` or the UTF-8 bytes of the folded character, the first in the lowest eight bits.
    Characters of which none separates, is ignored or folds are given a byte at a time, each as itself.
    """
    lead = data[place]
    if _FOLD[lead] != _MORE or place + 1 >= end:
        return 1, np.uint32(_FOLD[lead])
    second = np.int64(data[place + 1]) & 63
    if lead < 0xE0:
        return 2, _TABLE[(np.int64(lead) & 31) << 6 | second]
    if place + 2 >= end:
        return 1, np.uint32(lead)
    code = (np.int64(lead) & 15) << 12 | second << 6 | (np.int64(data[place + 2]) & 63)
    if 0x2000 <= code < 0x2070:
        return 3, _TABLE[_GENERAL + code - 0x2000]
    if 0x3000 <= code < 0x3040:
        return 3, _TABLE[_CJK + code - 0x3000]
    if 0xFF00 <= code < 0xFFF0:
        return 3, _TABLE[_WIDE + code - 0xFF00]
    if code == 0xFEFF:
        return 3, IGNORED
    return 1, np.uint32(lead)


@kernel()
def mix(value: Any) -> Any:
    """Return `value` with every input bit spread over all output bits (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel(lean=True)
def hash_on(value: Any, sign: Any) -> Any:
    """Return the hash under way of a word with the bytes of one more sign (FNV-1a)."""
    while sign != SEPARATES:
        value = (value ^ np.uint64(sign & np.uint32(255))) * FNV_PRIME
        sign >>= np.uint32(8)
    return value


@kernel(lean=True)
def num_bytes(sign: Any) -> Any:
    """Return the number of bytes of a sign of a word."""
    return 1 + (sign > 0xFF) + (sign > 0xFFFF)


@kernel(lean=True)
def unlike_digits(sign: Any) -> Any:
    """Return the number of bytes of a sign of a word that are no ASCII digits."""
    return num_bytes(sign) - (48 <= sign <= 57)


@kernel()
def hash_words(data: Any, start: int, end: int, words: Any, max_words: int) -> Any:
    """Write the hashes of the words in `data[start:end]`, at most `max_words` of them; return how many.

    A byte that decides alone takes no branch, since where words end cannot be foretold: 0.15 s for 100 MB instead of
    0.29. So a place of `words` behind the last word may be written, if the text goes on there.
    """
    if max_words <= 0:
        return 0
    place, behind, most = np.uint64(start), np.uint64(end), np.uint64(max_words)  # never negative: no test for it
    num_words, inside = _ZERO, _ZERO  # inside: whether a word is under way
    value = FNV_OFFSET
    while place < behind and num_words < most:
        byte = _FOLD[data[place]]
        if byte == _MORE:
            width, sign = character(data, np.int64(place), end)
            place += np.uint64(width)
            if sign > IGNORED:
                value = hash_on(value, sign)
                inside = _ONE
            elif sign == SEPARATES:
                words[num_words] = value
                num_words += inside
                inside = _ZERO
                value = FNV_OFFSET
            continue
        place += _ONE
        separates = byte == 0
        words[num_words] = value
        num_words += inside if separates else _ZERO
        value = FNV_OFFSET if separates else (value ^ np.uint64(byte)) * FNV_PRIME
        inside = _ZERO if separates else _ONE
    if inside != _ZERO and num_words < most:
        words[num_words] = value
        num_words += _ONE
    for word in range(num_words):
        words[word] = mix(words[word])
    return np.int64(num_words)


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
