"""The modifier `newlines`: CRLF to LF, and runs of newlines cut to a maximum.

Source: DCLM `newline_removal_modifier` (three or more newlines become two), arXiv:2406.11794; CRLF is ours: the
published pipeline gets text that an extractor wrote with LF alone. Carriage returns elsewhere stay.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation.batches import text_view
from filters.modifiers.base import Counter, Modifier, ModifierSettings, Rewritten, over_texts, text_from


class NewlineSettings(ModifierSettings):
    """How many newlines may follow each other, and whether CRLF is one."""

    max_consecutive: Annotated[int, Field(ge=1)] = 2
    crlf: bool = True
    """Whether CRLF becomes LF, before newlines are counted."""


def fold_newlines(texts: pa.Array, settings: Any) -> Rewritten:
    """Return texts without carriage returns before newlines and without longer runs of newlines."""
    from filters.modifiers.newlines_kernels import fold

    view = text_view(texts)
    out = np.empty(int(view.offsets[-1] - view.offsets[0]), np.uint8)
    offsets = np.zeros(len(view) + 1, np.int64)
    counts = np.zeros((len(view), 2), np.int64)
    fold(view.data, view.offsets, settings.max_consecutive, settings.crlf, out, offsets, counts)
    return Rewritten(
        texts=text_from(out, offsets),
        counters={"carriage-returns-removed": counts[:, 0], "newlines-removed": counts[:, 1]},
    )


NEWLINES = Modifier(
    name="newlines",
    version="newlines@1",
    summary="Line ends as LF, and at most two newlines in a row.",
    source="DCLM arXiv:2406.11794, baselines/mappers/modifiers.py `newline_removal_modifier`; CRLF: ours",
    settings=NewlineSettings,
    rewrite=over_texts(fold_newlines),
    counters=(
        Counter(name="carriage-returns-removed", meaning="carriage returns before a newline, taken out"),
        Counter(name="newlines-removed", meaning="newlines beyond `max_consecutive` in a row, taken out"),
    ),
)
