"""Numbers of words of a column of documents: the entry point `word_counts` (words of the dialect `curate@1`)."""

from __future__ import annotations

from typing import Any

from curation.compiled import kernel
from filters.signal_sets.words_kernels import BYTES, OFFSETS, count_words


@kernel(f"void({BYTES}, {OFFSETS}, int64[::1])")
def word_counts(data: Any, offsets: Any, out: Any) -> None:
    """Fill `out` with the number of words of each document."""
    for row in range(len(offsets) - 1):
        out[row] = count_words(data, offsets[row], offsets[row + 1])
