"""`no-digits`: a signal set, a rule set over it, and a filter made of both; no Python loop over documents."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.rule_filter import RuleFilter
from filters.rules import RuleSet, at_most
from filters.signals import Matrix, Signal, SignalSet


def digit_share(table: pa.Table) -> Matrix:
    """Return the share of ASCII digits among the code points of each document."""
    text = table["text"]
    digits = pc.count_substring_regex(text, "[0-9]").to_numpy().astype(np.float64)
    chars = pc.utf8_length(text).to_numpy().astype(np.float64)
    return np.asarray(digits / np.maximum(chars, 1)).reshape(-1, 1)


DIGITS = SignalSet(
    name="example-digits",
    version="1",
    source="the example of a plugin",
    signals=(Signal(name="digit_fraction", unit="share of characters", meaning="ASCII digits"),),
    compute=digit_share,
)
NO_DIGITS = RuleSet(
    name="no-digits",
    dialect="example",
    version=1,
    source="the example of a plugin",
    summary="Tables of numbers are no prose.",
    rules=(at_most("too-many-digits", "digit_fraction", 0.3, "example-digits"),),
)
NO_DIGITS_FILTER = RuleFilter(name="no-digits", summary=NO_DIGITS.summary, rule_set_names=("no-digits/example",))
