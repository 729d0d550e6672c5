"""RefinedWeb's line corrections as DCLM runs them: lines classified, removed or shortened in place, in seven passes.

In this order over lines between newlines: (1) upper-case code points > 0.5 of the line, (2) digits > 0.999999 of it,
(3) counters such as "3 likes", (4) fewer than 2 words and not empty; then in lines of at most 10 words the substrings
(5) "items in cart" anywhere, (6) "read more" and any three code points at the end, (7) "sign-in" at the start, in any
case, each with one space beside it; a line that is blank after one of these goes. After every pass but the fourth the
whole document is stripped. Words are `str.split`'s; the share of words removed is of fastText's words.
Source: RefinedWeb, arXiv:2306.01116, line-wise corrections; DCLM `modifiers.py` and `refinedweb.yaml`. The unescaped
dots of "Read more..." in that file match any code point, and so they do here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.refinedweb_matches_kernels import cut_anywhere, cut_prefix, cut_suffix, is_counter
from filters.signal_sets.unicode_words_kernels import (
    CLASSES,
    DIGIT,
    SPACE,
    UPPER,
    count_fasttext_words,
    drop_spaces,
    skip_spaces,
)
from filters.signal_sets.words_kernels import BYTES, OFFSETS, code_length, decode

NUM_REASONS = 7
BEGIN, END, CHARS, UPPERS, DIGITS, WORDS = range(6)
"""Columns of the line table."""

MAX_WORDS = 10
MAX_UPPER_RATIO = 0.5
MAX_DIGIT_RATIO = 0.999999


@kernel()
def measure_line(data: Any, line: Any, classes: Any) -> None:
    """Fill in a line's numbers of code points, upper-case code points, digits and words."""
    chars, uppers, digits, words = 0, 0, 0, 0
    inside = False
    i, end = line[BEGIN], line[END]
    while i < end:
        size = code_length(data[i])
        entry = classes[decode(data, i, size)]
        space = (entry & SPACE) != 0
        uppers += (entry & UPPER) != 0
        digits += (entry & DIGIT) != 0
        words += not space and not inside
        inside = not space
        chars += 1
        i += size
    line[CHARS], line[UPPERS], line[DIGITS], line[WORDS] = chars, uppers, digits, words


@kernel()
def split_lines(data: Any, begin: int, end: int, lines: Any, classes: Any) -> int:
    """Fill the line table of `data[begin:end]`; return the number of lines, one more than of newlines."""
    count, first = 0, begin
    for i in range(begin, end + 1):
        if i < end and data[i] != 0x0A:
            continue
        lines[count, BEGIN], lines[count, END] = first, i
        measure_line(data, lines[count], classes)
        first = i + 1
        count += 1
    return count


@kernel()
def strip_lines(data: Any, lines: Any, first: int, last: int, classes: Any) -> tuple[int, int]:
    """Strip the document that rows `first:last` hold, as `str.strip` would; return the rows that are left."""
    while first < last and lines[first, WORDS] == 0:
        first += 1
    while first < last and lines[last - 1, WORDS] == 0:
        last -= 1
    if first < last:
        begin = skip_spaces(data, lines[first, BEGIN], lines[first, END], classes)
        if begin != lines[first, BEGIN]:
            lines[first, BEGIN] = begin
            measure_line(data, lines[first], classes)
        end = drop_spaces(data, lines[last - 1, BEGIN], lines[last - 1, END], classes)
        if end != lines[last - 1, END]:
            lines[last - 1, END] = end
            measure_line(data, lines[last - 1], classes)
    return first, last


@kernel()
def is_dropped(data: Any, line: Any, reason: int, classes: Any) -> Any:
    """Return whether pass `reason` (0 to 3) removes the line."""
    if line[CHARS] == 0:
        return False
    if reason == 0:
        return not line[UPPERS] / line[CHARS] <= MAX_UPPER_RATIO
    if reason == 1:
        return not line[DIGITS] / line[CHARS] <= MAX_DIGIT_RATIO
    if reason == 2:
        return line[WORDS] >= 2 and line[DIGITS] > 0 and is_counter(data, line[BEGIN], line[END], classes)
    return line[WORDS] < 2


@kernel()
def cut_line(data: Any, line: Any, reason: int, classes: Any) -> bool:
    """Apply pass `reason` (4 to 6) to a line of at most 10 words; return whether it changed."""
    begin, end = line[BEGIN], line[END]
    if reason == 4:
        line[END] = cut_anywhere(data, begin, end, classes)
    elif reason == 5:
        line[END] = cut_suffix(data, begin, end, classes)
    else:
        line[BEGIN] = cut_prefix(data, begin, end, classes)
    if line[BEGIN] == begin and line[END] == end:
        return False
    measure_line(data, line, classes)
    return True


@kernel()
def run_pass(data: Any, lines: Any, first: int, last: int, reason: int, classes: Any) -> tuple[int, int]:
    """Run one pass over rows `first:last`, moving the lines that stay down; return the new end and lines touched."""
    out, touched = first, 0
    for row in range(first, last):
        if reason < 4:
            gone = is_dropped(data, lines[row], reason, classes)
            touched += gone
        else:
            filled = lines[row, CHARS] > 0
            if lines[row, WORDS] <= MAX_WORDS:
                touched += cut_line(data, lines[row], reason, classes)
            gone = filled and lines[row, WORDS] == 0
        if not gone:
            if out != row:
                lines[out] = lines[row]
            out += 1
    return out, touched


@kernel()
def join_lines(data: Any, lines: Any, first: int, last: int, out: int) -> int:
    """Move the lines of rows `first:last` to byte `out` with newlines between; return where the text ends."""
    for row in range(first, last):
        if row > first:
            data[out] = 0x0A
            out += 1
        for i in range(lines[row, BEGIN], lines[row, END]):
            data[out] = data[i]
            out += 1
    return out


@kernel()
def most_lines(data: Any, offsets: Any) -> int:
    """Return the largest number of lines of any document."""
    most = 1
    for row in range(len(offsets) - 1):
        count = 1
        for i in range(offsets[row], offsets[row + 1]):
            count += data[i] == 0x0A
        most = max(most, count)
    return most


@kernel(
    f"void({BYTES}, {OFFSETS}, {CLASSES}, Array(uint8, 1, 'C'), Array(int64, 1, 'C'), Array(int64, 2, 'C'), "
    "Array(int64, 2, 'C'))"
)
def clean_lines(data: Any, offsets: Any, classes: Any, text: Any, ends: Any, touched: Any, words: Any) -> None:
    """Write the cleaned documents to `text` (as large as the documents), where each ends to `ends[row + 1]`.

    `touched` (documents x 7) gets the lines that each pass removed or shortened, `words` the numbers of fastText's
    words before and after.
    """
    lines = np.empty((most_lines(data, offsets), 6), np.int64)
    out = 0
    ends[0] = 0
    for row in range(len(offsets) - 1):
        begin, size = offsets[row], offsets[row + 1] - offsets[row]
        words[row, 0] = count_fasttext_words(data, begin, begin + size, classes)
        for i in range(size):
            text[out + i] = data[begin + i]
        first, last = 0, split_lines(text, out, out + size, lines, classes)
        for reason in range(NUM_REASONS):
            last, touched[row, reason] = run_pass(text, lines, first, last, reason, classes)
            if reason != 3:
                first, last = strip_lines(text, lines, first, last, classes)
        end = join_lines(text, lines, first, last, out)
        words[row, 1] = count_fasttext_words(text, out, end, classes)
        out = end
        ends[row + 1] = out
