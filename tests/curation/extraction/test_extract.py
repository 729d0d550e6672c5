"""One page: main text without boilerplate, title and date, and a reason for whatever has no text."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from curation.errors import PluginError
from curation.extraction import Limits, component_version, extract, resolve
from curation.extraction.base import EXTRACTORS, REASONS

MAIN = " ".join(
    f"In the {n}th year of the survey the team walked along the river and wrote down what they saw." for n in range(12)
)
MENU = "".join(f'<li><a href="/{n}">Menu entry {n}</a></li>' for n in range(30))
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The survey | Site</title>
<meta property="og:title" content="The  survey"><meta property="article:published_time" content="2019-03-04T10:00:00Z">
</head><body><nav><ul>{MENU}</ul></nav><article><h1>The survey</h1><p>{MAIN}</p><p>{MAIN}</p></article>
<footer><a href="/c">Cookie settings and imprint</a></footer></body></html>""".encode()

NAMES = sorted(EXTRACTORS.builtin)
MAIN_NAMES = [name for name in NAMES if name != "resiliparse-all@1"]


@pytest.mark.parametrize("name", MAIN_NAMES)
def test_the_article_stays_and_the_menu_goes(name: str) -> None:
    found = extract(name, PAGE)
    assert found.reason is None
    assert "In the 7th year of the survey" in found.text
    assert "Menu entry 7" not in found.text


@pytest.mark.parametrize("part", ["Menu entry 7", "In the 7th year", "Cookie settings"])
def test_all_text_is_all_of_it(part: str) -> None:
    assert part in extract("resiliparse-all@1", PAGE).text


@pytest.mark.parametrize("name", NAMES)
def test_title_and_date_do_not_depend_on_the_extractor(name: str) -> None:
    found = extract(name, PAGE)
    assert (found.title, found.date, found.charset) == ("The survey", "2019-03-04", "utf-8")


@pytest.mark.parametrize(
    ("head", "day"),
    [
        ('<script type="application/ld+json">{"datePublished": "2021-07-05T01:02"}</script>', "2021-07-05"),
        ('<meta name="DC.date.issued" content="20180131">', "2018-01-31"),
        ('<meta property="article:modified_time" content="2018-01-31">', None),
        ('<meta name="date" content="2018-13-31">', None),
        ('<meta name="date" content="yesterday">', None),
    ],
)
def test_a_date_is_kept_only_when_the_page_declares_a_day_of_publication(head: str, day: str | None) -> None:
    assert extract("resiliparse-all", f"<html><head>{head}</head><body>x 2001-02-03</body></html>".encode()).date == day


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "page",
    [b"", b"   ", b"<html></html>", b"<!DOCTYPE html>", b"<script>var x = 1;</script>", b"<!--", b"\xff\xfe"],
)
def test_a_page_without_text_is_a_reason_and_no_exception(name: str, page: bytes) -> None:
    found = extract(name, page)
    assert found.text == ""
    assert found.reason in ("no-main-text", "extractor-failed")


@pytest.mark.parametrize("name", NAMES)
def test_the_text_can_be_written_as_utf8_and_holds_no_nul(name: str) -> None:
    page = PAGE.replace(b"In the 7th", b"In\x00 the &#xD800;&#0; 7th \x07")
    text = extract(name, page).text
    assert text.encode("utf-8").decode() == text
    assert "\0" not in text


@pytest.mark.parametrize("start", [b"%PDF-1.7 x", b"PK\x03\x04xxxx", b"\x89PNG\r\n", b"\x1f\x8b\x08\x00"])
def test_files_of_other_kinds_are_no_pages(start: bytes) -> None:
    assert extract("trafilatura", start * 50).reason == "not-html"


def test_a_page_above_the_size_limit_is_not_parsed() -> None:
    assert extract("trafilatura", PAGE, limits=Limits(max_page_bytes=len(PAGE) - 1)).reason == "page-too-large"
    assert extract("trafilatura", PAGE, limits=Limits(max_page_bytes=len(PAGE))).reason is None


@pytest.mark.parametrize("name", NAMES)
def test_deep_nesting_ends_and_never_loses_text_silently(name: str) -> None:
    page = b"<html><body>" + b"<div>" * 20_000 + b"<p>" + MAIN.encode() + b"</p></body></html>"
    found = extract(name, page)
    assert found.reason == "page-too-deep" or "In the 7th year" in found.text


@pytest.mark.parametrize("depth", [240, 250, 252, 253, 254, 260])
def test_what_libxml2_cuts_off_is_refused_at_the_very_level(depth: int) -> None:
    page = b"<html><body>" + b"<div>" * depth + b"<p>" + MAIN.encode() + b"</p></body></html>"
    for name in ("trafilatura@1", "justext@1"):
        found = extract(name, page)
        assert found.reason == "page-too-deep" or "In the 7th year" in found.text


@pytest.mark.parametrize("name", NAMES)
def test_no_extractor_asks_the_network_or_the_disk(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret words of this machine")
    extract(name, PAGE)  # libraries load first

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    entity = f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><link href="http://192.0.2.1/x.css">&x;'
    found = extract(name, PAGE.replace(b"<!doctype html>", entity.encode()), url="http://192.0.2.1/a")
    assert "secret words" not in found.text
    assert "In the 7th year" in found.text


@pytest.mark.parametrize("name", ["trafilatura-fineweb@1", "justext@1"])
def test_the_pages_before_do_not_change_a_pages_text(name: str) -> None:
    alone = extract(name, PAGE)
    for _ in range(4):
        assert extract(name, PAGE) == alone


def test_a_bare_name_is_its_newest_version_and_an_unknown_one_offers_the_nearest() -> None:
    assert resolve("trafilatura") == "trafilatura@1"
    with pytest.raises(PluginError, match="did you mean `resiliparse@1`"):
        resolve("resiliparse@2", "pool.extract")


def test_the_version_names_the_library_that_decides() -> None:
    import trafilatura

    assert component_version("trafilatura").startswith(f"trafilatura@1 (trafilatura {trafilatura.__version__}, ")


def test_a_language_without_function_words_is_judged_without_them() -> None:
    text = "今日は天気がいいので、川のそばを歩いて古い町まで行きます。" * 10
    page = f'<html lang="ja"><body><nav><a href="/">家</a></nav><p>{text}</p></body></html>'
    assert text in extract("justext", page.encode()).text


def test_every_reason_is_listed() -> None:
    assert len(set(REASONS)) == len(REASONS)
