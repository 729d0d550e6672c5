"""Which bytes of text the tokens cover: kinds of bytes, tokens spent on each kind, runs of a kind, words.

A token of L bytes counts 1/L on each of them, so that tokens add up over any cut of the text: a token that holds a
newline and four blanks is one fifth newline and four fifths indentation. Kinds are of bytes; what is beyond ASCII is
one kind. Pure functions of byte-level ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.batches import TextView
from curation.token_engines import TokenizedView

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

KINDS = (
    "letter", "digit", "bracket", "operator", "other-sign", "newline", "indentation", "other-blank", "beyond-ascii",
)  # fmt: skip
_LETTER, _DIGIT, _BRACKET, _OPERATOR, _SIGN, _NEWLINE, _INDENT, _BLANK, _BEYOND = range(len(KINDS))
_OPERATORS = b"+-*/=<>!&|^~%@\\"
_BRACKETS = b"()[]{}"
_WORD = re.compile(rb"[A-Za-z\x80-\xff]{2,}")
WORD_BYTES = 4_000_000
"""Text in which words are counted, from the first document on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCounts:
    """What tokens are spent on one kind of bytes."""

    num_bytes: int
    runs: int
    """Maximal runs of the kind inside documents."""
    tokens: float

    @property
    def tokens_per_byte(self) -> float | None:
        """None without such bytes."""
        return self.tokens / self.num_bytes if self.num_bytes else None

    @property
    def tokens_per_run(self) -> float | None:
        """Tokens for one number, one indentation ...; None without runs."""
        return self.tokens / self.runs if self.runs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCounts:
    """Tokens of words, runs of two and more letters, by how often the word occurs in the text."""

    words: int
    rare_words: int
    """Words that occur once."""
    tokens_per_word: float | None
    tokens_per_rare_word: float | None


def byte_kinds(view: TextView) -> Codes:
    """Return the kind of every byte of the view, as an index into `KINDS`."""
    data = view.data[view.offsets[0] : view.offsets[-1]]
    kinds: Codes = _table()[data]
    blank = (data == ord(" ")) | (data == ord("\t"))
    positions = np.arange(len(data))
    solid = np.maximum.accumulate(np.where(blank, -1, positions)) if len(data) else positions
    starts = np.repeat(view.offsets[:-1] - view.offsets[0], view.num_bytes)
    before_line = (solid < starts) | (data[np.maximum(solid, 0)] == ord("\n"))
    kinds[blank & before_line] = _INDENT
    return kinds


def _table() -> Codes:
    table = np.full(256, _SIGN, np.uint8)
    for code in (*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1)):
        table[code] = _LETTER
    table[ord("0") : ord("9") + 1] = _DIGIT
    table[list(_BRACKETS)] = _BRACKET
    table[list(_OPERATORS)] = _OPERATOR
    table[[ord("\n"), ord("\r")]] = _NEWLINE
    table[[ord(" "), ord("\t")]] = _BLANK
    table[0x80:] = _BEYOND
    return table


def token_shares(encoded: TokenizedView, table: tuple[bytes, ...]) -> Floats:
    """Return how much of a token each byte of the decoded text is: 1/L for each of a token's L bytes."""
    sizes = np.array([len(one) for one in table], np.int64)
    lengths = sizes[encoded.tokens.astype(np.int64)]
    shares: Floats = np.repeat(1.0 / np.maximum(lengths, 1), lengths)
    return shares


def counts_by_kind(view: TextView, shares: Floats) -> dict[str, KindCounts]:
    """Return what is spent on each kind in documents whose bytes have these shares of tokens."""
    kinds = byte_kinds(view)
    first = np.zeros(len(kinds), bool)
    first[(view.offsets[:-1] - view.offsets[0])[view.num_bytes > 0]] = True
    begins = first | np.concatenate([[True], kinds[1:] != kinds[:-1]]) if len(kinds) else first
    num_bytes = np.bincount(kinds, minlength=len(KINDS))
    tokens = np.bincount(kinds, weights=shares, minlength=len(KINDS))
    runs = np.bincount(kinds[begins], minlength=len(KINDS))
    return {
        name: KindCounts(num_bytes=int(num_bytes[code]), runs=int(runs[code]), tokens=float(tokens[code]))
        for code, name in enumerate(KINDS)
    }


def word_counts(view: TextView, shares: Floats) -> WordCounts:
    """Return the tokens of words in the first `WORD_BYTES` of the text."""
    text = view.data[view.offsets[0] : view.offsets[-1]][:WORD_BYTES].tobytes()
    sums = np.concatenate([[0.0], np.cumsum(shares[: len(text)])])
    found = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    how_often: Mapping[bytes, int] = Counter(word for word, _, _ in found)
    tokens = np.array([sums[end] - sums[start] for _, start, end in found])
    rare = np.array([how_often[word] == 1 for word, _, _ in found], bool)
    return WordCounts(
        words=len(found),
        rare_words=int(rare.sum()),
        tokens_per_word=float(tokens.mean()) if len(found) else None,
        tokens_per_rare_word=float(tokens[rare].mean()) if rare.any() else None,
    )
