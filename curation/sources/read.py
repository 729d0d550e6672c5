"""Records of any input file: which reader reads which container."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from curation.errors import ShardError
from curation.pool_spec import PoolSpec
from curation.sources.inputs import ONE_DOCUMENT, ROW_CONTAINERS, Input
from curation.sources.jsonl import jsonl_records
from curation.sources.parquet import parquet_records
from curation.sources.records import Placed, Rejected

OnRead = Callable[[int], None]


def records_of(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    """Yield (record number, record, `Page` or `Rejected`), the last three perhaps `Placed`.

    Raises: ShardError for a damaged container, IncompleteError when its server cannot be reached.
    """
    if item.container == "jsonl":
        records = jsonl_records(item, spec.max_doc_bytes, on_read)
    elif item.container == "parquet":
        records = parquet_records(item, spec, on_read)
    else:
        yield from _with_member(item, _others(item, spec, on_read), spec)
        return
    if spec.places:
        key = "line" if item.container == "jsonl" else "row"
        records = ((number, Placed(value, {"file": item.digest[:16], key: number})) for number, value in records)
    yield from records


def has_own_tally(item: Input) -> bool:
    """Return whether a file's records are counted by file: not rows, and not a document alone."""
    return item.container not in ROW_CONTAINERS | ONE_DOCUMENT


def _with_member(item: Input, records: Iterator[tuple[int, object]], spec: PoolSpec) -> Iterator[tuple[int, object]]:
    """Name the archive's member in each place, or drop places that the pool does not want (never the family)."""
    for number, value in records:
        if not isinstance(value, Placed):
            yield number, value
            continue
        place = {**value.place, "member": item.member} if item.member and "file" in value.place else value.place
        if spec.places is False:
            place = {key: place[key] for key in ("family",) if key in place}
        yield number, Placed(value.value, place)


def _others(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    if item.container == "warc":
        from curation.sources.warc import warc_records

        return warc_records(item, spec.max_doc_bytes, on_read)
    if item.container in ("html", "text", "markdown"):
        from curation.sources.prose_files import prose_records

        return prose_records(item, spec, on_read)
    if item.container in ("csv", "tsv", "arrow"):
        from curation.sources.tables import arrow_records, csv_records

        return arrow_records(item, spec, on_read) if item.container == "arrow" else csv_records(item, spec, on_read)
    if item.container == "code":
        from curation.sources.code_trees import code_records

        return code_records(item, spec, on_read)
    if item.container in ("zip", "tar"):
        return _archive(item, spec, on_read)
    if item.container == "datatrove":
        from curation.sources.datatrove_reader import datatrove_records

        if item.opener is not None:
            raise ShardError(f"{item.name}: readers of datatrove read local files here; download it, or use ours")
        return datatrove_records(item, spec, on_read)
    raise AssertionError(f"no reader of {item.container}")


def _archive(item: Input, spec: PoolSpec, on_read: OnRead) -> Iterator[tuple[int, object]]:
    from curation.sources.archives import archive_members, told

    number = 0
    with told(item):
        for member in archive_members(item, spec, on_read):
            if isinstance(member, Rejected):
                number += 1
                yield number, member
                continue
            for _, value in records_of(member, spec, lambda num_bytes: None):
                number += 1
                yield number, value
