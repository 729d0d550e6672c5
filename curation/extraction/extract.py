"""One page: encoding, limits, title and date, main text; whatever goes wrong is a reason, never an exception."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from curation.errors import PluginError, nearest
from curation.extraction.base import EXTRACTORS, Extracted, Extractor, TooDeepError, WebPage
from curation.extraction.charset import CHARSET_VERSION, decode
from curation.extraction.head import HEAD_VERSION, date_of, title_of

if TYPE_CHECKING:
    from curation.extraction.charset import Decoded

DEFAULT_EXTRACTOR = "trafilatura@1"
MAX_UNDECODED_FRACTION = 0.3
"""Share of implausible characters beyond ASCII above which no encoding fits."""

_BINARY = re.compile(
    rb"%PDF-|PK\x03\x04|\x89PNG|GIF8|\xff\xd8\xff|\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|Rar!|7z\xbc\xaf|\x7fELF|"
    rb"RIFF|OggS|ID3|fLaC|\xd0\xcf\x11\xe0|wOF[F2]|MZ\x90"
)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one page may cost."""

    max_page_bytes: int = 10_000_000
    """Common Crawl cuts pages at 1 to 5 MiB."""
    cpu_seconds: float = 30.0
    """Processor time of one page in a worker; far above any real page, so that no slower machine keeps fewer."""
    memory_bytes: int = 6_000_000_000
    """Address space of a worker."""


def resolve(name: str, where: str = "") -> str:
    """Return the full name of an extractor: `trafilatura` is the newest `trafilatura@N`.

    Raises: PluginError for an unknown one.
    """
    known = EXTRACTORS.names()
    if name in known:
        return name
    versions = [entry for entry in known if entry.partition("@")[0] == name and entry.rpartition("@")[2].isdigit()]
    if versions:
        return max(versions, key=lambda entry: int(entry.rpartition("@")[2]))
    prefix = f"{where}: " if where else ""
    raise PluginError(f"{prefix}unknown extractor `{name}`; {nearest(name, known)}")


def component_version(name: str) -> str:
    """Return everything that decides what the extractor keeps; a change of it makes other pools."""
    full = resolve(name)
    ours = f"charset {CHARSET_VERSION}, head {HEAD_VERSION}, charset-normalizer {version('charset-normalizer')}"
    return f"{full} ({_component(full).version()}; {ours}, resiliparse {version('resiliparse')})"


def extract(
    name: str, page: bytes, *, url: str | None = None, declared_charset: str | None = None, limits: Limits | None = None
) -> Extracted:
    """Return the main text of one page, in this process: nothing stops a page that takes for ever.

    Raises: PluginError for an unknown extractor.
    """
    started = time.thread_time()
    found = _looked_at(_component(resolve(name)), page, url, declared_charset, limits or Limits())
    return replace(found, cpu_seconds=time.thread_time() - started)


def _looked_at(extractor: Extractor, page: bytes, url: str | None, declared: str | None, limits: Limits) -> Extracted:
    too_large = oversized(page, limits)
    if too_large is not None:
        return too_large
    if _BINARY.match(page):
        return Extracted(text="", reason="not-html", detail="begins as a file of another kind")
    decoded = decode(page, declared)
    if not decoded.html.isascii() and decoded.bad_fraction > MAX_UNDECODED_FRACTION:
        detail = f"{decoded.bad_fraction:.0%} of the characters beyond ASCII make no sense as {decoded.charset}"
        return Extracted(text="", charset=decoded.charset, reason="undecodable", detail=detail)
    return _extracted(extractor, decoded, url)


def oversized(page: bytes, limits: Limits) -> Extracted | None:
    """Return what becomes of a page that is larger than any may be, else None."""
    if len(page) <= limits.max_page_bytes:
        return None
    detail = f"{len(page):,} bytes, at most {limits.max_page_bytes:,} are read"
    return Extracted(text="", reason="page-too-large", detail=detail)


def _component(full_name: str) -> Extractor:
    return EXTRACTORS.get(full_name)


def _extracted(extractor: Extractor, decoded: Decoded, url: str | None) -> Extracted:
    page = WebPage(html=_UNPRINTABLE.sub(" ", decoded.html), url=url)
    reason, detail, text = None, "", ""
    title = date = None
    try:
        title, date = title_of(page), date_of(page)
        text = _UNPRINTABLE.sub("", extractor.extract(page)).strip()
        reason = None if text else "no-main-text"
    except TooDeepError as error:
        reason, detail = "page-too-deep", str(error)
    except Exception as error:  # libraries raise anything over a stranger's page
        reason, detail = "extractor-failed", f"{type(error).__name__}: {error}"[:300]
    return Extracted(text=text, title=title, date=date, charset=decoded.charset, reason=reason, detail=detail)
