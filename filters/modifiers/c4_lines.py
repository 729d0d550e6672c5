"""The modifier `c4-lines`: C4's line rules in four dialects; the rules are in `filters.signal_sets.c4_lines`."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa

from filters.modifiers.base import Counter, Modifier, ModifierSettings, Rewritten, over_texts
from filters.signal_sets.c4_lines import REMOVED_REASONS, clean_c4_lines


class C4LineSettings(ModifierSettings):
    """Whose reading of C4's line rules."""

    dialect: Literal["datatrove", "fineweb", "tfds", "dclm"] = "datatrove"


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    cleaned = clean_c4_lines(texts, settings.dialect)
    removed = {f"lines-{reason}": counts for reason, counts in cleaned.removed_lines.items()}
    return Rewritten(texts=cleaned.texts, counters={**removed, "citations": cleaned.num_citations})


C4_LINES = Modifier(
    name="c4-lines",
    version="c4-lines@1",
    summary="Removes lines without end mark, short lines, lines of code and policy notices; cuts citations.",
    source="C4 arXiv:1910.10683 2.2; TensorFlow Datasets c4_utils.py; datatrove c4_filters.py; DCLM c4.yaml",
    settings=C4LineSettings,
    rewrite=over_texts(_rewrite),
    counters=(
        *(Counter(name=f"lines-{reason}", meaning=f"lines removed: {reason}") for reason in REMOVED_REASONS),
        Counter(name="citations", meaning="citations ([1], [edit], [citation needed]) cut from lines that stay"),
    ),
)
