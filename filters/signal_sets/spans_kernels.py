"""Lines and paragraphs as spans of bytes, how many are copies, and small tests on them; shared by dialects.

Here a repeated span counts with **all** its copies (DCLM, dolma), not with those after the first.
"""

from __future__ import annotations

from typing import Any

from curation.compiled import kernel
from filters.signal_sets.repetition_kernels import find_slot, table_mask
from filters.signal_sets.unicode_words_kernels import drop_spaces, skip_spaces
from filters.signal_sets.words_kernels import hash_bytes

BEGIN, END, CHARS = range(3)
"""Columns of a span table."""


@kernel()
def count_chars(data: Any, begin: int, end: int) -> int:
    """Return the number of code points of `data[begin:end]`."""
    chars = 0
    for i in range(begin, end):
        chars += (data[i] & 0xC0) != 0x80
    return chars


@kernel()
def most_newlines(data: Any, offsets: Any) -> int:
    """Return the largest number of newlines of any document."""
    most = 0
    for row in range(len(offsets) - 1):
        count = 0
        for i in range(offsets[row], offsets[row + 1]):
            count += data[i] == 0x0A
        most = max(most, count)
    return most


@kernel()
def split_spans(data: Any, begin: int, end: int, newlines: int, strip: bool, spans: Any, classes: Any) -> int:
    r"""Cut at each newline (`newlines` 1) or "\n\n" (2), strip and forget blank spans if asked; return how many."""
    count, first, i = 0, begin, begin
    while i <= end:
        if i < end and not (data[i] == 0x0A and (newlines == 1 or (i + 1 < end and data[i + 1] == 0x0A))):
            i += 1
            continue
        start = skip_spaces(data, first, i, classes) if strip else first
        stop = drop_spaces(data, start, i, classes) if strip else i
        if not strip or stop > start:
            spans[count, BEGIN], spans[count, END], spans[count, CHARS] = start, stop, count_chars(data, start, stop)
            count += 1
        i += newlines if i < end else 1
        first = i
    return count


@kernel()
def count_copies(data: Any, spans: Any, num_spans: int, keys: Any, counts: Any, slots: Any) -> tuple[int, int]:
    """Return how many spans occur more than once, all copies counted, and their code points."""
    mask = table_mask(num_spans)
    keys[: mask + 1] = 0
    for i in range(num_spans):
        key = hash_bytes(data, spans[i, BEGIN], spans[i, END])
        slot = find_slot(keys, mask, key)
        if keys[slot] == 0:
            keys[slot] = key
            counts[slot] = 0
        counts[slot] += 1
        slots[i] = slot
    copies, chars = 0, 0
    for i in range(num_spans):
        if counts[slots[i]] > 1:
            copies += 1
            chars += spans[i, CHARS]
    return copies, chars


@kernel()
def sum_chars(spans: Any, num_spans: int) -> int:
    """Return the code points of all spans."""
    chars = 0
    for i in range(num_spans):
        chars += spans[i, CHARS]
    return chars


@kernel()
def ends_in_ellipsis_sign(data: Any, begin: int, end: int) -> Any:
    """Return whether `data[begin:end]` ends in U+2026."""
    return end - begin >= 3 and data[end - 3] == 0xE2 and data[end - 2] == 0x80 and data[end - 1] == 0xA6


@kernel()
def matches_at(data: Any, at: int, end: int, wanted: Any) -> bool:
    """Return whether the bytes `wanted`, lower-case ASCII in any case, stand at `data[at]`."""
    if at + len(wanted) > end:
        return False
    for i in range(len(wanted)):
        byte = data[at + i]
        if (byte + 32 if 0x41 <= byte <= 0x5A else byte) != wanted[i]:
            return False
    return True


@kernel()
def find_lowered(data: Any, begin: int, end: int, wanted: Any) -> bool:
    """Return whether the bytes `wanted`, lower-case ASCII in any case, stand anywhere in `data[begin:end]`."""
    for at in range(begin, end - len(wanted) + 1):
        byte = data[at]
        if (byte | 0x20) == wanted[0] and matches_at(data, at, end, wanted):
            return True
    return False
