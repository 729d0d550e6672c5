"""fastText's features of a document and their mean: ids of words, subwords and n-grams, and the rows they choose.

A `</s>` in the text ends the document there and a token that starts with `__label__` is passed over, as in fastText.
Ids and the order of float32 sums are fastText's, so results differ by rounding only. A document of more than
`SEGMENT_TOKENS` tokens is summed segment by segment: its memory is constant.
Source: fastText 0.9.2, `dictionary.cc`, `vector.cc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.models.fasttext_words_kernels import (
    EOS_HASH,
    FNV_BASIS,
    MASK_32,
    byte_kinds,
    find_word,
    mixed_in,
    next_tokens,
    same_bytes,
    trimmed_begin,
    trimmed_end,
)
from filters.models.prefetch_kernels import prefetch
from filters.signal_sets.words_kernels import BYTES, OFFSETS

NGRAM_FACTOR = np.uint64(116049371)
EXACT_DIVISOR = np.uint64(1 << 14)
"""Below it 2**64 / divisor in float64 is off by more than one."""
EOS = np.frombuffer(b"</s>", np.uint8).copy()
LABEL = np.frombuffer(b"__label__", np.uint8).copy()
SEGMENT_TOKENS = 65_536
PENDING_IDS = 256
BLOCK_TOKENS = 64
LINE_FLOATS = 16
MAX_HINTS = 8
BEGIN_OF_WORD, END_OF_WORD = 0x3C, 0x3E  # < and >

NUM_WORDS, WORD_NGRAMS, BUCKETS, MIN_CHARS, MAX_CHARS, PRUNED, EOS_NUMBER, TRIM, LINE_ENDS = range(9)
"""Places of the integer settings."""

SETTINGS = "Array(int64, 1, 'C', readonly=True)"
IDS = "Array(int32, 1, 'C', readonly=True)"
SLOTS = "Array(uint64, 1, 'C', readonly=True)"
FLOATS = "Array(float32, 2, 'C', readonly=True)"
DICTIONARY = f"{BYTES}, {OFFSETS}, {SLOTS}, {SLOTS}, {IDS}, {SETTINGS}"
"""Words, their offsets, their last bytes, the table of slots, the map of pruned buckets, settings."""


@kernel(inline=True)
def hint_row(matrix: Any, row: int) -> None:
    """Ask for a row's cache lines; the hardware goes on by itself after the first ones."""
    dim = matrix.shape[1]
    for j in range(0, min(dim, MAX_HINTS * LINE_FLOATS), LINE_FLOATS):
        prefetch(matrix, row * dim + j)


@kernel(inline=True)
def pushed(ids: Any, count: int, bucket: Any, matrix: Any, prune: Any, settings: Any) -> int:
    """Append the id of a hash bucket, unless it was pruned away, and return the new count."""
    number: Any = np.int64(bucket)
    if settings[PRUNED]:
        number = np.int64(prune[number]) if len(prune) else -1
        if number < 0:
            return count
    number += settings[NUM_WORDS]
    hint_row(matrix, number)
    ids[count] = number
    return count + 1


@kernel()
def add_rows(hidden: Any, matrix: Any, ids: Any, count: int) -> None:
    """Add the rows `ids[:count]` to `hidden`, in this order; four at a time so that their loads overlap."""
    dim = len(hidden)
    full = count - count % 4
    for i in range(0, full, 4):
        a, b, c, d = ids[i], ids[i + 1], ids[i + 2], ids[i + 3]
        for j in range(dim):
            hidden[j] = (((hidden[j] + matrix[a, j]) + matrix[b, j]) + matrix[c, j]) + matrix[d, j]
    for i in range(full, count):
        a = ids[i]
        for j in range(dim):
            hidden[j] += matrix[a, j]


@kernel()
def add_subwords(
    data: Any, begin: int, end: int, hidden: Any, matrix: Any, ids: Any, count: int, prune: Any, settings: Any
) -> Any:
    """Append the character n-grams of `<word>`; returns (ids pending, ids already added to `hidden`)."""
    length = end - begin + 2
    added = 0
    buckets = np.uint64(settings[BUCKETS])
    for i in range(length):
        if 0 < i < length - 1 and (data[begin + i - 1] & 0xC0) == 0x80:
            continue
        state = FNV_BASIS
        j = i
        for size in range(1, settings[MAX_CHARS] + 1):
            if j >= length:
                break
            state = mixed_in(
                state, BEGIN_OF_WORD if j == 0 else END_OF_WORD if j == length - 1 else data[begin + j - 1]
            )
            j += 1
            while 0 < j < length - 1 and (data[begin + j - 1] & 0xC0) == 0x80:
                state = mixed_in(state, data[begin + j - 1])
                j += 1
            if size >= settings[MIN_CHARS] and not (size == 1 and (i == 0 or j == length)):
                if count == len(ids):
                    add_rows(hidden, matrix, ids, count)
                    added += count
                    count = 0
                count = pushed(ids, count, (state & MASK_32) % buckets, matrix, prune, settings)
    return count, added


@kernel(inline=True)
def remainder(value: Any, divisor: Any, inverse: float) -> Any:
    """Return `value % divisor`, by multiplication where the quotient is then off by at most one."""
    if divisor < EXACT_DIVISOR:
        return value % divisor
    left = np.int64(value - np.uint64(np.float64(value) * inverse) * divisor)
    if left < 0:
        left += np.int64(divisor)
    return np.uint64(left - np.int64(divisor) if left >= np.int64(divisor) else left)


@kernel()
def add_word_ngrams(
    tokens: Any, num_tokens: int, num_starts: int, hidden: Any, matrix: Any, ids: Any, prune: Any, settings: Any
) -> int:
    """Add the word n-grams that start at the first `num_starts` tokens, and return how many rows that were."""
    buckets = np.uint64(settings[BUCKETS])
    inverse = 1.0 / max(1, settings[BUCKETS])
    added = 0
    count = 0
    for i in range(num_starts):
        state = np.uint64(tokens[i])
        for j in range(i + 1, min(num_tokens, i + settings[WORD_NGRAMS])):
            state = state * NGRAM_FACTOR + np.uint64(tokens[j])
            if count == len(ids):
                add_rows(hidden, matrix, ids, count)
                added += count
                count = 0
            count = pushed(ids, count, remainder(state, buckets, inverse), matrix, prune, settings)
    add_rows(hidden, matrix, ids, count)
    return added + count


@kernel()
def is_label(data: Any, begin: int, end: int) -> bool:
    """Return whether a token starts with the label marker, which fastText never reads as a word."""
    return end - begin >= len(LABEL) and same_bytes(data, begin, LABEL, 0, len(LABEL))


@kernel()
def read_document(
    data: Any, begin: int, end: int, words: Any, word_offsets: Any, tails: Any, slots: Any, prune: Any, settings: Any,
    matrix: Any, hidden: Any, tokens: Any, ids: Any, found: Any, states: Any, kinds: Any,
) -> int:  # fmt: skip
    """Add every row of one document to `hidden` and return how many that were."""
    if settings[TRIM]:
        begin = trimmed_begin(data, begin, end)
        end = trimmed_end(data, begin, end)
    carried = settings[WORD_NGRAMS] - 1
    num_tokens, count, total = 0, 0, 0
    at: Any = np.int64(begin)
    while at >= 0:
        num_found, at = next_tokens(data, at, end, kinds, found, states, slots)
        for i in range(num_found):
            prefetch(slots, np.int64(states[i, 0]) & (len(slots) - 1))
        for i in range(num_found):
            start, stop, state = found[i, 0], found[i, 1], states[i, 0]
            is_end = start == stop or (state == EOS_HASH and stop - start == 4 and same_bytes(data, start, EOS, 0, 4))
            number = settings[EOS_NUMBER]
            if is_end:
                state, at = EOS_HASH, np.int64(-1)
            else:
                number = find_word(data, start, stop, state, states[i, 1], words, word_offsets, tails, slots)
                if number >= settings[NUM_WORDS] or (number < 0 and is_label(data, start, stop)):
                    continue
            if count == len(ids):
                add_rows(hidden, matrix, ids, count)
                total += count
                count = 0
            if number >= 0:
                hint_row(matrix, number)
                ids[count] = number
                count += 1
            if settings[MAX_CHARS] > 0 and not is_end:
                count, added = add_subwords(data, start, stop, hidden, matrix, ids, count, prune, settings)
                total += added
            if carried > 0:
                tokens[num_tokens] = np.int64(np.int32(np.uint32(state)))
                num_tokens += 1
            if is_end:
                break
        if num_tokens + len(states) > len(tokens):
            add_rows(hidden, matrix, ids, count)
            total += count
            count = 0
            total += add_word_ngrams(tokens, num_tokens, num_tokens - carried, hidden, matrix, ids, prune, settings)
            tokens[:carried] = tokens[num_tokens - carried : num_tokens]
            num_tokens = carried
    add_rows(hidden, matrix, ids, count)
    return total + count + add_word_ngrams(tokens, num_tokens, num_tokens, hidden, matrix, ids, prune, settings)


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, {DICTIONARY}, {FLOATS}, float32[:, ::1])")
def hidden_vectors(
    data: Any, offsets: Any, rows: Any, words: Any, word_offsets: Any, tails: Any, slots: Any, prune: Any,
    settings: Any, matrix: Any, out: Any,
) -> None:  # fmt: skip
    """Fill `out` with the mean of the matrix rows of each chosen document; a document without any gets NaN."""
    tokens = np.empty(SEGMENT_TOKENS, np.int64)
    ids = np.empty(PENDING_IDS, np.int32)
    found = np.empty((BLOCK_TOKENS, 2), np.int64)
    states = np.empty((BLOCK_TOKENS, 2), np.uint64)
    hidden = np.empty(out.shape[1], np.float32)
    kinds = byte_kinds(settings[LINE_ENDS])
    for i in range(len(rows)):
        hidden[:] = 0
        begin, end = offsets[rows[i]], offsets[rows[i] + 1]
        num_rows = read_document(
            data, begin, end, words, word_offsets, tails, slots, prune, settings, matrix, hidden, tokens, ids, found,
            states, kinds,
        )  # fmt: skip
        scale = np.float32(1.0 / num_rows) if num_rows else np.float32(np.nan)
        for j in range(len(hidden)):
            out[i, j] = hidden[j] * scale
