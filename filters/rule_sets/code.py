"""Rule sets for source code, for slices of kind `code`: The Stack, StarCoder, The Stack v2 and dolma's code.

A rule for some languages alone (visible text of HTML, size of JSON, line limits) needs the document's metadata to name
the language or the path; without it the general rules apply to all. Left out, because they need more than the text:
GitHub stars, licences, the share of comments (a parser per language), tokens per character, go-enry's `is_generated`,
file names of text files, secrets.
"""

from __future__ import annotations

import numpy as np

from curation.slices import SliceKind
from filters.rules import Rule, RuleSet, at_least, at_most

CODE: tuple[SliceKind, ...] = ("code",)

MORE_THAN_A_FIFTH = float(np.nextafter(0.2, 1.0))
"""The least share above 0.2: StarCoder and dolma drop a share of exactly 0.2."""


def _at_most(reason: str, signal: str, value: float) -> Rule:
    return at_most(reason, signal, value, "code")


def _at_least(reason: str, signal: str, value: float) -> Rule:
    return at_least(reason, signal, value, "code")


THE_STACK = RuleSet(
    name="code",
    dialect="the-stack",
    version=1,
    source="The Stack, arXiv:2211.15533; bigcode-dataset `preprocessing/filtering.py`, filter `basic`; Codex, "
    "arXiv:2107.03374, section 3.1",
    summary="Line lengths and alphanumeric share, in every language alike.",
    rules=(
        _at_most("line-too-long", "num_max_line_chars", 1_000),
        _at_most("lines-too-long", "mean_line_chars", 100),
        _at_least("too-few-alphanumeric-chars", "alphanumeric_fraction", 0.25),
    ),
    applies_to=CODE,
)

STARCODER = RuleSet(
    name="code",
    dialect="starcoder",
    version=1,
    source="StarCoder, arXiv:2305.06161; bigcode-dataset `preprocessing/filtering.py`, `visual_inspection.csv`",
    summary="Line lengths and letters by extension, no XML, visible text of HTML, size of JSON and YAML.",
    rules=(
        _at_most("excluded-extension", "num_excluded_extensions", 0),
        _at_most("line-too-long", "num_starcoder_line_chars", 1_000),
        _at_most("lines-too-long", "starcoder_mean_line_chars", 100),
        _at_least("too-few-alphanumeric-chars", "alphanumeric_fraction", 0.25),
        _at_least("too-few-alphabetic-chars", "starcoder_alphabetic_fraction", 0.25),
        _at_most("xml-file", "num_xml_files", 0),
        _at_least("too-little-visible-text", "visible_fraction", MORE_THAN_A_FIFTH),
        _at_least("too-few-visible-chars", "num_visible_chars", 101),
        _at_least("data-file-too-small", "num_data_chars", 50),
        _at_most("data-file-too-large", "num_data_chars", 5_000),
        _at_least("too-few-letters-in-data", "data_alphabetic_fraction", 0.5),
    ),
    applies_to=CODE,
)

THE_STACK_V2 = RuleSet(
    name="code",
    dialect="the-stack-v2",
    version=1,
    source="StarCoder2 and The Stack v2, arXiv:2402.19173",
    summary="Line lengths, generated files, letters, encoded data, visible text of HTML, long data files.",
    rules=(
        _at_most("too-many-lines", "num_lines", 100_000),
        _at_most("line-too-long", "num_stack_line_chars", 1_000),
        _at_most("lines-too-long", "stack_mean_line_chars", 100),
        _at_most("line-far-too-long", "num_max_line_chars", 100_000),
        _at_most("generated-file", "num_generated_marks", 0),
        _at_least("too-few-alphabetic-chars", "stack_alphabetic_fraction", 0.25),
        _at_most("encoded-run-too-long", "num_max_encoded_chars", 1_024),
        _at_most("too-much-encoded-data", "encoded_fraction", 0.5),
        _at_least("too-little-visible-text", "visible_fraction", 0.2),
        _at_least("too-few-visible-chars", "num_visible_chars", 100),
        _at_most("too-many-data-lines", "num_data_lines", 512),
    ),
    applies_to=CODE,
)

DOLMA = RuleSet(
    name="code",
    dialect="dolma",
    version=1,
    source="Dolma, arXiv:2402.00159; OLMo `pretrain_data/the_stack` v2 and v4; RedPajama v1",
    summary="RedPajama's rules (line lengths, alphanumeric share, letters per token), no XML, visible text of HTML.",
    rules=(
        _at_most("line-too-long", "num_max_line_chars", 1_000),
        _at_most("lines-too-long", "mean_line_chars", 100),
        _at_least("too-few-alphanumeric-chars", "alphanumeric_fraction", 0.25),
        _at_least("too-few-letters-per-token", "alphabetic_token_ratio", 1.5),
        _at_most("xml-file", "num_xml_heads", 0),
        _at_least("too-little-visible-text", "visible_fraction", MORE_THAN_A_FIFTH),
        _at_least("too-few-visible-chars", "num_visible_chars", 101),
    ),
    applies_to=CODE,
)
