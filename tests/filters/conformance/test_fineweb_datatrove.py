"""Hand-made documents on both sides of each bound of `fineweb/datatrove`; expected verdicts by counting.

A *filled* line is a stretch between newlines that is not only whitespace. `line(n)` is a filled line of n characters
that ends in a full stop, different from every other line of its document.
"""

from __future__ import annotations

import string
from itertools import count
from typing import Any

import pytest

EMPTY = "no-lines"
ENDLESS, SHORT = "too-few-terminal-lines", "too-many-short-lines"
REPEATED, NEWLINES = "text-in-repeated-lines", "too-many-newlines"


def line(number: int, chars: int = 60, end: str = ".") -> str:
    """Return line `number`: a serial of five letters, words of five letters, `end`; `chars` characters in all."""
    serial = "".join(string.ascii_lowercase[number // 26**i % 26] for i in range(5))
    return (f"{serial} " + "stone " * chars)[: chars - 1].rstrip().ljust(chars - 1, "e") + end


def page(*groups: tuple[int, int, str], newline: str = "\n") -> str:
    """Return a page of groups of lines, each (how many, characters a line, last character)."""
    serial = count()
    return newline.join(line(next(serial), chars, end) for lines, chars, end in groups for _ in range(lines))


def copies(rest_chars: int) -> str:
    """Return a page with a line of three characters twice; with the copy it has 3 + rest_chars characters.

    Of its lines, the two of three characters are short; the others are longer than thirty.
    """
    assert rest_chars >= 193
    return "\n".join(["ox.", line(1), line(2), line(3, rest_chars - 123), "ox."])


CASES: dict[str, tuple[str, str | None]] = {
    "no text": ("", EMPTY),
    "only whitespace": (" \t\r\u3000", EMPTY),
    "only newlines": ("\n\n\n", EMPTY),
    "blank lines of spaces": (" \n\u2028\n\x1c\n", EMPTY),
    "a NUL byte is no whitespace": ("\0", ENDLESS),
    "one short sentence is a short line": ("The ox is up.", SHORT),
    "one long sentence": (line(0), None),
    "3 of 25 lines end": (page((3, 60, "."), (22, 60, "e")), None),
    "2 of 17 lines end": (page((2, 60, "."), (15, 60, "e")), ENDLESS),
    "11 of 92 lines end": (page((11, 60, "."), (81, 60, "e")), ENDLESS),
    "12 of 100 lines end": (page((12, 60, "."), (88, 60, "e")), None),
    "no line ends": (page((5, 60, "e")), ENDLESS),
    "a question mark ends a line": (page((5, 60, "?")), None),
    "an exclamation mark ends a line": (page((5, 60, "!")), None),
    "a quote ends none": (page((5, 60, '"')), ENDLESS),
    "a curly quote ends none": (page((5, 60, "”")), ENDLESS),
    "a colon ends none": (page((5, 60, ":")), ENDLESS),
    "U+2026 ends none": (page((5, 60, "…")), ENDLESS),
    "three dots end a line": (page((5, 60, "...")), None),
    "a CJK full stop ends a line": (page((5, 60, "。")), None),
    "a fullwidth question mark ends a line": (page((5, 60, "？")), None),
    "a Devanagari danda ends a line": (page((5, 60, "।")), None),
    "an Arabic question mark ends a line": (page((5, 60, "؟")), None),
    "an interrobang ends a line": (page((5, 60, "‽")), None),
    "a mark beyond the first plane ends a line": (page((5, 60, "\U0001e95e"), (1, 60, "𑁇")), None),
    "an Adlam mark is not among them": (page((5, 60, "\U0001e95e")), ENDLESS),
    "a space after the stop hides it": (page((5, 60, ". ")), ENDLESS),
    "a carriage return hides it": (page((6, 60, "."), newline="\r\n") + "\r", ENDLESS),
    "the last line has no carriage return": (page((6, 60, "."), newline="\r\n"), None),
    "blank lines are not counted": (page((3, 60, "."), (22, 60, "e")) + "\n\n \n\n", None),
    "U+2028 ends no line": (page((1, 60, "."), (22, 60, "e"), newline="\u2028") + ".", None),
    "67 of 100 lines are short": (page((67, 30, "."), (33, 60, ".")), None),
    "68 of 100 lines are short": (page((68, 30, "."), (32, 60, ".")), SHORT),
    "2 of 3 lines are short": (page((2, 30, "."), (1, 60, ".")), None),
    "21 of 31 lines are short": (page((21, 30, "."), (10, 60, ".")), SHORT),
    "30 characters are short": (page((3, 30, ".")), SHORT),
    "31 characters are not": (page((3, 31, ".")), None),
    "characters are code points": (page((3, 30, "।")), SHORT),
    "trailing spaces lengthen a line": ("The ox is up by the barn." + " " * 5 + ".", None),
    "leading spaces do too": (" " * 10 + "The ox is in the barn.", None),
    "blank lines are not short lines": (page((2, 30, "."), (1, 60, ".")) + "\n \n \n", None),
    "3 of 300 characters repeat": (copies(297), None),
    "3 of 299 characters repeat": (copies(296), REPEATED),
    "newlines are not counted among the characters": (copies(297).replace("\n", "\n\n", 1), None),
    "spaces on blank lines are": (copies(296).replace("\n", "\n \n", 1), None),
    "two equal blank lines repeat nothing": (page((9, 60, ".")) + "\n     \n     ", None),
    "one line twice": (f"{line(0)}\n{line(0)}", REPEATED),
    "a space makes another line": (f"{line(0)}\n {line(0)}", None),
    "a capital makes another line": (f"{line(0)}\n{line(0).upper().replace('.', '')}.", None),
    # lines of 8 words (7 of five letters, one that ends the line): 8 words and a full stop are 9
    "27 newlines on 90 words": (page((10, 48, ".")) + "\n" * 18, None),
    "28 newlines on 90 words": (page((10, 48, ".")) + "\n" * 19, NEWLINES),
    "newlines in front count": ("\n" * 19 + page((10, 48, ".")), NEWLINES),
    "a full stop is a word": (("\n" * 3).join(["acknowledgement incomprehensible."] * 1 + ["x" * 40 + "."]), NEWLINES),
    "a carriage return is no newline": (page((10, 48, ".")) + "\r\n" * 18, None),
    "U+2028 is no newline": (page((10, 48, ".")) + "\u2028" * 30 + ".", None),
    "the first failing rule is the reason": ("menu\nmenu\nmenu", ENDLESS),
    "short lines come before repeated ones": ("menu.\nmenu.\nmenu.", SHORT),
    "repeated lines come before newlines": (f"{line(0)}\n\n\n\n\n\n\n\n{line(0)}", REPEATED),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_the_one_counted_by_hand(case: str, our_reasons: Any) -> None:
    text, reason = CASES[case]
    assert our_reasons("fineweb/datatrove", [text]) == [reason]


@pytest.mark.parametrize("case", CASES)
def test_the_installed_datatrove_filter_says_the_same(case: str, datatrove_reasons: Any) -> None:
    text, reason = CASES[case]
    assert datatrove_reasons("fineweb/datatrove", [text]) == [reason]
