"""Pages to look at: HTML files, folders, WARC files, JSONL with `html` (and `text`, a reference to judge by)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.errors import ShardError
from curation.extraction.base import Page

HTML_SUFFIXES = (".html", ".htm", ".xhtml")
READABLE = ".html, .htm, .xhtml, .warc, .warc.gz, .jsonl, .jsonl.gz, .jsonl.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One page, what to call it, and a text that somebody holds to be right."""

    name: str
    page: Page
    reference: str | None = None


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the pages of a file or a folder, files by name.

    Raises: ShardError for a place without pages, or a damaged file.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if not path.exists():
        raise ShardError(f"{path}: no such file or directory; expected pages: {READABLE}")
    known = [file for file in files if _reader(file) is not None]
    if not known:
        raise ShardError(f"{path}: holds no pages; expected {READABLE}; give another place")
    for file in known:
        reader = _reader(file)
        assert reader is not None
        yield from reader(file)


def _reader(file: Path) -> Callable[[Path], Iterator[Sample]] | None:
    name = file.name.lower()
    if name.endswith(HTML_SUFFIXES):
        return _html
    if name.endswith((".warc", ".warc.gz")):
        return _warc
    return _jsonl if name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")) else None


def _html(file: Path) -> Iterator[Sample]:
    yield Sample(name=file.name, page=Page(content=file.read_bytes()))


def _warc(file: Path) -> Iterator[Sample]:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    with file.open("rb") as stream:
        try:
            for number, record in enumerate(ArchiveIterator(stream)):
                kind = record.http_headers.get_header("Content-Type", "") if record.http_headers else ""
                if record.rec_type == "response" and "html" in kind.lower():
                    url = record.rec_headers.get_header("WARC-Target-URI")
                    charset = kind.lower().partition("charset=")[2].split(";")[0].strip(" \"'") or None
                    page = Page(content=record.content_stream().read(), url=url, declared_charset=charset)
                    yield Sample(name=url or f"{file.name}:{number}", page=page)
        except (ArchiveLoadFailed, EOFError, OSError) as error:
            raise ShardError(f"{file}: cannot be read as WARC ({error}); give another file") from None


def _jsonl(file: Path) -> Iterator[Sample]:
    from curation.sources.jsonl import jsonl_records
    from curation.sources.locate import kind_of_file

    item = kind_of_file(file)
    assert item is not None
    for number, record in jsonl_records(item, 100_000_000):
        if not isinstance(record, dict) or not isinstance(record.get("html"), str):
            raise ShardError(f"{file}:{number}: no `html`; expected a page as a string in every record")
        text, url = record.get("text"), record.get("url")
        yield Sample(
            name=str(url or record.get("id") or f"{file.name}:{number}"),
            page=Page(content=record["html"].encode("utf-8", "replace"), url=url if isinstance(url, str) else None),
            reference=text if isinstance(text, str) else None,
        )
