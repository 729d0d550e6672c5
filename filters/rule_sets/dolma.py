"""Rule sets of dolma's dialect: its Gopher and C4 tags with the bounds of its mixer, and the rules of release 1.7.

`dolma/1.7` is what the mixer of release 1.7 drops a web page for, by the two taggers alone: its three rules on the
most frequent n-gram ask for tags (`..._most_common_2gram`) under a name that the tagger does not write
(`..._2grams`), so they never dropped a page and are not in it; `gopher/dolma` has them as they were meant. Left out,
being other components: language, deduplication and decontamination, personal data (over 5 hits), the list of
fake-news hosts, repeated tokens (needs their tokenizer) and the quality classifier. C4's rules on lines rewrite text.
"""

from __future__ import annotations

from filters.rules import Rule, RuleSet, at_least, at_most

SOURCE = "Dolma, arXiv:2402.00159; dolma `taggers/gopher.py`, `taggers/c4.py`"
MIX = "dolma `configs/dolma-v1_7/sources/news/cc_news_mix_v3.yaml`, `configs/dolma-v1_5/mixing/cc-head.yaml`"


def _at_most(reason: str, signal: str, value: float) -> Rule:
    return at_most(reason, signal, value, "dolma")


QUALITY_RULES = (
    at_least("too-few-words", "num_words", 50, "dolma"),
    _at_most("too-many-words", "num_words", 100_000),
    at_least("words-too-short", "median_word_chars", 3, "dolma"),
    _at_most("words-too-long", "median_word_chars", 10),
    _at_most("too-many-words-with-symbols", "symbol_word_fraction", 0.1),
    at_least("too-few-alphabetic-words", "alphabetic_word_fraction", 0.8, "dolma"),
    at_least("too-few-required-words", "num_required_words", 2, "dolma"),
    _at_most("too-many-bullet-lines", "bullet_line_fraction", 0.9),
    _at_most("too-many-ellipsis-lines", "ellipsis_line_fraction", 0.3),
)

DUPLICATE_LINE_RULES = (
    _at_most("too-many-duplicate-lines", "duplicate_line_fraction", 0.3),
    _at_most("too-much-text-in-duplicate-lines", "duplicate_line_char_fraction", 0.3),
)

TOP_GRAM_RULES = tuple(
    _at_most(f"top-{n}-gram-too-frequent", f"top_{n}_gram_char_fraction", bound)
    for n, bound in ((2, 0.20), (3, 0.18), (4, 0.16))
)

DUPLICATE_GRAM_RULES = tuple(
    _at_most(f"too-many-duplicate-{n}-grams", f"duplicate_{n}_gram_char_fraction", bound)
    for n, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
)

C4_RULES = (
    _at_most("curly-bracket", "num_curly_brackets", 0),
    _at_most("lorem-ipsum", "num_lorem_ipsum", 0),
    _at_most("javascript", "num_javascript", 0),
)

GOPHER_DOLMA = RuleSet(
    name="gopher",
    dialect="dolma",
    version=1,
    source=f"{SOURCE}; bounds: {MIX}",
    summary="Gopher's page and repetition rules as dolma tags them, with the bounds of its mixer.",
    rules=(*QUALITY_RULES, *DUPLICATE_LINE_RULES, *TOP_GRAM_RULES, *DUPLICATE_GRAM_RULES),
)

C4_DOLMA = RuleSet(
    name="c4",
    dialect="dolma",
    version=1,
    source=f"{SOURCE}; bounds: {MIX}",
    summary="C4's page rules as dolma tags them: curly bracket, lorem ipsum, javascript anywhere in the raw text.",
    rules=C4_RULES,
)

DOLMA_1_7 = RuleSet(
    name="dolma",
    dialect="1.7",
    version=1,
    source=MIX,
    summary="What the mixer of Dolma 1.7 drops a web page for by its C4 and Gopher tags, as it ran.",
    rules=(*C4_RULES, *QUALITY_RULES, *DUPLICATE_LINE_RULES, *DUPLICATE_GRAM_RULES),
)
