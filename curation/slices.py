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


Domain = Literal[
    "general-web", "books", "code", "math", "academic", "multilingual", "instruction", "curated", "noisy-web", "target",
    "other",
]  # fmt: skip
"""What a panel slice is a sample of; `target` is a domain that the user names (`panel.targets`)."""

KNOWN_DOMAINS: Mapping[str, Domain] = {
    "general_web": "general-web", "web": "general-web", "books": "books", "code": "code", "code-python": "code",
    "code-cpp": "code", "configuration": "code", "web-assets": "code", "math": "math", "academic": "academic",
    "multilingual": "multilingual", "instruction": "instruction", "docs": "curated", "high_quality": "curated",
    "encyclopedic": "curated", "textbooks": "curated", "legal": "curated", "noisy_web": "noisy-web",
    # sources of Paloma (arXiv 2312.10523, table 1)
    "c4_en": "general-web", "mc4": "general-web", "falcon-refinedweb": "general-web", "c4_100_domains": "general-web",
    "wikitext_103": "curated", "m2d2_wikipedia_unsplit": "curated", "ptb": "curated", "m2d2_s2orc_unsplit": "academic",
    "dolma_100_programing_languages": "code", "4chan_meta_sep": "noisy-web", "gab": "noisy-web",
    "manosphere_meta_sep": "noisy-web", "twitterAAE_HELM_fixed": "noisy-web", "dolma_100_subreddits": "noisy-web",
}  # fmt: skip
"""Domain of slices by name; a recipe says it of others (`panel.domains`)."""

TARGET_PREFIX = "target/"
_DOMAIN_OF_KIND: Mapping[SliceKind, Domain] = {
    "code": "code", "markup": "code", "math": "math", "multilingual": "multilingual", "instruction": "instruction",
}  # fmt: skip


def domain_of(
    slice_name: str, overrides: Mapping[str, Domain] | None = None, kinds: Mapping[str, SliceKind] | None = None
) -> Domain:
    """Return what a panel slice is a sample of: the recipe's word, the known one of its name, that of its kind."""
    base, slash, _ = slice_name.partition("/")
    if slash and base == "target":
        return "target"
    for name in (slice_name, base):
        found = (overrides or {}).get(name) or KNOWN_DOMAINS.get(name)
        if found:
            return found
    return _DOMAIN_OF_KIND.get(kind_of(slice_name, kinds or {}), "other")


def kind_of(slice_name: str, overrides: Mapping[str, SliceKind]) -> SliceKind:
    """Return the kind of a slice: the recipe's word, else the known one, else prose."""
    return overrides.get(slice_name) or KNOWN_SLICES.get(slice_name, "prose")
