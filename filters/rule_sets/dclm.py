"""Rule sets of the dialect `dclm@1`: MassiveText page rules and RefinedWeb as DCLM runs them, in its order.

Signals: `dclm` and `refinedweb-lines`. DCLM drops a page without words at its first rule; so does `num_words` here.
URL lists, URL removal, newline folding and language come before these rules in DCLM and are other components.
"""

from __future__ import annotations

from filters.rules import Rule, RuleSet, at_least, at_most

DCLM = "DCLM, arXiv:2406.11794; `content_filters.py`, `dclm_baseline_refinedweb.yaml`"
REFINEDWEB = "RefinedWeb, arXiv:2306.01116; DCLM `dclm_baseline_refinedweb.yaml`, steps 9 to 26"


def _at_most(reason: str, signal: str, value: float) -> Rule:
    return at_most(reason, signal, value, "dclm")


QUALITY_RULES = (
    at_least("too-few-words", "num_words", 50, "dclm"),
    _at_most("too-many-words", "num_words", 100_000),
    at_least("words-too-short", "mean_word_chars", 3, "dclm"),
    _at_most("words-too-long", "mean_word_chars", 10),
    _at_most("too-many-symbols", "symbol_word_ratio", 0.1),
    _at_most("too-many-bullet-lines", "bullet_line_fraction", 0.9),
    _at_most("too-many-ellipsis-lines", "ellipsis_line_fraction", 0.3),
    _at_most("too-many-non-alphabetic-words", "non_alphabetic_word_fraction", 0.2),
    at_least("too-few-stop-words", "num_stop_words", 2, "dclm"),
)

REPETITION_RULES = (
    _at_most("too-many-duplicate-lines", "duplicate_line_fraction", 0.30),
    _at_most("too-many-duplicate-paragraphs", "duplicate_paragraph_fraction", 0.30),
    _at_most("too-much-text-in-duplicate-lines", "duplicate_line_char_fraction", 0.20),
    _at_most("too-much-text-in-duplicate-paragraphs", "duplicate_paragraph_char_fraction", 0.20),
    *(
        _at_most(f"top-{n}-gram-too-frequent", f"top_{n}_gram_char_fraction", bound)
        for n, bound in ((2, 0.20), (3, 0.18), (4, 0.16))
    ),
    *(
        _at_most(f"too-many-duplicate-{n}-grams", f"duplicate_{n}_gram_char_fraction", bound)
        for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
)

GOPHER_QUALITY = RuleSet(
    name="gopher-quality",
    dialect="dclm",
    version=1,
    source=DCLM,
    summary="Length, word shape, pooled symbols, bullets and stop words of English web pages, as DCLM counts them.",
    rules=QUALITY_RULES,
)

GOPHER_REPETITION = RuleSet(
    name="gopher-repetition",
    dialect="dclm",
    version=1,
    source=DCLM,
    summary="Repeated lines, paragraphs and n-grams of Unicode words; all copies of a repeated line count.",
    rules=REPETITION_RULES,
)

GOPHER = RuleSet(
    name="gopher",
    dialect="dclm",
    version=1,
    source=DCLM,
    summary="DCLM's page rules and repetition rules together, in its order.",
    rules=(*QUALITY_RULES, *REPETITION_RULES),
)

REFINEDWEB_RULES = (
    *QUALITY_RULES,
    *REPETITION_RULES,
    at_most("too-many-words-in-bad-lines", "word_removed_fraction", 0.05, "refinedweb-lines"),
)

REFINEDWEB_DCLM = RuleSet(
    name="refinedweb",
    dialect="dclm",
    version=1,
    source=REFINEDWEB,
    summary="RefinedWeb's page rules as DCLM runs them, and pages of which the line corrections would remove over 5 %.",
    rules=REFINEDWEB_RULES,
)
