"""Rule sets: named, versioned tables of bounds over signals.

A rule bounds one signal; `min` and `max` are inclusive, so a value on the bound passes. The setting that overrides a
bound is called after it: `min_words` bounds `num_words` from below. A verdict is the first failing rule in table
order plus the bit mask of all failing rules. A missing or NaN signal is an error, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation.errors import PluginError
from curation.sidecars import MAX_REASONS, VerdictPart
from filters.signals import Columns

GOPHER = "Gopher, arXiv:2112.11446, appendix A1.1"
C4 = "C4, arXiv:1910.10683, section 2.2; TensorFlow Datasets `c4_utils.py`"
FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6; datatrove `fineweb_quality_filter.py`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One inclusive bound on one signal and the reason given when it fails."""

    reason: str
    signal: str
    bound: Literal["min", "max"]
    value: float

    @property
    def setting(self) -> str:
        """Name of the setting that overrides the bound."""
        return f"{self.bound}_{self.signal.removeprefix('num_')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Rules that belong together, in the order in which the first failing one is named."""

    name: str
    dialect: str
    version: int
    source: str
    summary: str
    rules: tuple[Rule, ...]
    signal_set: str = "text"

    @property
    def full_name(self) -> str:
        """`name/dialect@version`, what fingerprints and manifests say."""
        return f"{self.name}/{self.dialect}@{self.version}"


def _low(reason: str, signal: str, value: float) -> Rule:
    return Rule(reason=reason, signal=signal, bound="min", value=value)


def _high(reason: str, signal: str, value: float) -> Rule:
    return Rule(reason=reason, signal=signal, bound="max", value=value)


GOPHER_QUALITY = RuleSet(
    name="gopher-quality",
    dialect="curate",
    version=1,
    source=GOPHER,
    summary="Length, word shape, symbols, bullets and stop words of natural English prose.",
    rules=(
        _low("too-few-words", "num_words", 50),
        _high("too-many-words", "num_words", 100_000),
        _low("words-too-short", "mean_word_chars", 3),
        _high("words-too-long", "mean_word_chars", 10),
        _high("too-many-hashes", "hash_word_ratio", 0.1),
        _high("too-many-ellipses", "ellipsis_word_ratio", 0.1),
        _high("too-many-bullet-lines", "bullet_line_fraction", 0.9),
        _high("too-many-ellipsis-lines", "ellipsis_line_fraction", 0.3),
        _low("too-few-alphabetic-words", "alphabetic_word_fraction", 0.8),
        _low("too-few-stop-words", "num_stop_words", 2),
    ),
)

GOPHER_REPETITION = RuleSet(
    name="gopher-repetition",
    dialect="curate",
    version=1,
    source=f"{GOPHER}, table A1",
    summary="Repeated lines, paragraphs and word n-grams inside one document.",
    rules=(
        _high("too-many-duplicate-lines", "duplicate_line_fraction", 0.30),
        _high("too-many-duplicate-paragraphs", "duplicate_paragraph_fraction", 0.30),
        _high("too-much-text-in-duplicate-lines", "duplicate_line_char_fraction", 0.20),
        _high("too-much-text-in-duplicate-paragraphs", "duplicate_paragraph_char_fraction", 0.20),
        *(
            _high(f"top-{n}-gram-too-frequent", f"top_{n}_gram_char_fraction", bound)
            for n, bound in ((2, 0.20), (3, 0.18), (4, 0.16))
        ),
        *(
            _high(f"too-many-duplicate-{n}-grams", f"duplicate_{n}_gram_char_fraction", bound)
            for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        ),
    ),
)

C4_PAGE = RuleSet(
    name="c4-page",
    dialect="curate",
    version=1,
    source=C4,
    summary="The rules of C4 that drop a page; its line rules rewrite text and are not among them.",
    rules=(
        _high("lorem-ipsum", "num_lorem_ipsum", 0),
        _high("curly-bracket", "num_curly_brackets", 0),
        _low("too-few-sentences", "num_sentences", 3),
    ),
)

FINEWEB_QUALITY = RuleSet(
    name="fineweb",
    dialect="curate",
    version=1,
    source=FINEWEB,
    summary="Lists, menus and tables: lines without end marks, short lines, repeated lines, many newlines.",
    rules=(
        _low("too-few-terminal-lines", "terminal_line_fraction", 0.12),
        _high("too-many-short-lines", "short_line_fraction", 0.67),
        _high("text-in-repeated-lines", "repeated_line_char_fraction", 0.01),
        _high("too-many-newlines", "newline_word_ratio", 0.3),
    ),
)

RULE_SETS: Mapping[str, RuleSet] = {
    rules.name: rules for rules in (GOPHER_QUALITY, GOPHER_REPETITION, C4_PAGE, FINEWEB_QUALITY)
}


def with_bounds(rules: Sequence[Rule], bounds: Mapping[str, float]) -> tuple[Rule, ...]:
    """Return `rules` with the bounds named by their settings replaced."""
    return tuple(
        Rule(reason=rule.reason, signal=rule.signal, bound=rule.bound, value=bounds.get(rule.setting, rule.value))
        for rule in rules
    )


def judge_rows(rules: Sequence[Rule], columns: Columns, judged: np.ndarray) -> VerdictPart:
    """Return verdicts by `rules` on the rows where `judged` is true; the other rows pass.

    Raises: PluginError if a signal is missing or NaN on a judged row.
    """
    assert len(rules) <= MAX_REASONS
    verdict = VerdictPart.keep_all(len(judged))
    for code, rule in enumerate(rules):
        if rule.signal not in columns:
            raise PluginError(f"rule `{rule.reason}`: no signal `{rule.signal}` among {', '.join(columns)}")
        values = columns[rule.signal].astype(np.float64)
        if np.isnan(values[judged]).any():
            raise PluginError(f"rule `{rule.reason}`: signal `{rule.signal}` is NaN for a judged document")
        failing = judged & ((values < rule.value) if rule.bound == "min" else (values > rule.value))
        first = failing & verdict.kept
        verdict.reason[first] = code
        verdict.value[first] = values[first]
        verdict.failed[failing] |= np.uint64(1 << code)
        verdict.kept[failing] = False
    return verdict
