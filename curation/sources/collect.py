"""Read every record of a pool's sources into the spill, counting what is rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from curation.errors import ShardError
from curation.ids import num_partitions
from curation.progress import Progress
from curation.recipe import PoolSpec
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Input
from curation.sources.parquet import parquet_records
from curation.sources.records import RecordReader, Rejected
from curation.sources.spill import BUFFER_BYTES, RowBuffer, Spill

SHOWN_CASES = 5
MAX_BUCKETS = 1024
_USUAL_EXPANSION = 5  # stored to decompressed bytes; only decides how many files the spill uses


@dataclass(slots=True, kw_only=True)
class Collected:
    """Everything read: rows in the spill, counts of what was rejected, names of the files for error messages."""

    spill: Spill
    files: list[str]
    num_docs: int = 0
    num_bytes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    cases: list[str] = field(default_factory=list)
    """The first rejections, as `file:record reason (detail)`."""
    sizes: list[pa.Table] | None = None
    """With a cap: `hash`, `slice` and `bytes` of each document."""
    num_without_text: int = 0
    """Rejected records whose text is missing, null or empty."""

    def reject(self, rejected: Rejected, file: str, place: int) -> None:
        """Count one rejected record."""
        self.rejected[rejected.reason] += 1
        if len(self.cases) < SHOWN_CASES:
            detail = f" ({rejected.detail})" if rejected.detail else ""
            self.cases.append(f"{file}:{place} {rejected.reason}{detail}")


def collect_files(
    files: Sequence[Input], spec: PoolSpec, folder: Path, progress: Progress, *, empty_ok: bool = False
) -> Collected:
    """Return every record of the input files; with `empty_ok` one without text is rejected but not a bad one.

    Raises: ShardError for a damaged file, for more rejected records than `max_bad_fraction`, for none left.
    """
    stored = [item.path.stat().st_size for item in files]
    packed = sum(
        size
        for size, item in zip(stored, files, strict=True)
        if item.compression != "none" or item.path.suffix != ".jsonl"
    )
    estimate = sum(stored) + (_USUAL_EXPANSION - 1) * packed
    collected = _empty([str(item.path) for item in files], spec, folder, estimate)
    reader = RecordReader(spec=spec)
    rows = RowBuffer(spill=collected.spill, sizes=collected.sizes)
    with progress.task("ingest", sum(stored)) as task:
        for number, item in enumerate(files):
            for place, record in _records(item, spec, task.advance):
                row = reader.row(record)
                if isinstance(row, Rejected):
                    collected.reject(row, collected.files[number], place)
                    collected.num_without_text += _has_no_text(row, record, spec)
                else:
                    rows.add(row, number, place)
                    collected.num_docs += 1
    rows.flush()
    collected.num_bytes = rows.num_bytes
    _check_rejected(collected, spec, harmless=collected.num_without_text if empty_ok else 0)
    return collected


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


def _records(item: Input, spec: PoolSpec, on_read: Callable[[float], None]) -> Iterator[tuple[int, object]]:
    if item.container == "parquet":
        return parquet_records(item, spec, on_read)
    return jsonl_records(item, spec.max_doc_bytes, on_read)


def _has_no_text(rejected: Rejected, record: object, spec: PoolSpec) -> bool:
    return rejected.reason == "empty-text" or (isinstance(record, dict) and record.get(spec.text) is None)


def _check_rejected(collected: Collected, spec: PoolSpec, *, harmless: int) -> None:
    bad = collected.rejected.total()
    records = bad + collected.num_docs
    where = f"pool of {len(collected.files)} file{'s' if len(collected.files) != 1 else ''}"
    if records == 0:
        raise ShardError(f"{where} ({collected.files[0]} ...): holds no record; expected JSON Lines or Parquet rows")
    if collected.num_docs and bad - harmless <= spec.max_bad_fraction * records:
        return
    counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(collected.rejected.items()))
    shown = "\n".join(f"  - {case}" for case in collected.cases)
    limit = f"at most {spec.max_bad_fraction:g} of all" if collected.num_docs else "at least one usable document"
    fields = f"set `pool.text` to the text field (now `{spec.text}`), "
    if collected.rejected["no-id"]:
        fields = f"set `pool.id` to the id field (now `{spec.id}`) or leave it out to have ids computed, "
    raise ShardError(
        f"{where}: {bad:,} of {records:,} records rejected ({counts}), expected {limit}; mend them, {fields}"
        f"leave files out with `pool.exclude`, or raise `pool.max_bad_fraction`; first cases:\n{shown}"
    )
