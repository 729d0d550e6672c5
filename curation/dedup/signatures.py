"""Row-aligned signatures of all rows of a pool, made once and shared by every dedup that asks for the same.

`minhash`: one uint64 column a band (`band-000` ...), so that merging reads one band at a time. `exact`: the two
halves of a 128-bit digest of each document (`low`, `high`). Neither depends on who is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from curation.batches import TextView, read_table, text_view, write_table
from curation.dedup.params import Banding
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.randomness import stable_hash
from curation.sidecars import map_parts, part_shards
from curation.words import NORMAL_FORM

MINHASH_VERSION = "minhash-signatures@4"
EXACT_VERSION = "digests@2"
CHARS_FORM = "chars@1"
"""Normal form of characters; `shingle_kernels` says what it is."""

SHINGLES = "shingles"
"""Column of a signature file: shingles of the document, repeats counted."""

_MASK = (1 << 64) - 1


def band_column(band: int) -> str:
    """Return the name of the column that holds the keys of one band."""
    return f"band-{band:03d}"


def minhash_node(pool: Node, banding: Banding, limit: int) -> Node:
    """Return the node of the band keys of every row of `pool`."""
    params: dict[str, Json] = {
        "component": "minhash",
        "bands": banding.bands,
        "rows": banding.rows,
        "ngram": banding.ngram,
        **shingle_settings(banding, limit),
    }

    def sign(table: pa.Table) -> pa.Table:
        return signature_table(text_view(table["text"]), banding, limit)

    return signatures_node(pool, MINHASH_VERSION, params, sign=sign, label="minhash signatures")


def exact_node(pool: Node, *, normalize: bool) -> Node:
    """Return the node of the 128-bit digests of every row of `pool`, of its words or of its bytes."""
    params: dict[str, Json] = {"component": "digests", "normal_form": NORMAL_FORM if normalize else "bytes"}

    def sign(table: pa.Table) -> pa.Table:
        texts = text_view(table["text"])
        digests = word_digests(texts) if normalize else byte_digests(texts)
        return pa.table({"low": digests[0], "high": digests[1]})

    return signatures_node(pool, EXACT_VERSION, params, sign=sign, label="text digests")


def url_node(pool: Node) -> Node:
    """Return the node of the 128-bit digests of every row's url; without one, of its id, which nothing shares."""

    def sign(table: pa.Table) -> pa.Table:
        given = zip(table["url"].to_pylist(), table["id"].to_pylist(), strict=True)
        keys = pa.array([f"url {url}" if url else f"id {id_}" for url, id_ in given], pa.large_string())
        digests = byte_digests(text_view(keys))
        return pa.table({"low": digests[0], "high": digests[1]})

    return signatures_node(
        pool, EXACT_VERSION, {"component": "url"}, sign=sign, label="url digests", columns=("url", "id")
    )


def signature_table(texts: TextView, banding: Banding, limit: int) -> pa.Table:
    """Return the columns of a signature file: one of keys a band, and the number of shingles."""
    return signed(texts, banding, limit)[0]


def signed(
    texts: TextView, banding: Banding, limit: int, *, scratch: ShingleScratch | None = None
) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
    """Return the columns of a signature file and, with `scratch`, the shingles behind them, document by document.

    The shingles lie in the scratch, so the next call overwrites them.
    """
    room = scratch.room_for(texts, banding) if scratch is not None else np.empty(0, np.uint32)
    keys, counts, total = _signed(texts, banding, limit, room)
    table = pa.table({**{band_column(band): keys[band] for band in range(banding.bands)}, SHINGLES: counts})
    return table, room[:total]


class ShingleScratch:
    """Memory for the shingles of a batch, used again for the next one: fresh pages took a fifth of the signing."""

    def __init__(self) -> None:
        self._held = np.empty(0, np.uint32)

    def room_for(self, texts: TextView, banding: Banding) -> npt.NDArray[np.uint32]:
        """Return room for all shingles of `texts`; never empty."""
        from curation.dedup.minhash_kernels import most_shingles

        needed = 1 + most_shingles(unit_code(banding), texts)
        if len(self._held) < needed:
            self._held = np.empty(needed, np.uint32)
        return self._held


@cache
def permutations(num_hashes: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return odd multipliers and addends of 32 bits; number k is the same whatever `num_hashes` is."""
    multipliers = [stable_hash("minhash", "multiply", k) >> 32 | 1 for k in range(num_hashes)]
    addends = [stable_hash("minhash", "add", k) >> 32 for k in range(num_hashes)]
    return np.array(multipliers, np.uint32), np.array(addends, np.uint32)


def shingle_settings(banding: Banding, limit: int) -> dict[str, Json]:
    """Return what decides on a document's shingles beside their length, for a node's parameters."""
    if banding.unit == "chars":
        return {"unit": "chars", "max_chars": limit, "normal_form": CHARS_FORM}
    return {"max_words": limit, "normal_form": NORMAL_FORM}


def minhash_keys(texts: TextView, banding: Banding, limit: int) -> npt.NDArray[np.uint64]:
    """Return the band keys, one row a band and one column a document; 0 for an empty one."""
    return _signed(texts, banding, limit, np.empty(0, np.uint32))[0]


def unit_code(banding: Banding) -> int:
    """Return how kernels call the unit of a shingle."""
    from curation.dedup.shingle_kernels import CHARS, WORDS

    return CHARS if banding.unit == "chars" else WORDS


def _signed(
    texts: TextView, banding: Banding, limit: int, kept: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], int]:
    from curation.dedup.minhash_kernels import band_keys

    shape = (unit_code(banding), banding.ngram, limit, banding.bands)
    return band_keys(texts.data, texts.offsets, *shape, *permutations(banding.bands * banding.rows), kept)


def byte_digests(texts: TextView) -> npt.NDArray[np.uint64]:
    """Return the two halves of the xxh128 of each document's bytes, one row each."""
    raw = np.ascontiguousarray(texts.data).data
    digests = np.empty((2, len(texts)), np.uint64)
    offsets = texts.offsets.tolist()
    for doc in range(len(texts)):
        value = xxhash.xxh128_intdigest(raw[offsets[doc] : offsets[doc + 1]])
        digests[0, doc] = value & _MASK
        digests[1, doc] = value >> 64
    return digests


def word_digests(texts: TextView) -> npt.NDArray[np.uint64]:
    """Return 128 bits over each document's words; a document without words keeps the digest of its bytes."""
    from curation.text_kernels import word_counts, word_hashes

    counts = word_counts(texts.data, texts.offsets)
    hashes = word_hashes(texts.data, texts.offsets, counts)
    ends = np.cumsum(counts)
    words = TextView(data=hashes.view(np.uint8), offsets=np.concatenate([[0], ends]).astype(np.int64) * 8)
    digests = byte_digests(words)
    empty = counts == 0
    digests[:, empty] = byte_digests(texts)[:, empty]
    return digests


def signatures_node(
    pool: Node,
    version: str,
    params: Mapping[str, Json],
    *,
    sign: Callable[[pa.Table], pa.Table],
    label: str,
    columns: Sequence[str] = ("text",),
) -> Node:
    """Return a node of the columns that `sign` makes of each part's `columns`, row for row."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        source = context.inputs["pool"]

        def one(part: int) -> int:
            path = context.out.part_path(part)
            table = read_table(source.part_paths()[part], list(columns))
            if not context.out.has(path.name):
                with replacing(path) as temporary:
                    write_table(temporary, sign(table))
            return int(table.num_rows)

        return {"num_docs": sum(map_parts(context, label, source.num_parts, one, shards=part_shards(context, source)))}

    return Node(kind="signatures", version=version, params=params, inputs={"pool": pool}, run=run, label=label)
