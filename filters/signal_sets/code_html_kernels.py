"""How much of an HTML file is visible text: what stands outside tags, comments, declarations, scripts and styles.

Stands in for BeautifulSoup's `get_text()` after `script` and `style` are taken out, which StarCoder and dolma call. A
tag starts at `<` before a letter, `/`, `!` or `?` and ends at `>` outside quotes; a character reference (`&amp;`,
`&#8212;`) counts as one code point. Broken markup is read to its end as markup, where a browser's parser would mend it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.spans_kernels import matches_at

COMMENT_END = np.frombuffer(b"-->", np.uint8).copy()
SCRIPT = np.frombuffer(b"script", np.uint8).copy()
STYLE = np.frombuffer(b"style", np.uint8).copy()
SCRIPT_END = np.frombuffer(b"</script", np.uint8).copy()
STYLE_END = np.frombuffer(b"</style", np.uint8).copy()
MAX_REFERENCE = 32


@kernel()
def is_ascii_letter(byte: int) -> bool:
    """Return whether a byte is an ASCII letter."""
    return 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


@kernel()
def find_bytes(data: Any, begin: int, end: int, wanted: Any) -> int:
    """Return where `wanted` (lower-case ASCII) first stands in any case, `end` if nowhere."""
    for at in range(begin, end - len(wanted) + 1):
        if matches_at(data, at, end, wanted):
            return at
    return end


@kernel()
def is_element(data: Any, at: int, end: int, name: Any) -> bool:
    """Return whether the tag whose name starts at byte `at` is an element of this name."""
    after = at + len(name)
    if not matches_at(data, at, end, name):
        return False
    return after >= end or not (is_ascii_letter(data[after]) or 0x30 <= data[after] <= 0x39 or data[after] == 0x2D)


@kernel()
def tag_end(data: Any, begin: int, end: int) -> int:
    """Return the byte after the `>` that closes a tag, quoted attribute values aside."""
    quote, previous = np.int64(0), np.int64(0)
    for at in range(begin, end):
        byte = np.int64(data[at])
        if quote:
            if byte == quote:
                quote = np.int64(0)
        elif byte == 0x3E:
            return at + 1
        elif (byte == 0x22 or byte == 0x27) and previous == 0x3D:
            quote = byte
        if byte != 0x20:
            previous = byte
    return end


@kernel()
def markup_end(data: Any, at: int, end: int) -> int:
    """Return the end of the markup that starts with `<` at byte `at`; `at` if it is a plain character."""
    if at + 1 >= end:
        return at
    following = data[at + 1]
    if following == 0x21 and at + 3 < end and data[at + 2] == 0x2D and data[at + 3] == 0x2D:
        return min(end, find_bytes(data, at + 4, end, COMMENT_END) + 3)
    if not (is_ascii_letter(following) or following in (0x21, 0x2F, 0x3F)):
        return at
    after = tag_end(data, at + 1, end)
    if is_element(data, at + 1, end, SCRIPT):
        return find_bytes(data, after, end, SCRIPT_END)
    if is_element(data, at + 1, end, STYLE):
        return find_bytes(data, after, end, STYLE_END)
    return after


@kernel()
def reference_end(data: Any, at: int, end: int) -> int:
    """Return the end of the character reference that starts with `&` at byte `at`; the next byte if it is none."""
    after = at + 1
    if after < end and data[after] == 0x23:
        after += 1
    first = after
    while after < min(end, at + MAX_REFERENCE) and (is_ascii_letter(data[after]) or 0x30 <= data[after] <= 0x39):
        after += 1
    return after + 1 if after > first and after < end and data[after] == 0x3B else at + 1


@kernel()
def count_visible_chars(data: Any, begin: int, end: int) -> int:
    """Return the code points of the visible text of `data[begin:end]`, spaces included."""
    chars, at = 0, begin
    while at < end:
        byte = data[at]
        if byte == 0x3C:
            after = markup_end(data, at, end)
            if after > at:
                at = after
                continue
        chars += (byte & 0xC0) != 0x80
        at = reference_end(data, at, end) if byte == 0x26 else at + 1
    return chars
