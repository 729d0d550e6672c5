"""Documents given as files, as rows of a panel: a user's target domains and external panels (`curation.panel_files`).

A row's id is `SLICE/OWN` with the record's own id if the settings name its column, else a digest of the text: neither
order, names nor packing of files matter, and equal texts of a slice count once. The family is that of
`curation.families`, with the `url` of a record's `metadata` where it has none of its own (Dolma and Paloma records).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson
import pyarrow as pa

from curation.errors import ShardError
from curation.families import family_of
from curation.recipe import PoolSpec
from curation.slices import SliceKind, kind_of
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Input, find_inputs
from curation.sources.parquet import parquet_records
from curation.sources.records import RecordReader, Rejected, Row

DOCUMENT_COLUMNS = ("id", "text", "slice", "family", "source", "lang")
DUPLICATE = "duplicate-text"
NO_COLUMN = "\0none"
"""Name of a column that no record has."""
_SCHEMA = pa.schema([pa.field(name, pa.large_string()) for name in DOCUMENT_COLUMNS])


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelRows:
    """Documents sorted by (slice, id), whole texts, and how many records are none, by reason."""

    table: pa.Table
    excluded: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Collects rows from several specs into one table; every fault names file and place."""

    kinds: Mapping[str, SliceKind] = field(default_factory=dict)
    rows: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)

    def read(self, spec: PoolSpec, where: str, slice_prefix: str = "") -> None:
        """Add the documents of `spec`; with a prefix ending in `/`, slices are called `PREFIX + their name`.

        Raises: ShardError for missing or damaged files, no document at all, too many records that are none, or two
        texts under one id.
        """
        reader = RecordReader(spec=spec)
        seen = bad = 0
        example = ""
        for file, place, record in _records(spec):
            row = reader.row(record)
            seen += 1
            if isinstance(row, Rejected):
                bad += 1
                self.excluded[row.reason] += 1
                example = example or f"{file.path}:{place}: {row.reason}{f' ({row.detail})' if row.detail else ''}"
            else:
                self._add(row, (slice_prefix + row.slice).removesuffix("/"), f"{file.path}:{place}")
        if bad == seen:
            shown = f"{example}; " if example else ""
            raise ShardError(
                f"{where}: empty, no document among {seen:,} records; {shown}expected texts in `{spec.text}`; "
                "name their column (`text`), or leave the files out"
            )
        if bad > spec.max_bad_fraction * seen and bad > 1:
            raise ShardError(
                f"{where}: {bad:,} of {seen:,} records are no documents, the first {example}; expected at most "
                f"{spec.max_bad_fraction:.3g} of them; mend the files or set `max_bad_fraction`"
            )

    def finish(self) -> PanelRows:
        """Return what was read."""
        ordered = sorted(self.rows.values(), key=lambda row: (row[2] or "", row[0] or ""))
        columns = list(zip(*ordered, strict=True)) or [()] * len(DOCUMENT_COLUMNS)
        arrays = [pa.array(list(column), pa.large_string()) for column in columns]
        return PanelRows(
            table=pa.Table.from_arrays(arrays, schema=_SCHEMA), excluded=dict(sorted(self.excluded.items()))
        )

    def _add(self, row: Row, slice_name: str, place: str) -> None:
        own = row.own_id or hashlib.sha256(row.text.encode("utf-8")).hexdigest()[:24]
        document_id = f"{slice_name}/{own}"
        url = row.url or _metadata_url(row.meta)
        family = family_of(document_id, url, row.meta, kind_of(slice_name, self.kinds))
        found = (document_id, row.text, slice_name, family, row.source, row.lang)
        known = self.rows.get(document_id)
        if known is None:
            self.rows[document_id] = found
            return
        if known[1] != row.text:
            raise ShardError(
                f"{place}: id {own!r} of slice `{slice_name}` has two texts; expected one; name another id"
            )
        self.excluded[DUPLICATE] += 1
        # which copy comes first is up to the order of files: the smallest stays
        self.rows[document_id] = min(known, found, key=_comparable)


def _comparable(row: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in row)


def _records(spec: PoolSpec) -> Iterator[tuple[Input, int, object]]:
    for file in find_inputs(spec.path, spec.include, spec.exclude).files:
        records = (
            parquet_records(file, spec) if file.container == "parquet" else jsonl_records(file, spec.max_doc_bytes)
        )
        for place, record in records:
            yield file, place, record


def _metadata_url(meta: str | None) -> str | None:
    inner = orjson.loads(meta).get("metadata") if meta else None
    url = inner.get("url") if isinstance(inner, dict) else None
    return url if isinstance(url, str) else None
