"""Boilerplate: each rule on both sides of its definition, and the promise of the prescan."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.recipe import validate
from filters.modifiers.boilerplate import BOILERPLATE, CANDIDATES, RULE_NAMES, remove_boilerplate
from filters.modifiers.boilerplate_phrases import ITEMS, PROMPTS, SHARE_WORDS
from filters.modifiers.rewriting import rewrite_table

PROSE = "The harbour of the old town was built by people from the north."


def cleaned(text: str, **params: Any) -> tuple[str, dict[str, int]]:
    chosen = validate(BOILERPLATE.settings, params, "test")
    made = rewrite_table(BOILERPLATE, chosen, pa.table({"text": pa.array([text], pa.large_string())}))
    return made.texts[0].as_py(), {name: int(values[0]) for name, values in made.counters.items() if values[0]}


FRAMES = {
    "cookie-notice": [
        "We use cookies to improve your experience.",
        "This website uses cookies",
        "Accept all cookies",
        "By continuing to use this site you agree to our terms.",
        "Cookie Policy",
    ],
    "share-buttons": [
        "Share",
        "Share this:",
        "Share on Facebook",
        "Tweet",
        "Facebook Twitter Share",
        "Share via e-mail",
    ],
    "copyright": [
        "© 2019 The Town Museum",
        "Copyright 2004-2011 Somebody, Inc.",
        "(c) Somebody 1999",
        "All rights reserved.",
        "Powered by WordPress",
        "Theme by Somebody",
    ],
    "prompt": [
        "Read more",
        "Read more...",
        "Continue reading →",
        "Leave a Reply",
        "  Skip to content",
        "« Older posts",
    ],
    "navigation": [
        "Home | About us | Contact",
        "Home » News » Archive",
        "News • Blog • Shop • Gears",
        "Home / News / X",
    ],
}
LINES = [(rule, line) for rule, lines in FRAMES.items() for line in lines]


@pytest.mark.parametrize(("rule", "line"), LINES)
def test_a_line_of_the_frame_goes_and_the_text_around_it_stays(rule: str, line: str) -> None:
    assert cleaned(f"{PROSE}\n{line}\n{PROSE}") == (f"{PROSE}\n{PROSE}", {f"lines-{rule}": 1})


@pytest.mark.parametrize(("rule", "line"), LINES)
def test_a_rule_that_is_not_asked_for_removes_nothing(rule: str, line: str) -> None:
    others = [name for name in RULE_NAMES if name != rule]
    assert f"lines-{rule}" not in cleaned(line, rules=others)[1]


@pytest.mark.parametrize(
    "line",
    [
        "She baked cookies for the whole street and sold them at the market.",
        "They share the harbour with fishermen from the other side.",
        "Facebook",
        "He copied the right page in 1999.",
        "The copyright of the map has long expired, as the lawyers found.",
        "You can read more about the harbour in the museum.",
        "Home",
        "Home is where the heart is.",
        "Sonnets | Letters | Diaries",
        "home | away",
        "We use cookies " + "and many other things " * 20,
    ],
)
def test_prose_that_only_sounds_like_it_stays(line: str) -> None:
    text = f"{PROSE}\n{line}\n{PROSE}"
    assert cleaned(text) == (text, {})


MENU = ["Home", "Boats", "News", "Contact"]


def test_a_menu_of_one_item_a_line_goes_whole() -> None:
    text = "\n".join([*MENU, PROSE])
    assert cleaned(text) == (PROSE, {"lines-navigation": 4})
    spread = "\n\n".join([*MENU, PROSE])
    assert cleaned(spread)[1] == {"lines-navigation": 4}


@pytest.mark.parametrize(
    "lines",
    [MENU[:3], ["Home", "Boats", "Nets", "Contact"], [*MENU, *["Nets", "Ropes", "Sails", "Masts", "Oars", "Decks"]]],
)
def test_short_lines_are_no_menu_without_four_lines_three_items_and_a_third_of_them(lines: list[str]) -> None:
    text = "\n".join([PROSE, *lines, PROSE])
    assert cleaned(text) == (text, {})


def test_a_page_that_is_all_frame_is_emptied() -> None:
    assert cleaned("Skip to content\nHome | News | Contact\n© 2020 Us")[0] == ""


PIECES = sorted({*PROMPTS, *ITEMS, *SHARE_WORDS, *(line for lines in FRAMES.values() for line in lines)})


@given(st.lists(st.sampled_from([*PIECES, "\n", "\n", " | ", "\u00a0", "Z", PROSE]), max_size=10))
@settings(max_examples=500, deadline=None)
def test_the_prescan_finds_every_text_that_a_rule_changes(pieces: list[str]) -> None:
    text = "".join(pieces)
    expected, counts = remove_boilerplate(text, RULE_NAMES)
    assert cleaned(text) == (expected, {name: number for name, number in counts.items() if number})
    assert remove_boilerplate(expected, RULE_NAMES)[0] == expected
    assert re.compile(CANDIDATES)
