"""What an extractor is, what it gets and what it gives; the registry of extractors.

A plugin registers an `Extractor` through the entry-point group `curate.extractors` under `NAME@VERSION`. Its function
gets a decoded page and returns the main text, empty for a page without any. It must depend on nothing else: no network,
no clock, no pages seen before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curation.registry import Registry

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

REASONS = (
    "page-too-large", "not-html", "undecodable", "page-too-deep", "no-main-text", "extractor-failed",
    "extractor-timeout", "extractor-died",
)  # fmt: skip
"""Why a page gives no text. The last two depend on the machine; only `extract_pages` gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it was fetched."""

    content: bytes
    url: str | None = None
    declared_charset: str | None = None
    """What the HTTP header said, `charset` of Content-Type."""


@dataclass(frozen=True, kw_only=True)
class WebPage:
    """A decoded page, as extractors get it."""

    html: str
    url: str | None = None

    @cached_property
    def tree(self) -> HTMLTree:
        """The HTML5 tree (lexbor), parsed once; do not change it."""
        from resiliparse.parse.html import HTMLTree

        return HTMLTree.parse(self.html)

    def every(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector names, in order."""
        document: Any = self.tree.document
        return list(document.query_selector_all(selector)) if document is not None else []

    def first(self, selector: str) -> Any:
        """Return the first element that a CSS selector names, or None."""
        document: Any = self.tree.document
        return document.query_selector(selector) if document is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What a page gave: `text` is empty exactly when there is a `reason`."""

    text: str
    title: str | None = None
    date: str | None = None
    """Day of publication that the page itself declares, `2024-05-31`; never guessed."""
    charset: str | None = None
    """Encoding that the page was read in, by its WHATWG name."""
    reason: str | None = None
    """Why there is no text, one of `REASONS`."""
    detail: str = ""
    """For people: the error of an extractor, sizes."""
    cpu_seconds: float = field(default=0.0, compare=False)
    """Processor time of decoding, title, date and main text; of this machine, so no part of what a page gave."""


class TooDeepError(Exception):
    """Raised by an extractor whose parser would lose what lies deeper than it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """One way to find the main text, with its parameters fixed."""

    extract: Callable[[WebPage], str]
    """Raises: TooDeepError; any other error counts as `extractor-failed`."""
    version: Callable[[], str]
    """Versions of the libraries behind it, `trafilatura 1.11.0`: part of every fingerprint."""
    about: str
    """One line for people."""


EXTRACTORS: Registry[Extractor] = Registry(
    "extractor",
    {
        "trafilatura@1": "curation.extraction.by_trafilatura:BALANCED",
        "trafilatura-precision@1": "curation.extraction.by_trafilatura:PRECISION",
        "trafilatura-recall@1": "curation.extraction.by_trafilatura:RECALL",
        "trafilatura-fast@1": "curation.extraction.by_trafilatura:FAST",
        "trafilatura-fineweb@1": "curation.extraction.by_trafilatura:FINEWEB",
        "resiliparse@1": "curation.extraction.by_resiliparse:MAIN",
        "resiliparse-all@1": "curation.extraction.by_resiliparse:ALL",
        "justext@1": "curation.extraction.by_justext:JUSTEXT",
    },
)
