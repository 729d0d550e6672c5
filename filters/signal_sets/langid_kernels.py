"""Naive Bayes language scores over byte n-grams: py3langid's automaton and its score, compiled.

The automaton reads a document's bytes and emits the features that end at each; a language's score is its prior plus
the sum over features of ln(1 + count) x its log weight, summed here in float64 in the order of first occurrence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel
from filters.signal_sets.words_kernels import BYTES

INTS = "Array(int32, 1, 'C', readonly=True)"
FLOATS = "Array(float32, {}, 'C', readonly=True)"


@kernel(f"int64({BYTES}, {INTS}, {INTS}, {INTS}, {FLOATS.format(2)}, {FLOATS.format(1)}, float64[::1])")
def language_scores(data: Any, moves: Any, rows: Any, features: Any, weights: Any, priors: Any, scores: Any) -> int:
    """Fill `scores` with the log scores of all languages; return the number of distinct features found.

    `moves` holds rows of 256 next states, `rows` the row of each state, `features` the feature of each state or -1.
    """
    counts = np.zeros(len(weights), np.int64)
    order = np.empty(len(weights), np.int32)
    found = 0
    state = 0
    for i in range(len(data)):
        state = moves[(np.int64(rows[state]) << 8) + data[i]]
        feature = features[state]
        if feature >= 0:
            if counts[feature] == 0:
                order[found] = feature
                found += 1
            counts[feature] += 1
    for language in range(len(priors)):
        scores[language] = priors[language]
    for i in range(found):
        weight = np.log1p(np.float64(counts[order[i]]))
        for language in range(len(priors)):
            scores[language] += weight * weights[order[i], language]
    return found
