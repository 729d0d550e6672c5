"""The page: one file that loads nothing, escapes everything and says first what matters."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from leaderboard.report import contamination_text, render_html, render_markdown, write_report

SLICES = {"docs": 60, "code": 55, "notes": 5}
VOID = {"meta", "line", "circle", "br", "link", "img", "input"}


def level(arm: str, seed: int, name: str) -> float:
    """The arm gains 3 % on docs and loses 1 % on code; seeds differ a little."""
    effect = {"docs": 0.97, "code": 1.01}.get(name, 1.0) if arm == "mine" else 1.0
    return 2.0 * effect * (1 + 0.001 * seed * (1 if arm == "mine" else -1))


class Balance(HTMLParser):
    """Collects tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_every_tag_closes(make_result: Any) -> None:
    parser = Balance()
    parser.feed(render_html(make_result(level, SLICES)))
    assert (parser.open, parser.faults) == ([], [])


def test_the_page_loads_nothing_and_runs_nothing(make_result: Any) -> None:
    page = render_html(make_result(level, SLICES))
    assert not re.search(r"<script|<link|<iframe|@import|url\(|\bon\w+=|https?://", page)
    assert "default-src 'none'" in page


def test_text_of_documents_cannot_become_markup(make_result: Any) -> None:
    page = render_html(make_result(level, SLICES))
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_hostile_names_are_escaped_and_lose_bidi_and_control_characters(make_result: Any) -> None:
    result = replace(make_result(level, SLICES), name="a\u202eb\x1b[31m<img src=x>", hypothesis="<b>|x|</b>")
    page, text = render_html(result), render_markdown(result)
    for char in ("\u202e", "\x1b"):
        assert char not in page
        assert char not in text
    assert "<img" not in page
    assert "<img" not in text
    assert "&lt;b&gt;\\|x\\|&lt;/b&gt;" in text


def test_the_first_screen_says_difference_noise_controls_regressions_and_verdict(make_result: Any) -> None:
    page = render_html(make_result(level, SLICES))
    first = page[page.index("<main>") : page.index("By slice")]
    for words in ("plumbing, not evidence", "95%", "random-matched", "Got worse", "code +", "insufficient", "rule 18"):
        assert words in first


def test_every_table_has_a_caption_and_header_cells_with_scope(make_result: Any) -> None:
    page = render_html(make_result(level, SLICES))
    assert page.count("<table>") == page.count("<caption>")
    assert not re.search(r"<th(?! scope)[ >]", page)


def test_slices_that_are_not_judged_say_why(make_result: Any) -> None:
    assert "5 families, under 50 (rule 5)" in render_html(make_result(level, SLICES))


def test_the_same_result_gives_the_same_page(make_result: Any) -> None:
    result = make_result(level, SLICES)
    assert render_html(result) == render_html(result)


def test_markdown_tables_have_equal_columns_in_every_row(make_result: Any) -> None:
    blocks = re.findall(r"(?:^\|.*\|\n)+", render_markdown(make_result(level, SLICES)), flags=re.MULTILINE)
    widths = [{len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()} for block in blocks]
    assert len(blocks) >= 4
    assert all(len(width) == 1 for width in widths)


def test_a_study_without_any_assessment_still_has_a_page(make_result: Any) -> None:
    assert "No arm could be compared" in render_html(make_result(level, SLICES, failed=("baseline",)))


def test_contamination_is_counted_by_suite_and_its_precision_said(make_result: Any) -> None:
    page = render_html(make_result(level, SLICES))
    assert "2 documents share words with 3 of 100 items (1 of 2 suites): probe 2" in page
    assert "precision on this corpus unmeasured" in page


def test_an_unchecked_corpus_is_not_called_clean() -> None:
    assert contamination_text({"checked": False, "reports": []}).startswith("not checked")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_chromium_draws_the_page_without_requests_or_sideways_scrolling(
    make_result: Any, tmp_path: Path, width: int, scheme: Any
) -> None:
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page_path = write_report(make_result(level, SLICES), tmp_path)
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        requests: list[str] = []
        messages: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.goto(page_path.as_uri())
        overflow = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert (requests, messages, overflow) == ([page_path.as_uri()], [], width)
