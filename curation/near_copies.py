"""Near copies of the panel: which documents must leave the pool because the panel holds them, or nearly (rule 1).

A document matches when its set of 5-word shingles has Jaccard similarity of at least 1/2 with that of some panel
document, or when it shares 50 words in a row with one. Words are those of `words@2`; documents of fewer than five
words match when all their words are equal, and documents without words never match. Both tests are exact up to
64-bit hash collisions; nothing is sampled. Source: `rules.md`, rule 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.batches import TextView

NEAR_COPY_VERSION = "near-copies@2"
SHINGLE_WORDS = 5
SPAN_WORDS = 50
MIN_JACCARD = 0.5  # fixed: the kernel counts in whole numbers, 3 x shared >= |A| + |B|


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCopyIndex:
    """The panel's shingles, rare ones posted, and its spans; read-only, so any number of threads may use it."""

    table_keys: npt.NDArray[np.uint64]
    table_places: npt.NDArray[np.int32]
    table_bits: npt.NDArray[np.uint64]
    posts: npt.NDArray[np.int64]
    post_docs: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]
    spans: npt.NDArray[np.uint64]

    def matches(self, documents: TextView) -> npt.NDArray[np.bool_]:
        """Return which documents are near copies of a panel document or share a 50-word span with one."""
        from curation.near_copy_kernels import near_copies

        return near_copies(
            documents.data,
            documents.offsets,
            SHINGLE_WORDS,
            SPAN_WORDS,
            self.table_keys,
            self.table_places,
            self.table_bits,
            self.posts,
            self.post_docs,
            self.starts,
            self.values,
            self.spans,
        )


def near_copy_index(panel: TextView) -> NearCopyIndex:
    """Return the index over the panel's documents; memory is about 6 bytes a byte of panel text."""
    from curation.table_kernels import hash_table
    from curation.text_kernels import shingle_sets

    starts, values = shingle_sets(panel, SHINGLE_WORDS, np.iinfo(np.int64).max)
    distinct, inverse, frequency = np.unique(values, return_inverse=True, return_counts=True)
    rare_first = np.argsort(frequency, kind="stable")  # of equally rare ones the smaller first
    rank = np.empty(len(distinct), np.int64)
    rank[rare_first] = np.arange(len(distinct))
    posts, post_docs = _postings(rank[inverse], starts, len(distinct))
    table = hash_table(distinct[rare_first])
    return NearCopyIndex(
        table_keys=table.keys,
        table_places=table.places,
        table_bits=table.bits,
        posts=posts,
        post_docs=post_docs,
        starts=starts,
        values=values,
        spans=_spans(panel),
    )


def _postings(
    ranks: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], num_distinct: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return where each shingle's list begins, and the lists: documents that hold it among their rarer half."""
    sizes = np.diff(starts)
    docs = np.repeat(np.arange(len(sizes)), sizes)
    # pairs as one number each: sorting values takes a sixth of what sorting places by two keys does
    by_doc = np.sort(docs << 32 | ranks)
    position = np.arange(len(ranks)) - np.repeat(starts[:-1], sizes)
    rare = by_doc[position < np.repeat(sizes // 2 + 1, sizes)]
    by_rank = np.sort((rare & 0xFFFFFFFF) << 32 | rare >> 32)
    posts = np.zeros(num_distinct + 1, np.int64)
    np.cumsum(np.bincount(by_rank >> 32, minlength=num_distinct), out=posts[1:])
    return posts, (by_rank & 0xFFFFFFFF).astype(np.int32)


def _spans(panel: TextView) -> npt.NDArray[np.uint64]:
    """Return the distinct hashes of all windows of 50 words, sorted."""
    from curation.text_kernels import window_hashes

    hashes = np.sort(window_hashes(panel.data, panel.offsets, SPAN_WORDS))
    first = np.ones(len(hashes), np.bool_)  # np.unique hashes before it sorts: five times the work on distinct values
    np.not_equal(hashes[1:], hashes[:-1], out=first[1:])
    return hashes[first]
