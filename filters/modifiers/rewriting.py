"""Running a modifier over a table: in batches of bounded size, with its promises checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from curation.batches import text_view
from curation.errors import PluginError
from filters.modifiers.base import Modifier, Refusals, Rewritten

BATCH_BYTES = 16_000_000
"""Text that a modifier gets at once, at least one document."""


def rewrite_table(modifier: Modifier, settings: Any, table: pa.Table) -> Rewritten:
    """Return what `modifier` makes of the texts of `table`, given to it in batches of bounded size.

    Every declared counter and the refusals are there. Raises: PluginError if it breaks its promises.
    """
    ends = np.cumsum(text_view(table["text"]).num_bytes)
    made = [_checked(modifier, table.slice(0, 0), settings)]
    start = 0
    while start < len(table):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
        made.append(_checked(modifier, table.slice(start, stop - start), settings))
        start = stop
    refusals = [piece.refusals for piece in made if piece.refusals is not None]
    return Rewritten(
        texts=pa.concat_arrays([piece.texts for piece in made]),
        counters={name: np.concatenate([piece.counters[name] for piece in made]) for name in made[0].counters},
        refusals=Refusals(
            reason=np.concatenate([item.reason for item in refusals]),
            value=np.concatenate([item.value for item in refusals]),
        ),
    )


def _checked(modifier: Modifier, batch: pa.Table, settings: Any) -> Rewritten:
    """Return what `modifier` makes of one batch, with what it left out filled in."""
    made = modifier.rewrite(batch, settings)
    unknown = sorted(set(made.counters) - {counter.name for counter in modifier.counters})
    if len(made.texts) != len(batch) or made.texts.null_count or unknown:
        raise PluginError(
            f"modifier `{modifier.name}`: {len(made.texts)} texts ({made.texts.null_count} of them null) for "
            f"{len(batch)} documents, unknown counters {unknown}; expected one text each and declared counters only"
        )
    refusals = made.refusals or Refusals(reason=np.full(len(batch), -1, np.int16), value=np.full(len(batch), np.nan))
    sizes = {len(refusals.reason), len(refusals.value), *(len(values) for values in made.counters.values())}
    beyond = refusals.reason[(refusals.reason < -1) | (refusals.reason >= len(modifier.reasons))]
    if sizes != {len(batch)} or len(beyond):
        raise PluginError(
            f"modifier `{modifier.name}`: counters and refusals of {sorted(sizes)} documents for {len(batch)}, reasons "
            f"{beyond[:3].tolist()} beyond its {len(modifier.reasons)}; expected one entry each, declared reasons"
        )
    nothing = np.zeros(len(batch), np.int64)
    return Rewritten(
        texts=made.texts.cast(pa.large_string()),
        counters={counter.name: made.counters.get(counter.name, nothing) for counter in modifier.counters},
        refusals=refusals,
    )
