"""Hand-written documents that pin every rule of dolma's dialect on both sides of its bound, and where dialects differ.

`filler(count, chars)` is `count` distinct words of `chars` letters in all, none a stop word; so every share below is
arithmetic on the numbers in the table. The last column lists all reasons that fail, not only the first.
"""

from __future__ import annotations

from itertools import count as count_from

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.rule_sets import dolma
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


def equal_words(number: int, copies: int, num_words: int) -> str:
    """Return `copies` copies of an n-gram, parted by single words, in `num_words` words of 5 letters."""
    repeated, rest = filler(number, 5 * number), num_words - copies * number
    singles = filler(rest, 5 * rest).split()
    text = "".join(f"{repeated} {singles.pop()} " for _ in range(copies - 1))
    return f"{text}{repeated} {' '.join(singles)}"


def reasons(rules: RuleSet, text: str) -> set[str]:
    columns = compute_columns(rules.rules, pa.table({"text": text_array([text])}))
    failed = int(judge_rows(rules.rules, columns, np.ones(1, np.bool_)).failed[0])
    return {rule.reason for i, rule in enumerate(rules.rules) if failed >> i & 1}


STOPS = " the of"
BODY = filler(48, 240) + STOPS
SHORT = "so it"
LONG = "q" * 51
TAIL = "the of " + filler(12, 60)


DOCUMENTS: list[tuple[str, str, set[str]]] = [
    ("50 words", BODY, set()),
    ("49 words", filler(47, 240) + STOPS, {"too-few-words"}),
    ("the 50th word is a dash", filler(47, 240) + STOPS + " -", set()),
    ("100,000 words", filler(99_998, 500_000) + STOPS, set()),
    ("100,001 words", filler(99_999, 500_000) + STOPS, {"too-many-words"}),
    ("25 of 50 words have 2 letters, 25 have 4", f"{filler(24, 48)} {filler(24, 96)} of with", set()),
    ("25 of 51 words have 2 letters, 26 have 3", f"{filler(24, 48)} {filler(25, 75)} of the", set()),
    ("25 of 50 words have 2 letters, 25 have 3", f"{filler(24, 48)} {filler(24, 72)} of the", {"words-too-short"}),
    ("26 of 51 words have 2 letters", f"{filler(25, 50)} {filler(24, 120)} of the", {"words-too-short"}),
    ("26 of 51 words have 10 letters, 25 have 40", filler(24, 240) + STOPS + " " + filler(25, 1000), set()),
    (
        "25 of 50 words have at most 10 letters, 25 have 11",
        filler(23, 230) + STOPS + " " + filler(25, 275),
        {"words-too-long"},
    ),
    ("5 of 50 words hold a symbol", filler(43, 215) + " #b1 c#1 d…1 ###e f…… the of", set()),
    (
        "6 of 50 words hold a symbol",
        filler(42, 210) + " #b1 c#1 d…1 ###e f…… #g the of",
        {"too-many-words-with-symbols"},
    ),
    ("many hashes in 5 words", filler(43, 215) + " ####b1 ####c1 ####d1 ####e1 ####f1 the of", set()),
    ("three dots are no symbol", filler(42, 210) + " b... c... d... e... f... g... the of", set()),
    ("40 of 50 words hold a letter", filler(38, 240) + " 10 11 12 13 14 15 16 17 18 19" + STOPS, set()),
    (
        "40 of 51 words hold a letter",
        filler(38, 240) + " 10 11 12 13 14 15 16 17 18 19 20" + STOPS,
        {"too-few-alphabetic-words"},
    ),
    ("one required word", filler(49, 245) + " the", {"too-few-required-words"}),
    ("the same required word twice", filler(48, 240) + " the the", set()),
    ("a required word in capitals is none", filler(48, 240) + " the Of", {"too-few-required-words"}),
    ("a required word with a comma is none", filler(48, 240) + " the of,", {"too-few-required-words"}),
    ("9 of 10 lines with a bullet", "\n".join([*lines(5, "- "), *lines(4, "*"), "the of"]), set()),
    ("10 of 11 lines with a bullet", "\n".join([*lines(10, "- "), "the of"]), {"too-many-bullet-lines"}),
    ("a bullet behind a space is none", "\n".join([*lines(10, " - "), "the of"]), set()),
    ("a round bullet is none", "\n".join([*lines(10, "• "), "the of"]), set()),
    ("3 of 10 lines end in U+2026", "\n".join([*lines(3, end="…"), *lines(6), "the of"]), set()),
    ("4 of 11 lines end in U+2026", "\n".join([*lines(4, end="…"), *lines(6), "the of"]), {"too-many-ellipsis-lines"}),
    ("three dots at line ends are no ellipsis", "\n".join([*lines(5, end="..."), *lines(5), "the of"]), set()),
    ("U+2026 and a space at line ends is no ellipsis", "\n".join([*lines(4, end="… "), *lines(6), "the of"]), set()),
    ("a x 3 and 7 distinct lines: 0.30", "\n".join([SHORT] * 3 + lines(6) + [TAIL]), set()),
    (
        "a x 4 and 6 distinct lines: 0.40, not 0.30",
        "\n".join([SHORT] * 4 + lines(5) + [TAIL]),
        {"too-many-duplicate-lines"},
    ),
    ("3 blank lines of 10 are copies", "\n\n".join([*lines(3), "\n".join([*lines(3), TAIL])]), set()),
    (
        "4 blank lines of 11 are copies",
        "\n\n".join([*lines(4), "\n".join([*lines(2), TAIL])]),
        {"too-many-duplicate-lines"},
    ),
    ("a line with a space is another", "\n".join([SHORT, SHORT, SHORT, SHORT + " ", *lines(5), TAIL]), set()),
    ("2 x 51 over 340 letters", "\n".join([*lines(4), LONG, *lines(3), LONG, "the of " + filler(6, 23)]), set()),
    (
        "2 x 51 over 339 letters",
        "\n".join([*lines(4), LONG, *lines(3), LONG, "the of " + filler(6, 22)]),
        {"too-much-text-in-duplicate-lines"},
    ),
    ("a 2-gram of 30 letters twice in 300: 0.20", gram(2, 30, 300), set()),
    ("a 2-gram of 30 letters twice in 299", gram(2, 30, 299), {"top-2-gram-too-frequent"}),
    ("a 3-gram of 27 letters twice in 300: 0.18", gram(3, 27, 300), set()),
    ("a 3-gram of 27 letters twice in 299", gram(3, 27, 299), {"top-3-gram-too-frequent"}),
    ("a 4-gram of 24 letters twice in 300: 0.16", gram(4, 24, 300), set()),
    ("a 4-gram of 24 letters twice in 299", gram(4, 24, 299), {"top-4-gram-too-frequent"}),
    ("a 4-gram of 48 letters once, in 300: 0.16", f"{filler(4, 48)} {filler(44, 247)}{STOPS}", set()),
    ("a 4-gram of 49 letters once, in 300", f"{filler(4, 49)} {filler(44, 246)}{STOPS}", {"top-4-gram-too-frequent"}),
    ("of equally frequent n-grams the first counts", f"{filler(4, 48)} {LONG} {filler(44, 196)}{STOPS}", set()),
]

C4_DOCUMENTS = [
    ("no mark of C4", BODY, set()),
    ("a curly bracket", BODY + " f{", {"curly-bracket"}),
    ("a closing curly bracket", BODY + " f}", set()),
    ("lorem ipsum in capitals", BODY + " LOREM IPSUM", {"lorem-ipsum"}),
    ("lorem and ipsum on two lines", BODY + " lorem\nipsum", set()),
    ("javascript inside a word", BODY + " myJavaScript2", {"javascript"}),
    ("java script", BODY + " java script", set()),
]


def test_there_are_at_least_forty_documents_and_every_rule_fails_one() -> None:
    assert len(DOCUMENTS) + len(C4_DOCUMENTS) >= 40
    failed = set().union(*(failing for _, _, failing in [*DOCUMENTS, *C4_DOCUMENTS]))
    grams = {f"too-many-duplicate-{n}-grams" for n in range(5, 11)}
    assert failed | grams == {rule.reason for rule in (*dolma.GOPHER_DOLMA.rules, *dolma.C4_RULES)}


@pytest.mark.parametrize(("text", "failing"), [case[1:] for case in DOCUMENTS], ids=[case[0] for case in DOCUMENTS])
def test_a_document_fails_exactly_the_rules_it_was_written_for(text: str, failing: set[str]) -> None:
    assert reasons(dolma.GOPHER_DOLMA, text) == failing


@pytest.mark.parametrize(
    ("text", "failing"), [case[1:] for case in C4_DOCUMENTS], ids=[case[0] for case in C4_DOCUMENTS]
)
def test_the_page_rules_of_c4_read_the_raw_text(text: str, failing: set[str]) -> None:
    assert reasons(dolma.C4_DOLMA, text) == failing == reasons(dolma.DOLMA_1_7, text)


@pytest.mark.parametrize(
    ("n", "copies", "num_words"),
    [(5, 12, 84), (6, 7, 55), (7, 13, 106), (8, 6, 57), (9, 9, 90), (10, 9, 99)],
)  # copies / (num_words - n + 1): 12/80, 7/50, 13/100, 6/50, 9/82 (the next is 9/81), 9/90
def test_repeated_n_grams_are_summed_over_the_sum_of_all_n_grams(n: int, copies: int, num_words: int) -> None:
    reason = f"too-many-duplicate-{n}-grams"
    assert reason not in reasons(dolma.GOPHER_DOLMA, equal_words(n, copies, num_words))
    assert reason in reasons(dolma.GOPHER_DOLMA, equal_words(n, copies, num_words - 1))


def test_release_1_7_never_dropped_for_a_frequent_n_gram() -> None:
    text = gram(2, 40, 300)
    assert reasons(dolma.GOPHER_DOLMA, text) == {"top-2-gram-too-frequent"}
    assert reasons(dolma.DOLMA_1_7, text) == set()


@pytest.mark.parametrize("name", ["gopher/dolma@1", "c4/dolma@1", "dolma/1.7@1"])
def test_the_rule_sets_are_found_by_name_and_keep_clean_prose(name: str, clean_text: str) -> None:
    assert reasons(find_rule_set(name, "here"), clean_text) == set()


@pytest.mark.parametrize("name", ["gopher/dolma", "dolma/1.7"])
def test_awkward_text_gets_a_verdict(name: str, awkward_text: str) -> None:
    assert reasons(find_rule_set(name, "here"), awkward_text)
