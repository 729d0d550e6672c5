"""fastText's model file, read without the library: every size is checked against the file before it is believed.

Format (little-endian): magic, version, arguments; dictionary (words, then labels, with counts; map of pruned buckets);
input matrix, output matrix. A `.ftz` holds product-quantised matrices, which are expanded to float32 here. The library
answers a truncated or foreign file with `bad_alloc` or a crash; here it is one error that says what is wrong.
Source: fastText 0.9.2, `fasttext.cc`, `dictionary.cc`, `quantmatrix.cc`, `productquantizer.cc`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.errors import PluginError
from curation.files import sha256_file

MAGIC = 793712314
VERSIONS = (11, 12)
SUPERVISED = 3
LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one against all"}
CENTROIDS = 256
ENTRY_BYTES = 10  # the empty word's NUL, count, type
MAX_DIM, MAX_NGRAMS, MAX_BUCKETS, MAX_COUNT, MAX_LABELS = 1 << 16, 64, 1 << 28, 1 << 48, 1 << 20
MAX_EXPANDED_BYTES = 16 << 30
CHECKED_ROWS = 1 << 16

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A supervised model as the file holds it; dictionary entries 0 to `num_words` - 1 are words, the rest labels."""

    sha256: str
    dim: int
    word_ngrams: int
    buckets: int
    min_chars: int
    max_chars: int
    loss: int
    num_words: int
    entries: npt.NDArray[np.uint8]
    """All words and labels, joined."""
    entry_offsets: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    label_counts: npt.NDArray[np.int64]
    pruned: npt.NDArray[np.int32] | None
    """By bucket, its row after the words or -1; None if nothing was pruned."""
    input: Floats
    output: Floats


@dataclass(slots=True)
class _Reader:
    """A cursor over the file that never reads past its end."""

    path: Path
    data: npt.NDArray[np.uint8]
    at: int = 0

    def fault(self, what: str) -> PluginError:
        return PluginError(
            f"{self.path}: {what}; expected a supervised fastText model (`.bin` or `.ftz`); fetch or train it again"
        )

    def take(self, num_bytes: int, what: str) -> npt.NDArray[np.uint8]:
        left = len(self.data) - self.at
        if not 0 <= num_bytes <= left:
            raise self.fault(f"{what} needs {num_bytes:,} bytes at byte {self.at:,} and the file has {left:,} left")
        self.at += num_bytes
        return self.data[self.at - num_bytes : self.at]

    def numbers(self, layout: str, what: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}"), what).tobytes())

    def array(self, kind: str, count: int, what: str) -> np.ndarray:
        taken = self.take(count * np.dtype(kind).itemsize if count >= 0 else -1, what)
        return np.frombuffer(taken.tobytes(), kind) if kind != "<f4" else _floats(taken)

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            raise self.fault(what)


def read_model_file(path: Path, *, weights: bool = True) -> ModelFile:
    """Return the supervised model in `path`; without `weights` its matrices have no rows, but their sizes are checked.

    Raises: PluginError for a missing, truncated, foreign or unsupervised file, or one with numbers that are not finite.
    """
    if not path.is_file():
        raise PluginError(f"{path}: no such file; give the path of a fastText model (`.bin` or `.ftz`)")
    if path.stat().st_size < 8:
        raise PluginError(f"{path}: {path.stat().st_size} bytes, too few for a fastText model; fetch or train it again")
    digest = sha256_file(path)
    reader = _Reader(path, np.memmap(path, np.uint8, "r"))
    dim, word_ngrams, loss, buckets, min_chars, max_chars = _arguments(reader)
    num_words, num_labels, num_pruned = _dictionary_sizes(reader)
    entries, offsets, counts = _entries(reader, num_words, num_labels)
    pruned = _pruned(reader, num_pruned, buckets)
    hashed = max_chars > 0 or word_ngrams > 1
    reader.check(not hashed or pruned is not None or buckets > 0, f"{buckets} buckets for hashed n-grams")
    quantised = _flag(reader, "the mark of quantised input")
    reader.check(quantised or pruned is None, "pruned buckets without quantised input")
    rows = num_words + (max(0, num_pruned) if pruned is not None else buckets if hashed else 0)
    matrix = _matrix(reader, "input matrix", quantised=quantised, min_rows=rows, dim=dim, weights=weights)
    output_quantised = _flag(reader, "the mark of quantised output") and quantised
    output = _matrix(reader, "output matrix", quantised=output_quantised, min_rows=num_labels, dim=dim, weights=weights)
    left = len(reader.data) - reader.at
    reader.check(left == 0, f"{left:,} bytes follow the output matrix")
    labels = [entries[offsets[i] : offsets[i + 1]].tobytes() for i in range(num_words, num_words + num_labels)]
    return ModelFile(
        sha256=digest,
        dim=dim,
        word_ngrams=word_ngrams,
        buckets=buckets,
        min_chars=min_chars,
        max_chars=max_chars,
        loss=loss,
        num_words=num_words,
        entries=entries,
        entry_offsets=offsets,
        labels=tuple(label.decode("utf-8", errors="backslashreplace") for label in labels),
        label_counts=counts[num_words:],
        pruned=pruned,
        input=matrix,
        output=output[:num_labels],
    )


def _arguments(reader: _Reader) -> tuple[int, int, int, int, int, int]:
    """Return dim, word n-grams, loss, buckets, fewest and most characters of a subword."""
    magic, version = reader.numbers("ii", "the header")
    reader.check(magic == MAGIC, f"magic number {magic}, a fastText model starts with {MAGIC}")
    reader.check(version in VERSIONS, f"format version {version}, known: {', '.join(map(str, VERSIONS))}")
    values = reader.numbers("12id", "the arguments")
    dim, _, _, _, _, word_ngrams, loss, kind, buckets, min_chars, max_chars, _, _ = values
    reader.check(kind == SUPERVISED, f"model kind {kind} (word vectors), no classifier")
    reader.check(loss in LOSSES, f"loss {loss}, known: {', '.join(map(str, LOSSES))}")
    reader.check(0 < dim <= MAX_DIM, f"{dim} dimensions, expected 1 to {MAX_DIM}")
    reader.check(0 <= word_ngrams <= MAX_NGRAMS, f"word n-grams of {word_ngrams}, expected at most {MAX_NGRAMS}")
    reader.check(0 <= buckets <= MAX_BUCKETS, f"{buckets} buckets, expected at most {MAX_BUCKETS:,}")
    reader.check(min_chars >= 0 and 0 <= max_chars <= 1024, f"subwords of {min_chars} to {max_chars} characters")
    return dim, word_ngrams, loss, buckets, min_chars, 0 if version == VERSIONS[0] else max_chars


def _dictionary_sizes(reader: _Reader) -> tuple[int, int, int]:
    """Return numbers of words, labels and pruned buckets (-1: not pruned)."""
    size, num_words, num_labels, _, num_pruned = reader.numbers("iiiqq", "the dictionary's sizes")
    reader.check(
        num_words >= 0 and size == num_words + num_labels, f"{num_words} words + {num_labels} labels of {size}"
    )
    reader.check(0 < num_labels <= MAX_LABELS, f"{num_labels} labels, expected 1 to {MAX_LABELS:,}")
    left = len(reader.data) - reader.at
    reader.check(size * ENTRY_BYTES + 8 * max(0, num_pruned) <= left, f"{size:,} dictionary entries in {left:,} bytes")
    return num_words, num_labels, num_pruned


def _entries(
    reader: _Reader, num_words: int, num_labels: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the bytes of all entries, their offsets and their counts."""
    from filters.models.fasttext_file_kernels import read_entries

    bounds, counts, kinds, length = read_entries(reader.data, reader.at, num_words + num_labels)
    reader.check(length >= 0, "the dictionary ends inside an entry")
    reader.take(int(length), "the dictionary")
    expected = np.repeat(np.array([0, 1], np.uint8), [num_words, num_labels])
    reader.check(bool((kinds == expected).all()), "words and labels are out of order in the dictionary")
    reader.check(bool(((counts >= 0) & (counts <= MAX_COUNT)).all()), "a dictionary entry has an impossible count")
    offsets = np.zeros(len(bounds) + 1, np.int64)
    np.cumsum(bounds[:, 1] - bounds[:, 0], out=offsets[1:])
    from filters.models.fasttext_file_kernels import join_entries

    return join_entries(reader.data, bounds, offsets), offsets, counts


def _pruned(reader: _Reader, num_pruned: int, buckets: int) -> npt.NDArray[np.int32] | None:
    if num_pruned < 0:
        return None
    pairs = reader.array("<i4", 2 * num_pruned, "the map of pruned buckets").reshape(-1, 2)
    inside = (pairs >= 0) & (pairs < np.array([buckets, num_pruned]))
    reader.check(bool(inside.all()), "the map of pruned buckets points outside the matrix")
    table = np.full(max(1, buckets), -1, np.int32)
    table[pairs[:, 0]] = pairs[:, 1]
    return table


def _flag(reader: _Reader, what: str) -> bool:
    (value,) = reader.numbers("B", what)
    reader.check(value in (0, 1), f"{what} is {value}, neither 0 nor 1")
    return bool(value)


def _matrix(reader: _Reader, what: str, *, quantised: bool, min_rows: int, dim: int, weights: bool) -> Floats:
    with_norms = quantised and _flag(reader, f"the norms of the {what}")
    num_rows, num_columns = reader.numbers("qq", f"the sizes of the {what}")
    reader.check(num_columns == dim, f"the {what} has {num_columns} columns, the model {dim} dimensions")
    expected = f"at least {min_rows:,}"
    reader.check(min_rows <= num_rows < 1 << 40, f"the {what} has {num_rows:,} rows, expected {expected}")
    if quantised:
        matrix = _quantised(reader, what, num_rows, dim, with_norms=with_norms, weights=weights)
        return matrix if weights else matrix[:0]
    if not weights:
        reader.take(4 * num_rows * dim, f"the {what}")
        return np.zeros((0, dim), np.float32)
    matrix = reader.array("<f4", num_rows * dim, f"the {what}").reshape(num_rows, dim)
    for start in range(0, num_rows, CHECKED_ROWS):
        finite = np.isfinite(matrix[start : start + CHECKED_ROWS]).all()
        reader.check(bool(finite), f"the {what} holds numbers that are not finite")
    return matrix


def _quantised(reader: _Reader, what: str, num_rows: int, dim: int, *, with_norms: bool, weights: bool) -> Floats:
    """Return a product-quantised matrix as float32: each row its centroids, times its own centroid of norms."""
    (num_codes,) = reader.numbers("i", f"the codes of the {what}")
    reader.check(num_codes >= 0 and num_rows > 0 and num_codes % num_rows == 0, f"{num_codes:,} codes of the {what}")
    reader.check(4 * num_rows * dim <= MAX_EXPANDED_BYTES, f"the {what} expands to {4 * num_rows * dim:,} bytes")
    codes = reader.array("u1", num_codes, f"the codes of the {what}").reshape(num_rows, -1)
    size, num_parts, width, last = reader.numbers("4i", f"the quantiser of the {what}")
    whole = size == dim and width > 0 and 0 < last <= width and (num_parts - 1) * width + last == dim
    reader.check(whole and num_parts == codes.shape[1], f"{num_parts} parts of {width} cover {dim} dimensions badly")
    centroids = reader.array("<f4", dim * CENTROIDS, f"the centroids of the {what}")
    norms = np.ones(num_rows, np.float32)
    if with_norms:
        norm_codes = reader.array("u1", num_rows, f"the norms of the {what}")
        reader.check(reader.numbers("4i", "the quantiser of norms") == (1, 1, 1, 1), "norms are no single numbers")
        norms = reader.array("<f4", CENTROIDS, "the centroids of norms")[norm_codes]
    reader.check(bool(np.isfinite(centroids).all() and np.isfinite(norms).all()), f"the {what} is not finite")
    matrix = np.empty((num_rows if weights else 0, dim), np.float32)
    codes, norms = codes[: len(matrix)], norms[: len(matrix)]
    for part in range(num_parts):
        begin = part * width
        stop = min(dim, begin + width)
        table = centroids[begin * CENTROIDS : stop * CENTROIDS].reshape(CENTROIDS, stop - begin)
        matrix[:, begin:stop] = table[codes[:, part]] * norms[:, None]
    return matrix


def _floats(taken: npt.NDArray[np.uint8]) -> Floats:
    """Return the bytes as an aligned float32 array of their own."""
    out = np.empty(len(taken) // 4, np.float32)
    out.view(np.uint8)[:] = taken
    return out
