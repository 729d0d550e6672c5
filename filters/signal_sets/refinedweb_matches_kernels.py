r"""Counters and banned substrings in one line, as the regular expressions of DCLM's `modifiers.py` match them.

A counter is `^\W*\d[,.\d]*[kmb]?\s+(likes|shares|...)\W*$` of the lower-cased line. A substring is cut with one
space beside it, in any case: `\s?items in cart` anywhere, `\s?read more...$` (dots match any code point), and
`^sign-in\s?`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.unicode_words_kernels import ALNUM, DECIMAL, SPACE, skip_spaces
from filters.signal_sets.words_kernels import code_length, decode, last_code

ITEMS_IN_CART = np.frombuffer(b"items in cart", np.uint8).copy()
READ_MORE = np.frombuffer(b"read more", np.uint8).copy()
SIGN_IN = np.frombuffer(b"sign-in", np.uint8).copy()
COUNTED = np.frombuffer(
    b"likes shares comments retweets reposts quotes bookmarks upvotes downvotes downloads views followers ", np.uint8
).copy()
"""What counters count; each ends in a space."""


@kernel()
def folded(code: int) -> int:
    """Return a code point as `re.IGNORECASE` compares it with ASCII letters."""
    if 0x41 <= code <= 0x5A:
        return code + 32
    if code < 0x80:
        return code
    if code == 0x130 or code == 0x131:
        return 0x69
    if code == 0x17F:
        return 0x73
    return 0x6B if code == 0x212A else code


@kernel()
def lowered_code(code: int) -> int:
    """Return a code point as `str.lower` makes it, where that is an ASCII letter; the others unchanged."""
    if 0x41 <= code <= 0x5A:
        return code + 32
    return 0x6B if code == 0x212A else code


@kernel()
def match_folded(data: Any, at: int, end: int, wanted: Any) -> int:
    """Return the end of `wanted` (lower-case ASCII) at byte `at` in any case, -1 if it is not there."""
    for i in range(len(wanted)):
        if at >= end:
            return -1
        size = code_length(data[at])
        if folded(decode(data, at, size)) != wanted[i]:
            return -1
        at += size
    return at


@kernel()
def has_no_word_code(data: Any, begin: int, end: int, classes: Any) -> bool:
    r"""Return whether `data[begin:end]` holds nothing that `re`'s `\w` matches."""
    while begin < end:
        size = code_length(data[begin])
        code = decode(data, begin, size)
        if classes[code] & ALNUM or code == 0x5F:
            return False
        begin += size
    return True


@kernel()
def ends_in_counted(data: Any, begin: int, end: int, classes: Any) -> bool:
    """Return whether `data[begin:end]` is one of `COUNTED` and then no word character."""
    start = 0
    for stop in range(len(COUNTED)):
        if COUNTED[stop] != 0x20:
            continue
        at, i = begin, start
        while i < stop and at < end:
            size = code_length(data[at])
            if lowered_code(decode(data, at, size)) != COUNTED[i]:
                break
            at += size
            i += 1
        if i == stop and has_no_word_code(data, at, end, classes):
            return True
        start = stop + 1
    return False


@kernel()
def is_counter(data: Any, begin: int, end: int, classes: Any) -> bool:
    """Return whether a line is a number (1,234.5 or 3k), space, a counted thing, and no word before or after."""
    while begin < end:
        size = code_length(data[begin])
        code = decode(data, begin, size)
        if classes[code] & ALNUM or code == 0x5F:
            break
        begin += size
    seen = False
    while begin < end:
        size = code_length(data[begin])
        code = decode(data, begin, size)
        decimal = (classes[code] & DECIMAL) != 0
        if not (decimal or (seen and (code == 0x2C or code == 0x2E))):
            break
        seen = True
        begin += size
    if not seen or begin >= end:
        return False
    size = code_length(data[begin])
    if lowered_code(decode(data, begin, size)) in (0x6B, 0x6D, 0x62):  # k, m, b
        begin += size
    after = skip_spaces(data, begin, end, classes)
    return after > begin and ends_in_counted(data, after, end, classes)


@kernel()
def cut_anywhere(data: Any, begin: int, end: int, classes: Any) -> int:
    """Remove every "items in cart" with the space before it from a line, in place; return its new end."""
    i, out = begin, begin
    while i < end:
        size = code_length(data[i])
        code = decode(data, i, size)
        after = -1
        if classes[code] & SPACE:
            after = match_folded(data, i + size, end, ITEMS_IN_CART)
        elif folded(code) == ITEMS_IN_CART[0]:
            after = match_folded(data, i, end, ITEMS_IN_CART)
        if after >= 0:
            i = after
            continue
        for j in range(size):
            data[out + j] = data[i + j]
        out += size
        i += size
    return out


@kernel()
def cut_suffix(data: Any, begin: int, end: int, classes: Any) -> int:
    """Return the end of a line without "read more" and three code points at its end, and the space before."""
    at = end
    for _ in range(3):
        if at <= begin:
            return end
        _, at = last_code(data, begin, at)
    start = at - len(READ_MORE)  # none of its letters has a form outside ASCII
    if start < begin or match_folded(data, start, at, READ_MORE) != at:
        return end
    if start > begin:
        code, before = last_code(data, begin, start)
        if classes[code] & SPACE:
            return before
    return start


@kernel()
def cut_prefix(data: Any, begin: int, end: int, classes: Any) -> int:
    """Return the start of a line without "sign-in" at its start and the space after."""
    after = match_folded(data, begin, end, SIGN_IN)
    if after < 0:
        return begin
    if after < end:
        size = code_length(data[after])
        if classes[decode(data, after, size)] & SPACE:
            return after + size
    return after
