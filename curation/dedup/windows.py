"""Windows of units that repeat, over a whole pool: which units of each document go.

`width` consecutive units (50 words, 3 sentences, 1 line) make a window. A window goes if an equal one stands before
it by (source, id, place) and does not overlap it; with `keep: none` the first goes too. What goes from a document is
the union of its windows that go. The three passes read the pool one part at a time; between them, keys and marks lie
on disk (28 bytes a key, see `repeats`). Wide windows get keys only where an anchor of theirs repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.array_files import read_arrays
from curation.batches import TextView, read_table, text_view
from curation.dedup.line_edits import Cuts, DecidePart
from curation.dedup.order import Participants, document_order, participants
from curation.dedup.params import Scope
from curation.dedup.repeats import Entries, Keep, Repeats
from curation.dedup.units import SPLITTERS, unit_hashes
from curation.nodes import NodeRun
from curation.sidecars import map_parts
from curation.slices import SliceKind

LEAST_ANCHORED = 8
"""Windows of fewer units are all keyed."""
BYTES_PER_UNIT = 6
"""About, of words; it only sets the number of buckets."""

_Longs = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """What is compared with what."""

    unit: str
    """A name in `units.SPLITTERS`."""
    width: int
    min_words: int = 1
    scope: Scope
    keep: Keep
    applies_to: tuple[SliceKind, ...]
    slice_kinds: Mapping[str, SliceKind]
    to_end: bool = False
    """A run at the end of a document takes what follows its last unit along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What all passes share."""

    context: NodeRun
    folder: Path
    rule: WindowRule
    who: Participants
    order: Sequence[npt.NDArray[np.uint64]]

    def texts(self, part: int) -> Iterator[tuple[slice, TextView]]:
        """Yield the texts of a part in pieces, as they lie in the file: joining them would copy every byte."""
        column = read_table(self.context.inputs["pool"].part_paths()[part], ["text"])["text"]
        first = 0
        for chunk in column.chunks:
            yield slice(first, first + len(chunk)), text_view(chunk)
            first += len(chunk)

    def units(self, texts: TextView, rows: npt.NDArray[np.bool_]) -> tuple[_Longs, _Hashes]:
        return unit_hashes(self.rule.unit, texts, rows, min_words=self.rule.min_words)

    def repeats(self, name: str, expected: int) -> Repeats:
        return Repeats(folder=self.folder / name, num_parts=len(self.who.rows), expected=expected)

    def path(self, name: str, part: int) -> Path:
        return self.folder / f"{name}-{part:05d}.npz"


def repeated_windows(context: NodeRun, folder: Path, rule: WindowRule) -> DecidePart:
    """Return what decides a part, after a look at the whole pool; its files are in `folder`."""
    search = _Search(
        context=context,
        folder=folder,
        rule=rule,
        who=participants(context, rule.scope, rule.applies_to, kinds=rule.slice_kinds),
        order=document_order(context),
    )
    windows = _anchored(search) if rule.width >= LEAST_ANCHORED else _all(search)
    windows.settle(context, f"repeated {rule.unit}", width=rule.width, keep=rule.keep)
    return lambda part, texts: _cuts(search, windows, part, texts=texts)


def _all(search: _Search) -> Repeats:
    """Return the keys of all windows."""
    from curation.dedup.window_kernels import all_windows

    repeats = search.repeats("windows", _num_bytes(search) // 32)

    def scan(part: int) -> None:
        found = []
        for rows, texts in search.texts(part):
            counts, hashes = search.units(texts, search.who.rows[part][rows])
            found.append(all_windows(hashes, counts, search.who.seeds[part][rows], search.rule.width))
        keys, places, windows = joined(found, (np.uint64, np.uint32, np.int64))
        repeats.write(part, Entries(keys=keys, places=places, counts=windows, docs=search.order[part]))
        np.savez(search.path("windows", part), counts=windows, places=places)

    map_parts(search.context, search.rule.unit, len(search.who.rows), scan)
    return repeats


def _anchored(search: _Search) -> Repeats:
    """Return the keys of the windows whose anchor repeats."""
    from curation.dedup.window_kernels import anchored_windows, any_marked

    width, gram = search.rule.width, gram_of(search.rule.width)
    known = _anchors(search)
    marked = known.settle(search.context, "repeated anchors", width=1, keep="none")
    repeats = search.repeats("windows", marked * (width - gram + 2) // 2)

    def scan(part: int) -> None:
        stored = read_arrays(search.path("anchors", part))
        anchors_of, firsts = stored["counts"], stored["firsts"]
        marks = known.marks(part)
        wanted, starts = any_marked(anchors_of, marks), np.concatenate([[0], np.cumsum(anchors_of)])
        found = []
        for rows, texts in search.texts(part) if wanted.any() else ():
            counts, hashes = search.units(texts, wanted[rows])
            own = slice(int(starts[rows.start]), int(starts[rows.stop]))
            seeds = search.who.seeds[part][rows]
            found.append(anchored_windows(hashes, counts, seeds, width, anchors_of[rows], firsts[own], marks[own]))
        keys, places, windows = joined(found, (np.uint64, np.uint32, np.int64))
        windows = windows if found else np.zeros_like(anchors_of)
        repeats.write(part, Entries(keys=keys, places=places, counts=windows, docs=search.order[part]))
        np.savez(search.path("windows", part), counts=windows, places=places)

    map_parts(search.context, "windows of repeated anchors", len(search.who.rows), scan)
    return repeats


def _anchors(search: _Search) -> Repeats:
    from curation.dedup.window_kernels import anchors, plain_anchors

    width, gram = search.rule.width, gram_of(search.rule.width)
    repeats = search.repeats("anchors", 2 * _num_bytes(search) // (BYTES_PER_UNIT * (width - gram + 2)))

    def scan(part: int) -> None:
        found = []
        for rows, texts in search.texts(part):
            taking, seeds = search.who.rows[part][rows], search.who.seeds[part][rows]
            if search.rule.unit == "words@2":
                found.append(plain_anchors(texts.data, texts.offsets, taking, seeds, width, gram))
            else:
                counts, hashes = search.units(texts, taking)
                found.append(anchors(hashes, counts, seeds, width, gram))
        keys, places, firsts, anchors_of = joined(found, (np.uint64, np.uint32, np.uint32, np.int64))
        repeats.write(part, Entries(keys=keys, places=places, counts=anchors_of, docs=search.order[part]))
        np.savez(search.path("anchors", part), counts=anchors_of, firsts=firsts)

    map_parts(search.context, f"anchors of {search.rule.unit}", len(search.who.rows), scan)
    return repeats


def joined(found: Sequence[Sequence[npt.NDArray[Any]]], types: Sequence[type]) -> list[npt.NDArray[Any]]:
    """Return the columns of all pieces, each one after the other."""
    return [np.concatenate([np.zeros(0, kind), *(piece[i] for piece in found)]) for i, kind in enumerate(types)]


def gram_of(width: int) -> int:
    """Return the units of an anchor: long enough to repeat seldom by itself, short enough to be few."""
    return max(1, 2 * width // 5)


def _num_bytes(search: _Search) -> int:
    """Return about how many bytes of text there are; compressed text is a third of them."""
    return 3 * sum(path.stat().st_size for path in search.context.inputs["pool"].part_paths())


def _cuts(search: _Search, repeats: Repeats, part: int, *, texts: TextView) -> Cuts:
    from curation.dedup.window_kernels import any_marked, cuts_of_windows

    stored = read_arrays(search.path("windows", part))
    windows, places = stored["counts"], stored["places"]
    marks = repeats.marks(part)
    rows = any_marked(windows, marks)
    found = SPLITTERS.get(search.rule.unit)(texts, rows)
    counts, begins, ends, removed = cuts_of_windows(
        texts.num_bytes, found.counts, found.begins, found.ends, windows, places, marks, search.rule.width,
        search.rule.to_end,
    )  # fmt: skip
    return Cuts(
        counts=counts,
        begins=begins,
        ends=ends,
        removed=removed,
        refused=np.zeros(len(rows), np.bool_),
        value=removed / np.maximum(found.counts, 1),
    )
