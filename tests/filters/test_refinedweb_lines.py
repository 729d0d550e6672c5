"""RefinedWeb's line corrections: by hand, line by line, and against a plain twin made of regular expressions."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.signal_sets.refinedweb_lines import LINE_REASONS, REFINEDWEB_LINES, clean_refinedweb_lines
from filters.signals import compute_signals

COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes"
    r"|downloads|views|followers)\W*$"
)
CUTS = (
    ("items-in-cart", re.compile(r"\s?items in cart", re.IGNORECASE)),
    ("read-more", re.compile(r"\s?read more...$", re.IGNORECASE)),
    ("sign-in", re.compile(r"^sign-in\s?", re.IGNORECASE)),
)


def num_words(text: str) -> int:
    return sum(word[:1].isalnum() for word in re.split("[ \t\n\x0b\x0c\r\x00]+", text))


def twin(text: str) -> tuple[str, dict[str, int], float]:
    counts = dict.fromkeys(LINE_REASONS, 0)
    before = num_words(text)
    drops = {
        "too-many-upper-case": lambda line: sum(map(str.isupper, line)) / len(line) > 0.5,
        "only-digits": lambda line: sum(map(str.isdigit, line)) / len(line) > 0.999999,
        "counter": lambda line: COUNTER.search(line.lower()),
        "too-few-words": lambda line: len(line.split()) < 2,
    }
    for reason, drop in drops.items():
        kept = [line for line in text.split("\n") if not line or not drop(line)]
        counts[reason] = text.count("\n") + 1 - len(kept)
        text = "\n".join(kept) if reason == "too-few-words" else "\n".join(kept).strip()
    for reason, pattern in CUTS:
        kept = []
        for line in text.split("\n"):
            cut = pattern.sub("", line) if len(line.split()) <= 10 else line
            counts[reason] += cut != line
            if not line or cut.strip():
                kept.append(cut)
        text = "\n".join(kept).strip()
    return text, counts, (before - num_words(text)) / before if before else 1.0


def clean(text: str) -> tuple[str, dict[str, int], float]:
    cleaned = clean_refinedweb_lines(text_array([text]))
    counts = {reason: int(values[0]) for reason, values in cleaned.counts.items()}
    return cleaned.texts[0].as_py(), counts, float(cleaned.word_removed_fraction[0])


TEN, ELEVEN = "one two three four five six seven", "one two three four five six seven eight"

KEPT = (
    "ABCde fghij",  # 3 upper-case of 11
    "ABCDE fghi",  # 5 of 10: on the bound
    "12345 67890",  # the space is no digit
    "12 likes for you",
    "likes 12",
    "3 likers",
    "about 3likes",
    "about 3 likes",
    "3 likes_",
    "1-2 likes",
    "two words",
    TEN + " and items",
    f"{ELEVEN} items in cart",  # 11 words
    f"{ELEVEN} x read more...",
    f"Sign-in {TEN} a b c",
    "read more about it",
    "please sign-in",
    "items  in cart",
)
GONE = {
    "ABCDEF ghij": "too-many-upper-case",  # 6 of 11
    "ÄÖÜ é": "too-many-upper-case",
    "1234567890": "only-digits",
    "١٢٣": "only-digits",
    "12²": "only-digits",
    "3 likes": "counter",
    "1,234.5k VIEWS": "counter",
    "* 2.M Followers! *": "counter",
    "7  downvotes...": "counter",
    "3 li\u212aes": "counter",  # the Kelvin sign is a k in lower case
    "٣ likes": "counter",
    "word": "too-few-words",
    "   ": "too-few-words",
    "\r": "too-few-words",
    "--------": "too-few-words",
    "items in cart": "items-in-cart",
    "Items in cart items in cart": "items-in-cart",
    "Read more...": "read-more",
    "read more»»»": "read-more",  # the dots match any code point
    "Sign-in ": "too-few-words",  # one word: gone before
}
SHORTENED = {
    "you have 3 items in cart today": "you have 3 today",
    "12items in cart2": "122",
    f"{TEN} items in cart": TEN,  # 10 words
    "an item \u0131tem\u017f in cart": "an item",  # dotless i and long s, as re.IGNORECASE folds
    "Learn how. Read more...": "Learn how.",
    "Learn how.read MORE bc": "Learn how.",
    "\u2003read more... and read more...": "read more... and",  # the leading space falls to the strip
    "Sign-in to read": "to read",
    "SIGN-INto read": "to read",
    "Sign-in\u00a0 to read": " to read",
    "sign-in sign-in to it": "sign-in to it",
    "a items in cart": "a",  # no rule looks at the words again
}


@pytest.mark.parametrize("line", KEPT)
def test_a_line_inside_every_bound_stays_as_it_is(line: str) -> None:
    text = f"before it\n{line}\nafter it"
    assert clean(text) == (text, dict.fromkeys(LINE_REASONS, 0), 0.0)


@pytest.mark.parametrize(("line", "reason"), GONE.items())
def test_a_line_beyond_a_bound_goes_for_its_reason(line: str, reason: str) -> None:
    text, counts, _ = clean(f"before it\n{line}\nafter it")
    assert text == "before it\nafter it"
    assert {name for name, count in counts.items() if count} == {reason}


@pytest.mark.parametrize(("line", "shorter"), SHORTENED.items())
def test_a_substring_in_a_short_line_is_cut_with_one_space(line: str, shorter: str) -> None:
    text, _, _ = clean(f"before it\n{line}\nafter it")
    assert text.split("\n")[1].lstrip("\u2003") == shorter


def test_empty_lines_stay_and_the_document_is_stripped() -> None:
    assert clean("\n \nfirst line\n\n\nlast line \t\n\n")[0] == "first line\n\n\nlast line"


def test_a_last_line_of_digits_and_a_space_is_stripped_before_the_digit_rule() -> None:
    assert clean("some words\n12345 \n")[1]["only-digits"] == 1
    assert clean("some words\n12345 \nmore words")[1]["too-few-words"] == 1


def test_two_of_forty_words_removed_are_five_per_cent() -> None:
    text = "a line of nine words here is not long\n" * 4 + "it is\n" + "3 likes"
    assert clean(text)[2] == pytest.approx(2 / 40)


def test_words_are_counted_as_fasttext_cuts_them() -> None:
    assert clean("a b\u00a0c -d 1e\nword")[2] == pytest.approx(1 / 4)  # a, b_c, 1e, word


def test_a_page_without_a_word_is_wholly_removed() -> None:
    assert clean("...")[2] == 1.0


PIECES = st.sampled_from(
    ["a", "word ", "A", "B ", "1", "2", " ", "\n", "\n", "\n\n", "\r\n", "likes", "views", "3 likes", "1,2k Views",
     "Items in cart", " items in cart", "Read more...", "read more", "...", "Sign-in ", "sign-in", "\u00a0", "\u2028",
     "\u212a", "ſ", "İ", "ı", "É", "²", "١", "_", "-", "one two three four five", "🎉", "\x00", "\x1c"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=50)


@settings(max_examples=800, deadline=None)
@given(TEXTS)
@example("\nitems in cart\n\n 12 \n")
def test_the_compiled_corrections_equal_the_plain_twin(text: str) -> None:
    assert clean(text) == twin(text)


def test_awkward_text_is_corrected_like_the_twin(awkward_text: str) -> None:
    assert clean(awkward_text) == twin(awkward_text)


def test_every_code_point_folds_as_re_folds_it() -> None:
    codes = [chr(code) for code in range(1, 0x20000) if not 0xD800 <= code < 0xE000 and chr(code) != "\n"]
    lines = [f"go now {char}ign-{char}n" for char in codes] + [f"go now s{char}gn-in" for char in codes]
    heads = [line.removeprefix("go now ") + " x y" for line in lines]
    cleaned = clean_refinedweb_lines(text_array(heads))
    changed = {head for head, count in zip(heads, cleaned.counts["sign-in"], strict=True) if count}
    assert changed == {head for head in heads if CUTS[2][1].search(head.strip()) and head.strip()}


def test_rows_of_a_sliced_column_do_not_touch_each_other() -> None:
    column = text_array(["3 likes", "keep this\nWORD", "", "3 likes\nand this"]).slice(1)
    cleaned = clean_refinedweb_lines(column)
    assert cleaned.texts.to_pylist() == ["keep this", "", "and this"]
    assert cleaned.counts["counter"].tolist() == [0, 0, 1]


def test_the_signals_are_the_counts_and_the_share() -> None:
    columns = compute_signals(REFINEDWEB_LINES, pa.table({"text": text_array(["3 likes\nand so on\n77"])}))
    assert {name: values[0].item() for name, values in columns.items() if values[0]} == {
        "num_counter_lines": 1, "num_digit_lines": 1, "word_removed_fraction": 0.5,
    }  # fmt: skip


def test_an_empty_column_has_no_rows() -> None:
    assert clean_refinedweb_lines(text_array([])).texts.to_pylist() == []
