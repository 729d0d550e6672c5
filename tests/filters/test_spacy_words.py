"""The compiled tokenizer against spaCy and datatrove themselves: not a token, flag or sentence may differ."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from filters.signal_sets import spacy_english
from filters.signal_sets.spacy_words import (
    IS_ALPHA_ANY,
    IS_NON_SYMBOL,
    IS_PUNCT,
    IS_SENT_END,
    SPACE_BEFORE,
    TokenTable,
    count_sentences,
    count_sentences_slow,
    spacy_tokens,
    spacy_tokens_slow,
)

URL_PIECES = (
    "http://|ftp://|a+b://|a://|www.|example|.com|.|..|-|_|@|:|:80|:1|:123456|/|?x=1|#|user:pw@|é|日本|İ|٣|\U00020000|"
    "10.0.0.1|127.0.0.1|192.168.1.1|172.16.0.1|172.32.0.1|169.254.1.1|8.8.8.8|1.2.3.255|223.1.2.3|224.1.2.3|01.2.3.4|"
    "1.2.3|4|25|.io|.X|A|xn--a|'|,|" + "l" * 62 + "|" + "t" * 40
).split("|")
SPACES = [*" " * 4, "  ", "\n", "\n\n", " \n", "\t", "\r\n", "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"]
MARKS = list("..,,:;!?()[]{}<>_#*&''\"`$%=+-/^~|\\@…—–“”‘’。？！，、·«»„°²€£©•→×§¿۔।𑗂")
LETTERS = [*"abcdxzABDOPSTUZ019", "é", "ß", "Ǆ", "я", "Ё", "α", "日", "あ", "ー", "한", "क", "ا", "ש", "ก", "\u0301"]
ODD = [
    "\0",
    "\x01",
    "\x7f",
    "\x9f",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\ufffd",
    "😀",
    "👩",
    "🏽",
    "\U0001d538",
    "\U000e0100",
]
RULES = [line.split(" ") for line in spacy_english.FILE.read_text(encoding="utf-8").splitlines()]
NAMES = ["".join(words) for kind, *words in RULES if kind in ("special", "unit")]
PIECES = [word for kind, *words in RULES if kind == "pattern" for word in words]

chunks = st.lists(
    st.one_of(*map(st.sampled_from, (MARKS, LETTERS, MARKS, LETTERS, NAMES, PIECES, URL_PIECES, ODD))), max_size=7
).map("".join)
texts = st.lists(st.one_of(chunks, st.sampled_from(SPACES)), max_size=25).map("".join)


def assert_as_spacy(documents: list[str]) -> None:
    view = text_view(text_array(documents))
    compiled, original = spacy_tokens(view), spacy_tokens_slow(view)
    for column in fields(TokenTable):
        np.testing.assert_array_equal(
            getattr(compiled, column.name), getattr(original, column.name), err_msg=column.name
        )


def sentences(documents: list[str]) -> list[int]:
    view = text_view(text_array(documents))
    return count_sentences(view.data, view.offsets[:-1], view.offsets[1:]).tolist()


def words(document: str) -> list[str]:
    view = text_view(text_array([document]))
    table = spacy_tokens(view)
    return [bytes(view.data[b:e]).decode() for b, e in zip(table.begin, table.end, strict=True)]


def pool_documents(pool: Path, each: int, chars: int) -> list[str]:
    """The first documents of every source, each cut to `chars` characters."""
    import zstandard

    found = []
    for shard in sorted(pool.glob("*/*-00000.jsonl.zst")):
        with shard.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            rows = map(json.loads, islice(io.TextIOWrapper(stream, "utf-8"), each))
            found += [row["text"][:chars] for row in rows if "text" in row]
    return found


def test_english_is_cut_as_spacy_cuts_it() -> None:
    assert words("Don't (e.g. this) go to the U.S.-based co-op :) at 5pm/6p.m., it's $3.50!") == (
        "Do n't ( e.g. this ) go to the U.S.-based co - op :) at 5pm/6p.m . , it 's $ 3.50 !".split()
    )


def test_awkward_texts_have_the_tokens_of_spacy(awkward_text: str) -> None:
    assert_as_spacy([awkward_text])


@pytest.mark.parametrize(
    "text",
    [
        "word:) word :) (word):( x:( ( :((((( ''quoted'' it 's 10a.m. (10a.m.) 20°C. 20 °C.",
        "…… ……… a…… 5US$ US$5 A$ +5 5+ 5km 5km/h 5m²) 50% 3.5G (5kg. ...a... ..",
        "end.Next end.next a-b a--b a---b a----b a——b 1-2 1*-2 x^2 a,b a/b a:b a<b 'tis ’s 's",
        "user@mail.example.com/a-b http://x.y/a,b-c 8.8.8.8/a:b 10.0.0.1/a:b a.b-c.de/f=g",
        "a\nb\r\n c\u3000d\x85e \x1c f  g ",
        " leading",
        "trailing. ",
        "trailing.\n",
    ],
)
def test_special_rules_are_spacys(text: str) -> None:
    assert_as_spacy([text])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts, max_size=6))
def test_any_text_has_the_tokens_and_sentences_of_spacy(documents: list[str]) -> None:
    assert_as_spacy(documents)
    view = text_view(text_array(documents))
    ranges = view.data, view.offsets[:-1], view.offsets[1:]
    assert count_sentences(*ranges).tolist() == count_sentences_slow(*ranges).tolist()


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(URL_PIECES), max_size=8).map("".join))
def test_addresses_are_those_of_spacys_regular_expression(text: str) -> None:
    from spacy.lang.tokenizer_exceptions import URL_MATCH

    from filters.signal_sets.spacy_url_kernels import is_url

    data = np.frombuffer(text.encode() + b" ", np.uint8)
    assert is_url(data, 0, len(data) - 1, spacy_english.rules().classes) == bool(URL_MATCH(text))


@pytest.mark.parametrize("text", ["One. Two! Three?", "No end", "A.\nB", "A. \n", "A.)” B.", "", " ", "Hm... Yes.. "])
def test_sentences_are_counted_as_datatrove_counts_them(text: str) -> None:
    from datatrove.utils.text import split_into_sentences

    assert sentences([text]) == [len(split_into_sentences(text))]


def test_flags_say_what_datatroves_filters_ask_of_a_word() -> None:
    from datatrove.utils.text import PUNCTUATION_SET

    table = spacy_tokens(text_view(text_array(["Well , 12 \n ٣٤ ✓ é. ... —"])))
    written = ["Well", ",", "12", "٣٤", "✓", "é", ".", "...", "—"]
    assert [bool(flag & IS_ALPHA_ANY) for flag in table.flags] == [any(c.isalpha() for c in w) for w in written]
    assert [bool(flag & IS_NON_SYMBOL) for flag in table.flags] == [not set(w) <= PUNCTUATION_SET for w in written]
    assert [w for w, flag in zip(written, table.flags, strict=True) if flag & IS_SENT_END] == ["."]
    assert [w for w, flag in zip(written, table.flags, strict=True) if flag & IS_PUNCT] == [",", ".", "...", "—"]
    assert [w for w, flag in zip(written, table.flags, strict=True) if flag & SPACE_BEFORE] == ["٣٤"]


def test_the_word_that_spacy_fails_on_is_a_word_in_every_document() -> None:
    assert words("the IS_ALPHA flag") == words("the IS_ALPHA flag") == ["the", "IS_ALPHA", "flag"]


@pytest.mark.parametrize("unit", ["x", ".", "a.", ":)", "a@b.c:", "日"])
def test_ten_megabytes_without_a_space_take_linear_time(unit: str) -> None:
    view = text_view(text_array([unit * (10_000_000 // len(unit.encode()))]))
    table = spacy_tokens(view)
    assert (table.begin[0], table.end[-1]) == (0, len(view.data))
    assert (table.begin[1:] == table.end[:-1]).all()


def test_one_thread_or_four_give_the_same_table() -> None:
    view = text_view(text_array(["It's a long way (to “go”), isn't it? :) " * 2000] * 3))
    with ThreadPoolExecutor(4) as threads:
        tables = list(threads.map(spacy_tokens, [view] * 8))
    for column in fields(TokenTable):
        assert len({getattr(table, column.name).tobytes() for table in tables}) == 1


def test_a_slice_of_a_column_has_the_tokens_of_its_documents() -> None:
    column = text_array(["left out", "Taken, too.", "", "Also taken"])
    view = text_view(column[1:])
    table = spacy_tokens(view)
    assert [bytes(view.data[b:e]) for b, e in zip(table.begin, table.end, strict=True)] == (
        b"Taken , too . Also taken".split()
    )
    assert table.offsets.tolist() == [0, 4, 4, 6]


def test_the_shipped_rules_are_those_of_the_installed_spacy() -> None:
    import spacy

    if not spacy.__version__.startswith("3.8."):
        pytest.skip(f"the rules are spaCy 3.8's; installed is {spacy.__version__}")
    made, shipped = spacy_english.extracted().splitlines(), spacy_english.FILE.read_text(encoding="utf-8").splitlines()
    assert made[1:] == shipped[1:]


def test_code_points_beyond_the_table_have_no_class() -> None:
    import unicodedata

    from spacy.lang.char_classes import ALPHA, CONCAT_ICONS, CONCAT_QUOTES, PUNCT

    beyond = "".join(map(chr, range(spacy_english.NUM_CODES, 0x110000)))
    assert not re.search(f"[{ALPHA}{CONCAT_ICONS}{CONCAT_QUOTES}{PUNCT}]", beyond)
    assert not any(c.isalnum() or c.isspace() or unicodedata.category(c)[0] == "P" for c in beyond)


def test_a_thousand_documents_of_all_sources_have_the_tokens_of_spacy(shared: Path) -> None:
    documents = pool_documents(shared / "pool", 60, 1500)
    assert len(documents) > 1000
    assert_as_spacy(documents)


@pytest.mark.slow
def test_many_documents_of_all_sources_have_the_tokens_and_sentences_of_spacy(shared: Path, full: bool) -> None:
    documents = pool_documents(shared / "pool", 2500, 5000)[: 20_000 : 1 if full else 5]
    assert len(documents) == (20_000 if full else 4_000)
    for start in range(0, len(documents), 500):
        assert_as_spacy(documents[start : start + 500])
    lines = [line for document in documents[::20] for line in document.splitlines()]
    view = text_view(text_array(lines))
    ranges = view.data, view.offsets[:-1], view.offsets[1:]
    np.testing.assert_array_equal(count_sentences(*ranges), count_sentences_slow(*ranges))
