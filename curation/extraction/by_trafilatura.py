"""Extractors over trafilatura, each with its parameters fixed.

`deduplicate` of trafilatura counts segments over all pages a process has seen, so that a page's text would depend on
the pages before it. Here every page starts anew: `trafilatura-fineweb@1` drops what repeats inside one page only.
Source: Barbaresi 2021 (ACL demo); FineWeb, section 3.1, and datatrove's `Trafilatura(favour_precision=True)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version

from curation.extraction.base import Extractor, WebPage
from curation.extraction.nesting import refuse_truncated

_ELEMENT = re.compile(r"<(p|div|article|section|main|h[1-6]|table|ul|ol|body)\b", re.IGNORECASE)
_LIBRARIES = ("trafilatura", "jusText", "htmldate", "lxml", "lxml_html_clean")


def _extractor(about: str, **settings: bool) -> Extractor:
    return Extractor(extract=_with(settings), version=_version, about=about)


def _with(settings: dict[str, bool]) -> Callable[[WebPage], str]:
    def extract(page: WebPage) -> str:
        from trafilatura import bare_extraction
        from trafilatura.deduplication import LRU_TEST
        from trafilatura.utils import load_html

        tree = load_html(page.html)
        if tree is None and _ELEMENT.search(page.html):  # it takes a fragment for no HTML at all
            tree = load_html(f"<html><body>{page.html}</body></html>")
        if tree is None:
            return ""
        refuse_truncated(tree)
        LRU_TEST.clear()
        found = bare_extraction(tree, url=page.url, include_comments=False, include_tables=True, **settings)
        return "" if found is None else str(found["text"] or "")

    return extract


def _version() -> str:
    return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


BALANCED = _extractor("main text by trafilatura, with its fallbacks, without comments")
PRECISION = _extractor("trafilatura that prefers less text", favor_precision=True)
RECALL = _extractor("trafilatura that prefers more text", favor_recall=True)
FAST = _extractor("trafilatura without the comparison to its fallbacks", no_fallback=True)
FINEWEB = _extractor(
    "trafilatura as FineWeb set it: precision, repeats inside a page dropped", favor_precision=True, deduplicate=True
)
