"""RefinedWeb's line corrections: the cleaned text, and as signals how many lines each rule touches.

A page from which more than 5 % of the words would go is dropped (rule set `refinedweb/dclm`). The rules and their
order: `refinedweb_lines_kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import text_view
from filters.signals import Signal, SignalSet

LINE_REASONS = (
    "too-many-upper-case",
    "only-digits",
    "counter",
    "too-few-words",
    "items-in-cart",
    "read-more",
    "sign-in",
)
"""What each pass removes or, from `items-in-cart` on, shortens; in the order of the passes."""


class CleanedLines(NamedTuple):
    """Documents after the line corrections, row by row."""

    texts: pa.Array
    """`large_string`; empty where nothing is left."""
    counts: Mapping[str, npt.NDArray[np.int64]]
    """Lines removed or shortened, by reason (`LINE_REASONS`)."""
    word_removed_fraction: npt.NDArray[np.float64]
    """Words gone over words before, by fastText's words that start alphanumeric; 1 for a page without such a word."""


def clean_refinedweb_lines(texts: pa.Array | pa.ChunkedArray) -> CleanedLines:
    """Return the documents of a string column after RefinedWeb's line corrections in DCLM's order."""
    from filters.signal_sets.refinedweb_lines_kernels import NUM_REASONS, clean_lines
    from filters.signal_sets.unicode_classes import unicode_classes

    view = text_view(texts)
    num_docs = len(view)
    cleaned = np.empty(int(view.num_bytes.sum()), np.uint8)
    ends = np.zeros(num_docs + 1, np.int64)
    touched = np.zeros((num_docs, NUM_REASONS), np.int64)
    words = np.zeros((num_docs, 2), np.int64)
    clean_lines(view.data, view.offsets, unicode_classes(), cleaned, ends, touched, words)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(cleaned[: int(ends[-1])].copy())]
    before, after = words[:, 0], words[:, 1]
    removed = np.ones(num_docs, np.float64)
    np.divide(before - after, before, out=removed, where=before > 0)
    return CleanedLines(
        texts=pa.LargeStringArray.from_buffers(num_docs, buffers[1], buffers[2]),
        counts={reason: np.ascontiguousarray(touched[:, i]) for i, reason in enumerate(LINE_REASONS)},
        word_removed_fraction=removed,
    )


def _line_signals(table: pa.Table) -> npt.NDArray[np.float64]:
    cleaned = clean_refinedweb_lines(table["text"])
    columns = [cleaned.counts[reason].astype(np.float64) for reason in LINE_REASONS]
    return np.stack([*columns, cleaned.word_removed_fraction], axis=1)


REFINEDWEB_LINES = SignalSet(
    name="refinedweb-lines",
    version="dclm@1",
    source="RefinedWeb arXiv:2306.01116; DCLM `modifiers.py`, `refinedweb.yaml`",
    signals=(
        Signal(name="num_upper_case_lines", unit="lines", meaning="more than half of the code points are upper-case"),
        Signal(name="num_digit_lines", unit="lines", meaning="more than 0.999999 of the code points are digits"),
        Signal(name="num_counter_lines", unit="lines", meaning="a number and likes, shares, comments, views, ..."),
        Signal(name="num_one_word_lines", unit="lines", meaning="not empty and fewer than 2 words"),
        Signal(name="num_cart_lines", unit="lines", meaning="at most 10 words, with `items in cart`"),
        Signal(name="num_read_more_lines", unit="lines", meaning="at most 10 words, ending in `read more` and 3 more"),
        Signal(name="num_sign_in_lines", unit="lines", meaning="at most 10 words, starting with `sign-in`"),
        Signal(
            name="word_removed_fraction",
            unit="share of words",
            meaning="words that the line corrections remove; 1 for a page without words",
        ),
    ),
    compute=_line_signals,
)
