"""From fastText's hidden vectors to the probability of every label: softmax, hierarchical softmax, one against all.

Float32 steps are fastText's, and so is the printed value: p + 1e-5 (`std_log`), which a published threshold such as
0.018112 includes. Hierarchical softmax walks Huffman's tree, whose nodes are numbered after their children.
Source: fastText 0.9.2, `loss.cc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.compiled import kernel

HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
"""fastText's numbers of losses; negative sampling predicts as one against all."""
TABLE_SIZE, TABLE_LIMIT = 512, 8.0
FLOATS = "Array(float32, 2, 'C', readonly=True)"


@kernel()
def log_probability(p: Any) -> Any:
    """Return fastText's logarithm, which never meets 0."""
    return np.float32(np.log(np.float64(p) + 1e-5))


@kernel()
def dot(weights: Any, hidden: Any) -> Any:
    """Return the float32 dot product, summed from the left."""
    total = np.float32(0)
    for j in range(len(hidden)):
        total += weights[j] * hidden[j]
    return total


@kernel()
def table_sigmoid(x: Any) -> Any:
    """Return the sigmoid as fastText tabulates it: 512 steps between -8 and 8."""
    if x < -TABLE_LIMIT:
        return np.float32(0)
    if x > TABLE_LIMIT:
        return np.float32(1)
    step = np.int64(np.float32(x + np.float32(TABLE_LIMIT)) * np.float32(TABLE_SIZE / TABLE_LIMIT / 2))
    return np.float32(1.0 / (1.0 + np.exp(-(step * 2 * TABLE_LIMIT / TABLE_SIZE - TABLE_LIMIT))))


@kernel()
def softmax_row(weights: Any, hidden: Any, out: Any) -> None:
    """Fill `out` with p of every label under softmax."""
    num_labels = len(out)
    highest = np.float32(-np.inf)
    for i in range(num_labels):
        out[i] = dot(weights[i], hidden)
        highest = max(highest, out[i])
    total = np.float32(0)
    for i in range(num_labels):
        out[i] = np.exp(out[i] - highest)
        total += out[i]
    for i in range(num_labels):
        out[i] = np.exp(log_probability(out[i] / total))


@kernel()
def tree_row(weights: Any, hidden: Any, left: Any, right: Any, scores: Any, out: Any) -> None:
    """Fill `out` with p of every label under hierarchical softmax."""
    num_labels = len(out)
    scores[2 * num_labels - 2] = 0
    for node in range(2 * num_labels - 2, num_labels - 1, -1):
        share = np.float32(1.0 / (1.0 + np.exp(-dot(weights[node - num_labels], hidden))))
        scores[left[node]] = scores[node] + log_probability(np.float32(1.0 - share))
        scores[right[node]] = scores[node] + log_probability(share)
    for i in range(num_labels):
        out[i] = np.exp(scores[i])


@kernel(
    f"void({FLOATS}, {FLOATS}, int64, Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True),"
    " float32[:, ::1])"
)
def label_probabilities(hidden: Any, weights: Any, loss: int, left: Any, right: Any, out: Any) -> None:
    """Fill `out` (documents x labels) with fastText's p; a hidden vector of NaN (no known word) gives 0."""
    scores = np.zeros(2 * out.shape[1], np.float32)
    for row in range(len(hidden)):
        if np.isnan(hidden[row, 0]):
            out[row, :] = 0
        elif loss == HIERARCHICAL:
            tree_row(weights, hidden[row], left, right, scores, out[row])
        elif loss == SOFTMAX:
            softmax_row(weights, hidden[row], out[row])
        else:
            for i in range(out.shape[1]):
                out[row, i] = np.exp(log_probability(table_sigmoid(dot(weights[i], hidden[row]))))


@kernel("Tuple((int32[::1], int32[::1]))(Array(int64, 1, 'C', readonly=True))")
def huffman_tree(counts: Any) -> Any:
    """Return the left and right children of every node (-1 at leaves) for labels in order of falling counts."""
    num_labels = len(counts)
    size = 2 * num_labels - 1
    weight = np.full(size, np.int64(10**15), np.int64)
    weight[:num_labels] = counts
    left = np.full(size, np.int32(-1), np.int32)
    right = np.full(size, np.int32(-1), np.int32)
    leaf, node = num_labels - 1, num_labels
    for i in range(num_labels, size):
        chosen = np.zeros(2, np.int64)
        for j in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                chosen[j] = leaf
                leaf -= 1
            else:
                chosen[j] = node
                node += 1
        left[i], right[i] = chosen[0], chosen[1]
        weight[i] = weight[chosen[0]] + weight[chosen[1]]
    return left, right
