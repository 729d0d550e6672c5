"""Rule sets of the dialect `datatrove@1`: the verdicts of datatrove 0.10's filters with their default settings.

Rules stand in the order in which datatrove tries them, so the first reason is datatrove's (docs/dialects.md maps the
names). datatrove drops above or below a bound and keeps on it, as inclusive bounds do.
"""

from __future__ import annotations

from functools import partial

from filters.rules import RuleSet, at_least, at_most

SET = "datatrove"
above = partial(at_most, signal_set=SET)
below = partial(at_least, signal_set=SET)

GOPHER_QUALITY = RuleSet(
    name="gopher-quality",
    dialect="datatrove",
    version=1,
    source="datatrove 0.10 gopher_quality_filter.py; Gopher, arXiv:2112.11446, appendix A1.1",
    summary="Gopher's rules for natural English prose, as datatrove's GopherQualityFilter judges.",
    rules=(
        below("too-few-words", "num_non_symbol_words", 50),
        above("too-many-words", "num_non_symbol_words", 100_000),
        below("words-too-short", "mean_non_symbol_word_chars", 3),
        above("words-too-long", "mean_non_symbol_word_chars", 10),
        above("too-many-hashes", "hash_word_ratio", 0.1),
        above("too-many-ellipses", "ellipsis_word_ratio", 0.1),
        above("too-many-bullet-lines", "bullet_line_fraction", 0.9),
        above("too-many-ellipsis-lines", "ellipsis_line_fraction", 0.3),
        below("too-few-alphabetic-words", "alphabetic_word_fraction", 0.8),
        below("too-few-stop-words", "num_stop_words", 2),
    ),
)

GOPHER_REPETITION = RuleSet(
    name="gopher-repetition",
    dialect="datatrove",
    version=1,
    source="datatrove 0.10 gopher_repetition_filter.py; Gopher, arXiv:2112.11446, table A1",
    summary="Repeated paragraphs, lines and word n-grams, as datatrove's GopherRepetitionFilter judges.",
    rules=(
        below("empty-text", "num_chars", 1),
        above("too-many-duplicate-paragraphs", "duplicate_paragraph_fraction", 0.3),
        above("too-much-text-in-duplicate-paragraphs", "duplicate_paragraph_char_fraction", 0.2),
        above("too-many-duplicate-lines", "duplicate_line_fraction", 0.3),
        above("too-much-text-in-duplicate-lines", "duplicate_line_char_fraction", 0.2),
        *(
            above(f"top-{n}-gram-too-frequent", f"top_{n}_gram_char_fraction", bound)
            for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))
        ),
        *(
            above(f"too-many-duplicate-{n}-grams", f"duplicate_{n}_gram_char_fraction", bound)
            for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        ),
    ),
)

GOPHER = RuleSet(
    name="gopher",
    dialect="datatrove",
    version=1,
    source="datatrove 0.10 gopher_repetition_filter.py, gopher_quality_filter.py, in the order of examples/fineweb.py",
    summary="datatrove's GopherRepetitionFilter, then its GopherQualityFilter, as FineWeb runs them.",
    rules=(*GOPHER_REPETITION.rules, *GOPHER_QUALITY.rules),
)

FINEWEB = RuleSet(
    name="fineweb",
    dialect="datatrove",
    version=1,
    source="datatrove 0.10 fineweb_quality_filter.py; FineWeb, arXiv:2406.17557, section 3.6",
    summary="Lists, menus and tables, as datatrove's FineWebQualityFilter judges.",
    rules=(
        below("no-lines", "num_filled_lines", 1),
        below("too-few-terminal-lines", "terminal_line_fraction", 0.12),
        above("too-many-short-lines", "short_line_fraction", 0.67),
        above("text-in-repeated-lines", "repeated_line_char_fraction", 0.01),
        above("too-many-newlines", "newline_word_ratio", 0.3),
    ),
)
