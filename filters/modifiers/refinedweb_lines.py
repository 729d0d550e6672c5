"""The modifier `refinedweb-lines`: RefinedWeb's line corrections as DCLM has them.

The rules are in `filters.signal_sets.refinedweb_lines`. A page from which more than `max_removed_word_fraction` of its
words would go is dropped, as in the paper: what is left of it would be a torso.
Source: RefinedWeb, arXiv:2306.01116, G.2; DCLM `refinedweb.yaml`, `word_removal_ratio_filter`.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.modifiers.base import Counter, Modifier, ModifierSettings, Refusals, Rewritten, over_texts
from filters.signal_sets.refinedweb_lines import LINE_REASONS, clean_refinedweb_lines


class RefinedWebLineSettings(ModifierSettings):
    """How much may go before the page goes."""

    max_removed_word_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    cleaned = clean_refinedweb_lines(texts)
    removed = cleaned.word_removed_fraction
    refused = removed > settings.max_removed_word_fraction
    return Rewritten(
        texts=cleaned.texts,
        counters={f"lines-{reason}": counts for reason, counts in cleaned.counts.items()},
        refusals=Refusals(reason=np.where(refused, 0, -1).astype(np.int16), value=np.where(refused, removed, np.nan)),
    )


REFINEDWEB_LINES = Modifier(
    name="refinedweb-lines",
    version="refinedweb-lines@1",
    summary="Removes shouting, digit, counter and one-word lines; drops pages that lose more than 5 % of their words.",
    source="RefinedWeb arXiv:2306.01116 G.2; DCLM refinedweb.yaml and mappers/modifiers.py",
    settings=RefinedWebLineSettings,
    rewrite=over_texts(_rewrite),
    counters=tuple(
        Counter(name=f"lines-{reason}", meaning=f"lines removed or shortened: {reason}") for reason in LINE_REASONS
    ),
    reasons=("too-many-words-removed",),
)
