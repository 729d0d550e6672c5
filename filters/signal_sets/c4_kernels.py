"""The line rules of C4 in one pass over Arrow buffers: the entry point `clean_lines`.

A document is cut into lines, a line is stripped, tested and copied without its citations into the output buffer, in
the order that every implementation has: long word, citations, end mark, number of words, `lorem ipsum`, `javascript`,
`{`, policy phrases. `options` (the columns below) says where a dialect differs. A line with `lorem ipsum` or `{` is
counted and stays: the page is judged by the count. Bytes are UTF-8; lengths are in code points.
"""

from __future__ import annotations

from typing import Any

from curation.compiled import kernel
from filters.signal_sets.c4_phrases_kernels import (
    HAS_CURLY_BRACKET,
    HAS_JAVASCRIPT,
    HAS_LOREM_IPSUM,
    HAS_POLICY,
    copy_without_citations,
    phrases_of,
)
from filters.signal_sets.words_kernels import BYTES, OFFSETS, code_length, decode, is_space, last_code

EVERY_SEPARATOR, STRIP_LINES, KEEP_EMPTY_LINES, MIN_WORDS, WORDS_WITH_CITATIONS, END_MARKS, IGNORE_CASE = range(7)
"""Columns of `options`: cut at every separator of `str.splitlines()` or at newlines only; strip lines; keep empty
lines; least number of words; count them before citations are cut; which end marks; `re.IGNORECASE` for line rules."""
NUM_OPTIONS = 7

ANY_END, DOUBLE_OR_SINGLE_QUOTE, DOUBLE_QUOTE, DOUBLE_QUOTE_THEN_SPACES = range(4)
"""Values of END_MARKS: no test; . ? ! double or single quote; . ? ! double quote; the latter with whitespace after it.

An ellipsis (three periods) is never an end mark."""

LINES, LONG_WORD, NO_END_MARK, FEW_WORDS, JAVASCRIPT, POLICY, LOREM_IPSUM, CURLY_BRACKET = range(8)
CITATIONS, WORDS_LEFT, CHARS, CHARS_LEFT = range(8, 12)
"""Columns of `counts`: lines; lines removed for five reasons; lines left with `lorem ipsum` or `{` (the latter only
where `javascript` did not remove them first); citations cut from lines left; words left; code points before, after."""
NUM_COUNTS = 12

MAX_WORD_CHARS = 1000


@kernel()
def separator_size(data: Any, at: int, end: int) -> int:
    """Return the number of bytes of the line separator at `data[at]`, 0 if none: those of `str.splitlines()`."""
    byte = data[at]
    if byte < 0x80:
        if byte == 0x0D:
            return 2 if at + 1 < end and data[at + 1] == 0x0A else 1
        return 1 if 0x0A <= byte <= 0x0C or 0x1C <= byte <= 0x1E else 0
    if byte == 0xC2:
        return 2 if data[at + 1] == 0x85 else 0
    if byte == 0xE2:
        return 3 if data[at + 1] == 0x80 and (data[at + 2] == 0xA8 or data[at + 2] == 0xA9) else 0
    return 0


@kernel()
def next_line(data: Any, at: int, end: int, every: Any) -> tuple[int, int]:
    """Return where the line at `at` ends and where the next one starts; equal if no separator follows."""
    for i in range(at, end):
        byte = data[i]
        if byte == 0x0A:
            return i, i + 1
        if every and (byte <= 0x1E or byte == 0xC2 or byte == 0xE2):
            size = separator_size(data, i, end)
            if size:
                return i, i + size
    return end, end


@kernel()
def stripped(data: Any, begin: int, end: int) -> tuple[int, int]:
    """Return `data[begin:end]` without whitespace at both ends, as `str.strip()`."""
    while begin < end:
        size = code_length(data[begin])
        if not is_space(decode(data, begin, size)):
            break
        begin += size
    while end > begin:
        code, at = last_code(data, begin, end)
        if not is_space(code):
            break
        end = at
    return begin, end


@kernel()
def words_of(data: Any, begin: int, end: int) -> tuple[int, int]:
    """Return the number of words of `data[begin:end]`, as `str.split()`, and the code points of the longest."""
    words, longest, chars = 0, 0, 0
    i = begin
    while i < end:
        byte = data[i]
        if 0x20 < byte < 0x80:
            i += 1
        else:
            size = code_length(byte)
            space = is_space(decode(data, i, size))
            i += size
            if space:
                chars = 0
                continue
        words += chars == 0
        chars += 1
        if chars > longest:
            longest = chars
    return words, longest


@kernel()
def num_chars(data: Any, begin: int, end: int) -> int:
    """Return the number of code points of `data[begin:end]`."""
    chars = 0
    for i in range(begin, end):
        chars += (data[i] & 0xC0) != 0x80
    return chars


@kernel()
def ends_in_mark(data: Any, begin: int, end: int, marks: int) -> Any:
    """Return whether the line ends in an end mark of the kind `marks` and not in an ellipsis."""
    if marks == DOUBLE_QUOTE_THEN_SPACES:
        begin, end = stripped(data, begin, end)
    if begin == end:
        return False
    last = data[end - 1]
    if last == 0x2E:
        return end - begin < 3 or data[end - 2] != 0x2E or data[end - 3] != 0x2E
    return last == 0x3F or last == 0x21 or last == 0x22 or (last == 0x27 and marks == DOUBLE_OR_SINGLE_QUOTE)


@kernel()
def clean_line(data: Any, begin: int, end: int, options: Any, out: Any, at: int, counts: Any) -> int:
    """Copy a line to `out[at:]` if it stays and return where the copy ends, else -1; add to `counts` what was seen."""
    words, longest = words_of(data, begin, end)
    if longest > MAX_WORD_CHARS:
        counts[LONG_WORD] += 1
        return -1
    stop, citations = copy_without_citations(data, begin, end, out, at)
    if stop == at and options[KEEP_EMPTY_LINES]:
        counts[CITATIONS] += citations
        return stop
    marks = options[END_MARKS]
    if marks != ANY_END and not ends_in_mark(out, at, stop, marks):
        counts[NO_END_MARK] += 1
        return -1
    words_left = words_of(out, at, stop)[0] if citations else words
    if (words if options[WORDS_WITH_CITATIONS] else words_left) < options[MIN_WORDS]:
        counts[FEW_WORDS] += 1
        return -1
    found = phrases_of(out, at, stop, options[IGNORE_CASE])
    counts[LOREM_IPSUM] += (found & HAS_LOREM_IPSUM) != 0
    if found & HAS_JAVASCRIPT:
        counts[JAVASCRIPT] += 1
        return -1
    counts[CURLY_BRACKET] += (found & HAS_CURLY_BRACKET) != 0
    if found & HAS_POLICY:
        counts[POLICY] += 1
        return -1
    counts[CITATIONS] += citations
    counts[WORDS_LEFT] += words_left
    return stop


@kernel()
def clean_document(data: Any, begin: int, end: int, options: Any, out: Any, lines: Any, counts: Any) -> int:
    """Write the lines that stay, joined by newlines, to `out[begin:]`, their ranges to `lines`; return their number."""
    every = options[EVERY_SEPARATOR]
    kept, at, i = 0, begin, begin
    more = begin < end or not every  # `"".splitlines()` is no line, `"".split("\n")` an empty one
    while more:
        line_end, following = next_line(data, i, end, every)
        more = following < end if every else following > line_end
        first, last = stripped(data, i, line_end) if options[STRIP_LINES] else (i, line_end)
        i = following
        counts[LINES] += 1
        start = at + (kept > 0)
        stop = clean_line(data, first, last, options, out, start, counts)
        if stop < 0:
            continue
        if kept:
            out[at] = 0x0A
        lines[kept, 0] = start
        lines[kept, 1] = stop
        at = stop
        kept += 1
    return kept


@kernel(f"int64({BYTES}, {OFFSETS}, boolean)")
def count_lines(data: Any, offsets: Any, every: Any) -> int:
    """Return an upper bound of the number of lines of all documents."""
    lines = 0
    for row in range(len(offsets) - 1):
        i, end = offsets[row], offsets[row + 1]
        lines += 1
        while i < end:
            i = next_line(data, i, end, every)[1]
            lines += 1
    return lines


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1], uint8[::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1])")
def clean_lines(
    data: Any, offsets: Any, options: Any, out: Any, lines: Any, first_line: Any, spans: Any, counts: Any
) -> None:
    """Clean every document; `out` is as long as `data` and document i is written from `offsets[i]` on.

    `lines` holds the byte ranges in `out` of the lines left, unstripped, those of document i from `first_line[i]` to
    `first_line[i + 1]`; `spans` the range of each document's text, stripped; `counts` what was seen, by column.
    """
    num_lines = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        kept = clean_document(data, begin, end, options, out, lines[num_lines:], counts[row])
        last = lines[num_lines + kept - 1, 1] if kept else begin
        first_line[row] = num_lines
        num_lines += kept
        text_begin, text_end = stripped(out, begin, last)
        spans[row, 0] = text_begin
        spans[row, 1] = text_end
        counts[row, CHARS] = num_chars(data, begin, end)
        counts[row, CHARS_LEFT] = num_chars(out, text_begin, text_end)
    first_line[len(offsets) - 1] = num_lines


@kernel("void(uint8[::1], int64[:, ::1], int64[::1], uint8[::1])")
def pack_spans(out: Any, spans: Any, offsets: Any, packed: Any) -> None:
    """Copy the spans of `out` one after the other to `packed`; `offsets` says where each starts."""
    for row in range(len(spans)):
        at = offsets[row]
        for i in range(spans[row, 0], spans[row, 1]):
            packed[at] = out[i]
            at += 1


@kernel(f"void({BYTES}, {OFFSETS}, int64, int64[::1])")
def count_long_lines(data: Any, offsets: Any, min_chars: int, out: Any) -> None:
    """Fill `out` with the number of stretches between newlines of at least `min_chars` code points."""
    for row in range(len(offsets) - 1):
        chars, lines = 0, 0
        for i in range(offsets[row], offsets[row + 1]):
            if data[i] == 0x0A:
                lines += chars >= min_chars
                chars = 0
            else:
                chars += (data[i] & 0xC0) != 0x80
        out[row] = lines + (chars >= min_chars)
