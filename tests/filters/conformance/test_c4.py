"""Hand-written pages on both sides of every rule of C4, in four dialects: verdict and text afterwards.

Outcomes stand in the order datatrove, datatrove as FineWeb uses it, TFDS, DCLM. The first table has one line in the
middle of `BASE`, five lines of one sentence that every dialect keeps: it stays (`IN`), goes (`OUT`), becomes another
text, or the page is dropped for a `Reason`. The second table has whole pages. What stands here for datatrove is
held against the installed filter too.
"""

from __future__ import annotations

from typing import Any, NewType

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.rules import compute_columns, find_rule_set, judge_rows
from filters.signal_sets.c4_lines import clean_c4_lines

RULE_SETS = {"datatrove": "c4/datatrove", "fineweb": "c4-fineweb/datatrove", "tfds": "c4/tfds", "dclm": "c4/dclm"}
DIALECTS = tuple(RULE_SETS)

Reason = NewType("Reason", str)
LOREM, CURLY, FEW, LONG = map(
    Reason, ("drop: lorem-ipsum", "drop: curly-bracket", "drop: too-few-sentences", "drop: page-too-long")
)
IN, OUT = "<the line>", "<no line>"

BASE = (
    "The harbour was built by people from the north.",
    "They carried timber and salt to their neighbours.",
    "Nobody knows who drew the first map of the bay.",
    "It hangs today in a small museum near the water.",
    "Visitors ask about it often and are told the truth.",
)
FIVE = "One two three four five"
CITED = "One two three four five."

LINES: dict[str, tuple[str, ...]] = {
    "2 words": ("One two.", OUT, OUT, OUT, OUT),
    "3 words": ("One two three.", IN, IN, OUT, OUT),
    "4 words": ("One two three four.", IN, IN, OUT, OUT),
    "5 words": ("One two three four five.", IN, IN, IN, IN),
    "words between odd spaces": ("One\u3000two\xa0three\tfour\x1ffive.", IN, IN, IN, IN),
    "no end mark": (FIVE, OUT, IN, OUT, OUT),
    "exclamation mark": (FIVE + "!", IN, IN, IN, IN),
    "question mark": (FIVE + "?", IN, IN, IN, IN),
    "double quote": (FIVE + '"', IN, IN, IN, IN),
    "single quote": (FIVE + "'", IN, IN, OUT, OUT),
    "curly quote": (FIVE + "”", OUT, IN, OUT, OUT),
    "bracket": (FIVE + ".)", OUT, IN, OUT, OUT),
    "colon": (FIVE + ":", OUT, IN, OUT, OUT),
    "full stop of Chinese": (FIVE + "。", OUT, IN, OUT, OUT),
    "2 periods": (FIVE + "..", IN, IN, IN, IN),
    "3 periods": (FIVE + "...", OUT, IN, OUT, OUT),
    "4 periods": (FIVE + "....", OUT, IN, OUT, OUT),
    "ellipsis character": (FIVE + "…", OUT, IN, OUT, OUT),
    "3 periods and a quote": (FIVE + '..."', IN, IN, IN, IN),
    "spaces after the mark": (FIVE + ". \t", FIVE + ".", FIVE + ".", FIVE + ".", IN),
    "spaces after 3 periods": (FIVE + "... ", OUT, FIVE + "...", OUT, OUT),
    "indentation": ("\t " + FIVE + ".", FIVE + ".", FIVE + ".", FIVE + ".", IN),
    "no-break spaces around": (f"\xa0{FIVE}.\xa0", FIVE + ".", FIVE + ".", FIVE + ".", IN),
    "carriage return": (FIVE + ".\r", FIVE + ".", FIVE + ".", FIVE + ".", IN),
    "a NUL": ("One two\0 three four five.", IN, IN, IN, IN),
    "empty": ("", OUT, OUT, OUT, IN),
    "spaces only": ("  \t", OUT, OUT, OUT, OUT),
    "a word of 1,000": ("x" * 1000 + " two three four five.", IN, IN, IN, IN),
    "a word of 1,001": ("x" * 1001 + " two three four five.", OUT, OUT, OUT, OUT),
    "the period counts to the word": ("One two three four " + "x" * 1000 + ".", OUT, OUT, OUT, OUT),
    "1,000 letters of two bytes": ("é" * 1000 + " two three four five.", IN, IN, IN, IN),
    "a citation makes the word too long": ("x" * 998 + "[1] two three four five.", OUT, OUT, OUT, OUT),
    "a number cited": ("One two[12] three four five.", CITED, CITED, CITED, CITED),
    "an empty citation": ("One two[] three four five.", CITED, CITED, CITED, CITED),
    "Arabic digits cited": ("One two[٣٤] three four five.", CITED, CITED, CITED, CITED),
    "edit": ("One two[edit] three four five.", CITED, CITED, CITED, CITED),
    "citation needed": ("One two[citation needed] three four five.", CITED, CITED, CITED, CITED),
    "Edit with a capital": ("One two[Edit] three four five.", IN, IN, IN, IN),
    "a note is no citation": ("One two[note 1] three four five.", IN, IN, IN, IN),
    "a letter behind the number": ("One two[1a] three four five.", IN, IN, IN, IN),
    "a citation in brackets": ("One two[[1]] three four five.", *["One two[] three four five."] * 4),
    "cited after the mark": ("One two three four five.[7]", CITED, CITED, CITED, CITED),
    "cited after mark and space": ("One two three four five. [7]", OUT, CITED + " ", OUT, CITED + " "),
    "3 words with the citation": ("One two [1].", "One two .", "One two .", OUT, OUT),
    "2 words without the citation": ("[1] One two.", " One two.", " One two.", OUT, OUT),
    "5 words with the citation": ("[1] One two three four.", *[" One two three four."] * 2, OUT, OUT),
    "only a citation": ("[1]", OUT, OUT, OUT, ""),
    "javascript": ("You must enable javascript to see this.", OUT, OUT, OUT, OUT),
    "JavaScript inside a word": ("One two nonJavaScripts four five.", OUT, OUT, OUT, OUT),
    "java script": ("You must enable java script to see this.", IN, IN, IN, IN),
    "javascript with a long s": ("You must enable javaſcript to see this.", IN, IN, IN, OUT),
    "javascript with a dotless i": ("You must enable javascrıpt to see this.", IN, IN, IN, OUT),
    "terms of use": ("Read the Terms of Use before entering.", OUT, OUT, OUT, OUT),
    "terms of use across two spaces": ("Read the terms  of use before entering.", IN, IN, IN, IN),
    "privacy policy": ("This is our Privacy Policy for you.", OUT, OUT, OUT, OUT),
    "cookie policy": ("This is our cookie policy for you.", OUT, OUT, OUT, OUT),
    "uses cookies": ("As you know, this site uses cookies.", OUT, OUT, OUT, OUT),
    "use of cookies": ("Do you agree to the use of cookies?", OUT, OUT, OUT, OUT),
    "use cookies": ("As you know, we use cookies here.", OUT, OUT, OUT, OUT),
    "use cookies with the sign of kelvin": ("As you know, we use coo\u212aies here.", OUT, OUT, OUT, OUT),
    "used cookies": ("As you know, we used cookies here.", IN, IN, IN, IN),
    "policy phrase of a line without end mark": ("We use cookies on this fine site", OUT, OUT, OUT, OUT),
    "lorem ipsum": ("Lorem ipsum dolor sit amet.", LOREM, LOREM, LOREM, LOREM),
    "lorem ipsum in capitals": ("One LOREM IPSUM dolor sit.", LOREM, LOREM, LOREM, LOREM),
    "lorem ipsum in 3 words": ("Lorem ipsum dolor.", LOREM, LOREM, OUT, OUT),
    "lorem ipsum in 2 words": ("Lorem ipsum.", OUT, OUT, OUT, OUT),
    "lorem ipsum without end mark": ("Lorem ipsum dolor sit amet", OUT, LOREM, OUT, OUT),
    "lorem ipsum across two spaces": ("Lorem  ipsum dolor sit amet.", IN, IN, IN, IN),
    "lorem ipsum with javascript": ("Lorem ipsum dolor sit javascript.", LOREM, LOREM, LOREM, LOREM),
    "lorem ipsum behind a citation": ("One lorem[1] ipsum dolor sit.", LOREM, LOREM, LOREM, LOREM),
    "curly bracket": ("This one has a { in it.", CURLY, CURLY, CURLY, CURLY),
    "closing curly bracket": ("This one has a } in it.", IN, IN, IN, IN),
    "curly bracket without end mark": ("if (one) { two three four five", OUT, CURLY, OUT, OUT),
    "curly bracket in 3 words": ("One { two.", CURLY, CURLY, OUT, OUT),
    "curly bracket with javascript": ("The javascript has a { in it.", OUT, OUT, OUT, OUT),
    "curly bracket with a policy phrase": ("The terms of use have a {.", CURLY, CURLY, CURLY, CURLY),
    **{
        f"line separator U+{ord(sep):04X}": (f"{FIVE}.{sep}{FIVE}!", *[f"{FIVE}.\n{FIVE}!"] * 3, IN)
        for sep in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    },
    "unit separator is a space": (f"{FIVE}.\x1f{FIVE}!", IN, IN, IN, IN),
}


def sentences(count: int) -> str:
    """One line of `count` sentences of three words."""
    return " ".join(f"{word} is here." for word in ("One", "Two", "Three", "Four", "Five", "Six")[:count])


def padded(chars: int) -> str:
    """`BASE` and a line without end mark, `chars` characters in all."""
    page = "\n".join(BASE) + "\n"
    return page + "pad " * ((chars - len(page)) // 4) + "p" * ((chars - len(page)) % 4)


PADDED, PADDED_LONG = padded(190_000), padded(190_001)
INITIAL = "It was all signed by J.\nSmith read it out aloud.\nThey all went home then."
ELLIPSIS = f"Wait... two three four. {sentences(2)}"
BLANKS = "\n".join(BASE[:3])

PAGES: dict[str, tuple[str, ...]] = {
    "no text": ("", FEW, FEW, FEW, FEW),
    "only newlines": ("\n\n\n", FEW, FEW, FEW, FEW),
    "only emoji": ("🎉 🎉 🎉", FEW, FEW, FEW, FEW),
    "2 sentences": (sentences(2), FEW, FEW, FEW, FEW),
    "3 sentences": (sentences(3), FEW, FEW, sentences(3), sentences(3)),
    "4 sentences": (sentences(4), FEW, FEW, sentences(4), sentences(4)),
    "5 sentences": (sentences(5), *[sentences(5)] * 4),
    "4 lines of one sentence": ("\n".join(BASE[:4]), FEW, FEW, *["\n".join(BASE[:4])] * 2),
    "5 lines of one sentence": ("\n".join(BASE), *["\n".join(BASE)] * 4),
    "2 lines of one sentence": ("\n".join(BASE[:2]), FEW, FEW, FEW, FEW),
    "5 sentences, one in a line that goes": (
        "\n".join((*BASE[:4], "Use javascript to see it now.")),
        FEW,
        FEW,
        "\n".join(BASE[:4]),
        "\n".join(BASE[:4]),
    ),
    "an initial at a line's end ends a sentence only line by line": (INITIAL, FEW, FEW, INITIAL, FEW),
    "two spaces left by citations are one sentence more to spaCy": (
        f"{BLANKS}\nOne two three. [1] [2]\n",
        FEW,
        f"{BLANKS}\nOne two three.",
        BLANKS,
        BLANKS,
    ),
    "190,000 characters": (PADDED, "\n".join(BASE), PADDED.strip(), "\n".join(BASE), "\n".join(BASE)),
    "190,001 characters": (PADDED_LONG, "\n".join(BASE), PADDED_LONG.strip(), LONG, LONG),
    "blank lines": (
        "\n\n" + "\n\n".join(BASE) + "\n\n",
        "\n".join(BASE),
        "\n".join(BASE),
        "\n".join(BASE),
        "\n\n".join(BASE),
    ),
    "CRLF": ("\r\n".join(BASE), *["\n".join(BASE)] * 3, "\r\n".join(BASE)),
    "an ellipsis inside a sentence": (ELLIPSIS, FEW, FEW, ELLIPSIS, ELLIPSIS),
    "abbreviations end no sentence by end marks": ("Mr. Smith met Dr. Jones in the U.S. army.", FEW, FEW, FEW, FEW),
}


def expected(line: str, outcome: str) -> str:
    if outcome.startswith("drop: "):
        return outcome
    kept = {IN: [line], OUT: []}.get(outcome, [outcome])
    return "\n".join([*BASE[:2], *kept, *BASE[2:]])


def all_cases() -> dict[str, tuple[str, tuple[str, ...]]]:
    lines = {
        name: ("\n".join([*BASE[:2], line, *BASE[2:]]), tuple(expected(line, outcome) for outcome in outcomes))
        for name, (line, *outcomes) in LINES.items()
    }
    return {**lines, **{name: (page, tuple(outcomes)) for name, (page, *outcomes) in PAGES.items()}}


CASES = all_cases()


@pytest.fixture(scope="module", params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outcomes(dialect: str) -> dict[str, str]:
    """Text afterwards or reason of every case, all judged in one pass."""
    texts = text_array([page for page, _ in CASES.values()])
    rules = find_rule_set(RULE_SETS[dialect], "test").rules
    verdict = judge_rows(rules, compute_columns(rules, pa.table({"text": texts})), np.ones(len(texts), np.bool_))
    cleaned = clean_c4_lines(texts, dialect).texts.to_pylist()
    return {
        name: text if code < 0 else f"drop: {rules[code].reason}"
        for name, text, code in zip(CASES, cleaned, verdict.reason, strict=True)
    }


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_the_written_one(name: str, dialect: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == CASES[name][1][DIALECTS.index(dialect)]


@pytest.fixture(scope="module")
def installed() -> dict[str, Any]:
    from datatrove.pipeline.filters import C4QualityFilter

    return {"datatrove": C4QualityFilter(), "fineweb": C4QualityFilter(filter_no_terminal_punct=False)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("variant", ["datatrove", "fineweb"])
def test_the_written_outcome_is_the_installed_filters(name: str, variant: str, installed: dict[str, Any]) -> None:
    from datatrove.data import Document

    page, outcomes = CASES[name]
    document = Document(text=page, id="0")
    verdict = installed[variant].filter(document)
    found = document.text if verdict is True else f"drop: {verdict[1].replace('_', '-')}"
    assert found == outcomes[DIALECTS.index(variant)]


PARAGRAPHS = {
    "3 lines of 200": ("\n".join(["x" * 200] * 3), True),
    "2 lines of 200": ("\n".join(["x" * 200] * 2), False),
    "3 lines, one of 199": ("\n".join(["x" * 200, "y" * 199, "x" * 200]), False),
    "3 lines of 200 letters of two bytes": ("\n".join(["é" * 200] * 3), True),
    "2 lines of 200 letters of two bytes and one of 199": ("\n".join(["é" * 200] * 2 + ["é" * 199]), False),
    "spaces count": ("\n".join(["x" * 100 + " " * 100] * 3), True),
    "short lines between": ("\n\n".join(["x" * 200, "short", "x" * 300, "x" * 200]), True),
    "carriage returns alone part nothing": ("\r".join(["x" * 200] * 3), False),
    "a carriage return counts": ("\r\n".join(["x" * 199] * 3) + "\n", False),
    "two carriage returns count": ("\r\n".join(["x" * 199] * 3) + "\r\n", True),
    "no text": ("", False),
}


@pytest.mark.parametrize(("page", "kept"), PARAGRAPHS.values(), ids=PARAGRAPHS)
def test_the_paragraph_rule_is_the_installed_filters(page: str, kept: bool) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4ParagraphFilter

    rules = find_rule_set("mc4-paragraph/datatrove", "test").rules
    columns = compute_columns(rules, pa.table({"text": text_array([page])}))
    assert judge_rows(rules, columns, np.ones(1, np.bool_)).kept.tolist() == [kept]
    assert (C4ParagraphFilter().filter(Document(text=page, id="0")) is True) == kept
