"""Hand-made documents on both sides of each bound of the dialect `curate@1`; expected verdicts by counting.

`filler(words, chars)` is so many words of so many letters in all, none of them twice in its document, none a stop
word. `filled(pieces, chars)` is a text of exactly `chars` characters in which nothing repeats but `pieces`. The last
column lists every rule that fails, not only the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.rules import compute_columns, find_rule_set, judge_rows

CONSONANTS = "bcdfghjklmnpqrstvwxz"
_NUMBER = count()


def word(length: int) -> str:
    number, letters = next(_NUMBER), ""
    for _ in range(min(length, 5)):
        number, letter = divmod(number, 20)
        letters += CONSONANTS[letter]
    return letters.ljust(length, "q")


def filler(words: int, chars: int) -> str:
    longer = chars % words
    return " ".join(word(chars // words + (i < longer)) for i in range(words))


def lines(number: int, start: str = "", end: str = "", chars: int = 36) -> list[str]:
    """Return lines of six words of `chars` letters in all, so of `chars` + 5 characters before start and end."""
    return [f"{start}{filler(6, chars)}{end}" for _ in range(number)]


def filled(pieces: Sequence[str], chars: int, joint: str = " ") -> str:
    """Return `pieces`, parted by words of four letters that occur once, `chars` characters in all."""
    text = joint.join(f"{word(4)}{joint}{piece}" for piece in pieces) + joint + word(4)
    while len(text) <= chars - 10:
        text += " " + word(4)
    return f"{text} {'z' * (chars - len(text) - 1)}"


def grams(number: int, size: int) -> list[str]:
    """Return `number` different n-grams of `size` words of three letters."""
    return [" ".join(f"{CONSONANTS[i]}{CONSONANTS[j]}e" for j in range(size)) for i in range(number)]


STOPS = " the of"
LONG = "incomprehensibleness"  # 20 characters
SHORT = "so it"
BLANK = {"too-few-words", "words-too-short", "too-few-alphabetic-words", "too-few-stop-words"}
BULLETS, TRAILING = {"too-many-bullet-lines"}, {"too-many-ellipsis-lines"}
QUALITY: dict[str, tuple[str, set[str]]] = {
    "no text": ("", BLANK),
    "only whitespace": (" \n\t\u3000\x1f", BLANK),
    "one emoji": ("🎉", BLANK),
    "50 words": (filler(48, 240) + STOPS, set()),
    "49 words": (filler(47, 235) + STOPS, {"too-few-words"}),
    "a no-break space parts words": (filler(47, 235) + " the\u00a0of of", set()),
    "a mark by itself is a word": (filler(47, 240) + STOPS + " -", set()),
    "a mark on its word is none": (filler(47, 240) + STOPS + "-", {"too-few-words"}),
    "100,000 words": (filler(99_998, 500_000) + STOPS, set()),
    "100,001 words": (filler(99_999, 500_000) + STOPS, {"too-many-words"}),
    "150 characters in 50 words": (filler(48, 144) + " the and", set()),
    "149 characters in 50 words": (filler(48, 144) + STOPS, {"words-too-short"}),
    "500 characters in 50 words": (filler(48, 494) + " the and", set()),
    "501 characters in 50 words": (filler(48, 495) + " the and", {"words-too-long"}),
    "47 of 500 are marks on words": (filler(48, 447).replace(" ", "! ") + " the and", set()),
    "47 of 501 are marks on words": (filler(48, 448).replace(" ", "! ") + " the and", {"words-too-long"}),
    "characters are code points": (filler(48, 494).replace("q", "ö") + " the and", set()),
    "5 hashes on 50 words": (filler(48, 240) + "#####" + STOPS, set()),
    "6 hashes on 50 words": (filler(48, 240) + "######" + STOPS, {"too-many-hashes"}),
    "5 times three dots on 50 words": (filler(48, 240) + "..." * 5 + STOPS, set()),
    "6 times three dots on 50 words": (filler(48, 240) + "..." * 6 + STOPS, {"too-many-ellipses"}),
    "3 times three dots and 2 signs": (filler(48, 240) + "...…" * 2 + "..." + STOPS, set()),
    "3 times three dots and 3 signs": (filler(48, 240) + "...…" * 3 + STOPS, {"too-many-ellipses"}),
    "hashes and ellipses are bounded each alone": (filler(48, 240) + "#####" + "…" * 5 + STOPS, set()),
    "9 of 10 lines with a bullet": (
        "\n".join([*lines(3, "- "), *lines(2, "* "), *lines(2, "• "), *lines(2, "● "), "the of"]),
        set(),
    ),
    "10 of 11 lines with a bullet": ("\n".join([*lines(10, "- "), "the of"]), BULLETS),
    "a bullet behind spaces": ("\n".join([*lines(10, " \t* "), "the of"]), BULLETS),
    "blank lines are no lines": ("\n \n".join([*lines(10, "• "), "the of"]), BULLETS),
    "an en dash is no bullet": ("\n".join([*lines(10, "– "), "the of"]), set()),
    "3 of 10 lines end in an ellipsis": (
        "\n".join([*lines(2, end="..."), *lines(1, end="…"), *lines(6), "the of"]),
        set(),
    ),
    "4 of 10 lines end in an ellipsis": ("\n".join([*lines(4, end="... \r"), *lines(5), "the of"]), TRAILING),
    "a quote hides the ellipsis": ("\n".join([*lines(4, end='..."'), *lines(5), "the of"]), set()),
    "40 of 50 words hold a letter": (filler(38, 240) + " 10" * 10 + STOPS, set()),
    "40 of 51 words hold a letter": (filler(38, 240) + " 10" * 11 + STOPS, {"too-few-alphabetic-words"}),
    "a letter of any script": (filler(38, 240) + " 1é 1д 1中 1א 1ア 1ب 1क 1ก 1ª 1ß 20" + STOPS, set()),
    "no letters: superscript, arrow, emoji": (
        filler(38, 240) + " 1²" * 4 + " →" * 4 + " 🎉" * 3 + STOPS,
        {"too-few-alphabetic-words"},
    ),
    "two stop words, in capitals and with a comma": (filler(48, 240) + " THE of,", set()),
    "one stop word three times": (filler(48, 240) + " The the THE", {"too-few-stop-words"}),
    "a stop word inside a word is none": (filler(48, 240) + " the with-out", {"too-few-stop-words"}),
}

LINES, PARAGRAPHS = "too-many-duplicate-lines", "too-many-duplicate-paragraphs"
LINE_TEXT, PARAGRAPH_TEXT = "too-much-text-in-duplicate-lines", "too-much-text-in-duplicate-paragraphs"
TOP = {n: {f"top-{n}-gram-too-frequent"} for n in (2, 3, 4)}


def spread(copies: int, parts: list[str], joint: str) -> str:
    """Return `parts` with `SHORT` and `copies` more of it among them."""
    mixed = list(parts)
    for i in range(copies + 1):
        mixed.insert(2 * i + 1, SHORT)
    return joint.join(mixed)


REPETITION: dict[str, tuple[str, set[str]]] = {
    "no text": ("", set()),
    "nothing repeats": (filled([], 200), set()),
    "3 copies among 10 lines": (spread(3, lines(6), "\n"), set()),
    "4 copies among 13 lines": (spread(4, lines(8), "\n"), {LINES}),
    "lines are equal without indentation": (
        spread(4, lines(8), "\n").replace(f"\n{SHORT}\n", f"\n  {SHORT}\r\n", 2),
        {LINES},
    ),
    "a capital makes another line": (spread(4, lines(8), "\n").replace(SHORT, "So it", 1), set()),
    "3 copies among 10 paragraphs": (spread(3, lines(6), "\n\n"), set()),
    "4 copies among 13 paragraphs, 21 lines": (
        spread(4, ["\n".join(lines(2)) for _ in range(8)], "\n\n"),
        {PARAGRAPHS},
    ),
    "a line of spaces parts paragraphs": (
        spread(4, ["\n".join(lines(2)) for _ in range(8)], "\n \t\n"),
        {PARAGRAPHS},
    ),
    "a line of 20 in 100, twice": (filled([LONG, LONG], 100, "\n"), set()),
    "a line of 20 in 99, twice": (filled([LONG, LONG], 99, "\n"), {LINE_TEXT}),
    "a paragraph of 20 in 100, twice": (filled([LONG, LONG], 100, "\n\n"), set()),
    "a paragraph of 20 in 99, twice": (filled([LONG, LONG], 99, "\n\n"), {LINE_TEXT, PARAGRAPH_TEXT}),
    "characters are code points": (filled(["ö" * 20] * 2, 100, "\n"), set()),
    "a bigram of 5, 4 times in 100": (filled(["ox up"] * 4, 100), set()),
    "a bigram of 5, 4 times in 99": (filled(["ox up"] * 4, 99), TOP[2]),
    "words meet across lines": (filled(["ox\nup", "ox up"] * 2, 99), TOP[2]),
    "a capital makes another bigram": (filled(["ox up", "Ox up"] * 2, 99), set()),
    "the longest of two bigrams twice, 46 of 230": (filled(["ox up", f"{LONG} in"] * 2, 230), set()),
    "the longest of two bigrams twice, 46 of 229": (filled(["ox up", f"{LONG} in"] * 2, 229), TOP[2]),
    "a bigram that occurs once is none": ("ox up", set()),
    "a trigram of 9 twice in 100": (filled(["red ox up"] * 2, 100), set()),
    "a trigram of 9 twice in 99": (filled(["red ox up"] * 2, 99), TOP[3]),
    "four words in 8, twice in 100": (filled(["e f g ox"] * 2, 100), set()),
    "four words in 8, twice in 99": (filled(["e f g ox"] * 2, 99), TOP[4]),
    # ox ox ox ox ox: 4 x 5 characters in pairs
    "overlapping pairs: 20 of 99": (filled(["ox ox ox ox ox"], 99), {*TOP[2], *TOP[3], *TOP[4]}),
    **{
        f"{number} {n}-grams twice, {3 * n * number} of {chars}": (filled(grams(number, n) * 2, chars), failing)
        for n, number, all_chars in ((5, 10, 1000), (6, 7, 900), (7, 13, 2100), (8, 5, 1000), (9, 11, 2700))
        for chars, failing in ((all_chars, set()), (all_chars - 1, {f"too-many-duplicate-{n}-grams"}))
    },
    "10 10-grams twice, 300 of 3000": (filled(grams(10, 10) * 2, 3000), set()),
    "10 10-grams twice, 300 of 2999": (filled(grams(10, 10) * 2, 2999), {"too-many-duplicate-10-grams"}),
}

FEW = {"too-few-sentences"}
C4: dict[str, tuple[str, set[str]]] = {
    "no text": ("", FEW),
    "3 sentences": ("One is here. Two are here! Three are here?", set()),
    "2 sentences": ("One is here. Two are here! Three are here", FEW),
    "quotes and brackets may follow the mark": ('She said "no." (He left!) "Why?”', set()),
    "a colon and an ellipsis sign end none": ("One is here. Two are here: three. Four…", FEW),
    "a mark inside a word ends none": ("It is 3.14 or e.g.this. Then it is 2.72 again.", FEW),
    "abbreviations end one": ("Mr. Smith met Dr. Jones.", set()),
    "marks of Chinese end one anywhere": ("这是一。这是二！这是三？", set()),
    "two marks of Chinese": ("这是一。这是二！这是三", FEW),
    "lorem ipsum in any case": ("One. Two. Lorem IPSUM dolor.", {"lorem-ipsum"}),
    "lorem and ipsum parted by two spaces": ("One. Two. Lorem  ipsum dolor.", set()),
    "lorem and ipsum on two lines": ("One. Two. Lorem\nipsum dolor.", set()),
    "a curly bracket": ("One. Two. if (three) { four.", {"curly-bracket"}),
    "a closing curly bracket": ("One. Two. if (three) } four.", set()),
}

ENDLESS, SHORT_LINES = {"too-few-terminal-lines"}, {"too-many-short-lines"}
REPEATED, NEWLINES = {"text-in-repeated-lines"}, {"too-many-newlines"}


def page(*groups: tuple[int, str, int]) -> str:
    """Return groups of lines (how many, their end, letters in each)."""
    return "\n".join(line for number, end, chars in groups for line in lines(number, end=end, chars=chars))


def twice(chars: int) -> str:
    """Return five lines, the first and the last of three characters and equal, `chars` in all but newlines."""
    long, rest = lines(2, end="."), chars - 6 - 2 * 42
    return "\n".join(["ox.", *long, filled([], rest - 1) + ".", "ox."])


FINEWEB: dict[str, tuple[str, set[str]]] = {
    "no text": ("", ENDLESS),
    "only whitespace": (" \n\u2028\n\x1c", ENDLESS),
    "3 of 25 lines end": (page((3, ".", 36), (22, "", 36)), set()),
    "11 of 92 lines end": (page((11, ".", 36), (81, "", 36)), ENDLESS),
    "12 of 100 lines end": (page((12, "!", 36), (88, "", 36)), set()),
    "quotes and marks of other scripts end lines": (page(*((1, end, 36) for end in "\"'”’…。！？؟।")), set()),
    "colons and brackets do not": (page((5, ":", 36), (5, ".)", 36)), ENDLESS),
    "spaces and a carriage return hide no mark": (page((9, ". \r", 36)), set()),
    "blank lines are no lines": (page((3, ".", 36), (22, "", 36)) + "\n \n\n", set()),
    "67 of 100 lines have 30 characters": (page((67, ".", 24), (33, ".", 36)), set()),
    "68 of 100 lines have 30 characters": (page((68, ".", 24), (32, ".", 36)), SHORT_LINES),
    "30 characters are short": (page((3, ".", 24)), SHORT_LINES),
    "31 characters are not": (page((3, ".", 25)), set()),
    "characters are code points": (page((3, "।", 24)), SHORT_LINES),
    "indentation lengthens no line": ("\n".join(lines(3, " " * 10, ".", 24)), SHORT_LINES),
    "3 of 300 characters repeat": (twice(300), set()),
    "3 of 299 characters repeat": (twice(299), REPEATED),
    "indented copies are copies": (twice(297).replace("\nox.", "\n  ox."), REPEATED),
    "a capital makes another line": (twice(299).replace("\nox.", "\nOx."), set()),
    # ten lines of six words and forty words more: 100 words
    "30 newlines on 100 words": (page((10, ".", 36)) + "\n" * 21 + filler(40, 200) + ".", set()),
    "31 newlines on 100 words": (page((10, ".", 36)) + "\n" * 22 + filler(40, 200) + ".", NEWLINES),
    "carriage returns are no newlines": (page((10, ".", 36)) + "\r\n" * 21 + filler(40, 200) + ".", set()),
}
SETS = {
    "gopher-quality/curate": QUALITY,
    "gopher-repetition/curate": REPETITION,
    "c4-page/curate": C4,
    "fineweb/curate": FINEWEB,
}
CASES = [(name, case) for name, cases in SETS.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_document_fails_exactly_the_rules_counted_by_hand(name: str, case: str) -> None:
    text, failing = SETS[name][case]
    rules = find_rule_set(name, "test").rules
    columns = compute_columns(rules, pa.table({"text": text_array([text])}))
    failed = int(judge_rows(rules, columns, np.ones(1, np.bool_)).failed[0])
    assert {rule.reason for i, rule in enumerate(rules) if failed >> i & 1} == failing


@pytest.mark.parametrize("name", SETS)
def test_every_rule_fails_a_document(name: str) -> None:
    failed = set().union(*(failing for _, failing in SETS[name].values()))
    assert failed == {rule.reason for rule in find_rule_set(name, "test").rules}
