"""The MinHash engine: band keys and shingle sets in, the earlier document that each copy repeats out.

Memory does not grow with the text. What grows with the number of documents is a few numbers each (8 bytes here for
its cluster, 16 for the result); keys are sorted one band and one range of keys at a time, and the shingle sets of
candidates are spilled to disk, grouped so that all documents that could be copies of each other lie in one file.

1. *Components*: documents joined by equal band keys, unverified. Without verification these are the result.
2. *Spill*: whole components, in the order of their first documents, are packed into files of `SPILL_BYTES`.
3. *Verification*, file by file: documents in survivor order; one is dropped when an earlier candidate **that stays**
   has at least the wanted exact similarity, and counts as a copy of the most similar of them. So every dropped document
   is that similar to one that is kept, no chain of links joins strangers, and a second dedup finds the same candidates
   with the same outcome and drops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from curation.dedup.clusters import Copies
from curation.dedup.set_spill import SetSpill
from curation.progress import Progress

MAX_COMPARED = 1024
"""Earlier documents that stay, of one band key, that a document is compared with."""
KEY_BYTES = 256 << 20
"""Bytes of keys that all workers together hold while they sort; more are cut into ranges of keys."""
SPILL_BYTES = 64 << 20
"""Bytes of shingle sets that a worker holds while it verifies; one component may need more, which is mapped."""
BYTES_PER_KEY = 80  # key, twice, number, the table that finds it again, and what was found


class Sets(NamedTuple):
    """Shingle sets of some documents: their sizes, and the sorted sets one after the other."""

    sizes: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint32]


class SignedDocs(Protocol):
    """Documents in parts, with signatures; rows of a part are those that take part, in one fixed order."""

    @property
    def num_docs(self) -> int:
        """Documents that take part; their numbers, in survivor order, are 0 to `num_docs - 1`."""

    @property
    def num_parts(self) -> int:
        """Parts that can be read independently."""

    def numbers(self, part: int) -> npt.NDArray[np.int64]:
        """Return the numbers of a part's rows."""

    def keys(self, part: int, bands: range) -> npt.NDArray[np.uint64]:
        """Return one row of keys a band; 0 matches nothing, equal keys only within one scope."""

    def num_shingles(self, part: int) -> npt.NDArray[np.uint32]:
        """Return an upper bound on the distinct shingles of each row."""

    def sets(self, part: int, rows: npt.NDArray[np.int64]) -> Iterator[Sets]:
        """Yield the shingle sets of ascending `rows`, in batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How the work is done; none of it changes the result."""

    folder: Path
    """Empty or missing directory for the spill; removed afterwards."""
    workers: int
    progress: Progress
    key_bytes: int = KEY_BYTES
    spill_bytes: int = SPILL_BYTES


def near_copies(docs: SignedDocs, num_bands: int, least: float | None, engine: Engine) -> Copies:
    """Return the copies: of the first of the component where `least` is None, else of an earlier similar one."""
    roots = components(docs, num_bands, engine)
    if least is None:
        alone = roots == np.arange(len(roots))
        return Copies(witness=np.where(alone, -1, roots), similarity=np.full(len(roots), np.nan))
    spill = SetSpill(folder=engine.folder, num_bands=num_bands)
    try:
        num_files = _fill(docs, spill, _file_of_root(docs, roots, num_bands, engine), roots, engine)
        return _verify(spill, num_files, len(roots), least, engine)
    finally:
        spill.clear()


def components(docs: SignedDocs, num_bands: int, engine: Engine) -> npt.NDArray[np.int64]:
    """Return the first document of the component of each; a document without equal keys is its own."""
    from curation.dedup.pair_kernels import equal_keys, union_pairs

    parents = np.arange(docs.num_docs)
    size = max(1, docs.num_docs * BYTES_PER_KEY * engine.workers)
    ranges, together = -(-size // engine.key_bytes), max(1, engine.key_bytes // size)
    firsts = range(0, num_bands, min(together, -(-num_bands // engine.workers)))
    lock = threading.Lock()
    with engine.progress.task("compare bands", len(firsts) * ranges) as task:

        def one(step: int) -> None:
            bands = range(firsts[step // ranges], min(num_bands, firsts[step // ranges] + firsts.step))
            for keys, numbers in _keys_of_bands(docs, bands, step % ranges, ranges):
                pairs = equal_keys(keys, numbers)
                with lock:
                    union_pairs(*pairs, parents)
            task.advance()

        _run(engine.workers, one, len(firsts) * ranges)
    return Copies(witness=parents, similarity=np.zeros(0)).roots()


def _keys_of_bands(
    docs: SignedDocs, bands: range, turn: int, ranges: int
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]]:
    """Yield of each band the keys in one of `ranges` equal ranges, 0 for others, and whose they are."""
    keys = [np.zeros((len(bands), 0), np.uint64)]
    numbers = [np.zeros(0, np.int64)]
    width = np.uint64((1 << 64) // ranges + 1) if ranges > 1 else None
    for part in range(docs.num_parts):
        own, of = docs.keys(part, bands), docs.numbers(part)
        if width is not None:
            chosen = (own != 0) & (own // width == turn)
            held = chosen.any(axis=0)
            own, of = np.where(chosen, own, np.uint64(0))[:, held], of[held]
        keys.append(own)
        numbers.append(of)
    number = np.concatenate(numbers)
    for band in range(len(bands)):
        yield np.concatenate([part[band] for part in keys]), number


def _file_of_root(
    docs: SignedDocs, roots: npt.NDArray[np.int64], num_bands: int, engine: Engine
) -> npt.NDArray[np.int32]:
    """Return the spill file of the component of each first document, -1 for documents that are alone."""
    sizes = np.zeros(docs.num_docs, np.int64)
    members = np.bincount(roots, minlength=docs.num_docs)
    for part in range(docs.num_parts):
        numbers = docs.numbers(part)
        np.add.at(sizes, roots[numbers], docs.num_shingles(part).astype(np.int64) * 4 + 16 + 8 * num_bands)
    sizes[members < 2] = 0
    before = np.cumsum(sizes) - sizes
    files = (before // engine.spill_bytes).astype(np.int32)
    files[members < 2] = -1
    return files


def _fill(
    docs: SignedDocs,
    spill: SetSpill,
    file_of_root: npt.NDArray[np.int32],
    roots: npt.NDArray[np.int64],
    engine: Engine,
) -> int:
    """Spill the shingle sets and keys of all candidates; return the number of files."""
    with engine.progress.task("shingles of candidates", docs.num_parts) as task:

        def one(part: int) -> None:
            numbers = docs.numbers(part)
            files = file_of_root[roots[numbers]]
            rows = np.flatnonzero(files >= 0)
            if len(rows):
                keys = docs.keys(part, range(spill.num_bands))
                first = 0
                for sizes, values in docs.sets(part, rows):
                    batch = rows[first : first + len(sizes)]
                    spill.add(files[batch], numbers[batch], keys[:, batch], sizes, values)
                    first += len(sizes)
            task.advance()

        _run(engine.workers, one, docs.num_parts)
    return int(file_of_root.max(initial=-1)) + 1


def _verify(spill: SetSpill, num_files: int, num_docs: int, least: float, engine: Engine) -> Copies:
    from curation.dedup.pair_kernels import copies_of_kept

    witness, similarity = np.full(num_docs, -1, np.int64), np.full(num_docs, np.nan)
    capped = [0] * num_files
    with engine.progress.task("verify candidates", num_files) as task:

        def one(number: int) -> None:
            held = spill.read(number)
            if held is not None:
                own, near = np.full(len(held.numbers), -1, np.int64), np.full(len(held.numbers), np.nan)
                places = (held.buckets, held.first_places, held.begins, held.ends)
                capped[number] = copies_of_kept(*places, held.values, least, MAX_COMPARED, own, near)
                found = own >= 0
                witness[held.numbers[found]] = held.numbers[own[found]]
                similarity[held.numbers] = near
            task.advance()

        _run(engine.workers, one, num_files)
    return Copies(witness=witness, similarity=similarity, capped_keys=sum(capped))


def _run(workers: int, work: Callable[[int], None], steps: int) -> None:
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for _ in pool.map(work, range(steps)):
            pass
