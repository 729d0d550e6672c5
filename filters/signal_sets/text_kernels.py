"""All raw statistics of the signal set `text` in one pass: the entry point `text_statistics`.

Column order of the result is `filters.signals.TEXT_COLUMNS`. A share of nothing (no words, no lines) is 0. Word,
line and paragraph as in `words_kernels`, dialect `curate@1`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.repetition_kernels import repetition_statistics, table_mask
from filters.signal_sets.words_kernels import (
    BEGIN,
    BYTES,
    CHAR_BEGIN,
    CHAR_END,
    END,
    FLAG_ALPHABETIC,
    FLAG_LINE_START,
    OFFSETS,
    count_words,
    last_code,
    split_words,
)

NUM_COLUMNS = 31
SHORT_LINE_CHARS = 30

LOREM_IPSUM = np.frombuffer(b"lorem ipsum", np.uint8).copy()
STOP_WORDS = np.array(
    [
        sum(byte << (8 * i) for i, byte in enumerate(word))
        for word in (b"the", b"be", b"to", b"of", b"and", b"that", b"have", b"with")
    ],
    np.int64,
)


@kernel()
def lowered(byte: Any) -> Any:
    """Return an ASCII byte in lower case, others unchanged."""
    return byte + 32 if 0x41 <= byte <= 0x5A else byte


@kernel()
def is_ascii_alphanumeric(byte: int) -> bool:
    """Return whether a byte is an ASCII letter or digit."""
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


@kernel()
def stop_word_bit(data: Any, begin: int, end: int) -> int:
    """Return the bit of the stop word that a word is, without ASCII punctuation around it and in any case; else 0."""
    while begin < end and data[begin] < 0x80 and not is_ascii_alphanumeric(data[begin]):
        begin += 1
    while end > begin and data[end - 1] < 0x80 and not is_ascii_alphanumeric(data[end - 1]):
        end -= 1
    if end - begin < 2 or end - begin > 4:
        return 0
    packed = np.int64(0)
    for i in range(begin, end):
        packed |= np.int64(lowered(np.int64(data[i]))) << (8 * (i - begin))
    for i in range(len(STOP_WORDS)):
        if packed == STOP_WORDS[i]:
            return 1 << i
    return 0


@kernel()
def is_terminal(code: int) -> bool:
    r"""Return whether a line that ends in this code point ends a sentence: . ! ? " ' and their kin in other scripts."""
    return code in (0x2E, 0x21, 0x3F, 0x22, 0x27, 0x2026, 0x201D, 0x2019, 0x3002, 0xFF01, 0xFF1F, 0x061F, 0x0964)


@kernel()
def ends_sentence(data: Any, begin: int, end: int) -> bool:
    """Return whether a word ends in . ! or ?, closing quotes and brackets after it aside."""
    while end > begin:
        code, at = last_code(data, begin, end)
        if code in (0x2E, 0x21, 0x3F):
            return True
        if code not in (0x22, 0x27, 0x29, 0x5D, 0x7D, 0x201D, 0x2019, 0xBB):
            return False
        end = at
    return False


@kernel()
def ends_in_ellipsis(data: Any, begin: int, end: int) -> Any:
    """Return whether `data[begin:end]` ends in ... or U+2026."""
    if end - begin < 3:
        return False
    a, b, c = data[end - 3], data[end - 2], data[end - 1]
    return (a == 0x2E and b == 0x2E and c == 0x2E) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@kernel()
def starts_with_bullet(data: Any, begin: int, end: int) -> Any:
    """Return whether `data[begin:end]` starts with - * U+2022 or U+25CF."""
    if data[begin] == 0x2D or data[begin] == 0x2A:
        return True
    if end - begin < 3 or data[begin] != 0xE2:
        return False
    b, c = data[begin + 1], data[begin + 2]
    return (b == 0x80 and c == 0xA2) or (b == 0x97 and c == 0x8F)


@kernel()
def matches_lorem(data: Any, at: int, end: int) -> bool:
    """Return whether "lorem ipsum", in any case, stands at `data[at]`."""
    if at + len(LOREM_IPSUM) > end:
        return False
    for i in range(len(LOREM_IPSUM)):  # noqa: SIM110 - numba compiles no generator
        if lowered(data[at + i]) != LOREM_IPSUM[i]:
            return False
    return True


@kernel()
def count_marks(data: Any, begin: int, end: int) -> tuple[int, int, int, int, int]:
    """Return counts of #, ellipses, {, "lorem ipsum" and full-width sentence ends, none overlapping itself."""
    hashes, ellipses, curlies, lorems, full_stops = 0, 0, 0, 0, 0
    dots = 0
    for i in range(begin, end):
        byte = data[i]
        dots = dots + 1 if byte == 0x2E else 0
        if byte > 0x7F:
            if byte < 0xE2 or i + 2 >= end:
                continue
            b, c = data[i + 1], data[i + 2]
            ellipses += byte == 0xE2 and b == 0x80 and c == 0xA6
            full_stops += (byte == 0xE3 and b == 0x80 and c == 0x82) or (
                byte == 0xEF and b == 0xBC and (c == 0x81 or c == 0x9F)
            )
        elif dots == 3:
            ellipses += 1
            dots = 0
        elif byte == 0x23:
            hashes += 1
        elif byte == 0x7B:
            curlies += 1
        elif byte == 0x4C or byte == 0x6C:
            lorems += matches_lorem(data, i, end)
    return hashes, ellipses, curlies, lorems, full_stops


@kernel()
def word_statistics(data: Any, words: Any, flags: Any, num_words: int) -> tuple[int, int, int, int]:
    """Return word characters, alphabetic words, distinct stop words, and words that end a sentence."""
    chars, alphabetic, stop_bits, sentences = 0, 0, 0, 0
    for i in range(num_words):
        chars += words[i, CHAR_END] - words[i, CHAR_BEGIN]
        alphabetic += (flags[i] & FLAG_ALPHABETIC) != 0
        stop_bits |= stop_word_bit(data, words[i, BEGIN], words[i, END])
        sentences += ends_sentence(data, words[i, BEGIN], words[i, END])
    stop_words = 0
    while stop_bits:
        stop_words += stop_bits & 1
        stop_bits >>= 1
    return chars, alphabetic, stop_words, sentences


@kernel()
def line_statistics(data: Any, words: Any, flags: Any, num_words: int) -> tuple[int, int, int, int]:
    """Return numbers of lines that start with a bullet, end in an ellipsis, end a sentence, are short."""
    bullets, ellipses, terminals, shorts = 0, 0, 0, 0
    first = 0
    for i in range(num_words):
        if i + 1 < num_words and not flags[i + 1] & FLAG_LINE_START:
            continue
        begin, end = words[first, BEGIN], words[i, END]
        bullets += starts_with_bullet(data, begin, end)
        ellipses += ends_in_ellipsis(data, begin, end)
        code, _ = last_code(data, begin, end)
        terminals += is_terminal(code)
        shorts += words[i, CHAR_END] - words[first, CHAR_BEGIN] <= SHORT_LINE_CHARS
        first = i + 1
    return bullets, ellipses, terminals, shorts


@kernel()
def share(part: int, whole: int) -> float:
    """Return part / whole, 0 of nothing."""
    return part / whole if whole > 0 else 0.0


@kernel()
def most_words(data: Any, offsets: Any) -> int:
    """Return the largest number of words of any document."""
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, count_words(data, offsets[row], offsets[row + 1]))
    return most


@kernel(f"void({BYTES}, {OFFSETS}, float64[:, ::1])")
def text_statistics(data: Any, offsets: Any, out: Any) -> None:
    """Fill `out` (documents x NUM_COLUMNS) with every statistic of every document."""
    capacity = max(1, most_words(data, offsets))
    words = np.empty((capacity, 4), np.int64)
    hashes = np.empty(capacity, np.uint64)
    grams = np.empty(capacity, np.uint64)
    flags = np.empty(capacity, np.uint8)
    size = table_mask(capacity) + 1
    keys = np.empty(size, np.uint64)
    counts = np.empty(size, np.int32)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        num_words, chars, newlines = split_words(data, begin, end, words, hashes, flags)
        result = out[row]
        lines, paragraphs, repeated = repetition_statistics(
            data, words, hashes, flags, num_words, chars, grams, keys, counts, result[18:]
        )
        marks, ellipses, curlies, lorems, full_stops = count_marks(data, begin, end)
        word_chars, alphabetic, stop_words, sentences = word_statistics(data, words, flags, num_words)
        bullets, ellipsis_lines, terminals, shorts = line_statistics(data, words, flags, num_words)
        result[0] = chars
        result[1] = num_words
        result[2] = lines
        result[3] = paragraphs
        result[4] = share(word_chars, num_words)
        result[5] = share(marks, num_words)
        result[6] = share(ellipses, num_words)
        result[7] = share(bullets, lines)
        result[8] = share(ellipsis_lines, lines)
        result[9] = share(alphabetic, num_words)
        result[10] = stop_words
        result[11] = share(terminals, lines)
        result[12] = share(shorts, lines)
        result[13] = share(newlines, num_words)
        result[14] = share(repeated, chars - newlines)
        result[15] = lorems
        result[16] = curlies
        result[17] = sentences + full_stops
