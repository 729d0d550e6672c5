"""fastText's text and model arithmetic over Arrow buffers: tokens, word ids, hashed n-grams, hidden vector, output.

A token is a run of bytes without fastText's separators (space, \\t \\n \\v \\f \\r and NUL); a normalisation may add
Python's other line ends and trim Python's whitespace. Every document ends in the token `</s>`; one that stands in the text
ends it there, as in fastText. Feature ids and the order of float32 sums are fastText's, so results differ by rounding
only. A document of more than `SEGMENT_TOKENS` tokens is summed segment by segment: its memory is constant.
Source: fastText 0.9.2, `dictionary.cc`, `vector.cc`, `loss.cc`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.models.prefetch_kernels import prefetch
from filters.signal_sets.words_kernels import BYTES, OFFSETS, decode, is_space, last_code

MASK_32 = np.uint64(0xFFFFFFFF)
HALF, BYTE, ZERO = np.uint64(32), np.uint64(8), np.uint64(0)
FNV_BASIS = np.uint64(2166136261)
FNV_FACTOR = np.uint64(16777619)
NGRAM_FACTOR = np.uint64(116049371)
EXACT_DIVISOR = np.uint64(1 << 14)  # below it, 2**64 / divisor in float64 is off by more than one
EOS = np.frombuffer(b"</s>", np.uint8).copy()
LABEL = np.frombuffer(b"__label__", np.uint8).copy()
SEGMENT_TOKENS = 65_536
PENDING_IDS = 256
BLOCK_TOKENS = 64
LINE_FLOATS = 16
MAX_HINTS = 8
BEGIN_OF_WORD, END_OF_WORD = 0x3C, 0x3E  # < and >

EOS_HASH = np.uint64(functools.reduce(lambda h, byte: (h ^ byte) * 16777619 & 0xFFFFFFFF, b"</s>", 2166136261))

NUM_WORDS, WORD_NGRAMS, BUCKETS, MIN_CHARS, MAX_CHARS, PRUNED, EOS_NUMBER, TRIM, LINE_ENDS = range(9)
"""Places of the integer settings."""

SETTINGS = "Array(int64, 1, 'C', readonly=True)"
IDS = "Array(int32, 1, 'C', readonly=True)"
SLOTS = "Array(uint64, 1, 'C', readonly=True)"
FLOATS = "Array(float32, 2, 'C', readonly=True)"
DICTIONARY = f"{BYTES}, {OFFSETS}, {SLOTS}, {SLOTS}, {IDS}, {SETTINGS}"  # words, offsets, table, pruned buckets, settings


@kernel(inline=True)
def mixed_in(state: Any, byte: Any) -> Any:
    """Return the FNV-1a state after one byte, which fastText reads as signed; the low 32 bits are the hash."""
    return (state ^ np.uint64(np.int64(np.int8(byte)))) * FNV_FACTOR


@kernel()
def hash_bytes(data: Any, begin: int, end: int) -> Any:
    """Return the hash of `data[begin:end]`."""
    state = FNV_BASIS
    for at in range(begin, end):
        state = mixed_in(state, data[at])
    return state & MASK_32


@kernel(f"Tuple((uint64[::1], uint64[::1]))({BYTES}, {OFFSETS})")
def build_table(words: Any, offsets: Any) -> Any:
    """Return an open-addressing table of the words and the last 8 bytes of each.

    A slot holds the hash in its high half and number + 1 in its low one; 0 is a free slot.
    """
    num_slots = 16
    while num_slots < 2 * len(offsets):
        num_slots *= 2
    slots = np.zeros(num_slots, np.uint64)
    tails = np.zeros(len(offsets) - 1, np.uint64)
    for number in range(len(offsets) - 1):
        state = hash_bytes(words, offsets[number], offsets[number + 1])
        slot = np.int64(state) & (num_slots - 1)
        while slots[slot]:
            slot = (slot + 1) & (num_slots - 1)
        slots[slot] = (state << HALF) | np.uint64(number + 1)
        for at in range(offsets[number], offsets[number + 1]):
            tails[number] = (tails[number] << BYTE) | np.uint64(words[at])
    return slots, tails


@kernel(inline=True)
def same_bytes(data: Any, begin: int, other: Any, other_begin: int, length: int) -> bool:
    """Return whether two runs of `length` bytes are equal."""
    for i in range(length):
        if data[begin + i] != other[other_begin + i]:
            return False
    return True


@kernel(inline=True)
def find_word(data: Any, begin: int, end: int, state: Any, tail: Any, words: Any, offsets: Any, tails: Any, slots: Any) -> int:
    """Return the number of the word `data[begin:end]`, -1 for an unknown one; up to 8 bytes are compared at once."""
    slot = np.int64(state) & (len(slots) - 1)
    while slots[slot]:
        if slots[slot] >> HALF == state:
            number = np.int64(slots[slot] & MASK_32) - 1
            length = end - begin
            if tails[number] == tail and offsets[number + 1] - offsets[number] == length:
                if length <= 8 or same_bytes(data, begin, words, offsets[number], length - 8):
                    return number
        slot = (slot + 1) & (len(slots) - 1)
    return -1


@kernel()
def wide_separator(data: Any, at: int, end: int) -> int:
    """Return the bytes of U+0085, U+2028 or U+2029 at `at`, 0 if none of them stands there."""
    if data[at] == 0xC2 and at + 1 < end and data[at + 1] == 0x85:
        return 2
    if data[at] == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and (data[at + 2] & 0xFE) == 0xA8:
        return 3
    return 0


@kernel()
def byte_kinds(line_ends: int) -> Any:
    """Return the kind of every byte: 0 in a word, 1 a separator, 2 perhaps the first of a wide one."""
    kinds = np.zeros(256, np.uint8)
    kinds[0] = kinds[0x20] = 1
    kinds[0x09:0x0E] = 1
    if line_ends:
        kinds[0x1C:0x1F] = 1
        kinds[0xC2] = kinds[0xE2] = 2
    return kinds


@kernel()
def trimmed_begin(data: Any, begin: int, end: int) -> int:
    """Return where `data[begin:end]` starts without leading whitespace of `str.strip()`."""
    while begin < end:
        stop = begin + 1
        while stop < end and (data[stop] & 0xC0) == 0x80:
            stop += 1
        if not is_space(decode(data, begin, stop - begin)):
            return begin
        begin = stop
    return begin


@kernel()
def trimmed_end(data: Any, begin: int, end: int) -> int:
    """Return where `data[begin:end]` ends without trailing whitespace of `str.strip()`."""
    while end > begin:
        code, at = last_code(data, begin, end)
        if not is_space(code):
            return end
        end = at
    return end


@kernel(inline=True)
def hint_row(matrix: Any, row: int) -> None:
    """Ask for a row's cache lines; the hardware goes on by itself after the first ones."""
    dim = matrix.shape[1]
    for j in range(0, min(dim, MAX_HINTS * LINE_FLOATS), LINE_FLOATS):
        prefetch(matrix, row * dim + j)


@kernel(inline=True)
def pushed(ids: Any, count: int, bucket: Any, matrix: Any, prune: Any, settings: Any) -> int:
    """Append the id of a hash bucket, unless it was pruned away, and return the new count."""
    number = np.int64(bucket)
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
            state = mixed_in(state, BEGIN_OF_WORD if j == 0 else END_OF_WORD if j == length - 1 else data[begin + j - 1])
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
def next_tokens(data: Any, at: int, end: int, kinds: Any, found: Any, states: Any, slots: Any) -> Any:
    """Fill `found` (begin, end) and `states` (hash, last 8 bytes) with the next tokens; returns how many, where to go on.

    That place is -1 after the closing `</s>`, a token from `end` to `end`. Every byte takes the same path, word or not:
    the ends of words are what a processor cannot guess.
    """
    count, start, last = 0, at, len(states) - 1
    state, tail = FNV_BASIS, ZERO
    while at < end and count < last:
        byte = data[at]
        kind = kinds[byte]
        step = 1
        if kind > 1:
            step = wide_separator(data, at, end)
            kind = 1 if step else 0
            step = max(step, 1)
        found[count, 0] = start
        found[count, 1] = at
        states[count, 0] = state & MASK_32
        states[count, 1] = tail
        count += kind & np.int64(at > start)
        state = FNV_BASIS if kind else mixed_in(state, byte)
        tail = ZERO if kind else (tail << BYTE) | np.uint64(byte)
        at += step
        start = at if kind else start
    if at < end:  # the table is full
        return count, np.int64(start)
    if at > start:
        found[count, 0], found[count, 1], states[count, 0], states[count, 1] = start, at, state & MASK_32, tail
        count += 1
    found[count, 0] = found[count, 1] = end
    return count + 1, np.int64(-1)


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
    num_tokens, count, total, at = 0, 0, 0, np.int64(begin)
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
    data: Any, offsets: Any, rows: Any, words: Any, word_offsets: Any, tails: Any, slots: Any, prune: Any, settings: Any,
    matrix: Any, out: Any,
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
            data, begin, end, words, word_offsets, tails, slots, prune, settings, matrix, hidden, tokens, ids, found, states,
            kinds,
        )  # fmt: skip
        scale = np.float32(1.0 / num_rows) if num_rows else np.float32(np.nan)
        for j in range(len(hidden)):
            out[i, j] = hidden[j] * scale
