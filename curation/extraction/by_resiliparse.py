"""Extractors over resiliparse: `resiliparse@1` as DCLM used it, and `resiliparse-all@1`, all visible text.

Source: Bevendorff et al. 2018 (ECIR); DCLM, section 4.1 and appendix K, `extract_plain_text(html, main_content=True)`.
"""

from __future__ import annotations

from importlib.metadata import version

from curation.extraction.base import Extractor, WebPage
from curation.extraction.nesting import refuse_deeper

MAX_DEPTH = 1_000
"""Main content is quadratic in the depth; no page that a browser makes is deeper than 512."""


def main_content(page: WebPage) -> str:
    """Return the main content, by rules over element names, classes and link density."""
    from resiliparse.extract.html2text import extract_plain_text

    refuse_deeper(page, MAX_DEPTH)
    return str(extract_plain_text(page.tree, main_content=True))


def all_text(page: WebPage) -> str:
    """Return all visible text, navigation and all: what recall is measured against."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(page.tree, main_content=False))


def _version() -> str:
    return f"resiliparse {version('resiliparse')}"


MAIN = Extractor(extract=main_content, version=_version, about="main content by resiliparse, as in DCLM")
ALL = Extractor(extract=all_text, version=_version, about="all visible text, boilerplate included")
