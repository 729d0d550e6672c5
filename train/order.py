"""Which windows step s of a run reads: a pure function of (corpus, seed, step, edits).

Without edits step s reads draws s·R to s·R + R - 1 (R rows a batch). An edit changes the sequence from one step on:
`skip` leaves out so many batches, and everything after them moves up; `reorder` permutes the rows of so many
batches by a seed. Edits apply one after the other, each to the sequence that those before it made, so a step before
an edit's own reads what it always read. World size, workers and restarts do not enter.
Source of the two edits: docs/training.md, "Stability".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curation.randomness import generator
from mixtures.draws import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of the sequence of batches."""

    kind: Literal["skip", "reorder"]
    step: int
    """The first step that reads something else."""
    batches: int
    seed: int = 0
    """Of the permutation; of no meaning to `skip`."""


def places(edits: Sequence[Edit], batch_rows: int, *, start: int, count: int) -> npt.NDArray[np.int64]:
    """Return which draw each row reads, for `count` rows from row `start` of the run on."""
    rows = np.arange(start, start + count, dtype=np.int64)
    for edit in reversed(edits):
        first, length = edit.step * batch_rows, edit.batches * batch_rows
        if edit.kind == "skip":
            rows[rows >= first] += length
            continue
        inside = (rows >= first) & (rows < first + length)
        mixed = generator(edit.seed, "reorder", edit.step, edit.batches).permutation(length)
        rows[inside] = first + mixed[rows[inside] - first]
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All rows of one run, in the order they are read; 24 bytes a row."""

    batch_rows: int
    rows: Draws

    def batch(self, step: int) -> Draws:
        """Return what `step` reads."""
        return _taken(self.rows, slice(step * self.batch_rows, (step + 1) * self.batch_rows))

    def windows_by_slice(self) -> dict[str, int]:
        """Return how many windows of each slice the whole run reads."""
        counts = np.bincount(self.rows.slices, minlength=len(self.rows.names)).tolist()
        return dict(zip(self.rows.names, counts, strict=True))


def edited_order(draws: Callable[[int], Draws], edits: Sequence[Edit], *, batch_rows: int, num_steps: int) -> Order:
    """Return the order of a run with these edits; it reads further into the epochs by what it skips.

    `draws` returns what so many steps read without edits; more steps only append.
    """
    read = places(edits, batch_rows, start=0, count=num_steps * batch_rows)
    drawn = draws(int(read.max()) // batch_rows + 1)
    return Order(batch_rows=batch_rows, rows=_taken(drawn, read))


def _taken(draws: Draws, rows: slice | npt.NDArray[np.int64]) -> Draws:
    return Draws(names=draws.names, slices=draws.slices[rows], windows=draws.windows[rows], epochs=draws.epochs[rows])
