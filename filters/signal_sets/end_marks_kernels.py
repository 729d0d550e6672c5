"""Sentences by their end marks: Punkt's rules without what Punkt learns from a corpus.

A *candidate* is the last . ? or ! of a word (a run without whitespace) that stands before whitespace and another word
or before one of `) " ; } ] * : @ ' ( { [ ? !`, curly quotes or guillemets. It ends a sentence unless a single period
is all that the word has of end marks up to it and

- it belongs to an ellipsis (`..` or longer), or
- what it follows is one of `ABBREVIATIONS` (any case), or
- a single letter, and a letter or one of ; : , . ! ? follows ("J. Smith"), or
- a number, and a lower-case ASCII letter or one of ; : , . ! ? follows ("no. 5. of").

Closing quotes and brackets after the mark belong to the sentence before; what follows them must not be empty. A text
with a word has one sentence more than ends. Source: Kiss and Strunk 2006, and nltk 3.10 `tokenize/punkt.py` without
its trained abbreviations, collocations and orthographic contexts; the list of abbreviations is ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import code_length, decode, is_letter, is_space, last_code

ABBREVIATIONS = ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "cf", "e.g", "i.e", "u.s")
PACKED_ABBREVIATIONS = np.array(
    [sum(ord(char) << (8 * i) for i, char in enumerate(word)) for word in ABBREVIATIONS], np.int64
)
LONGEST_ABBREVIATION = max(map(len, ABBREVIATIONS))


@kernel()
def is_closing(code: int) -> bool:
    r"""Return whether a code point closes a quote or a bracket: " ' ) ] }, curly quotes, guillemets."""
    return code in (0x22, 0x27, 0x29, 0x5D, 0x7D, 0x2018, 0x2019, 0x201C, 0x201D, 0xAB, 0xBB)


@kernel()
def parts_words(code: int) -> bool:
    """Return whether a code point ends a token inside a word: Punkt's non-word characters."""
    return is_closing(code) or code in (0x3B, 0x2A, 0x3A, 0x40, 0x28, 0x7B, 0x5B, 0x3F, 0x21)


@kernel()
def code_at(data: Any, at: int) -> Any:
    """Return the code point at `data[at]`."""
    return decode(data, at, code_length(data[at]))


@kernel()
def candidate_of(data: Any, begin: int, end: int, has_next: Any) -> int:
    """Return the byte of the word's last end mark that may end a sentence, -1 if none."""
    for i in range(end - 1, begin - 1, -1):
        if data[i] == 0x2E or data[i] == 0x3F or data[i] == 0x21:
            if i + 1 == end:
                if has_next:
                    return i
            elif parts_words(code_at(data, i + 1)):
                return i
    return -1


@kernel()
def token_before(data: Any, begin: int, at: int) -> Any:
    """Return where the token that ends at `at` starts in the word that starts at `begin`."""
    start = at
    while start > begin:
        code, before = last_code(data, begin, start)
        if parts_words(code):
            if code == 0x27 or code in (0x2018, 0x2019, 0x201C, 0x201D, 0xAB, 0xBB):
                start = before  # Punkt lets a word start with these
            break
        start = before
    while start < at and data[start] in (0x2D, 0x2C, 0x26, 0x23, 0x60):
        start += 1
    return start


@kernel()
def is_abbreviation(data: Any, begin: int, end: int) -> bool:
    """Return whether `data[begin:end]` is one of `ABBREVIATIONS` in any case."""
    if end - begin > LONGEST_ABBREVIATION:
        return False
    packed = np.int64(0)
    for i in range(begin, end):
        byte = np.int64(data[i])
        packed |= (byte + 32 if 0x41 <= byte <= 0x5A else byte) << (8 * (i - begin))
    for i in range(len(PACKED_ABBREVIATIONS)):  # noqa: SIM110 - numba compiles no generator
        if packed == PACKED_ABBREVIATIONS[i]:
            return True
    return False


@kernel()
def is_number(data: Any, begin: int, end: int) -> bool:
    """Return whether `data[begin:end]` is an ASCII number: a digit, after . or , at most, then digits and . , -."""
    if begin < end and (data[begin] == 0x2E or data[begin] == 0x2C):
        begin += 1
    if begin == end or not 0x30 <= data[begin] <= 0x39:
        return False
    for i in range(begin, end):  # noqa: SIM110 - numba compiles no generator
        if not (0x30 <= data[i] <= 0x39 or 0x2C <= data[i] <= 0x2E):
            return False
    return True


@kernel()
def ends_sentence(data: Any, begin: int, at: int, following: int) -> bool:
    """Return whether the candidate `data[at]` of a word ends a sentence; `following` is the code point that follows."""
    for i in range(begin, at + 1):
        if data[i] == 0x3F or data[i] == 0x21:
            return True
    if at > begin and data[at - 1] == 0x2E:
        return False
    start = token_before(data, begin, at)
    if is_abbreviation(data, start, at):
        return False
    before_mark = following in (0x3B, 0x3A, 0x2C, 0x2E, 0x21, 0x3F)
    if start < at and start + code_length(data[start]) == at and is_letter(code_at(data, start)):
        return not (before_mark or is_letter(following))
    return not (is_number(data, start, at) and (before_mark or 0x61 <= following <= 0x7A))


@kernel()
def after_closing(data: Any, at: int, end: int) -> int:
    """Return the byte after the closing characters at `at` if whitespace, `--` or the end follows them, else `at`."""
    i = at
    while i < end:
        size = code_length(data[i])
        code = decode(data, i, size)
        if not is_closing(code):
            dashes = data[i] == 0x2D and i + 1 < end and data[i + 1] == 0x2D
            return i if dashes or is_space(code) else at
        i += size
    return end


@kernel()
def word_end(data: Any, at: int, end: int) -> int:
    """Return where the word at `at` ends."""
    while at < end:
        size = code_length(data[at])
        if is_space(decode(data, at, size)):
            return at
        at += size
    return end


@kernel()
def word_start(data: Any, at: int, end: int) -> int:
    """Return where the next word at or after `at` starts, `end` if there is none."""
    while at < end:
        size = code_length(data[at])
        if not is_space(decode(data, at, size)):
            return at
        at += size
    return end


@kernel()
def sentences_of(data: Any, begin: int, end: int) -> int:
    """Return the number of sentences of `data[begin:end]`."""
    at = word_start(data, begin, end)
    sentences = 1 if at < end else 0
    while at < end:
        stop = word_end(data, at, end)
        following = word_start(data, stop, end)
        mark = candidate_of(data, at, stop, following < end)
        if mark >= 0:
            rest = mark + 1 if mark + 1 < stop else following
            if ends_sentence(data, at, mark, code_at(data, rest)):
                sentences += word_start(data, after_closing(data, rest, end), end) < end
        at = following
    return sentences


@kernel("void(uint8[::1], int64[:, ::1], int64[::1])")
def count_sentences_by_marks(data: Any, spans: Any, out: Any) -> None:
    """Fill `out` with the number of sentences of each range of bytes in `spans`."""
    for row in range(len(spans)):
        out[row] = sentences_of(data, spans[row, 0], spans[row, 1])
