"""Slice kinds: which rules may judge which slice.

Prose rules would empty code, translations, markup and LaTeX, so each slice has a kind and each filter says which
kinds it judges; other slices pass unjudged. Unknown slice names are prose; a recipe can say otherwise (`slice_kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

SliceKind = Literal["prose", "code", "markup", "math", "multilingual", "instruction"]

KNOWN_SLICES: Mapping[str, SliceKind] = {
    "code": "code",
    "code-python": "code",
    "code-cpp": "code",
    "configuration": "markup",
    "web-assets": "markup",
    "math": "math",
    "multilingual": "multilingual",
    "instruction": "instruction",
}

CURATED_SLICES = frozenset({"docs", "high_quality", "encyclopedic", "textbooks"})
"""Slices whose reference documents may serve as positives of a quality classifier when a recipe names none."""

NOISY_SLICES = frozenset({"noisy_web"})
"""Shown, never gated (rule 5)."""


def kind_of(slice_name: str, overrides: Mapping[str, SliceKind]) -> SliceKind:
    """Return the kind of a slice: the recipe's word, else the known one, else prose."""
    return overrides.get(slice_name) or KNOWN_SLICES.get(slice_name, "prose")
