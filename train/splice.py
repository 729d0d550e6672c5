"""All draws of a run: from one corpus, or from a step on from another one (`train.anneal`).

From the splice on the run reads the other corpus from the first draw of that corpus' own order under the same seed, as
a run of its own would. Its slices and sources go by other names, so that what was read of either stays apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mixtures.draws import Draws
from train.drawing import draws_of
from train.shards import Streams
from train.tiers import Tier

LATE = "anneal:"
"""What the names of spliced slices and sources begin with, in metrics and results; no recipe names a slice so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """Other streams that a run reads from a step on."""

    streams: Streams
    step: int


def all_streams(streams: Streams, splice: Splice | None) -> Streams:
    """Return what a run can read; the shares are those of its first corpus."""
    if splice is None:
        return streams
    late = {f"{LATE}{name}": ids for name, ids in splice.streams.tokens.items()}
    documents = {f"{LATE}{name}": one.renamed(LATE) for name, one in splice.streams.documents.items()}
    return Streams(
        shares=streams.shares,
        tokens={**streams.tokens, **late},
        documents={**streams.documents, **documents},
        mixture=streams.mixture,
    )


class Course:
    """Every draw of a run in order, 24 bytes a window, named as `all_streams` names them."""

    def __init__(self, tier: Tier, streams: Streams, seed: int, splice: Splice | None) -> None:
        self._rows = tier.batch_rows
        self._until = tier.num_steps if splice is None else splice.step
        self._first = draws_of(tier, streams, seed, self._until)
        self._late: Draws | None = None
        if splice is not None:
            late = draws_of(tier, splice.streams, seed, tier.num_steps - self._until)
            self._late = replace(late, names=tuple(f"{LATE}{name}" for name in late.names))

    def batch(self, step: int) -> Draws:
        """Return what a step reads, named by the slices of its own corpus alone: a plateau knows of no other."""
        whole, place = (self._first, step) if step < self._until else (self._late or self._first, step - self._until)
        rows = slice(place * self._rows, (place + 1) * self._rows)
        return Draws(
            names=whole.names, slices=whole.slices[rows], windows=whole.windows[rows], epochs=whole.epochs[rows]
        )

    def windows_by_slice(self) -> dict[str, int]:
        """Return how many windows of each slice the whole run reads."""
        return {**_counts(self._first), **({} if self._late is None else _counts(self._late))}


def _counts(draws: Draws) -> dict[str, int]:
    return dict(zip(draws.names, np.bincount(draws.slices, minlength=len(draws.names)).tolist(), strict=True))
