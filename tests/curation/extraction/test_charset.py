"""Encodings: right, wrong and missing declarations against texts whose encoding is known."""

from __future__ import annotations

import codecs

import pytest

from curation.extraction.charset import decode, meta_charset, standard_name

RUSSIAN = "Погода сегодня хорошая, и мы пойдём гулять по старому городу вдоль реки до самого вечера."
GERMAN = "Die Straße führt über den Fluß, größere Häuser stehen an der südlichen Böschung für später."
JAPANESE = "今日は天気がいいので、川のそばを歩いて古い町まで行きます。夕方には帰る予定です。"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, zatímco večer přicházel k řece."
GREEK = "Ο καιρός σήμερα είναι καλός και θα περπατήσουμε στην παλιά πόλη μέχρι το βράδυ."


def page(text: str, meta: str = "") -> str:
    declared = f'<meta charset="{meta}">' if meta else ""
    return f"<html><head>{declared}<title>x</title></head><body><p>{text}</p><p>{text}</p></body></html>"


@pytest.mark.parametrize("declared", [None, "utf-8", "iso-8859-1", "no-such-charset"])
@pytest.mark.parametrize(
    ("text", "charset"), [(RUSSIAN, "windows-1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift_jis"), (JAPANESE, "euc-jp")]
)
def test_no_wrong_header_turns_a_text_into_another(text: str, charset: str, declared: str | None) -> None:
    assert decode(page(text).encode(charset), declared).html == page(text)


@pytest.mark.parametrize(
    ("text", "charset"),
    [(GERMAN, "iso-8859-1"), (CZECH, "iso-8859-2"), (GREEK, "iso-8859-7"), (RUSSIAN, "koi8-r"), (JAPANESE, "euc-jp")],
)
def test_a_right_declaration_is_believed_in_header_or_meta(text: str, charset: str) -> None:
    assert decode(page(text).encode(charset), charset).how == "header"
    assert decode(page(text).encode(charset), charset).html == page(text)
    assert decode(page(text, charset).encode(charset)).html == page(text, charset)


@pytest.mark.parametrize("declared", ["windows-1252", "shift_jis", "gb18030", "koi8-r"])
def test_valid_utf8_is_utf8_whatever_is_declared(declared: str) -> None:
    for text in (RUSSIAN, GERMAN, JAPANESE):
        assert decode(page(text, declared).encode(), declared).html == page(text, declared)


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf16_is_known_by_its_mark_or_its_zeros(charset: str) -> None:
    mark = codecs.BOM_UTF16_LE if charset.endswith("le") else codecs.BOM_UTF16_BE
    assert decode(mark + page(GERMAN).encode(charset), "utf-8").html == page(GERMAN)
    assert decode(page(GERMAN).encode(charset), "utf-8").html == page(GERMAN)


def test_utf8_cut_in_the_middle_of_a_character_is_still_utf8() -> None:
    found = decode(page(JAPANESE).encode()[: len(page(JAPANESE).encode()) // 2 + 1], None)
    assert found.charset == "utf-8"


def test_labels_mean_what_browsers_take_them_for() -> None:
    assert standard_name("ISO-8859-1") == "windows-1252"
    assert standard_name("gb2312") in ("gb18030", "gbk")
    assert standard_name("rot13") is None
    assert standard_name(None) is None


def test_a_meta_tag_that_says_utf16_can_only_be_read_if_it_is_not() -> None:
    assert meta_charset(b'<meta charset="utf-16le">') == "utf-8"


def test_a_page_of_angle_brackets_is_judged_in_linear_time() -> None:
    assert decode(b"<!--<script" * 200_000 + b"\xe9", "iso-8859-1").charset == "windows-1252"
