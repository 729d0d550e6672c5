"""Title and date of publication that a page declares itself; neither is guessed from its text.

Title: `og:title`, `<title>`, the first `<h1>`. Date: JSON-LD `datePublished`, `article:published_time` and its kin,
`itemprop=datePublished`, `<time pubdate>`; a date of modification is none of publication.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from curation.extraction.base import WebPage

HEAD_VERSION = "1"
MAX_TITLE_CHARS = 1_000

_TITLE_META = ("twitter:title", "dc.title", "dc:title")
_DATE_META = (
    "article:published_time", "og:article:published_time", "og:published_time", "datepublished", "article:published",
    "dc.date.issued", "dcterms.created", "dc.date", "dcterms.date", "citation_publication_date", "citation_date",
    "parsely-pub-date", "sailthru.date", "pubdate", "publishdate", "publish-date", "publish_date", "publication_date",
    "date",
)  # fmt: skip
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
_DAY = re.compile(r"\s*(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)")


def title_of(page: WebPage) -> str | None:
    """Return the page's title, white space collapsed; None if it has none."""
    metas = _metas(page)
    for text in (metas.get("og:title", ""), page.tree.title or "", *(heading.text for heading in page.every("h1")[:1])):
        title = " ".join(text.split())
        if title:
            return title[:MAX_TITLE_CHARS]
    return next((" ".join(metas[name].split())[:MAX_TITLE_CHARS] for name in _TITLE_META if metas.get(name)), None)


def date_of(page: WebPage) -> str | None:
    """Return the day of publication, `YYYY-MM-DD`; None if the page declares none that is a day."""
    metas = _metas(page)
    declared = [_JSON_DATE.findall(script.text) for script in page.every('script[type="application/ld+json"]')]
    values = [value for found in declared for value in found]
    values += [metas[name] for name in _DATE_META if name in metas]
    values += [_time(element) for element in page.every("[itemprop='datePublished'], time[pubdate]")]
    return next(filter(None, map(day, values)), None)


def day(text: str) -> str | None:
    """Return the day that an ISO date or time begins with, or None."""
    match = _DAY.match(text)
    if match is None:
        return None
    try:
        found = datetime.date(*map(int, match.groups()))
    except ValueError:
        return None
    return found.isoformat() if found.year >= 1990 else None


def _metas(page: WebPage) -> dict[str, str]:
    """Return `<meta>` contents by lower-case name; the first of a name counts."""
    metas: dict[str, str] = {}
    for element in page.every("meta[content]"):
        for attribute in ("property", "name", "itemprop"):
            name = (element.getattr(attribute) or "").strip().lower()
            if name and (element.getattr("content") or "").strip():
                metas.setdefault(name, element.getattr("content"))
    return metas


def _time(element: Any) -> str:
    for attribute in ("datetime", "content"):
        value = element.getattr(attribute)
        if value:
            return str(value)
    return str(element.text)
