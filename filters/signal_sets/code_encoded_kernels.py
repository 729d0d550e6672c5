r"""Inline encoded data in code: runs of base64, of hexadecimal bytes and of `\uXXXX`, as The Stack v2 finds them.

The three regular expressions are `[a-zA-Z0-9+/\n=]{64,}`, `(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}` and
`(?:\\u[0-9a-fA-F]{4}){8,}`; none of them needs to go back over an element once it is read, so each is one scan.
Characters under two of them count once. Source: StarCoder2 and The Stack v2, arXiv:2402.19173.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.spans_kernels import count_chars
from filters.signal_sets.unicode_words_kernels import ALNUM, skip_spaces
from filters.signal_sets.words_kernels import code_length, decode, last_code

MIN_BASE64 = 64
MIN_ELEMENTS = 8
BASE64, HEXADECIMAL, UNICODE = range(3)


@kernel()
def is_hex(data: Any, begin: int, end: int, digits: int) -> bool:
    """Return whether `digits` hexadecimal digits stand at `data[begin]`."""
    if begin + digits > end:
        return False
    for i in range(begin, begin + digits):
        byte = data[i]
        if not (0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x46 or 0x61 <= byte <= 0x66):
            return False
    return True


@kernel()
def is_word_at(data: Any, at: int, classes: Any) -> Any:
    r"""Return whether the code point at byte `at` is one of `re`'s `\w`."""
    code = decode(data, at, code_length(data[at]))
    return (classes[code] & ALNUM) != 0 or code == 0x5F


@kernel()
def is_boundary(data: Any, first: int, at: int, end: int, classes: Any) -> Any:
    r"""Return whether `\b` matches at byte `at` of the document `data[first:end]`."""
    before = False
    if at > first:
        code, _ = last_code(data, first, at)
        before = (classes[code] & ALNUM) != 0 or code == 0x5F
    return before != (at < end and is_word_at(data, at, classes))


@kernel()
def hex_element_end(data: Any, first: int, at: int, end: int, classes: Any) -> int:
    """Return the end of one element of the hexadecimal expression at byte `at`, -1 if there is none."""
    if not is_boundary(data, first, at, end, classes):
        return -1
    if at + 1 < end and (data[at] == 0x30 or data[at] == 0x5C) and data[at + 1] == 0x78:
        at += 2
    if not is_hex(data, at, end, 2):
        return -1
    at += 2
    if at < end and data[at] == 0x2C:
        return at + 1
    if not is_boundary(data, first, at, end, classes):
        return -1
    return skip_spaces(data, at, end, classes)


@kernel()
def hex_match_end(data: Any, first: int, at: int, end: int, classes: Any) -> int:
    """Return the end of a match of the hexadecimal expression at byte `at`, -1 if there is none."""
    elements = 0
    while at < end:
        after = hex_element_end(data, first, at, end, classes)
        if after < 0:
            break
        at = after
        elements += 1
    return at if elements >= MIN_ELEMENTS else -1


@kernel()
def unicode_match_end(data: Any, at: int, end: int) -> int:
    r"""Return the end of eight or more `\uXXXX` at byte `at`, -1 if there are fewer."""
    elements = 0
    while at + 1 < end and data[at] == 0x5C and data[at + 1] == 0x75 and is_hex(data, at + 2, end, 4):
        at += 6
        elements += 1
    return at if elements >= MIN_ELEMENTS else -1


@kernel()
def is_base64(byte: int) -> bool:
    """Return whether a byte is one of the base64 expression's."""
    return 0x61 <= byte <= 0x7A or 0x41 <= byte <= 0x5A or 0x2F <= byte <= 0x39 or byte in (0x2B, 0x0A, 0x3D)


@kernel()
def next_match(data: Any, first: int, at: int, end: int, kind: int, classes: Any) -> tuple[int, int]:
    """Return the first match of one expression from byte `at`; (`end`, `end`) if there is none."""
    while at < end:
        if kind == BASE64:
            start = at
            while at < end and is_base64(data[at]):
                at += 1
            if at - start >= MIN_BASE64:
                return start, at
        else:
            after = -1
            if kind == HEXADECIMAL and (data[at] == 0x5C or is_hex(data, at, end, 1)):
                after = hex_match_end(data, first, at, end, classes)
            elif kind == UNICODE and data[at] == 0x5C:
                after = unicode_match_end(data, at, end)
            if after >= 0:
                return at, after
        at += 1
    return end, end


@kernel()
def encoded_statistics(data: Any, begin: int, end: int, classes: Any) -> tuple[int, int]:
    """Return the code points of the longest match of any expression, and those under any match."""
    spans = np.empty((3, 2), np.int64)
    for kind in range(3):
        spans[kind, 0], spans[kind, 1] = next_match(data, begin, begin, end, kind, classes)
    longest, covered, covered_to = 0, 0, begin
    while True:
        kind = 0
        for other in range(1, 3):
            if spans[other, 0] < spans[kind, 0]:
                kind = other
        start, stop = spans[kind, 0], spans[kind, 1]
        if start >= end:
            return longest, covered
        longest = max(longest, count_chars(data, start, stop))
        covered += count_chars(data, max(start, covered_to), max(stop, covered_to))
        covered_to = max(covered_to, stop)
        spans[kind, 0], spans[kind, 1] = next_match(data, begin, stop, end, kind, classes)
