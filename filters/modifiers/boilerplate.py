"""The modifier `boilerplate`: removes lines that belong to a page's frame, not to its text.

Rules look at one stripped line at a time, case aside; `navigation` also looks at runs of short lines. All are ours,
made to be safe rather than complete: a line goes only if it is short and says what running prose does not say.
The phrases about cookies contain those of C4 (arXiv:1910.10683, section 2.2), which removes such lines of any length.
Blank lines stay; `newlines` folds them. Applied twice it removes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from filters.modifiers.base import Counter, Modifier, ModifierSettings, Rewritten, over_texts, rewrite_rows
from filters.modifiers.boilerplate_phrases import ITEMS, MAKERS, PROMPTS, SHARE_VERBS, SHARE_WORDS

RuleName = Literal["cookie-notice", "share-buttons", "copyright", "prompt", "navigation"]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

MAX_LINE_CHARS = 400
"""Longer lines are never removed."""
MIN_RUN_LINES = 4
MIN_RUN_ITEMS = 3
MAX_ITEM_WORDS = 4

_COOKIES = re.compile(
    r"\b(?:(?:we|site|website|page|partners) uses? cookies|uses? cookies (?:to|on|for|in order)|use of cookies"
    r"|(?:accept|reject|allow|manage|decline) (?:all |the |your )?(?:optional )?cookies"
    r"|cookie (?:policy|settings|preferences|notice|consent)"
    r"|by continuing to (?:use|browse|visit) (?:this|our|the) (?:site|website))\b"
)
_COPYRIGHT = re.compile(
    r"^(?:©|\(c\)|copyright\b|&copy;).*(?:\b(?:19|20)\d\d\b|all rights reserved)|\ball rights reserved\b"
    r"|^powered by \S+(?: \S+){0,3}$"
    r"|^(?:designed|website|theme|site) (?:and developed |design |designed )?by \S+(?: \S+){0,4}$"
)
_SEPARATORS = re.compile(r"\s+[|»›•·/>\-–]\s+|\s*[|»›•·]\s*")
_ANCHORED = "|".join(re.escape(phrase) for phrase in sorted({*PROMPTS, *ITEMS, *MAKERS}))
CANDIDATES = (
    r"(?i)cookie|by continuing|share|sharing|tweet|copyright|©|\(c\)|&copy;|rights reserved"
    rf"|(?:^|[^A-Za-z0-9 ,])[ \t]*(?:{_ANCHORED})(?:$|[^A-Za-z0-9])"
)
"""Finds every text with a line that some rule names; it stands for RE2, where it takes one pass."""


class BoilerplateSettings(ModifierSettings):
    """Which rules are applied."""

    rules: Annotated[tuple[RuleName, ...], Field(min_length=1)] = RULE_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRule:
    """A rule about one line: at most `max_words` words, and what `matches` says of it in lower case."""

    name: RuleName
    max_words: int
    matches: Callable[[str], bool]
    meaning: str


def _is_share_line(line: str) -> bool:
    words = line.split()
    known = all(word.strip(":|,()") in SHARE_WORDS or word in SHARE_WORDS for word in words)
    return known and any(word.strip(":|,()") in SHARE_VERBS for word in words)


def _is_menu_line(line: str) -> bool:
    """Return whether the line is a row of menu items: three or more, a third of them well known."""
    items = [item.strip() for item in _SEPARATORS.split(line) if item.strip()]
    known = sum(item in ITEMS for item in items)
    short = all(len(item.split()) <= MAX_ITEM_WORDS for item in items)
    return len(items) >= MIN_RUN_ITEMS and short and known >= 2 and 3 * known >= len(items)


LINE_RULES: Sequence[LineRule] = (
    LineRule(
        name="cookie-notice",
        max_words=60,
        matches=lambda line: _COOKIES.search(line) is not None,
        meaning="lines of at most 60 words that ask about cookies",
    ),
    LineRule(
        name="share-buttons",
        max_words=20,
        matches=_is_share_line,
        meaning="lines of at most 20 words, all of them names of networks and words of share buttons",
    ),
    LineRule(
        name="copyright",
        max_words=30,
        matches=lambda line: _COPYRIGHT.search(line) is not None,
        meaning="lines of at most 30 words with a copyright notice, `all rights reserved` or `powered by`",
    ),
    LineRule(
        name="prompt",
        max_words=10,
        matches=lambda line: line.strip(" .…»›>→←«‹:!") in PROMPTS,
        meaning="lines that are nothing but a prompt of a page (read more, leave a comment, skip to content)",
    ),
    LineRule(
        name="navigation",
        max_words=60,
        matches=_is_menu_line,
        meaning="rows of menu items, and runs of at least 4 lines of at most 4 words, a third of them menu items",
    ),
)


def remove_boilerplate(text: str, rules: Sequence[RuleName]) -> tuple[str, Mapping[str, int]]:
    """Return `text` without the lines that the rules name, and the lines removed by rule."""
    lines = text.split("\n")
    chosen = [rule for rule in LINE_RULES if rule.name in rules]
    reasons: list[RuleName | None] = [_reason(line, chosen) for line in lines]
    if "navigation" in rules:
        for row in _menu_runs(lines, reasons):
            reasons[row] = "navigation"
    counts = {f"lines-{rule.name}": reasons.count(rule.name) for rule in chosen}
    if not any(counts.values()):
        return text, counts
    return "\n".join(line for line, reason in zip(lines, reasons, strict=True) if reason is None), counts


def _reason(line: str, rules: Sequence[LineRule]) -> RuleName | None:
    stripped = line.strip().lower()
    if not stripped or len(stripped) > MAX_LINE_CHARS:
        return None
    num_words = len(stripped.split())
    return next((rule.name for rule in rules if num_words <= rule.max_words and rule.matches(stripped)), None)


def _menu_runs(lines: Sequence[str], reasons: Sequence[str | None]) -> list[int]:
    """Return the lines of menus written one item a line; blank lines and lines already removed do not end a run."""
    rows: list[int] = []
    run: list[int] = []
    for row, line in enumerate([*lines, "a line that is too long to be an item ends the last run"]):
        stripped = line.strip().lower()
        if not stripped or (row < len(reasons) and reasons[row] is not None):
            continue
        if len(stripped.split()) <= MAX_ITEM_WORDS and stripped[-1] not in ".!?:;,\"'”":
            run.append(row)
            continue
        known = sum(lines[item].strip().lower() in ITEMS for item in run)
        if len(run) >= MIN_RUN_LINES and known >= MIN_RUN_ITEMS and 3 * known >= len(run):
            rows += run
        run = []
    return rows


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    maybe = pc.match_substring_regex(texts, CANDIDATES).to_numpy(zero_copy_only=False)
    rules = tuple(rule for rule in RULE_NAMES if rule in settings.rules)
    return rewrite_rows(texts, np.flatnonzero(maybe), lambda text: remove_boilerplate(text, rules))


BOILERPLATE = Modifier(
    name="boilerplate",
    version="boilerplate@1",
    summary="Removes lines of a page's frame: cookie notices, menus, share buttons, prompts, copyright footers.",
    source="ours; the cookie phrases contain C4's (arXiv:1910.10683 2.2)",
    settings=BoilerplateSettings,
    rewrite=over_texts(_rewrite),
    counters=tuple(Counter(name=f"lines-{rule.name}", meaning=rule.meaning) for rule in LINE_RULES),
)
