"""An n-gram language model over the project's own tokens: interpolated Kneser-Ney with one discount an order.

p_k(w | h) = max(c(hw) - D_k, 0) / c(h) + D_k t(h) / c(h) · p_{k-1}(w | h'), down to the uniform distribution over the
vocabulary. c is the count at the highest order and, below it, the number of different tokens seen before hw; t(h) is
how many different tokens followed h. D_k = n1 / (n1 + 2 n2) with n_r the number of n-grams of count r. The byte-level
vocabulary is closed, so nothing is unknown and the probabilities of all tokens sum to 1.
Source: Kneser and Ney 1995; Chen and Goodman 1999, sections 2.7 and 2.8. CCNet (arXiv:1911.00359) uses the same family
of models (KenLM, order 5, over sentencepiece tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import TextView, read_table, write_table
from curation.files import replacing
from curation.tokenizers import TokenizedView, Tokenizer, load_tokenizer

TOKENIZER = "ladder-nano@1"
BITS = 12  # of `ngram_model_kernels.BITS_PER_TOKEN`, which planning must not import
MAX_ORDER = 5
FILE = "ngrams.parquet"

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Tables of every order one after another in flat arrays; see `ngram_model_kernels`."""

    keys: Keys
    begins: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    values: tuple[npt.NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramModel:
    """A fitted model, ready to score."""

    order: int
    tokenizer: Tokenizer
    grams: _Tables
    contexts: _Tables

    def nats(self, encoded: TokenizedView) -> npt.NDArray[np.float64]:
        """Return -ln p of each document, its end included."""
        from filters.models.ngram_model_kernels import document_nats

        out = np.zeros(len(encoded), np.float64)
        (counts,), (totals, backoffs) = self.grams.values, self.contexts.values
        document_nats(
            encoded.tokens,
            encoded.offsets,
            self.order,
            self.tokenizer.eos_id,
            1.0 / self.tokenizer.vocab_size,
            self.grams.keys,
            self.grams.begins,
            self.grams.sizes,
            counts,
            self.contexts.keys,
            self.contexts.begins,
            self.contexts.sizes,
            totals,
            backoffs,
            out,
        )
        return out

    def measure(self, view: TextView) -> npt.NDArray[np.float64]:
        """Return documents x (perplexity per token, bits per byte); the end of a document counts as a token.

        An empty document has the perplexity of its end and 0 bits per byte.
        """
        encoded = self.tokenizer.encode(view)
        nats = self.nats(encoded)
        num_tokens = np.diff(encoded.offsets) + 1
        num_bytes = np.diff(view.offsets)
        bits = np.divide(nats / np.log(2.0), num_bytes, out=np.zeros(len(nats)), where=num_bytes > 0)
        return np.stack([np.exp(nats / num_tokens), bits], axis=1)


def count_ngrams(encoded: TokenizedView, order: int, boundary: int) -> dict[int, tuple[Keys, npt.NDArray[np.int64]]]:
    """Return per order the packed n-grams and their counts: occurrences at `order`, different predecessors below it.

    Every document is `order` - 1 boundaries, its tokens, one boundary; no n-gram reaches over two documents.
    """
    sizes = np.diff(encoded.offsets)
    width = order - 1
    stream = np.full(int(sizes.sum()) + len(sizes) * (width + 1), boundary, np.uint64)
    starts = encoded.offsets[:-1] + np.arange(len(sizes)) * (width + 1) + width
    places = np.repeat(starts - encoded.offsets[:-1], sizes) + np.arange(int(sizes.sum()))
    stream[places] = encoded.tokens
    ends = np.concatenate([places, starts + sizes])
    packed = np.zeros(len(ends), np.uint64)
    for back in range(width, -1, -1):
        packed = (packed << np.uint64(BITS)) | stream[ends - back]
    found: dict[int, tuple[Keys, npt.NDArray[np.int64]]] = {}
    keys, counts = np.unique(packed, return_counts=True)
    found[order] = keys, counts
    for k in range(order - 1, 0, -1):
        shorter = keys & np.uint64((1 << (BITS * k)) - 1)
        keys, counts = np.unique(shorter, return_counts=True)
        found[k] = keys, counts
    return found


def fit(view: TextView, folder: Path, order: int, tokenizer: str = TOKENIZER) -> Mapping[str, int]:
    """Count the n-grams of the documents and write the model to `folder`; return sizes by order.

    Equal documents give equal bytes.
    """
    frozen = load_tokenizer(tokenizer)
    assert frozen.vocab_size <= 1 << BITS
    assert 1 <= order <= MAX_ORDER
    found = count_ngrams(frozen.encode(view), order, frozen.eos_id)
    table = pa.table(
        {
            "order": np.concatenate([np.full(len(keys), k, np.int8) for k, (keys, _) in sorted(found.items())]),
            "ngram": np.concatenate([keys for _, (keys, _) in sorted(found.items())]),
            "count": np.concatenate([counts for _, (_, counts) in sorted(found.items())]).astype(np.int64),
        }
    )
    with replacing(folder / FILE) as temporary:
        write_table(temporary, table)
    return {f"num_{k}_grams": len(keys) for k, (keys, _) in sorted(found.items())}


@lru_cache(maxsize=2)
def load(folder: Path, tokenizer: str = TOKENIZER) -> NgramModel:
    """Return the model that `fit` wrote to `folder`."""
    table = read_table(folder / FILE)
    orders = table["order"].to_numpy()
    keys, counts = table["ngram"].to_numpy(), table["count"].to_numpy()
    grams: list[tuple[Keys, tuple[npt.NDArray[np.float64], ...]]] = []
    contexts: list[tuple[Keys, tuple[npt.NDArray[np.float64], ...]]] = []
    for k in range(1, int(orders.max()) + 1):
        mine, number = keys[orders == k], counts[orders == k].astype(np.float64)
        discount = _discount(number)
        past = mine >> np.uint64(BITS)
        starts = np.flatnonzero(np.concatenate([[True], past[1:] != past[:-1]]))
        totals = np.add.reduceat(number, starts)
        types = np.diff(np.append(starts, len(mine))).astype(np.float64)
        grams.append((mine, (number - discount,)))
        contexts.append((past[starts], (totals, discount * types / totals)))
    return NgramModel(
        order=int(orders.max()), tokenizer=load_tokenizer(tokenizer), grams=_tables(grams), contexts=_tables(contexts)
    )


def _discount(counts: npt.NDArray[np.float64]) -> float:
    """Return n1 / (n1 + 2 n2), or 1/2 where no n-gram has count 1 or none has count 2."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5


def _tables(orders: Sequence[tuple[Keys, tuple[npt.NDArray[np.float64], ...]]]) -> _Tables:
    from filters.models.ngram_model_kernels import fill_table

    sizes = np.array([1 << max(4, (2 * len(keys) - 1).bit_length()) for keys, _ in orders], np.int64)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    table = np.zeros(int(sizes.sum()), np.uint64)
    values = tuple(np.zeros(len(table)) for _ in orders[0][1])
    for (keys, columns), begin, size in zip(orders, begins.tolist(), sizes.tolist(), strict=True):
        slots = np.zeros(len(keys), np.int64)
        fill_table(table, begin, size, np.ascontiguousarray(keys), np.arange(len(keys)), slots)
        for flat, column in zip(values, columns, strict=True):
            flat[slots] = column
    return _Tables(keys=table, begins=begins, sizes=sizes, values=values)
