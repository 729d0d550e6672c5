"""The signal set `c4-badwords`: where entries of the user's list stand in a text, as C4 and mC4 look for them.

Text is lower-cased by Python's rules. An entry counts where no letter, digit or underscore touches it on either side
(Python's word characters); in Japanese, Thai and Chinese it counts anywhere. Three common subwords of Japanese and
Chinese are taken from every list, as there. A page has a match exactly if the regular expression of the sources has.
Source: TensorFlow Datasets `c4_utils.py`, `get_badwords_filter_fn`; datatrove 0.10 `C4BadWordsFilter`.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import text_array
from filters.signals import Signal, SignalSet
from filters.word_lists import WordList

UNSPACED_LANGUAGES = frozenset({"ja", "th", "zh"})
"""Languages written without spaces between words."""
ALLOWED = frozenset({"sm", "グロ", "女の子", "性"})
"""Entries that no list has any effect with: each is a common part of other words in Japanese or Chinese."""


def bad_words_set(words: WordList, language: str) -> SignalSet:
    """Return the signal set under `words`; the list's digest and how entries are found are its parameters."""
    entries = tuple(entry for entry in words.entries if entry not in ALLOWED)
    anywhere = language in UNSPACED_LANGUAGES
    return SignalSet(
        name="c4-badwords",
        version="c4@1",
        source="C4, arXiv:1910.10683, section 2.2; mC4, arXiv:2010.11934; datatrove 0.10 `C4BadWordsFilter`",
        signals=(
            Signal(
                name="num_bad_words",
                unit="occurrences",
                meaning="occurrences of entries of the list in lower case, with no word character beside them "
                "(anywhere in ja, th, zh)",
            ),
        ),
        compute=lambda table: _counts(entries, anywhere, table),
        params={"words": words.digest, "anywhere": anywhere},
    )


def _counts(entries: tuple[str, ...], anywhere: bool, table: pa.Table) -> npt.NDArray[np.float64]:
    texts = [(text or "").lower() for text in table["text"].to_pylist()]
    counts = np.zeros((len(texts), 1), np.float64)
    for row in np.flatnonzero(_hold_any(entries, texts)):
        counts[row, 0] = sum(_occurrences(texts[row], entry, anywhere) for entry in entries)
    return counts


def _hold_any(entries: tuple[str, ...], texts: list[str]) -> npt.NDArray[np.bool_]:
    """Return which texts hold any entry: one automaton over all entries (RE2), as most texts hold none."""
    if not entries:
        return np.zeros(len(texts), np.bool_)
    pattern = "|".join(map(re.escape, entries))
    try:
        held = pc.match_substring_regex(text_array(texts), pattern)
    except pa.ArrowInvalid:  # a list beyond RE2's memory
        return np.ones(len(texts), np.bool_)
    return np.asarray(held.to_numpy(zero_copy_only=False), np.bool_)


def _occurrences(text: str, entry: str, anywhere: bool) -> int:
    found, at = 0, text.find(entry)
    while at >= 0:
        end = at + len(entry)
        found += anywhere or not (_is_word(text[at - 1 : at]) or _is_word(text[end : end + 1]))
        at = text.find(entry, at + 1)
    return found


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
