"""Hand-made documents on both sides of each bound of `gopher-quality/datatrove`; expected verdicts by counting.

`words(n)` is n words of natural length, two stop words among them. Commas and the like are words of their own (spaCy's
cut) but not *non-symbol* words: 50 to 100,000 of those are asked for.
"""

from __future__ import annotations

from typing import Any

import pytest

SHORT, LONG = "too-few-words", "too-many-words"
LIGHT, HEAVY = "words-too-short", "words-too-long"
HASHES, ELLIPSES = "too-many-hashes", "too-many-ellipses"
BULLETS, TRAILING = "too-many-bullet-lines", "too-many-ellipsis-lines"
DIGITS, NO_STOP = "too-few-alphabetic-words", "too-few-stop-words"


def words(count: int) -> str:
    """Return `count` words: the, of, stone, stone, ..."""
    return " ".join(["the", "of", *["stone"] * (count - 2)])


def lines(marked: int, all_lines: int, mark: str = "{}", newline: str = "\n") -> str:
    """Return lines of twelve words, `marked` of them written as `mark` says."""
    return newline.join([mark.format(words(12))] * marked + [words(12)] * (all_lines - marked))


CASES: dict[str, tuple[str, str | None]] = {
    "no text": ("", SHORT),
    "one word": ("stone", SHORT),
    "only whitespace": (" \n\t\u3000", SHORT),
    "49 emoji are 49 words": ("🎉" * 49, SHORT),
    "50 emoji are 50 short words": ("🎉" * 50, LIGHT),
    "49 words": (words(49), SHORT),
    "50 words": (words(50), None),
    "49 words and 12 commas": (words(49) + " ," * 12, SHORT),
    "50 words and 12 commas": (words(50) + " ," * 12, None),
    "the fullwidth digit one is punctuation": (words(49) + " １", SHORT),
    "the fullwidth digit two is none": (words(49) + " ２", None),
    "an ASCII digit is a word": (words(49) + " 1", None),
    "a control character is punctuation": (words(49) + " \x01", SHORT),
    "an emoji is a word": (words(49) + " 🎉", None),
    "100,000 words": (words(100_000), None),
    "100,001 words": (words(100_001), LONG),
    "100,000 words and a comma": (words(100_000) + " ,", None),
    # the + of + 1 ibex + 47 x fox = 3 + 2 + 4 + 141 = 150 characters, and one fewer
    "50 words of 150 characters": ("the of ibex " + "fox " * 47, None),
    "50 words of 149 characters": ("the of fox " + "fox " * 47, LIGHT),
    "commas do not make words shorter": ("the of ibex " + "fox " * 47 + ", " * 12, None),
    # the + of + 45 x 10 + 3 x 15 = 500 characters, then an 11 for a 10
    "50 words of 500 characters": ("the of " + "strawberry " * 45 + "acknowledgement " * 3, None),
    "50 words of 501 characters": ("the of marshmallow " + "strawberry " * 44 + "acknowledgement " * 3, HEAVY),
    "characters are code points": ("the of " + "öööööööööö " * 45 + "acknowledgement " * 3, None),
    "10 hashes in 100 words": (words(90) + " #" * 10, None),
    "10 hashes in 99 words": (words(89) + " #" * 10, HASHES),
    "a fullwidth hash is none": (words(89) + " ＃" * 10, None),
    "10 times three dots in 100 words": ("... " * 10 + words(90), None),
    "10 times three dots in 99 words": ("... " * 10 + words(89), ELLIPSES),
    "10 times U+2026 in 100 words": ("… " * 10 + words(90), None),
    "10 times U+2026 in 99 words": ("… " * 10 + words(89), ELLIPSES),
    "both ellipses together, 100 words": ("… ... " * 5 + words(90), None),
    "both ellipses together, 99 words": ("… ... " * 5 + words(89), ELLIPSES),
    "five dots are one ellipsis": ("..... " * 10 + words(90), None),
    "six dots are two": ("...... " * 10 + words(90), ELLIPSES),
    "two dots are none": (".. " * 10 + words(89), None),
    "9 bullets in 10 lines": (lines(9, 10, "- {}"), None),
    "10 bullets in 11 lines": (lines(10, 11, "- {}"), BULLETS),
    "91 bullets in 100 lines": (lines(91, 100, "• {}"), BULLETS),
    "90 bullets in 100 lines": (lines(90, 100, "• {}"), None),
    "an indented dash is a bullet": (lines(10, 10, "\u3000\t- {}"), BULLETS),
    "a star is no bullet": (lines(10, 10, "* {}"), None),
    "U+25CF is no bullet": (lines(10, 10, "● {}"), None),
    "an empty line is a line": (lines(9, 9, "- {}") + "\n\n", None),
    "a newline at the end adds no line": (lines(9, 9, "- {}") + "\n", BULLETS),
    "CRLF ends one line": (lines(10, 11, "- {}", "\r\n"), BULLETS),
    "CR alone ends a line": (lines(10, 11, "- {}", "\r"), BULLETS),
    "U+2028 ends a line": (lines(9, 10, "- {}", "\u2028"), None),
    "a vertical tab before a newline ends two": (lines(9, 9, "- {}") + "\v\n", None),
    "3 ellipsis lines in 10": (lines(3, 10, "{}..."), None),
    "4 ellipsis lines in 13": (lines(4, 13, "{}..."), TRAILING),
    "31 ellipsis lines in 100": (lines(31, 100, "{}…"), TRAILING),
    "30 ellipsis lines in 100": (lines(30, 100, "{}…"), None),
    "whitespace may follow the ellipsis": (lines(4, 10, "{}… \t"), TRAILING),
    "a quote may not": (lines(4, 10, "{}…”"), None),
    "80 of 100 words hold a letter": (words(80) + " 77" * 20, None),
    "80 of 101 words hold a letter": (words(80) + " 77" * 21, DIGITS),
    "commas are words here": (words(80) + " 77" * 20 + " ,", DIGITS),
    "letters of any script count": (words(79) + " 山" + " 77" * 20, None),
    "an ordinal sign is a letter": (words(79) + " ª" + " 77" * 20, None),
    "a superscript is none": (words(79) + " ²" + " 77" * 20, DIGITS),
    "a combining mark is none": (words(79) + " \u0301" + " 77" * 20, DIGITS),
    "two stop words": ("be to " + "stone " * 50, None),
    "one stop word": ("have " + "stone " * 50, NO_STOP),
    "one stop word twice": ("with with " + "stone " * 50, NO_STOP),
    "no stop word": ("stone " * 50, NO_STOP),
    "a capital makes another word": ("The of " + "stone " * 50, NO_STOP),
    "a comma does not": ("that, and " + "stone " * 50, None),
    "a hyphen joins no words": ("the-of " + "stone " * 50, None),
    "the first failing rule is the reason": ("77 " * 50, LIGHT),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_the_one_counted_by_hand(case: str, our_reasons: Any) -> None:
    text, reason = CASES[case]
    assert our_reasons("gopher-quality/datatrove", [text]) == [reason]


@pytest.mark.parametrize("case", CASES)
def test_the_installed_datatrove_filter_says_the_same(case: str, datatrove_reasons: Any) -> None:
    text, reason = CASES[case]
    assert datatrove_reasons("gopher-quality/datatrove", [text]) == [reason]
