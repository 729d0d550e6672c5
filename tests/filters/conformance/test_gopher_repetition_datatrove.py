"""Hand-made documents on both sides of each bound of `gopher-repetition/datatrove`; expected verdicts by counting.

Fillers are words of four letters that occur once in their document, so nothing repeats but what a case says. Shares are
of all characters of the text, newlines and outer whitespace included. The most frequent n-gram counts even where it
occurs once, and is then the first one: so texts start with `START`, four words in seven characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

EMPTY = "empty-text"
PARAGRAPHS, PARAGRAPH_TEXT = "too-many-duplicate-paragraphs", "too-much-text-in-duplicate-paragraphs"
LINES, LINE_TEXT = "too-many-duplicate-lines", "too-much-text-in-duplicate-lines"
TOP = {n: f"top-{n}-gram-too-frequent" for n in (2, 3, 4)}
DUPLICATE = {n: f"too-many-duplicate-{n}-grams" for n in range(5, 11)}

START = "a b q d"
CONSONANTS = "bcdfghjklmnpqrst"
LONG = "incomprehensibleness"  # 20 characters
SHORT_WORDS = [f"{a}{b}e" for a in CONSONANTS for b in CONSONANTS]


def fillers() -> Iterator[str]:
    """Yield words of four letters, each once, none of which spaCy cuts."""
    return (f"{a}{b}o{c}" for a in CONSONANTS for b in CONSONANTS for c in CONSONANTS)


def filled(pieces: Sequence[str], chars: int, joint: str = " ", last: str = "") -> str:
    """Return START, `pieces` with a filler before each, fillers, `last`, joined by `joint`: `chars` characters."""
    unique = fillers()
    text = START
    for piece in pieces:
        text += joint + next(unique) + joint + piece
    end = joint + last if last else ""
    text += joint + next(unique)
    while len(text + end) <= chars - 10:
        text += " " + next(unique)
    assert len(text + end) <= chars - 2
    return text + " " + "z" * (chars - len(text + end) - 1) + end


def spread(copies: int, all_parts: int, joint: str) -> str:
    """Return `all_parts` parts, of which `copies` + 1 are `ox` and no two others are equal."""
    unique = fillers()
    parts = [" ".join(next(unique) for _ in range(12)) for _ in range(all_parts - copies - 1)]
    for i in range(copies + 1):
        parts.insert(2 * i + 1, "ox")
    return f"{START} " + joint.join(parts)


def grams(count: int, size: int) -> list[str]:
    """Return `count` different n-grams of `size` words of three letters."""
    return [" ".join(SHORT_WORDS[size * i : size * (i + 1)]) for i in range(count)]


def twice(count: int, size: int, chars: int) -> str:
    """Return `count` n-grams of `size` words, each twice: 3 x count x size characters of `chars` are repeated."""
    return filled(grams(count, size) * 2, chars)


def recut(gram: str) -> str:
    """Return an n-gram that is cut after its second letter, not its third: joined by nothing it is the same string."""
    first, second, *rest = gram.split()
    return " ".join([first[:2], first[2:] + second, *rest])


FIVE = grams(10, 5)

CASES: dict[str, tuple[str, str | None]] = {
    "no text": ("", EMPTY),
    "one space": (" ", None),
    "one word": ("stone", None),
    "one emoji": ("🎉", None),
    "nothing repeats": (filled([], 200), None),
    "one newline makes two empty lines": ("\n", LINES),
    "newlines at both ends make two empty lines of three": ("\n" + filled([], 50) + "\n", LINES),
    "and two of four": ("\n" + filled([], 50) + "\nhill\n", None),
    "a newline at one end makes one": ("\n" + filled([], 50), None),
    "a run of newlines is one cut": ("\n\n\n" + filled([], 50) + "\n\n\nhill\n\n\n", None),
    "3 copies among 10 paragraphs": (spread(3, 10, "\n\n"), None),
    "4 copies among 13 paragraphs": (spread(4, 13, "\n\n"), PARAGRAPHS),
    "7 copies among 23 paragraphs": (spread(7, 23, "\n\n"), PARAGRAPHS),
    "6 copies among 20 paragraphs": (spread(6, 20, "\n\n\n"), None),
    "3 copies among 10 lines": (spread(3, 10, "\n"), None),
    "4 copies among 13 lines": (spread(4, 13, "\n"), LINES),
    "7 copies among 23 lines": (spread(7, 23, "\n"), LINES),
    "6 copies among 20 lines": (spread(6, 20, "\n"), None),
    "U+2028 cuts no lines": (spread(4, 13, "\u2028"), None),
    "a space parts no paragraphs but is a line": (spread(0, 6, "\n \n"), LINES),
    "a carriage return is a line": (spread(0, 6, "\r\n\r\n"), LINES),
    "CRLF cuts lines": (spread(4, 13, "\r\n"), LINES),
    "a capital makes another line": (spread(4, 13, "\n").replace("\nox", "\nOx", 1), None),
    "a space makes another line": (spread(4, 13, "\n").replace("\nox", "\nox ", 1), None),
    "a paragraph of 20 in 100, twice": (filled([LONG, LONG], 100, "\n\n"), None),
    "a paragraph of 20 in 99, twice": (filled([LONG, LONG], 99, "\n\n"), PARAGRAPH_TEXT),
    "a line of 20 in 100, twice": (filled([LONG, LONG], 100, "\n"), None),
    "a line of 20 in 99, twice": (filled([LONG, LONG], 99, "\n"), LINE_TEXT),
    "outer whitespace lengthens the text": (filled([LONG, LONG], 99, "\n\n") + " ", None),
    "characters are code points": (filled(["ö" * 20] * 2, 100, "\n"), None),
    "paragraphs lose outer whitespace": (filled([LONG], 98, "\n\n", LONG) + " ", PARAGRAPH_TEXT),
    "lines keep it": (filled([LONG], 98, "\n", LONG) + " ", None),
    "a bigram of 5, 4 times in 100": (filled(["ox up"] * 4, 100), None),
    "a bigram of 5, 4 times in 99": (filled(["ox up"] * 4, 99), TOP[2]),
    "words meet across lines": (filled(["ox\nup", "ox up"] * 2, 99), TOP[2]),
    "a capital makes another bigram": (filled(["ox up", "Ox up"] * 2, 99), None),
    "a trigram of 9 twice in 100": (filled(["red ox up"] * 2, 100), None),
    "a trigram of 9 twice in 99": (filled(["red ox up"] * 2, 99), TOP[3]),
    "four words in 8, twice in 100": (filled(["e f g ox"] * 2, 100), None),
    "four words in 8, twice in 99": (filled(["e f g ox"] * 2, 99), TOP[4]),
    # ox ox ox ox ox: 4 x 5 characters in pairs, 3 x 8 in threes, 2 x 11 in fours
    "overlapping pairs: 20 of 99": (filled(["ox ox ox ox ox"], 99), TOP[2]),
    "overlapping threes: 24 of 133": (filled(["ox ox ox ox ox"], 133), TOP[3]),
    "overlapping fours: 22 of 134": (filled(["ox ox ox ox ox"], 134), TOP[4]),
    "overlapping fours: 22 of 138": (filled(["ox ox ox ox ox"], 138), None),
    "a bigram that occurs once: 5 of 5": ("ox up", TOP[2]),
    "a bigram that occurs once: 5 of 24": ("ox up" + " " * 19, TOP[2]),
    "a bigram that occurs once: 5 of 25": ("ox up" + " " * 20, None),
    "a trigram that occurs once: 5 of 27": ("a b q" + " " * 22, TOP[3]),
    "a trigram that occurs once: 5 of 28": ("a b q" + " " * 23, None),
    "four words that occur once: 7 of 43": (START + " " * 36, TOP[4]),
    "four words that occur once: 7 of 44": (START + " " * 37, None),
    "of equally frequent bigrams the first counts": (filled(["ox up", f"{LONG} in"] * 2, 200), None),
    "which may be the longer": (filled([f"{LONG} in", "ox up"] * 2, 200), TOP[2]),
    "the first to occur, not the first to occur twice": (
        filled(["ox up", f"{LONG} in", f"{LONG} in", "ox up"], 200),
        None,
    ),
    "a more frequent one beats it": (filled([f"{LONG} in", "ox up"] * 2 + ["ox up"], 200), None),
    "10 5-grams twice, 150 of 1,000": (twice(10, 5, 1000), None),
    "10 5-grams twice, 150 of 999": (twice(10, 5, 999), DUPLICATE[5]),
    "7 6-grams twice, 126 of 900": (twice(7, 6, 900), None),
    "7 6-grams twice, 126 of 899": (twice(7, 6, 899), DUPLICATE[6]),
    "13 7-grams twice, 273 of 2,100": (twice(13, 7, 2100), None),
    "13 7-grams twice, 273 of 2,099": (twice(13, 7, 2099), DUPLICATE[7]),
    "5 8-grams twice, 120 of 1,000": (twice(5, 8, 1000), None),
    "5 8-grams twice, 120 of 999": (twice(5, 8, 999), DUPLICATE[8]),
    "11 9-grams twice, 297 of 2,700": (twice(11, 9, 2700), None),
    "11 9-grams twice, 297 of 2,699": (twice(11, 9, 2699), DUPLICATE[9]),
    "10 10-grams twice, 300 of 3,000": (twice(10, 10, 3000), None),
    "10 10-grams twice, 300 of 2,999": (twice(10, 10, 2999), DUPLICATE[10]),
    "n-grams that join to one string are copies": (filled(FIVE + [recut(g) for g in FIVE], 999), DUPLICATE[5]),
    "of 150 characters in 1,000": (filled(FIVE + [recut(g) for g in FIVE], 1000), None),
    "a capital makes another 5-gram": (filled(FIVE + [g.capitalize() for g in FIVE], 999), None),
    "a third copy counts again": (filled(FIVE[:5] * 3, 999), DUPLICATE[5]),
    "the first failing rule is the reason": ("ox ox\n\nox ox\n\nox ox", PARAGRAPHS),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_the_one_counted_by_hand(case: str, our_reasons: Any) -> None:
    text, reason = CASES[case]
    assert our_reasons("gopher-repetition/datatrove", [text]) == [reason]


@pytest.mark.parametrize("case", CASES)
def test_the_installed_datatrove_filter_says_the_same(case: str, datatrove_reasons: Any) -> None:
    text, reason = CASES[case]
    assert datatrove_reasons("gopher-repetition/datatrove", [text]) == [reason]
