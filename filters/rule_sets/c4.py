"""C4's verdicts on a page in the dialects of three implementations, and mC4's paragraph rule.

The text that a kept page has afterwards is the modifier's matter (`c4-lines`); a verdict here is over the lines that
it leaves. Datatrove swaps C4's two numbers (3 words a line, 5 sentences), TFDS and DCLM have 5 words and 3 sentences.
"""

from __future__ import annotations

from filters.rules import Rule, RuleSet, at_least, at_most

C4 = "C4, arXiv:1910.10683, section 2.2"
MAX_CHARS = 190_000


def _page_rules(signal_set: str, min_sentences: int) -> tuple[Rule, ...]:
    return (
        at_most("lorem-ipsum", "num_lorem_ipsum", 0, signal_set),
        at_most("curly-bracket", "num_curly_brackets", 0, signal_set),
        at_least("too-few-sentences", "num_sentences_left", min_sentences, signal_set),
    )


def _too_long(signal_set: str) -> Rule:
    return at_most("page-too-long", "num_chars", MAX_CHARS, signal_set)


DATATROVE = RuleSet(
    name="c4",
    dialect="datatrove",
    version=1,
    source=f"{C4}; datatrove 0.10 `c4_filters.py`, `C4QualityFilter`",
    summary="Pages by the lines with end marks and 3 words: `lorem ipsum`, `{`, fewer than 5 sentences.",
    rules=_page_rules("c4-datatrove", 5),
)
FINEWEB = RuleSet(
    name="c4-fineweb",
    dialect="datatrove",
    version=1,
    source="FineWeb, arXiv:2406.17557; datatrove 0.10 `C4QualityFilter(filter_no_terminal_punct=False)`",
    summary="As `c4/datatrove`, but lines need no end mark: C4 as FineWeb uses it.",
    rules=_page_rules("c4-fineweb", 5),
)
TFDS = RuleSet(
    name="c4",
    dialect="tfds",
    version=1,
    source=f"{C4}; TensorFlow Datasets `c4_utils.py`, `is_valid_length` and `clean_page`",
    summary="Pages by the lines with end marks and 5 words: `lorem ipsum`, `{`, fewer than 3 sentences; too long.",
    rules=(_too_long("c4-tfds"), *_page_rules("c4-tfds", 3)),
)
DCLM = RuleSet(
    name="c4",
    dialect="dclm",
    version=1,
    source="DCLM, arXiv:2406.11794; `baselines_configs/c4.yaml`, the steps before deduplication",
    summary="C4 as DCLM reproduces it: 5 words a line, 3 sentences of the whole page, at most 190,000 characters.",
    rules=(_too_long("c4-dclm"), *_page_rules("c4-dclm", 3)),
)
PARAGRAPH = RuleSet(
    name="mc4-paragraph",
    dialect="datatrove",
    version=1,
    source="mC4, arXiv:2010.11934; datatrove 0.10 `C4ParagraphFilter`",
    summary="Pages with fewer than 3 lines of at least 200 characters.",
    rules=(at_least("too-few-paragraphs", "num_long_lines", 3, "mc4-paragraph"),),
)
