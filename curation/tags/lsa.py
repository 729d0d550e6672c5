"""Latent semantic analysis of hashed features: TF-IDF, then the top right singular vectors by a randomised SVD.

Weights are (1 + ln count) times idf, idf = ln((1 + n) / (1 + df)) + 1, rows scaled to length 1. The range finder takes
`OVERSAMPLING` more dimensions and `POWER_ROUNDS` power iterations with QR between. Linear algebra runs on one thread,
so results do not depend on workers. Source: Deerwester et al. 1990; Halko, Martinsson and Tropp, arXiv:0909.4061, 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.randomness import generator

OVERSAMPLING = 10
POWER_ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of many documents: those of document i are `buckets[starts[i]:starts[i + 1]]`, with their counts."""

    starts: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]


def inverse_frequencies(features: Features, num_buckets: int, min_docs: int) -> npt.NDArray[np.float64]:
    """Return the idf of every bucket; 0 for one in fewer than `min_docs` documents."""
    docs = np.bincount(features.buckets, minlength=num_buckets)
    num_docs = len(features.starts) - 1
    found: npt.NDArray[np.float64] = np.log((1.0 + num_docs) / (1.0 + docs)) + 1.0
    return np.where(docs >= min_docs, found, 0.0)


def fit_projection(
    features: Features, idf: npt.NDArray[np.float64], dims: int, *, seed: int
) -> npt.NDArray[np.float32]:
    """Return buckets x at most `dims`: what a document's (1 + ln count) are multiplied by, idf included."""
    from scipy import sparse

    weights = (1.0 + np.log(features.counts)) * idf[features.buckets]
    matrix = sparse.csr_matrix(
        (weights, features.buckets, features.starts), shape=(len(features.starts) - 1, len(idf)), copy=True
    )
    matrix.eliminate_zeros()
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    vectors = _right_vectors(sparse.diags_array(scale) @ matrix, dims, seed=seed)
    projection: npt.NDArray[np.float32] = (idf[:, None] * vectors).astype(np.float32)
    return np.ascontiguousarray(projection)


def _right_vectors(matrix: Any, dims: int, *, seed: int) -> npt.NDArray[np.float64]:
    """Return the right singular vectors of the largest singular values as columns, the largest entry of each > 0."""
    width = min(dims + OVERSAMPLING, *matrix.shape)
    start = generator(seed, "tags", "projection").standard_normal((matrix.shape[1], width))
    turned = matrix.T.tocsr()
    basis = np.linalg.qr(matrix @ start)[0]
    for _ in range(POWER_ROUNDS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(turned @ basis)[0])[0]
    right: npt.NDArray[np.float64] = np.linalg.svd((turned @ basis), full_matrices=False)[0][:, : min(dims, width)]
    largest = right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])]
    return right * np.where(largest < 0, -1.0, 1.0)
