"""Rule sets of the dialect `curate@1`: published bounds over words as whitespace cuts them (signal set `text`)."""

from __future__ import annotations

from filters.rules import RuleSet, at_least, at_most

GOPHER = "Gopher, arXiv:2112.11446, appendix A1.1"
C4 = "C4, arXiv:1910.10683, section 2.2; TensorFlow Datasets `c4_utils.py`"
FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6; datatrove `fineweb_quality_filter.py`"

GOPHER_QUALITY = RuleSet(
    name="gopher-quality",
    dialect="curate",
    version=1,
    source=GOPHER,
    summary="Length, word shape, symbols, bullets and stop words of natural English prose.",
    rules=(
        at_least("too-few-words", "num_words", 50),
        at_most("too-many-words", "num_words", 100_000),
        at_least("words-too-short", "mean_word_chars", 3),
        at_most("words-too-long", "mean_word_chars", 10),
        at_most("too-many-hashes", "hash_word_ratio", 0.1),
        at_most("too-many-ellipses", "ellipsis_word_ratio", 0.1),
        at_most("too-many-bullet-lines", "bullet_line_fraction", 0.9),
        at_most("too-many-ellipsis-lines", "ellipsis_line_fraction", 0.3),
        at_least("too-few-alphabetic-words", "alphabetic_word_fraction", 0.8),
        at_least("too-few-stop-words", "num_stop_words", 2),
    ),
)

GOPHER_REPETITION = RuleSet(
    name="gopher-repetition",
    dialect="curate",
    version=1,
    source=f"{GOPHER}, table A1",
    summary="Repeated lines, paragraphs and word n-grams inside one document.",
    rules=(
        at_most("too-many-duplicate-lines", "duplicate_line_fraction", 0.30),
        at_most("too-many-duplicate-paragraphs", "duplicate_paragraph_fraction", 0.30),
        at_most("too-much-text-in-duplicate-lines", "duplicate_line_char_fraction", 0.20),
        at_most("too-much-text-in-duplicate-paragraphs", "duplicate_paragraph_char_fraction", 0.20),
        *(
            at_most(f"top-{n}-gram-too-frequent", f"top_{n}_gram_char_fraction", bound)
            for n, bound in ((2, 0.20), (3, 0.18), (4, 0.16))
        ),
        *(
            at_most(f"too-many-duplicate-{n}-grams", f"duplicate_{n}_gram_char_fraction", bound)
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
        at_most("lorem-ipsum", "num_lorem_ipsum", 0),
        at_most("curly-bracket", "num_curly_brackets", 0),
        at_least("too-few-sentences", "num_sentences", 3),
    ),
)

FINEWEB_QUALITY = RuleSet(
    name="fineweb",
    dialect="curate",
    version=1,
    source=FINEWEB,
    summary="Lists, menus and tables: lines without end marks, short lines, repeated lines, many newlines.",
    rules=(
        at_least("too-few-terminal-lines", "terminal_line_fraction", 0.12),
        at_most("too-many-short-lines", "short_line_fraction", 0.67),
        at_most("text-in-repeated-lines", "repeated_line_char_fraction", 0.01),
        at_most("too-many-newlines", "newline_word_ratio", 0.3),
    ),
)
