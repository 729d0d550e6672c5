"""Names of clusters: their most distinctive words, safe as file names and stable for equal models.

Word w of a cluster scores p ln((p + e) / (q + e)): p and q are the shares of documents with w in the cluster and in the
other clusters, e = 1 / documents looked at. That is its part of the divergence of the two, so common words score
nothing and rare ones little. Only heads of some documents of each cluster are looked at. A name is made of words in
Latin script without their accents; where a cluster has fewer than
two, it is named for its script.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from curation.sources.taggers import script
from curation.words import split_words

DOCS_PER_CLUSTER = 200
HEAD_CHARS = 4_000
TOP_WORDS = 12
NAME_WORDS = 3
MIN_LETTERS = 3
MAX_WORD_CHARS = 20
_PLAIN = re.compile(rf"[a-z]{{{MIN_LETTERS},{MAX_WORD_CHARS}}}")


def top_words(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the most distinctive words of each group of texts, the best first, ties by the word."""
    counts = [Counter(word for text in texts for word in _words(text)) for texts in groups]
    total: Counter[str] = Counter()
    for found in counts:
        total.update(found)
    num_docs = sum(map(len, groups))
    return [_best(found, total, len(texts), num_docs - len(texts)) for found, texts in zip(counts, groups, strict=True)]


def _words(text: str) -> set[str]:
    """Return a text's words of letters alone that are neither one letter nor a line without blanks."""
    return {word for word in split_words(text[:HEAD_CHARS]) if word.isalpha() and 2 <= len(word) <= MAX_WORD_CHARS}


def _best(found: Counter[str], total: Counter[str], own: int, others: int) -> list[str]:
    least = 1.0 / max(1, own + others)
    scores: dict[str, float] = {}
    for word, count in found.items():
        here, there = count / own, (total[word] - count) / max(1, others)
        scores[word] = round(here * math.log((here + least) / (there + least)), 9)
    return sorted((word for word in scores if scores[word] > 0), key=lambda word: (-scores[word], word))[:TOP_WORDS]


def cluster_names(words: Sequence[Sequence[str]], texts: Sequence[str]) -> tuple[str, ...]:
    """Return one distinct name a cluster; `texts` are samples of each, for those without a Latin word."""
    names: list[str] = []
    for own, sample in zip(words, texts, strict=True):
        plain = list(dict.fromkeys(word for word in map(_ascii, own) if _PLAIN.fullmatch(word)))[:NAME_WORDS]
        base = "-".join(plain if len(plain) > 1 else ["topic", _ascii(script(sample, None) or "other")])
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return tuple(names)


def _ascii(word: str) -> str:
    return unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
