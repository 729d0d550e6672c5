"""The signal set `toxic`: how often the entries of the user's word list stand in a text.

Text and entries are compared in lower case (Arrow's, by Unicode's simple mapping). An entry of words is found as whole
words only; one that begins or ends with another sign (an emoji) is found anywhere.
Source: C4, arXiv:1910.10683, section 2.2 (any listed word drops the page); the word list is the user's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import text_array, text_view
from filters.signals import Matrix, Signal, SignalSet
from filters.word_lists import WordList


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Entries of words, hashed, and the other entries."""

    keys: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.int32]
    most_tokens: int
    others: tuple[str, ...]


def toxic_set(words: WordList) -> SignalSet:
    """Return the signal set under `words`; the list's digest is its parameter."""
    return SignalSet(
        name="toxic",
        version="curate@1",
        source="C4 arXiv:1910.10683 2.2 (matching of whole words); the list is the user's",
        signals=(
            Signal(
                name="num_listed", unit="occurrences", meaning="occurrences of entries of the list; they may overlap"
            ),
            Signal(name="num_distinct_listed", unit="entries", meaning="different entries that occur"),
            Signal(
                name="listed_word_fraction",
                unit="per word",
                meaning="occurrences over words, words being runs of letters, digits and _",
            ),
        ),
        compute=lambda table: _measure(words, table),
        params={"words": words.digest},
    )


def _measure(words: WordList, table: pa.Table) -> Matrix:
    from filters.signal_sets.toxic_kernels import listed_words

    entries = _hashed(words)
    lowered = pc.utf8_lower(table["text"])
    view = text_view(lowered)
    counts = np.zeros((len(view), 3), np.float64)
    listed_words(view.data, view.offsets, entries.keys, entries.kinds, entries.most_tokens, counts)
    for entry in entries.others:
        found = pc.count_substring(lowered, entry).to_numpy()
        counts[:, 1] += found
        counts[:, 2] += found > 0
    matrix = np.zeros((len(view), 3), np.float64)
    matrix[:, :2] = counts[:, 1:]
    np.divide(counts[:, 1], counts[:, 0], out=matrix[:, 2], where=counts[:, 0] > 0)
    return matrix


def _hashed(words: WordList) -> _Table:
    from filters.signal_sets.toxic_kernels import hash_entries, is_word_code, table_size

    lowered = [str(entry) for entry in pc.utf8_lower(text_array(list(words.entries))).to_pylist()]
    plain = [entry for entry in lowered if is_word_code(ord(entry[0])) and is_word_code(ord(entry[-1]))]
    view = text_view(text_array(plain))
    size = table_size(max(1, sum(len(entry) for entry in plain)))
    keys, kinds = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    most = hash_entries(view.data, view.offsets, keys, kinds)
    return _Table(keys=keys, kinds=kinds, most_tokens=most, others=tuple(sorted(set(lowered) - set(plain))))
