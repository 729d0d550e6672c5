"""Taggers: the slice of a document from the document itself, where no column names it (`pool.tagger`).

A tagger sees a record's text and url, never its file, so that names and sharding of the input decide nothing. Its
version is part of what a pool was made from. Plugins: entry points of group `curate.taggers`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TypeAlias
from urllib.parse import urlsplit

from curation.errors import nearest
from curation.registry import Registry

SAMPLE_CHARS = 4_000
"""Characters of a document that are looked at."""
MIN_LETTERS = 20
"""Fewer say nothing of a script."""

Tag: TypeAlias = "Callable[[str, str | None], str | None]"
"""(text, url) -> slice; None leaves the pool's default slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagger:
    """One way to name a document's slice."""

    version: Callable[[], str]
    """A change of it makes other pools."""
    tag: Tag


def script(text: str, url: str | None) -> str | None:
    """Return the script of most letters, `latin`, `cyrillic`, `cjk`; None for fewer than `MIN_LETTERS` letters."""
    counts = Counter(_script_of(char) for char in text[:SAMPLE_CHARS] if char.isalpha())
    if sum(counts.values()) < MIN_LETTERS:
        return None
    return min(counts, key=lambda name: (-counts[name], name))


@cache
def _script_of(char: str) -> str:
    return unicodedata.name(char, "other").split(" ")[0].split("-")[0].lower()


def url_host(text: str, url: str | None) -> str | None:
    """Return the host of the url without `www.`; for pools of a few sites, since every host is a slice."""
    if not url:
        return None
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname
    except ValueError:  # brackets that hold no address
        return None
    return (host or "").rstrip(".").removeprefix("www.") or None


def language(text: str, url: str | None) -> str | None:
    """Return the language by py3langid, `en`, `de`; None for fewer than `MIN_LETTERS` letters.

    Source: langid.py, Lui and Baldwin 2012 (ACL demo).
    """
    sample = text[:SAMPLE_CHARS]
    if sum(char.isalpha() for char in sample) < MIN_LETTERS:
        return None
    import py3langid

    return str(py3langid.classify(sample)[0])


def refuse_beside(name: str, column: str) -> None:
    """Raise ValueError, as a settings' check must, for an unknown tagger or a `column` that says the slice already."""
    known = TAGGERS.names()
    if name not in known:
        raise ValueError(f"unknown tagger `{name}`, expected one of {', '.join(known)}; {nearest(name, known)}")
    if column != "slice":
        raise ValueError(f"`tagger: {name}` and `{column}` both name the slice, expected one of them; drop the other")


SCRIPT = Tagger(version=lambda: f"1, Unicode {unicodedata.unidata_version}", tag=script)
URL_HOST = Tagger(version=lambda: "1", tag=url_host)
LANGUAGE = Tagger(version=lambda: f"1, py3langid {version('py3langid')}", tag=language)

TAGGERS: Registry[Tagger] = Registry(
    "tagger",
    {
        "script": "curation.sources.taggers:SCRIPT",
        "url-host": "curation.sources.taggers:URL_HOST",
        "language": "curation.sources.taggers:LANGUAGE",
    },
)
