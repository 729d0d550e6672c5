"""Pages: numbers are aligned right, words left, and nothing of a wide table is out of reach."""

from __future__ import annotations

import re

import pytest

from curation.page import STYLE, table


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("too-few-words", True),
        ("web 12, code 3", True),
        ("12.5%", False),
        ("1,234.50", False),
        (7, False),
        (None, False),
    ],
)
def test_a_column_is_aligned_left_if_a_cell_of_it_holds_words(value: object, words: bool) -> None:
    html = table("t", ["name", "what"], [["a", None], ["b", value]])
    assert ('<th scope="col" class="words">what</th>' in html) == words
    assert len(re.findall('<td class="words">', html)) == (4 if words else 2)


def test_a_table_without_rows_has_its_headings() -> None:
    assert table("t", ["name", "what"], []).count("<th ") == 2


def test_a_wide_table_scrolls_in_a_box_that_the_keyboard_reaches() -> None:
    assert '<div class="scroll" tabindex="0"' in table("t", ["name"], [["a"]])
    assert re.search(r"\.scroll {[^}]*overflow-x: auto", STYLE)
    assert re.search(r"\.words {[^}]*text-align: left", STYLE)
