"""Text of pages: HTML by the pool's extractor in worker processes, plain text by decoding, all in the order of reading.

A page without main text is passed over, not bad. `date` is when the page was fetched where the container says so, with
the page's own day as `published`; else the page's own day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from curation.pool_spec import PoolSpec
from curation.sources.inputs import Input
from curation.sources.licences import linked
from curation.sources.records import Page, RawRecord, Rejected

HARMLESS = frozenset({"no-main-text", "not-html", "page-too-deep"})
PAGE_CONTAINERS = frozenset({"warc", "html", "zip", "tar"})
HEAD_BYTES = 1 << 16
_CANONICAL = re.compile(
    rb"<link\b[^>]{0,300}?(?:rel\s*=\s*[\"']?canonical[^>]{0,300}?href\s*=\s*[\"']?(https?://[^\"'\s>]{1,2000})"
    rb"|href\s*=\s*[\"']?(https?://[^\"'\s>]{1,2000})[\"']?[^>]{0,300}?rel\s*=\s*[\"']?canonical)",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """One thing that a reader found: the number of its file, its number there, what it is and where it was."""

    file: int
    number: int
    value: object
    place: RawRecord | None


def needs_extraction(files: Iterable[Input], spec: PoolSpec) -> bool:
    """Return whether any of the files may hold pages."""
    return spec.extract is not None or any(item.container in PAGE_CONTAINERS for item in files)


def with_texts(found: Iterable[Found], spec: PoolSpec, workers: int) -> Iterator[Found]:
    """Yield the same with every page turned into a record or a rejection.

    Raises: PluginError for an unknown extractor.
    """
    from curation.extraction import DEFAULT_EXTRACTOR, Limits, extract_pages

    limits = Limits(max_page_bytes=spec.max_doc_bytes)
    tagged = ((_lightened(one), _web_page(one, spec)) for one in found)
    for one, extracted in extract_pages(spec.extract or DEFAULT_EXTRACTOR, tagged, workers=workers, limits=limits):
        if extracted is not None:
            yield one._replace(value=_record(one.value, extracted, spec))
        elif isinstance(one.value, Page):
            yield one._replace(value=_plain(one.value, spec))
        else:
            yield one


def extractor_version(spec: PoolSpec) -> str:
    """Return everything that decides what pages of this pool become. Raises: PluginError for an unknown extractor."""
    from curation.extraction import DEFAULT_EXTRACTOR, component_version

    return component_version(spec.extract or DEFAULT_EXTRACTOR)


def _web_page(one: Found, spec: PoolSpec) -> Any:
    from curation.extraction import Page as WebPage

    value = one.value
    if isinstance(value, Page) and value.html:
        return WebPage(content=value.data, url=value.record.get("url"), declared_charset=value.charset)
    if spec.extract is not None and isinstance(value, dict) and isinstance(value.get(spec.text), str):
        url = value.get("url")
        content = value[spec.text].encode("utf-8", "surrogatepass")
        return WebPage(content=content, url=url if isinstance(url, str) else None, declared_charset="utf-8")
    return None


def _lightened(one: Found) -> Found:
    """Return the record that waits for its text: what the page's own bytes tell is taken now, the bytes are let go."""
    if not isinstance(one.value, Page) or not one.value.html:
        return one
    page = one.value
    record = dict(page.record)
    if "license" not in record and (licence := linked(page.data)):
        record["license"] = licence
    if "url" not in record and (canonical := _CANONICAL.search(page.data[:HEAD_BYTES])):
        record["url"] = (canonical[1] or canonical[2]).decode("utf-8", "replace")
    return one._replace(value=record)


def _record(value: object, extracted: Any, spec: PoolSpec) -> RawRecord | Rejected:
    if extracted.reason is not None:
        return Rejected(extracted.reason, extracted.detail, harmless=extracted.reason in HARMLESS)
    record = dict(value) if isinstance(value, dict) else {}
    told = {"title": extracted.title, "published" if record.get("date") else "date": extracted.date}
    record.update({key: item for key, item in told.items() if item and not record.get(key)})
    if extracted.charset and extracted.charset != "utf-8":
        record.setdefault("charset", extracted.charset)
    return {**record, spec.text: extracted.text}


def _plain(page: Page, spec: PoolSpec) -> RawRecord | Rejected:
    from curation.extraction.charset import decode

    decoded = decode(page.data, page.charset)
    if decoded.bad_fraction > 0.3 and not decoded.html.isascii():
        return Rejected("undecodable", f"makes no sense as {decoded.charset}")
    return {**page.record, spec.text: decoded.html}
