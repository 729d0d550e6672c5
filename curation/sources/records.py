"""From a raw record to the canonical row: which field is what, which records are rejected and why.

Text is never changed by a byte. `source, url, lang, license, date` are taken by these names, text, slice, id and family
by the names in the pool's settings; every other field goes into `meta` as canonical JSON (a record's own `meta` object
is merged flat, its top-level fields win). A null field is no field. Scalars in string columns become their `str`.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import orjson

from curation.files import Json, canonical_json
from curation.recipe import PoolSpec
from curation.sources.taggers import Tag, find_tagger

DEFAULT_SOURCE = "pool"

REJECTIONS = (
    "no-text", "empty-text", "invalid-utf8", "nul-byte", "invalid-json", "too-long", "no-id", "long-lines",
)  # fmt: skip
"""Why a record is rejected whatever it was read from; `docs/sources.md` lists the reasons of each format."""


class Rejected(NamedTuple):
    """A record that does not become a document: the reason, and a hint for the user."""

    reason: str
    detail: str = ""
    harmless: bool = False
    """Whether it is passed over for what it is (an image, a request) and no sign of a bad file."""
    lost_bytes: int = 0
    """Stored bytes that nothing could be read of."""


class Row(NamedTuple):
    """A document's canonical columns; `own_id` is the record's own id, None when ids are computed."""

    text: str
    source: str
    slice: str
    url: str | None
    lang: str | None
    license: str | None
    date: str | None
    meta: str | None
    own_id: str | None
    place: str | None = None
    """Where the document was read, as a JSON object; joins `meta` but is no part of the content."""

    def placed_meta(self) -> str | None:
        """Return `meta` with the place."""
        if self.place is None:
            return self.meta
        place = orjson.loads(self.place)
        meta = orjson.loads(self.meta) if self.meta else {}
        if "family" in place:
            meta.setdefault("family", place.pop("family"))
        return canonical_json({**meta, "place": place} if place else meta)

    def content(self) -> bytes:
        """Return the canonical JSON of all columns but the id; equal bytes mean equal documents."""
        return orjson.dumps(self[:8])


RawRecord: TypeAlias = "dict[str, Any]"


class Page(NamedTuple):
    """A record whose text is yet to be made of bytes: by an extractor, or by decoding alone."""

    record: RawRecord
    data: bytes
    charset: str | None
    """What its server or container says."""
    html: bool


class Placed(NamedTuple):
    """A record and where it was read: fields that no id depends on; `family` among them fills `meta.family`."""

    value: object
    place: RawRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReader:
    """Turns raw records into rows by the settings of one pool."""

    spec: PoolSpec
    tag: Tag | None = field(init=False)
    """The pool's tagger, loaded once."""

    def __post_init__(self) -> None:
        """Load the tagger. Raises: PluginError for a model that is missing or damaged."""
        tagger = self.spec.tagger
        object.__setattr__(self, "tag", None if tagger is None else find_tagger(tagger).tag)

    def row(self, record: object) -> Row | Rejected:
        """Return the record's row, or why it is rejected."""
        spec = self.spec
        if not isinstance(record, dict):
            return record if isinstance(record, Rejected) else Rejected("no-text", "not an object")
        text = record.get(spec.text)
        fault = text_fault(text, spec.max_doc_bytes)
        if fault is not None or not isinstance(text, str):
            return Rejected(fault or "no-text", _text_hint(record, spec.text) if fault == "no-text" else "")
        own_id = None if spec.id is None else _scalar(record.get(spec.id))
        if spec.id is not None and not own_id:
            return Rejected("no-id", f"no `{spec.id}`")
        row = Row(
            text=text,
            source=_scalar(record.get("source")) or DEFAULT_SOURCE,
            slice=self._slice(record, text) or spec.default_slice,
            url=_scalar(record.get("url")),
            lang=_scalar(record.get("lang")),
            license=_scalar(record.get("license")),
            date=_scalar(record.get("date")),
            meta=self._meta(record),
            own_id=own_id,
        )
        if any(value is not None and "\0" in value for value in row[1:]):
            return Rejected("nul-byte", "outside the text")
        return row

    def _slice(self, record: RawRecord, text: str) -> str | None:
        if self.tag is None:
            return _scalar(record.get(self.spec.slice))
        return self.tag(text, _scalar(record.get("url")))

    def _meta(self, record: RawRecord) -> str | None:
        spec = self.spec
        taken = {spec.text, spec.id, None if spec.tagger else spec.slice, spec.family, "meta"}
        rest = {
            key: value
            for key, value in record.items()
            if value is not None and key not in taken and (key not in _BY_NAME or isinstance(value, (dict, list)))
        }
        own = _own_meta(record.get("meta"))
        if own:
            rest = {**{key: value for key, value in own.items() if value is not None}, **rest}
        family = _scalar(record.get(spec.family)) if spec.family else None
        if family is not None:
            rest["family"] = family
        return _meta_json(rest) if rest else None


def _text_hint(record: RawRecord, field: str) -> str:
    if field in record:
        return f"`{field}` holds {type(record[field]).__name__}, expected a string"
    return f"fields: {', '.join(sorted(map(str, record))[:8])}"


_BY_NAME = frozenset({"source", "url", "lang", "license", "date"})


def text_fault(text: object, max_doc_bytes: int) -> str | None:
    """Return why `text` cannot be a document's text, or None."""
    if not isinstance(text, str):
        return "no-text"
    if not text or text.isspace():
        return "empty-text"
    if "\0" in text:
        return "nul-byte"
    if len(text) > max_doc_bytes or (len(text) * 4 > max_doc_bytes and len(text.encode()) > max_doc_bytes):
        return "too-long"
    return None


def _scalar(value: object) -> str | None:
    if type(value) is str:
        return value
    if value is None or isinstance(value, (dict, list, tuple)):
        return None
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _own_meta(value: object) -> RawRecord | None:
    """Return a record's `meta` as a mapping; a string that holds a JSON object (our own shards) counts as one."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.startswith("{"):
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {"meta": value}
        return parsed if isinstance(parsed, dict) else {"meta": value}
    return None if value is None else {"meta": value}


def _meta_json(value: RawRecord) -> str:
    try:
        return canonical_json(value)
    except (TypeError, ValueError):  # values that only Parquet has: times, decimals, bytes, NaN
        return canonical_json(_plain(value))


def _plain(value: object) -> Json:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)
