"""Words and sentences of datatrove's English word tokenizer: spaCy's blank English pipeline with its sentencizer.

A *token* is what `datatrove.utils.text.split_into_words` returns: spaCy's tokens without those of whitespace. The
*sentences* are those of `split_into_sentences`. One departure: spaCy 3.8 fails on the word `IS_ALPHA` from its second
document on, and datatrove then deletes the word from that document; here it is a word like any other, always.
Source: spaCy 3.8 (MIT) `tokenizer.pyx`, `sentencizer.pyx`; datatrove 0.10 `utils/word_tokenizers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.batches import TextView

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

IS_SENT_END = 1
"""The token is one of the sentencizer's `punct_chars`."""
IS_PUNCT = 2
"""spaCy's `is_punct`: every character is of Unicode category P."""
IS_ALPHA_ANY = 4
"""A character of the token is a letter by `str.isalpha`."""
IS_NON_SYMBOL = 8
"""A character of the token is not in datatrove's `PUNCTUATION_SET`: one of Gopher's `non_symbol_words`."""
SPACE_BEFORE = 16
"""spaCy makes a whitespace token before this one: anything but a single U+0020, or any whitespace at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """Tokens of documents in order: those of document i are rows `offsets[i]:offsets[i + 1]`."""

    offsets: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    """First byte of each token, in `view.data`."""
    end: npt.NDArray[np.int64]
    """Byte after each token, in `view.data`."""
    char_len: npt.NDArray[np.int32]
    """Code points of each token."""
    hash: npt.NDArray[np.uint64]
    """`words_kernels.hash_bytes` of each token; never 0."""
    flags: npt.NDArray[np.uint8]


def spacy_tokens(view: TextView) -> TokenTable:
    """Return the tokens of every document of `view`. Takes linear time, raises nothing, releases the GIL."""
    return tokens_of(view.data, view.offsets[:-1], view.offsets[1:])


def tokens_of(data: Bytes, begins: Positions, ends: Positions) -> TokenTable:
    """Return the tokens of the texts `data[begins[i]:ends[i]]`, each on its own; they may overlap."""
    from filters.signal_sets.spacy_english import rules
    from filters.signal_sets.spacy_words_kernels import tokenize

    known = rules()
    begins, ends = np.ascontiguousarray(begins, np.int64), np.ascontiguousarray(ends, np.int64)
    sizes = ends - begins
    offsets = np.zeros(len(begins) + 1, np.int64)
    columns = _columns(int(sizes.sum()) // 3 + int(sizes.max(initial=0)) + 1)
    text, row = 0, 0
    while True:
        text, row = tokenize(
            data,
            begins,
            ends,
            text,
            row,
            known.classes,
            known.slots,
            known.names,
            known.node_keys,
            known.node_values,
            offsets,
            *columns,
        )
        if text == len(begins):
            break
        columns = [_grown(column, row, 2 * len(column)) for column in columns]
    begin, end, char_len, hashes, flags = (column[:row] for column in columns)
    return TokenTable(offsets=offsets, begin=begin, end=end, char_len=char_len, hash=hashes, flags=flags)


def count_sentences(data: Bytes, begins: Positions, ends: Positions) -> Positions:
    """Return `len(split_into_sentences(text))` of each text `data[begins[i]:ends[i]]`; 1 for an empty text.

    A sentence of whitespace alone counts, as it does in datatrove's C4 filter. It can only be the last one:
    `count_sentences` of the stripped text leaves it out.
    """
    from filters.signal_sets.spacy_words_kernels import count_text_sentences

    table = tokens_of(data, begins, ends)
    begins, ends = np.ascontiguousarray(begins, np.int64), np.ascontiguousarray(ends, np.int64)
    counts: Positions = count_text_sentences(data, begins, ends, table.offsets, table.end, table.flags)
    return counts


def _columns(rows: int) -> list[npt.NDArray[Any]]:
    """Return room for tokens; memory that is not written to is never taken."""
    return [np.empty(rows, dtype) for dtype in (np.int64, np.int64, np.int32, np.uint64, np.uint8)]


def _grown(column: npt.NDArray[Any], rows: int, capacity: int) -> npt.NDArray[Any]:
    """Return `column` with room for `capacity` rows, of which the first `rows` are kept."""
    larger = np.empty(capacity, column.dtype)
    larger[:rows] = column[:rows]
    return larger


def spacy_tokens_slow(view: TextView) -> TokenTable:
    """Return the same table from spaCy itself, some 300 times slower: what the tests compare with."""
    rows: list[tuple[int, int, int, int, int]] = []
    offsets = [0]
    for i in range(len(view)):
        begin, end = int(view.offsets[i]), int(view.offsets[i + 1])
        rows += _token_rows(bytes(view.data[begin:end]).decode(), begin)
        offsets.append(len(rows))
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return TokenTable(
        offsets=np.array(offsets, np.int64),
        begin=np.array(columns[0], np.int64),
        end=np.array(columns[1], np.int64),
        char_len=np.array(columns[2], np.int32),
        hash=np.array(columns[3], np.uint64),
        flags=np.array(columns[4], np.uint8),
    )


def count_sentences_slow(data: Bytes, begins: Positions, ends: Positions) -> Positions:
    """Return the counts of `count_sentences` from datatrove itself."""
    from datatrove.utils.text import split_into_sentences

    texts = [bytes(data[begin:end]).decode() for begin, end in zip(begins, ends, strict=True)]
    return np.array([len(split_into_sentences(text)) for text in texts], np.int64)


@cache
def _pipeline() -> Any:
    """Return datatrove's pipeline; `__wrapped__` makes a fresh one."""
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    return pipeline


def _token_rows(text: str, at: int) -> list[tuple[int, int, int, int, int]]:
    """Return (begin, end, code points, hash, flags) of the tokens of `text`, which starts at byte `at`."""
    from datatrove.utils.text import PUNCTUATION_SET

    from filters.signal_sets.spacy_english import word_hash

    pipeline = _pipeline() if "IS_ALPHA" not in text else _pipeline.__wrapped__()
    sentence_ends = pipeline.get_pipe("sentencizer").punct_chars
    pipeline.max_length = len(text) + 10
    rows = []
    space, done = 0, 0
    with pipeline.memory_zone():
        for token in pipeline.tokenizer(text):
            word = token.text
            if not word.strip():
                space = SPACE_BEFORE
                continue
            at += len(text[done : token.idx].encode())
            done = token.idx + len(word)
            size = len(word.encode())
            flags = (
                IS_SENT_END * (word in sentence_ends)
                + IS_PUNCT * token.is_punct
                + IS_ALPHA_ANY * any(char.isalpha() for char in word)
                + IS_NON_SYMBOL * any(char not in PUNCTUATION_SET for char in word)
            )
            rows.append((at, at + size, len(word), word_hash(word.encode()), int(flags) + space))
            at += size
            space = 0
    return rows
