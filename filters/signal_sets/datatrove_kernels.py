"""Signals of datatrove's Gopher and FineWeb filters for a batch of documents: the entry point `datatrove_statistics`.

Words come as a token table (`spacy_words`): document i has the words `token_offsets[i]` to `token_offsets[i + 1]`.
Column order of the result is `filters.signal_sets.datatrove.DATATROVE_SIGNALS`. A share of nothing is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.datatrove_gram_kernels import (
    NUM_GRAM_SIZES,
    count_grams,
    count_stop_words,
    hash_words,
)
from filters.signal_sets.datatrove_line_kernels import (
    BULLET_LINES,
    CHARS,
    ELLIPSES,
    ELLIPSIS_LINES,
    FILLED,
    FILLED_COPY_CHARS,
    HASHES,
    LINE_COPIES,
    LINE_COPY_CHARS,
    LINES,
    NEWLINES,
    NUM_COUNTS,
    PARAGRAPH_COPIES,
    PARAGRAPH_COPY_CHARS,
    PARAGRAPHS,
    SHORT,
    SPLIT_LINES,
    TERMINAL,
    count_lines,
)
from filters.signal_sets.datatrove_table_kernels import next_generation, table_bits
from filters.signal_sets.words_kernels import BYTES, OFFSETS

NUM_COLUMNS = 28
FIRST_GRAM_COLUMN = 14
LENGTHS = "Array(int32, 1, 'C', readonly=True)"
FLAGS = "Array(uint8, 1, 'C', readonly=True)"


@kernel()
def share(part: int, whole: int) -> float:
    """Return `part` over `whole`, 0 if `whole` is 0."""
    return part / whole if whole else 0.0


@kernel()
def write_line_columns(counts: Any, row: Any) -> None:
    """Write the columns that need no words."""
    row[0] = counts[CHARS]
    row[6] = share(counts[BULLET_LINES], counts[SPLIT_LINES])
    row[7] = share(counts[ELLIPSIS_LINES], counts[SPLIT_LINES])
    row[10] = share(counts[PARAGRAPH_COPIES], counts[PARAGRAPHS])
    row[11] = share(counts[PARAGRAPH_COPY_CHARS], counts[CHARS])
    row[12] = share(counts[LINE_COPIES], counts[LINES])
    row[13] = share(counts[LINE_COPY_CHARS], counts[CHARS])
    row[23] = counts[FILLED]
    row[24] = share(counts[TERMINAL], counts[FILLED])
    row[25] = share(counts[SHORT], counts[FILLED])
    row[26] = share(counts[FILLED_COPY_CHARS], counts[CHARS] - counts[NEWLINES])


@kernel()
def write_word_columns(
    lengths: Any, flags: Any, alphabetic_flag: int, non_symbol_flag: int, counts: Any, row: Any
) -> None:
    """Write the columns of words that need no n-grams."""
    num_words = len(lengths)
    plain, plain_chars, alphabetic = 0, 0, 0
    for i in range(num_words):
        if flags[i] & non_symbol_flag:
            plain += 1
            plain_chars += lengths[i]
        alphabetic += (flags[i] & alphabetic_flag) != 0
    row[1] = num_words
    row[2] = plain
    row[3] = share(plain_chars, plain)
    row[4] = share(counts[HASHES], num_words)
    row[5] = share(counts[ELLIPSES], num_words)
    row[8] = share(alphabetic, num_words)
    row[27] = share(counts[NEWLINES], num_words)


@kernel()
def scratch_sizes(data: Any, offsets: Any, token_offsets: Any) -> tuple[int, int]:
    """Return the most words of a document and the most entries that one question about a document enters."""
    most_words, most_lines = 0, 0
    for doc in range(len(offsets) - 1):
        newlines = 0
        for i in range(offsets[doc], offsets[doc + 1]):
            newlines += data[i] == 0x0A
        most_lines = max(most_lines, newlines + 1)
        most_words = max(most_words, token_offsets[doc + 1] - token_offsets[doc])
    return most_words, max(most_words, 2 * most_lines)


@kernel(f"void({BYTES}, {OFFSETS}, {OFFSETS}, {OFFSETS}, {OFFSETS}, {LENGTHS}, {FLAGS}, int64, int64, float64[:, ::1])")
def datatrove_statistics(
    data: Any,
    offsets: Any,
    token_offsets: Any,
    begins: Any,
    ends: Any,
    lengths: Any,
    flags: Any,
    alphabetic_flag: int,
    non_symbol_flag: int,
    matrix: Any,
) -> None:
    """Fill one row of `matrix` a document; `begins` and `ends` of words are byte positions in `data`.

    A word's flags hold `alphabetic_flag` if a character of it is a letter, `non_symbol_flag` if one is no punctuation.
    """
    most_words, most_entries = scratch_sizes(data, offsets, token_offsets)
    size = 1 << table_bits(most_entries)
    keys = np.zeros(size, np.uint64)
    slot_counts, slot_firsts = np.empty(size, np.int64), np.empty(size, np.int64)
    hashes, steps = np.empty(most_words, np.uint64), np.empty(most_words, np.uint64)
    grams, chars = np.empty(most_words, np.uint64), np.empty(most_words + 1, np.int64)
    counts, covered = np.empty(NUM_COUNTS, np.int64), np.empty(NUM_GRAM_SIZES, np.int64)
    generation = 0
    for doc in range(len(offsets) - 1):
        row = matrix[doc]
        row[:] = 0.0
        if offsets[doc + 1] == offsets[doc]:
            continue
        generation = next_generation(keys, generation)
        count_lines(data, offsets[doc], offsets[doc + 1], keys, generation, counts)
        write_line_columns(counts, row)
        first, last = token_offsets[doc], token_offsets[doc + 1]
        write_word_columns(lengths[first:last], flags[first:last], alphabetic_flag, non_symbol_flag, counts, row)
        row[9] = count_stop_words(data, begins[first:last], ends[first:last])
        num_words = last - first
        hash_words(data, begins[first:last], ends[first:last], lengths[first:last], hashes, steps, chars)
        covered[:] = 0
        generation = count_grams(
            hashes[:num_words], steps, chars, grams, keys, generation, slot_counts, slot_firsts, covered
        )
        for i in range(NUM_GRAM_SIZES):
            row[FIRST_GRAM_COLUMN + i] = covered[i] / counts[CHARS]
