"""Read every record of a pool's sources into the spill, counting what is rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from curation.errors import ShardError
from curation.files import Json, canonical_json
from curation.ids import num_partitions
from curation.progress import Progress
from curation.recipe import PoolSpec
from curation.sources.inputs import Input
from curation.sources.pages import Found, needs_extraction, with_texts
from curation.sources.read import has_own_tally, records_of
from curation.sources.records import Placed, RecordReader, Rejected
from curation.sources.spill import BUFFER_BYTES, RowBuffer, Spill

SHOWN_CASES = 5
MAX_BUCKETS = 1024
_USUAL_EXPANSION = 5  # stored to decompressed bytes; only decides how many files the spill uses


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of one file's records: documents and counted reasons add up to the records."""

    records: int = 0
    documents: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    lost_bytes: int = 0

    def as_json(self, digest: str) -> dict[str, Json]:
        """Return the tally of the file with this digest."""
        counted: dict[str, Json] = dict(sorted(self.rejected.items()))
        lost: dict[str, Json] = {"lost_bytes": self.lost_bytes} if self.lost_bytes else {}
        return {"file": digest, "records": self.records, "documents": self.documents, "rejected": counted, **lost}


@dataclass(slots=True, kw_only=True)
class Collected:
    """Everything read: rows in the spill, counts of what was rejected, names of the files for error messages."""

    spill: Spill
    files: list[str]
    digests: list[str] = field(default_factory=list)
    """First 16 digits of each file's sha256, as `meta.place.file` has them."""
    num_docs: int = 0
    num_bytes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    cases: list[str] = field(default_factory=list)
    """The first rejections, as `file:record reason (detail)`."""
    sizes: list[pa.Table] | None = None
    """With a cap: `hash`, `slice` and `bytes` of each document."""
    num_without_text: int = 0
    """Rejected records whose text is missing, null or empty."""
    fields: tuple[str, ...] = ()
    """Of the first record without the text or id that the pool's settings name: what it has instead."""
    num_harmless: int = 0
    """Records passed over for what they are."""
    tallies: dict[int, Tally] = field(default_factory=dict)
    """By number of file, for containers of many records that are no rows."""
    has_places: bool = False

    def reject(self, rejected: Rejected, file: str, place: int) -> None:
        """Count one rejected record."""
        self.rejected[rejected.reason] += 1
        self.num_harmless += rejected.harmless
        if not rejected.harmless and len(self.cases) < SHOWN_CASES:
            detail = f" ({rejected.detail})" if rejected.detail else ""
            self.cases.append(f"{file}:{place} {rejected.reason}{detail}")

    def merge(self, part: Collected) -> None:
        """Count in what was read of the files after those so far; the spill is shared or joined by the caller."""
        self.num_docs += part.num_docs
        self.num_bytes += part.num_bytes
        self.rejected.update(part.rejected)
        self.cases += part.cases[: SHOWN_CASES - len(self.cases)]
        if self.sizes is not None:
            self.sizes += part.sizes or []
        self.num_without_text += part.num_without_text
        self.fields = self.fields or part.fields
        self.num_harmless += part.num_harmless
        self.has_places |= part.has_places


def collect_files(
    files: Sequence[Input],
    spec: PoolSpec,
    folder: Path,
    progress: Progress,
    *,
    workers: int = 1,
    empty_ok: bool = False,
) -> Collected:
    """Return every record of the input files; with `empty_ok` one without text is rejected but not a bad one.

    Raises: ShardError for a damaged file, for more rejected records than `max_bad_fraction`, for none left.
    """
    stored = [item.stored_bytes() for item in files]
    packed = sum(
        size
        for size, item in zip(stored, files, strict=True)
        if item.compression != "none" or item.path.suffix != ".jsonl"
    )
    estimate = sum(stored) + (_USUAL_EXPANSION - 1) * packed
    from curation.sources.collect_apart import collect_apart, readers_for

    collected = _empty([item.name for item in files], spec, folder, estimate)
    collected.digests = [item.digest[:16] for item in files]
    collected.tallies = {number: Tally() for number, item in enumerate(files) if has_own_tally(item)}
    with progress.task("ingest", sum(stored)) as task:
        num_readers = readers_for(files, spec, workers=workers, estimated_bytes=estimate)
        if num_readers > 1:
            collect_apart(collected, files, spec, num_readers, task.advance)
        else:
            collect_here(collected, list(enumerate(files)), spec, task.advance, workers=workers)
    _check_rejected(collected, spec, harmless=collected.num_without_text if empty_ok else 0)
    return collected


def collect_here(
    collected: Collected,
    files: Sequence[tuple[int, Input]],
    spec: PoolSpec,
    on_read: Callable[[float], None],
    *,
    workers: int = 1,
    reader: RecordReader | None = None,
) -> None:
    """Read numbered files one after the other in this process, pages by `workers` others. Raises: ShardError."""
    reader = reader or RecordReader(spec=spec)
    rows = RowBuffer(spill=collected.spill, sizes=collected.sizes)
    found: Iterator[Found] = _found(files, spec, on_read)
    if needs_extraction([item for _, item in files], spec):
        found = with_texts(found, spec, workers)
    for one in found:
        _take(one, reader, rows, collected)
    rows.flush()
    collected.num_bytes += rows.num_bytes


def _found(files: Sequence[tuple[int, Input]], spec: PoolSpec, on_read: Callable[[float], None]) -> Iterator[Found]:
    for number, item in files:
        for place, value in records_of(item, spec, on_read):
            if isinstance(value, Placed):
                yield Found(number, place, value.value, value.place)
            else:
                yield Found(number, place, value, None)


def _take(one: Found, reader: RecordReader, rows: RowBuffer, collected: Collected) -> None:
    """Add one record to the rows or to what is counted."""
    row = reader.row(one.value)
    tally = collected.tallies.get(one.file)
    if tally is not None:
        tally.records += 1
    if isinstance(row, Rejected):
        collected.reject(row, collected.files[one.file], one.number)
        if row.reason in ("no-text", "no-id") and not collected.fields and isinstance(one.value, dict):
            collected.fields = tuple(map(str, one.value))
        collected.num_without_text += not row.harmless and _has_no_text(row, one.value, reader.spec)
        if tally is not None:
            tally.rejected[row.reason] += 1
            tally.lost_bytes += row.lost_bytes
        return
    if one.place:
        collected.has_places = True
        row = row._replace(place=canonical_json(one.place))
    rows.add(row, one.file, one.number)
    collected.num_docs += 1
    if tally is not None:
        tally.documents += 1


def collect_environment(spec: PoolSpec, folder: Path, progress: Progress) -> Collected:
    """Return the documents of the installed environment; files that are no text are counted, never an error.

    Raises: ShardError if nothing of it is installed.
    """
    from curation.sources.environment import ESTIMATED_BYTES, environment_records

    collected = _empty(["environment"], spec, folder, ESTIMATED_BYTES)
    own = PoolSpec(  # our own field names
        source="environment", max_doc_bytes=spec.max_doc_bytes, tagger=spec.tagger, default_slice=spec.default_slice
    )
    reader = RecordReader(spec=own)
    rows = RowBuffer(spill=collected.spill, sizes=collected.sizes)
    with progress.task("ingest environment", None) as task:
        for place, record in enumerate(environment_records(progress)):
            row = reader.row(record)
            if isinstance(row, Rejected):
                collected.reject(row, "environment", place)
            else:
                rows.add(row, 0, place)
                collected.num_docs += 1
                task.advance()
    rows.flush()
    collected.num_bytes = rows.num_bytes
    if not collected.num_docs:
        raise ShardError("pool environment: none of the allow-listed distributions has a text file; reinstall them")
    return collected


def _empty(files: list[str], spec: PoolSpec, folder: Path, estimated_bytes: int) -> Collected:
    num_buckets = min(MAX_BUCKETS, num_partitions(estimated_bytes))
    spill = Spill(folder=folder, num_buckets=num_buckets, buffer_bytes=BUFFER_BYTES)
    return Collected(spill=spill, files=files, sizes=None if spec.max_bytes is None else [])


def _has_no_text(rejected: Rejected, record: object, spec: PoolSpec) -> bool:
    return rejected.reason == "empty-text" or (isinstance(record, dict) and record.get(spec.text) is None)


def _check_rejected(collected: Collected, spec: PoolSpec, *, harmless: int) -> None:
    total = collected.rejected.total()
    bad = total - collected.num_harmless
    records = total + collected.num_docs
    where = f"pool of {len(collected.files)} file{'s' if len(collected.files) != 1 else ''}"
    if records == 0:
        raise ShardError(f"{where} ({collected.files[0]} ...): holds no record; expected at least one")
    if collected.num_docs and bad - harmless <= spec.max_bad_fraction * records:
        return
    counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(collected.rejected.items()))
    shown = "\n".join(f"  - {case}" for case in collected.cases)
    limit = f"at most {spec.max_bad_fraction:g} of all" if collected.num_docs else "at least one usable document"
    there = f"; fields there: {', '.join(collected.fields)[:300]}" if collected.fields else ""
    fields = f"set `pool.text` to the text field (now `{spec.text}`{there}), "
    if collected.rejected["no-id"]:
        fields = f"set `pool.id` to the id field (now `{spec.id}`{there}) or leave it out to have ids computed, "
    raise ShardError(
        f"{where}: {bad:,} of {records:,} records rejected ({counts}), expected {limit}; mend them, {fields}"
        f"leave files out with `pool.exclude`, or raise `pool.max_bad_fraction`; first cases:\n{shown}"
    )
