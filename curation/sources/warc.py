"""Records of WARC, WET, WAT and ARC files: every one becomes a page or is counted with its reason.

warcio parses the headers; the `Tape` beneath goes on after damage. Types that hold no page (warcinfo, request,
metadata and with it WAT, revisit), answers other than 2xx and what is no text are *passed over*: counted, but not bad.
A damaged stretch is one bad record, whatever it held. Source: ISO 28500 (WARC 1.1); Internet Archive, ARC 1.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from curation.sources.http_bodies import decoded_body
from curation.sources.inputs import Input
from curation.sources.members import READ_BYTES
from curation.sources.records import Page, Placed, RawRecord, Rejected
from curation.sources.tape import Tape

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
PLAIN_TYPES = frozenset({"text/plain", "text/markdown"})
_PASSED_TYPES = {
    "warcinfo": "warc-info", "arc_header": "warc-info", "request": "warc-request", "metadata": "warc-metadata",
    "revisit": "warc-revisit", "continuation": "warc-continuation",
}  # fmt: skip
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE)
_LOOKS_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|div|p|a)[\s>]", re.IGNORECASE)


def warc_records(
    item: Input, max_doc_bytes: int, on_read: Callable[[int], None] = lambda num_bytes: None
) -> Iterator[tuple[int, object]]:
    """Yield (record number from 1, `Placed` page or `Rejected`).

    Raises: ShardError for a file that cannot be read at all, or that expands too much; OSError.
    """
    from warcio.recordloader import ArcWarcRecordLoader

    logging.getLogger("warcio").setLevel(logging.ERROR)  # it mends URLs with spaces and says so for each
    loader = ArcWarcRecordLoader(arc2warc=True)
    number = 0
    held: tuple[int, Placed, int] | None = None
    with item.open() as stream:
        tape = Tape(item, stream, on_read)
        while True:
            found = tape.next_record()
            if held is not None:
                yield _judged(*held, tape)
                held = None
            for rejected in _losses(tape):
                number += 1
                yield number, rejected
            if not found:
                return
            offset, is_arc = tape.offset, not tape.peek(5).startswith(b"WARC/")
            number += 1
            try:
                record = loader.parse_record_stream(tape, no_record_parse=True)
            except Exception as error:  # warcio's own, and whatever strange bytes make Python raise
                yield number, Rejected("broken-record", f"byte {offset:,}: {type(error).__name__}: {error}"[:200])
                continue
            value = _value(loader, record, max_doc_bytes)
            clipped = _drain(record)
            if isinstance(value, Page):
                if clipped:
                    value.record.setdefault("truncated", "clipped")
                if is_arc:  # warcio draws one
                    value.record.pop("warc_record_id", None)
            held = number, Placed(value, {"file": item.digest[:16], "offset": offset}), offset
            if clipped and tape.ended_plain:
                yield number, held[1]
                held = None
                number += 1
                yield number, Rejected("truncated-file", f"the record at byte {offset:,} is cut by the file's end")


def _judged(number: int, placed: Placed, offset: int, tape: Tape) -> tuple[int, Placed]:
    """Return a record marked where its member proved damaged behind it: damage may decode as bytes of its own."""
    if isinstance(placed.value, Page) and any(damage.start == offset for damage in tape.damages):
        placed.value.record.setdefault("truncated", "damaged")
    return number, placed


def _losses(tape: Tape) -> Iterator[Rejected]:
    damages, stray_bytes = tape.take_losses()
    for damage in damages:
        yield Rejected(damage.reason, damage.detail, lost_bytes=damage.lost_bytes)
    if stray_bytes:
        detail = f"{stray_bytes:,} bytes before byte {tape.offset:,} belong to no record"
        yield Rejected("stray-bytes", detail, lost_bytes=stray_bytes)


def _drain(record: Any) -> bool:
    """Read the rest of a record; return whether it is shorter than it says."""
    while record.raw_stream.read(READ_BYTES):
        pass
    return bool(getattr(record.raw_stream, "limit", 0))


def _value(loader: Any, record: Any, max_doc_bytes: int) -> Page | Rejected:
    kind = record.rec_type
    if kind in _PASSED_TYPES:
        return Rejected(_PASSED_TYPES[kind], harmless=True)
    if kind not in ("response", "resource", "conversion"):
        return Rejected("warc-unknown-type", str(kind)[:80], harmless=True)
    try:
        return _page(loader, record, max_doc_bytes)
    except EOFError:
        return Rejected("broken-record", "its HTTP headers break off")


def _page(loader: Any, record: Any, max_doc_bytes: int) -> Page | Rejected:
    headers = record.rec_headers
    url = headers.get_header("WARC-Target-URI")
    read = record.raw_stream.read
    media_type, transfer, content = record.content_type or "", "", ""
    if kind_is_http(record, url):
        http, line = _http_headers(loader, record)
        if http is None:
            read = _after(line, read)
            media_type = ""
        else:
            status = http.get_statuscode()
            if status.isdigit() and not 200 <= int(status) < 300:
                return Rejected("http-status", status[:20], harmless=True)
            media_type = http.get_header("Content-Type") or ""
            transfer, content = http.get_header("Transfer-Encoding") or "", http.get_header("Content-Encoding") or ""
    identified = headers.get_header("WARC-Identified-Payload-Type") or ""
    kind = _media_kind(identified) or _media_kind(media_type)
    if kind == "other":
        return Rejected("not-text", (identified or media_type)[:80], harmless=True)
    body = decoded_body(read, transfer, content, max_doc_bytes)
    if body.fault is not None:
        return Rejected(body.fault, body.detail)
    if not body.data:
        return Rejected("empty-body", harmless=True)
    if kind is None and not _LOOKS_HTML.search(body.data[:1024]):
        return Rejected("not-text", "no media type, and it does not look like HTML", harmless=True)
    charset = _CHARSET.search(media_type)
    return Page(
        record=_fields(record, url, media_type),
        data=body.data,
        charset=charset[1] if charset else None,
        html=kind != "plain",
    )


def kind_is_http(record: Any, url: str | None) -> bool:
    """Return whether a record begins with the headers of an HTTP answer."""
    if record.rec_type != "response":
        return False
    media_type = (record.content_type or "").replace(" ", "").lower()
    return "msgtype=response" in media_type or (url or "").lower().startswith(("http:", "https:"))


def _http_headers(loader: Any, record: Any) -> tuple[Any, bytes]:
    """Return the parsed HTTP headers, or None and the first line, which is no status line."""
    from warcio.statusandheaders import StatusAndHeadersParserException

    try:
        return loader.http_parser.parse(record.raw_stream), b""
    except StatusAndHeadersParserException as error:
        line = error.statusline
        return None, (line if isinstance(line, bytes) else str(line).encode("utf-8", "surrogateescape")) + b"\n"


def _after(line: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    held = [line]
    return lambda size: held.pop() if held else read(size)


def _media_kind(media_type: str) -> str | None:
    """Return `html`, `plain` or `other`; None where nothing is said."""
    name = media_type.partition(";")[0].strip().lower()
    if name in ("", "application/octet-stream", "unk", "no-type", "application/http"):
        return None
    return "html" if name in HTML_TYPES else "plain" if name in PLAIN_TYPES else "other"


def _fields(record: Any, url: str | None, media_type: str) -> RawRecord:
    headers = record.rec_headers
    kept = {
        "url": url,
        "date": headers.get_header("WARC-Date"),
        "warc_record_id": headers.get_header("WARC-Record-ID"),
        "warc_type": record.rec_type,
        "content_type": media_type,
        "truncated": headers.get_header("WARC-Truncated"),
        "languages": headers.get_header("WARC-Identified-Content-Language"),
    }
    return {name: value for name, value in kept.items() if value}
