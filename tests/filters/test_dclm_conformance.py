"""Hand-written documents that pin every rule of `gopher/dclm` and `refinedweb/dclm` on both sides of its bound.

`filler(count, chars)` is `count` distinct words of `chars` letters in all, none a stop word; so every share below is
arithmetic on the numbers in the table. The second column lists all reasons that fail, not only the first.
"""

from __future__ import annotations

from itertools import count as count_from

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.rule_sets import dclm
from filters.rules import RuleSet, compute_columns, find_rule_set, judge_rows

_NUMBER = count_from()


def word(length: int) -> str:
    number, letters = next(_NUMBER), ""
    for _ in range(min(length, 5)):
        number, letter = divmod(number, 20)
        letters += "bcdfghjklmnpqrstvwxz"[letter]
    return letters.ljust(length, "q") if length > 2 else letters


def filler(count: int, chars: int) -> str:
    long = chars - chars // count * count
    return " ".join(word(chars // count + (i < long)) for i in range(count))


def lines(number: int, start: str = "", end: str = "") -> list[str]:
    return [f"{start}{filler(6, 30)}{end}" for _ in range(number)]


def gram(number: int, chars: int, total: int) -> str:
    """Return 2 copies of an n-gram of `chars` letters in `total` letters of words, stop words included."""
    repeated = filler(number, chars)
    rest = total - 2 * chars - 5
    return f"{repeated} the {filler(30, rest // 2)} {repeated} of {filler(30, rest - rest // 2)}"


def reasons(rules: RuleSet, text: str) -> set[str]:
    columns = compute_columns(rules.rules, pa.table({"text": text_array([text])}))
    failed = int(judge_rows(rules.rules, columns, np.ones(1, np.bool_)).failed[0])
    return {rule.reason for i, rule in enumerate(rules.rules) if failed >> i & 1}


STOPS = " the of"
BLANK = {"too-few-words", "words-too-short", "too-few-stop-words"}
SHORT = "so it"

GOPHER: list[tuple[str, str, set[str]]] = [
    ("50 words", filler(48, 240) + STOPS, set()),
    ("49 words", filler(47, 240) + STOPS, {"too-few-words"}),
    ("the 50th word starts with a bracket", filler(47, 240) + STOPS + " (word", {"too-few-words"}),
    ("a no-break space does not part fastText's words", filler(48, 240) + " the\u00a0of the of", set()),
    (
        "49 words and one of them with a no-break space",
        filler(47, 240) + " b\u00a0c the of".replace("of", "b"),
        {"too-few-stop-words"},
    ),
    ("100,000 words", filler(99_998, 500_000) + STOPS, set()),
    ("100,001 words", filler(99_999, 500_000) + STOPS, {"too-many-words"}),
    ("mean word of 3 letters", filler(48, 144) + " the and", set()),
    ("mean word of 149 / 50 letters", filler(48, 144) + STOPS, {"words-too-short"}),
    ("mean word of 10 letters", filler(48, 494) + " the and", set()),
    ("mean word of 501 / 50 letters", filler(48, 495) + " the and", {"words-too-long"}),
    ("47 marks count towards the words: 500 / 50", filler(48, 447).replace(" ", "! ") + " the and", set()),
    ("47 marks count towards the words: 501 / 50", filler(48, 448).replace(" ", "! ") + " the and", {"words-too-long"}),
    ("5 hashes on 50 words", filler(48, 240) + "#####" + STOPS, set()),
    ("6 hashes on 50 words", filler(48, 240) + "######" + STOPS, {"too-many-symbols"}),
    ("2 hashes, 2 ... and one ellipsis sign on 50 words", filler(48, 240) + "##......…" + STOPS, set()),
    (
        "2 hashes, 3 ... and one ellipsis sign on 50 words",
        filler(48, 240) + "##.........…" + STOPS,
        {"too-many-symbols"},
    ),
    ("five dots are one ellipsis", filler(48, 240) + "####....." + STOPS, set()),
    (". . . is one symbol and three words: 5 of 53", filler(48, 240) + "#### . . ." + STOPS, set()),
    ("6 symbols on 53 words", filler(48, 240) + "##### . . ." + STOPS, {"too-many-symbols"}),
    (
        "9 of 10 lines with a bullet",
        "\n".join([*lines(3, "- "), *lines(2, "* "), *lines(2, "• "), *lines(2, "●"), "the of"]),
        set(),
    ),
    ("10 of 11 lines with a bullet", "\n".join([*lines(10, "- "), "the of"]), {"too-many-bullet-lines"}),
    (
        "a bullet counts behind spaces: lines are stripped",
        "\n".join([*lines(10, "  - "), "the of"]),
        {"too-many-bullet-lines"},
    ),
    ("an en dash is no bullet", "\n".join([*lines(10, "– "), "the of"]), set()),
    (
        "3 of 10 lines end in an ellipsis",
        "\n".join([*lines(1, end="..."), *lines(1, end="…"), *lines(1, end=" . . ."), *lines(6), "the of"]),
        set(),
    ),
    (
        "4 of 10 lines end in an ellipsis",
        "\n".join([*lines(4, end="... "), *lines(5), "the of"]),
        {"too-many-ellipsis-lines"},
    ),
    (
        "blank lines are no lines: 4 of 10",
        "\n\n".join([*lines(4, end="…"), *lines(5), "the of"]),
        {"too-many-ellipsis-lines"},
    ),
    ("10 of 50 words without a letter", filler(38, 240) + " 10 11 12 13 14 15 16 17 18 19" + STOPS, set()),
    (
        "11 of 51 words without a letter",
        filler(38, 240) + " 10 11 12 13 14 15 16 17 18 19 20" + STOPS,
        {"too-many-non-alphabetic-words"},
    ),
    ("a letter of any script counts", filler(38, 240) + " 1é 1д 1中 1א 1ア 1ب 1क 1ก 1ª 1ß 20" + STOPS, set()),
    ("the same stop word twice, one in capitals", filler(48, 240) + " The THE", set()),
    ("one stop word", filler(49, 240) + " the", {"too-few-stop-words"}),
    ("a stop word with a comma is none", filler(48, 240) + " the of,", {"too-few-stop-words"}),
    ("a x 3 and 7 distinct lines: 0.30", "\n".join([SHORT] * 3 + lines(6)) + "\nthe of " + filler(12, 60), set()),
    (
        "a x 4 and 6 distinct lines: 0.40, not 0.30",
        "\n".join([SHORT] * 4 + lines(5)) + "\nthe of " + filler(12, 60),
        {"too-many-duplicate-lines"},
    ),
    (
        "two lines twice each, 4 of 10",
        "\n".join([SHORT, "to go"] * 2 + lines(5)) + "\nthe of " + filler(12, 60),
        {"too-many-duplicate-lines"},
    ),
    (
        "lines are equal after stripping",
        "\n".join([SHORT, SHORT + " ", "\t" + SHORT, SHORT + "\r", *lines(7)]) + STOPS,
        {"too-many-duplicate-lines"},
    ),
    ("3 of 10 paragraphs", "\n\n".join([SHORT] * 3 + lines(6) + ["the of " + filler(12, 60)]), set()),
    (
        "4 of 10 paragraphs, 4 of 16 lines",
        "\n\n".join([SHORT] * 4 + ["\n".join(lines(2)) for _ in range(6)]) + STOPS,
        {"too-many-duplicate-paragraphs"},
    ),
    (
        "2 x 45 of 450 letters in repeated lines: 0.20",
        "\n".join([*lines(4), "q" * 45, *lines(5), "q" * 45, "the of " + filler(6, 33)]),
        set(),
    ),
    (
        "2 x 46 of 452 letters in repeated lines",
        "\n".join([*lines(4), "q" * 46, *lines(5), "q" * 46, "the of " + filler(6, 33)]),
        {"too-much-text-in-duplicate-lines"},
    ),
    (
        "repeated paragraphs count their inner newline: 92 of 452",
        "\n\n".join(
            [*lines(4), "q" * 22 + "\n" + "=" * 23, *lines(5), "q" * 22 + "\n" + "=" * 23, "the of " + filler(6, 33)]
        ),
        {"too-much-text-in-duplicate-paragraphs"},
    ),
    ("a 2-gram of 30 letters twice in 300: 0.20", gram(2, 30, 300), set()),
    ("a 2-gram of 30 letters twice in 299", gram(2, 30, 299), {"top-2-gram-too-frequent"}),
    ("a 3-gram of 27 letters twice in 300: 0.18", gram(3, 27, 300), set()),
    ("a 3-gram of 27 letters twice in 299", gram(3, 27, 299), {"top-3-gram-too-frequent"}),
    ("a 4-gram of 24 letters twice in 300: 0.16", gram(4, 24, 300), set()),
    ("a 4-gram of 24 letters twice in 299", gram(4, 24, 299), {"top-4-gram-too-frequent"}),
    *(
        pinned
        for n, chars, rest in ((5, 30, 400), (6, 28, 400), (7, 26, 400), (8, 24, 400), (9, 22, 400), (10, 20, 400))
        for pinned in (
            (f"a {n}-gram of {chars} letters twice in {rest}", gram(n, chars, rest), set[str]()),
            (
                f"a {n}-gram of {chars} letters twice in {rest - 1}",
                gram(n, chars, rest - 1),
                {f"too-many-duplicate-{n}-grams"},
            ),
        )
    ),
    ("no n-gram twice: the top n-gram is 0", filler(50, 250) + STOPS, set()),
    ("empty", "", BLANK),
    ("only space", " \n\u3000\n", BLANK),
    ("only emoji", "🎉" * 60, BLANK - {"words-too-short"} | {"words-too-long", "too-many-non-alphabetic-words"}),
]


def test_there_are_at_least_forty_documents_and_every_rule_fails_one() -> None:
    assert len(GOPHER) >= 40
    assert set().union(*(failing for _, _, failing in GOPHER)) == {rule.reason for rule in dclm.GOPHER.rules}


@pytest.mark.parametrize(("text", "failing"), [case[1:] for case in GOPHER], ids=[case[0] for case in GOPHER])
def test_a_document_fails_exactly_the_rules_it_was_written_for(text: str, failing: set[str]) -> None:
    assert reasons(dclm.GOPHER, text) == failing


@pytest.mark.parametrize(
    "name", ["gopher-quality/dclm@1", "gopher-repetition/dclm@1", "gopher/dclm", "refinedweb/dclm"]
)
def test_the_rule_sets_are_found_by_name_and_keep_clean_prose(name: str, clean_text: str) -> None:
    assert reasons(find_rule_set(name, "here"), clean_text) == set()


def test_refinedweb_is_the_page_rules_in_order_and_then_the_words_removed() -> None:
    assert dclm.REFINEDWEB_RULES[:-1] == dclm.GOPHER.rules == (*dclm.QUALITY_RULES, *dclm.REPETITION_RULES)


REMOVED = "too-many-words-in-bad-lines"
REFINEDWEB: list[tuple[str, str, bool]] = [
    ("2 of 40 words: 0.05", filler(38, 190) + "\n3 likes", True),
    ("2 of 39 words", filler(37, 185) + "\n3 likes", False),
    ("an upper-case line of 3 words of 60", filler(57, 285) + "\nABC DEF GHI", True),
    ("an upper-case line of 3 words of 59", filler(56, 285) + "\nABC DEF GHI", False),
    ("one digit line of 20 words", filler(19, 95) + "\n2024", True),
    ("one digit line of 19 words", filler(18, 95) + "\n2024", False),
    ("one lone word of 20", filler(19, 95) + "\nalone", True),
    ("one lone word of 19", filler(18, 95) + "\nalone", False),
    ("3 words of 60 cut: items in cart", filler(56, 280) + "\nhas items in cart", True),
    ("3 words of 58 cut: items in cart", filler(54, 280) + "\nhas items in cart", False),
    ("2 words of 40 cut: read more", filler(37, 185) + "\nso. Read more...", True),
    ("2 words of 38 cut: read more", filler(35, 185) + "\nso. Read more...", False),
    ("1 word of 20 cut: sign-in", filler(17, 95) + "\nSign-in to it", True),
    ("1 word of 18 cut: sign-in", filler(15, 95) + "\nSign-in to it", False),
    ("a bullet is no word", filler(20, 95) + "\n- - -\n*", True),
    ("nothing left", "alone", False),
    ("no word at all", "!", False),
]


@pytest.mark.parametrize(("text", "kept"), [case[1:] for case in REFINEDWEB], ids=[case[0] for case in REFINEDWEB])
def test_a_page_falls_when_bad_lines_hold_more_than_a_twentieth_of_its_words(text: str, kept: bool) -> None:
    assert (REMOVED not in reasons(dclm.REFINEDWEB_DCLM, text)) == kept


@pytest.mark.parametrize("name", ["gopher/dclm", "refinedweb/dclm"])
def test_awkward_text_gets_a_verdict(name: str, awkward_text: str) -> None:
    assert reasons(find_rule_set(name, "here"), awkward_text)
