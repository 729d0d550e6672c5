"""What C4 looks for inside a line: citations, `lorem ipsum`, `javascript`, `{` and policy phrases.

Lower case matters for ASCII needles only: of all other code points only U+212A (Kelvin) lower-cases to one ASCII
letter. Python's `re.IGNORECASE`, which one dialect uses, also folds U+0130, U+0131 to i and U+017F to s.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import code_length, decode

_PHRASES = (
    b"lorem ipsum", b"javascript", b"terms of use", b"privacy policy", b"cookie policy", b"uses cookies",
    b"use of cookies", b"use cookies",
)  # fmt: skip
NEEDLE_SIZES = np.array([len(phrase) for phrase in _PHRASES], np.int64)
NEEDLES = np.array([list(phrase.ljust(14)) for phrase in _PHRASES], np.uint8)
FIRST_NEEDLE = np.full(256, len(_PHRASES), np.int64)
"""The first phrase that starts with a byte in any case; phrases with one initial stand together."""
for _number, _phrase in reversed(list(enumerate(_PHRASES))):
    FIRST_NEEDLE[[_phrase[0], _phrase[0] - 32]] = _number
HAS_LOREM_IPSUM, HAS_JAVASCRIPT, HAS_POLICY, HAS_CURLY_BRACKET = 1, 2, 4, 8
NEEDLE_BITS = np.array([HAS_LOREM_IPSUM, HAS_JAVASCRIPT] + [HAS_POLICY] * 6, np.int64)

EDIT = np.frombuffer(b"[edit]", np.uint8).copy()
CITATION_NEEDED = np.frombuffer(b"[citation needed]", np.uint8).copy()

DIGIT_ZEROS = np.array(
    [
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
        0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
        0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
    ],
    np.int64,
)  # fmt: skip
r"""The zeros of Unicode 14's decimal digits (`\d` of `re`); the list is fixed, it does not move with Python's."""


@kernel()
def is_digit(code: int) -> Any:
    """Return whether a code point is a decimal digit of any script."""
    if code < 0x660:
        return 0x30 <= code <= 0x39
    return code - DIGIT_ZEROS[np.searchsorted(DIGIT_ZEROS, code, side="right") - 1] < 10


@kernel()
def stands_at(data: Any, at: int, end: int, phrase: Any) -> bool:
    """Return whether `phrase` stands at `data[at]`, byte for byte."""
    if at + len(phrase) > end:
        return False
    for i in range(len(phrase)):  # noqa: SIM110 - numba compiles no generator
        if data[at + i] != phrase[i]:
            return False
    return True


@kernel()
def citation_size(data: Any, at: int, end: int) -> int:
    r"""Return the number of bytes of the citation at the bracket `data[at]`: `\[\d*\]|\[edit\]|\[citation needed\]`."""
    i = at + 1
    while i < end:
        size = code_length(data[i])
        if data[i] == 0x5D:
            return i + 1 - at
        if not is_digit(decode(data, i, size)):
            break
        i += size
    if stands_at(data, at, end, EDIT):
        return len(EDIT)
    return len(CITATION_NEEDED) if stands_at(data, at, end, CITATION_NEEDED) else 0


@kernel()
def copy_without_citations(data: Any, begin: int, end: int, out: Any, at: int) -> tuple[int, int]:
    """Copy `data[begin:end]` to `out[at:]`; return where the copy ends and the number of citations left out."""
    citations = 0
    i = begin
    while i < end:
        byte = data[i]
        if byte == 0x5B:
            size = citation_size(data, i, end)
            if size:
                citations += 1
                i += size
                continue
        out[at] = byte
        at += 1
        i += 1
    return at, citations


@kernel()
def folded_size(data: Any, at: int, end: int, letter: int, ignore_case: Any) -> int:
    """Return the bytes of the non-ASCII code point at `data[at]` if it is the ASCII `letter` in lower case, else 0."""
    if letter == 0x6B:
        return 3 if at + 2 < end and data[at] == 0xE2 and data[at + 1] == 0x84 and data[at + 2] == 0xAA else 0
    if not ignore_case or at + 1 >= end:
        return 0
    if letter == 0x69:
        return 2 if data[at] == 0xC4 and (data[at + 1] == 0xB0 or data[at + 1] == 0xB1) else 0
    return 2 if letter == 0x73 and data[at] == 0xC5 and data[at + 1] == 0xBF else 0


@kernel()
def needle_at(data: Any, at: int, end: int, needle: int, ignore_case: Any) -> bool:
    """Return whether the phrase number `needle` stands at `data[at]` in any case."""
    for k in range(NEEDLE_SIZES[needle]):
        if at >= end:
            return False
        byte = data[at]
        letter = NEEDLES[needle, k]
        if byte < 0x80:
            if (byte + 32 if 0x41 <= byte <= 0x5A else byte) != letter:
                return False
            at += 1
        else:
            size = folded_size(data, at, end, letter, ignore_case)
            if size == 0:
                return False
            at += size
    return True


@kernel()
def phrases_of(data: Any, begin: int, end: int, ignore_case: Any) -> Any:
    """Return which of `lorem ipsum`, `javascript`, policy phrases and `{` a line holds, as bits."""
    found = 0
    for i in range(begin, end):
        byte = data[i]
        if byte == 0x7B:
            found |= HAS_CURLY_BRACKET
        needle = FIRST_NEEDLE[byte]
        while needle < len(NEEDLE_SIZES) and NEEDLES[needle, 0] == (byte | 0x20):
            if needle_at(data, i, end, needle, ignore_case and needle > 0):
                found |= NEEDLE_BITS[needle]
            needle += 1
    return found
