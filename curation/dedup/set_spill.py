"""Shingle sets and band keys of candidate documents on disk, in files that each hold whole components.

A file is a pair: `.heads` (fixed-size records: number, size of the set, keys) and `.values` (the sets). Rows lie in the
order in which workers came; reading sorts them by number, so the order never matters. The names carry the temporary
prefix: what a killed run leaves is never read.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.files import TEMPORARY_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSets:
    """Candidates of one file in survivor order: document i has the set `values[begins[i]:ends[i]]`."""

    numbers: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int64]
    """For each document and band the bucket of its key; -1 where nobody else here has that key."""
    first_places: npt.NDArray[np.int64]
    """Bucket b has room for its documents from `first_places[b]` to `first_places[b + 1]`."""
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint32]


@dataclass(slots=True, kw_only=True)
class SetSpill:
    """Files of candidates, numbered from 0, in a directory that is this object's own."""

    folder: Path
    num_bands: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.clear()
        self.folder.mkdir(parents=True)

    def add(
        self,
        files: npt.NDArray[np.int32],
        numbers: npt.NDArray[np.int64],
        keys: npt.NDArray[np.uint64],
        sizes: npt.NDArray[np.int64],
        values: npt.NDArray[np.uint32],
    ) -> None:
        """Append documents to their files; `keys` has one row a band. Safe from any thread."""
        from curation.dedup.set_kernels import sets_in_order

        heads = np.empty(len(numbers), self._record)
        heads["number"], heads["size"], heads["keys"] = numbers, sizes, keys.T
        order = np.argsort(files, kind="stable")
        heads, grouped = heads[order], sets_in_order(values, sizes, order)
        chosen, firsts = np.unique(files[order], return_index=True)
        ends = np.cumsum(heads["size"])
        for file, first, last in zip(chosen.tolist(), firsts.tolist(), [*firsts[1:].tolist(), len(order)], strict=True):
            begin = int(ends[first] - heads["size"][first])
            with self._lock:
                for suffix, data in (("heads", heads[first:last]), ("values", grouped[begin : int(ends[last - 1])])):
                    with self._path(file, suffix).open("ab") as stream:
                        data.tofile(stream)

    def read(self, file: int) -> HeldSets | None:
        """Return the candidates of one file, None if it has none; the sets are mapped, not read."""
        from curation.dedup.pair_kernels import buckets_of_keys

        if not self._path(file, "heads").is_file():
            return None
        heads = np.fromfile(self._path(file, "heads"), self._record)
        order = np.argsort(heads["number"])
        ends = np.cumsum(heads["size"])
        buckets, first_places = buckets_of_keys(heads["keys"][order])
        return HeldSets(
            numbers=heads["number"][order],
            buckets=buckets,
            first_places=first_places,
            begins=(ends - heads["size"])[order],
            ends=ends[order],
            values=np.asarray(np.memmap(self._path(file, "values"), np.uint32, "r")),
        )

    def clear(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _record(self) -> np.dtype[np.void]:
        return np.dtype([("number", np.int64), ("size", np.int64), ("keys", np.uint64, (self.num_bands,))])

    def _path(self, file: int, suffix: str) -> Path:
        return self.folder / f"{TEMPORARY_PREFIX}sets-{file:05d}.{suffix}"
