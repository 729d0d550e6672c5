"""All draws of a run: from one corpus, or from a step on from another one (`train.anneal`).

From the splice on the run reads the other corpus from the first draw of that corpus' own order under the same seed, as
a run of its own would. Its slices go by other names, so that what was read of either stays apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixtures.draws import Draws, draw
from train.shards import Streams
from train.tiers import Tier

LATE = "anneal:"
"""What the names of spliced slices begin with, in metrics and results."""


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
    return Streams(shares=streams.shares, tokens={**streams.tokens, **late})


def all_draws(tier: Tier, streams: Streams, seed: int, splice: Splice | None) -> Draws:
    """Return every draw of a run in order, 24 bytes a window, named as `all_streams` names them."""
    if splice is None:
        return _draws(tier, streams, seed, tier.num_steps)
    first = _draws(tier, streams, seed, splice.step)
    late = _draws(tier, splice.streams, seed, tier.num_steps - splice.step)
    return Draws(
        names=(*first.names, *(f"{LATE}{name}" for name in late.names)),
        slices=np.concatenate([first.slices, late.slices + len(first.names)]),
        windows=np.concatenate([first.windows, late.windows]),
        epochs=np.concatenate([first.epochs, late.epochs]),
    )


def windows_by_slice(draws: Draws) -> Mapping[str, int]:
    """Return how many of the draws are of each slice."""
    counts = np.bincount(draws.slices, minlength=len(draws.names)).tolist()
    return dict(zip(draws.names, counts, strict=True))


def _draws(tier: Tier, streams: Streams, seed: int, steps: int) -> Draws:
    windows = streams.num_windows(tier.shape.context_tokens)
    return draw(streams.shares, windows, seed=seed, start=0, count=steps * tier.batch_rows)
