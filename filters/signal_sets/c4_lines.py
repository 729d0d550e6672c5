"""C4's line rules as a function from texts to cleaned texts, in the dialects of four implementations.

They agree on the order of tests (see `c4_kernels`) and differ in what a line, an end mark and a word count is:

- `datatrove`: `str.splitlines()`, stripped; ends in . ? ! " or '; at least 3 words, counted before citations are cut.
- `fineweb`: as `datatrove` without the test of end marks (`filter_no_terminal_punct=False`).
- `tfds`: as `datatrove`, but ends in . ? ! or "; at least 5 words, counted after citations are cut.
- `dclm`: lines are cut at newlines only and not stripped; empty lines stay; whitespace may follow the end mark; at
  least 5 words after citations are cut; `javascript` and policy phrases compare as `re.IGNORECASE` does.

Only the lines are rewritten here: whether the page stays is a rule's matter (`filters.rule_sets.c4`).
Source: C4, arXiv:1910.10683, section 2.2; TensorFlow Datasets `c4_utils.py` (`clean_page`); datatrove 0.10
`c4_filters.py` (`C4QualityFilter`); DCLM `baselines_configs/c4.yaml` and `mappers/modifiers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, text_view
from curation.errors import RecipeError, nearest

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class C4Dialect:
    """What one implementation means by a line, an end mark and a number of words."""

    name: str
    every_separator: bool = True
    """Lines end at every separator of `str.splitlines()`; else at newlines only."""
    strip_lines: bool = True
    keep_empty_lines: bool = False
    min_words: int
    words_with_citations: bool = False
    """Words are counted before citations are cut."""
    end_marks: str | None
    """Marks that a line must end in; None: no test. Whitespace may follow them where lines are not stripped."""
    ignore_case: bool = False
    """Compare line phrases as `re.IGNORECASE`; else in lower case."""


_DATATROVE = C4Dialect(name="datatrove", min_words=3, words_with_citations=True, end_marks=".?!\"'")
_FINEWEB = C4Dialect(name="fineweb", min_words=3, words_with_citations=True, end_marks=None)
_TFDS = C4Dialect(name="tfds", min_words=5, end_marks='.?!"')
_DCLM = C4Dialect(
    name="dclm",
    every_separator=False,
    strip_lines=False,
    keep_empty_lines=True,
    min_words=5,
    end_marks='.?!"',
    ignore_case=True,
)
C4_DIALECTS: Mapping[str, C4Dialect] = {dialect.name: dialect for dialect in (_DATATROVE, _FINEWEB, _TFDS, _DCLM)}
"""The dialects of `clean_c4_lines` by name."""

REMOVED_REASONS = ("long-word", "no-end-mark", "too-few-words", "javascript", "policy-phrase")
"""Why a line is removed, in the order of the tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class C4Cleaned:
    """Cleaned documents and what was removed from each; every array has one value a document."""

    texts: pa.LargeStringArray
    num_lines: Counts
    """Lines before cleaning."""
    removed_lines: Mapping[str, Counts]
    """Lines removed, by reason (`REMOVED_REASONS`)."""
    num_citations: Counts
    """Citations cut from the lines that stay."""
    removed_chars: Counts
    """Code points by which the text became shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkedLines:
    """What the kernel leaves behind: bytes, ranges of documents and of their lines in it, counts by column."""

    data: npt.NDArray[np.uint8]
    spans: Counts
    lines: Counts
    first_line: Counts
    counts: Counts


def clean_c4_lines(texts: pa.ChunkedArray | pa.Array, dialect: str) -> C4Cleaned:
    """Return `texts` with C4's line rules applied in `dialect`; a null is an empty document.

    A page that C4 drops (`lorem ipsum`, `{`, too few sentences) is cleaned like any other.
    Raises: RecipeError for an unknown dialect.
    """
    from filters.signal_sets.c4_kernels import (
        CHARS,
        CHARS_LEFT,
        CITATIONS,
        FEW_WORDS,
        JAVASCRIPT,
        LINES,
        LONG_WORD,
        NO_END_MARK,
        POLICY,
    )

    walked = walk_lines(text_view(texts), c4_dialect(dialect))
    counts = walked.counts
    columns = (LONG_WORD, NO_END_MARK, FEW_WORDS, JAVASCRIPT, POLICY)
    return C4Cleaned(
        texts=_packed(walked),
        num_lines=counts[:, LINES],
        removed_lines={reason: counts[:, column] for reason, column in zip(REMOVED_REASONS, columns, strict=True)},
        num_citations=counts[:, CITATIONS],
        removed_chars=counts[:, CHARS] - counts[:, CHARS_LEFT],
    )


def c4_dialect(name: str) -> C4Dialect:
    """Return the dialect called `name`. Raises: RecipeError for an unknown name, with the nearest."""
    if name not in C4_DIALECTS:
        raise RecipeError(f"C4 line rules: unknown dialect `{name}`; {nearest(name, list(C4_DIALECTS))}")
    return C4_DIALECTS[name]


def walk_lines(view: TextView, dialect: C4Dialect) -> WalkedLines:
    """Return the lines of each document that stay, and the counts."""
    from filters.signal_sets.c4_kernels import NUM_COUNTS, clean_lines, count_lines

    num_docs = len(view)
    walked = WalkedLines(
        data=np.empty(len(view.data), np.uint8),
        spans=np.zeros((num_docs, 2), np.int64),
        lines=np.empty((count_lines(view.data, view.offsets, dialect.every_separator), 2), np.int64),
        first_line=np.zeros(num_docs + 1, np.int64),
        counts=np.zeros((num_docs, NUM_COUNTS), np.int64),
    )
    clean_lines(
        view.data,
        view.offsets,
        _options(dialect),
        walked.data,
        walked.lines,
        walked.first_line,
        walked.spans,
        walked.counts,
    )
    return walked


def _options(dialect: C4Dialect) -> Counts:
    from filters.signal_sets import c4_kernels as kernels

    options = np.zeros(kernels.NUM_OPTIONS, np.int64)
    options[kernels.EVERY_SEPARATOR] = dialect.every_separator
    options[kernels.STRIP_LINES] = dialect.strip_lines
    options[kernels.KEEP_EMPTY_LINES] = dialect.keep_empty_lines
    options[kernels.MIN_WORDS] = dialect.min_words
    options[kernels.WORDS_WITH_CITATIONS] = dialect.words_with_citations
    options[kernels.IGNORE_CASE] = dialect.ignore_case
    marks = {
        None: kernels.ANY_END,
        ".?!\"'": kernels.DOUBLE_OR_SINGLE_QUOTE,
        '.?!"': kernels.DOUBLE_QUOTE if dialect.strip_lines else kernels.DOUBLE_QUOTE_THEN_SPACES,
    }
    options[kernels.END_MARKS] = marks[dialect.end_marks]
    return options


def _packed(walked: WalkedLines) -> pa.LargeStringArray:
    from filters.signal_sets.c4_kernels import pack_spans

    offsets = np.zeros(len(walked.spans) + 1, np.int64)
    np.cumsum(walked.spans[:, 1] - walked.spans[:, 0], out=offsets[1:])
    packed = np.empty(offsets[-1], np.uint8)
    pack_spans(walked.data, walked.spans, offsets[:-1].copy(), packed)
    return pa.LargeStringArray.from_buffers(len(walked.spans), pa.py_buffer(offsets), pa.py_buffer(packed))
