"""From the spill to the pool's parts: the cap, equal records numbered, conflicts refused, rows sorted by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import TEXT_SCHEMA, read_table, text_view, write_table
from curation.errors import ShardError
from curation.files import Json, canonical_json, replacing
from curation.ids import common_ceiling, id_hash, kept_under_cap, num_partitions, numbered, partition_of
from curation.progress import Progress
from curation.recipe import PoolSpec
from curation.sources.collect import Collected
from curation.store import ArtifactWriter

OVER_CAP = "over-max-bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPool:
    """Parts written and what they hold; `summary` is the manifest's."""

    num_parts: int
    summary: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    digest: bytes
    slices: Mapping[str, tuple[int, int]]  # name -> documents, bytes
    numbered_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cap:
    """Which documents stay under `max_bytes`: hashes of the kept, and totals."""

    kept: npt.NDArray[np.uint64]
    num_docs: int
    num_bytes: int


def write_partitions(
    collected: Collected, spec: PoolSpec, out: ArtifactWriter, *, workers: int, progress: Progress
) -> WrittenPool:
    """Write `part-*.parquet` and return the pool's summary.

    Raises: ShardError for one id with two contents, a `pool.slice` that no record has, or a cap that no document fits
    under.
    """
    cap = _choose(collected, spec)
    num_bytes = collected.num_bytes if cap is None else cap.num_bytes
    num_parts = num_partitions(num_bytes)
    with progress.task("partition", num_parts) as task, ThreadPoolExecutor(max_workers=max(1, workers)) as pool:

        def step(number: int) -> _Part:
            part = _write_part(collected, number, num_parts, out, cap)
            task.advance()
            return part

        parts = list(pool.map(step, range(num_parts)))
    if spec.id is not None:
        _refuse_taken_numbers(parts, out)
    _refuse_absent_slices(parts, spec)
    rejected = dict(sorted(collected.rejected.items()))
    num_docs = sum(docs for part in parts for docs, _ in part.slices.values())
    if num_docs < collected.num_docs:
        rejected[OVER_CAP] = collected.num_docs - num_docs
    summary: dict[str, Json] = {
        "num_docs": num_docs,
        "num_bytes": num_bytes,
        "rejected": rejected,
        "slices": _slices(parts),
        "logical_digest": hashlib.sha256(b"".join(part.digest for part in parts)).hexdigest(),
    }
    if collected.tallies:
        told = [tally.as_json(collected.digests[number]) for number, tally in collected.tallies.items()]
        summary["files"] = sorted(told, key=canonical_json)
    return WrittenPool(num_parts=num_parts, summary=summary)


def _refuse_absent_slices(parts: list[_Part], spec: PoolSpec) -> None:
    """Refuse a `pool.slice` that names no field: everything in one slice would pass for a choice."""
    asked = spec.slice != PoolSpec.model_fields["slice"].default
    if asked and {name for part in parts for name in part.slices} == {spec.default_slice}:
        raise ShardError(
            f"pool: no record has a slice under `{spec.slice}`, which `pool.slice` names; expected a field with the "
            f"slice's name; mend `pool.slice`, or leave it out to have one slice `{spec.default_slice}`"
        )


def _choose(collected: Collected, spec: PoolSpec) -> _Cap | None:
    """Return which documents stay when no slice may pass one common ceiling; None when all do."""
    if spec.max_bytes is None or collected.sizes is None or collected.num_bytes <= spec.max_bytes:
        return None
    sizes = pa.concat_tables(
        [table.set_column(1, "slice", table["slice"].cast(pa.large_string())) for table in collected.sizes]
    )
    hashes, num_bytes = sizes["hash"].to_numpy(), sizes["bytes"].to_numpy()
    encoded = sizes["slice"].combine_chunks().dictionary_encode()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.combine_chunks()
    codes = encoded.indices.to_numpy()
    totals = [int(num_bytes[codes == code].sum()) for code in range(len(encoded.dictionary))]
    ceiling = common_ceiling(totals, spec.max_bytes)
    chosen = []
    for code, total in enumerate(totals):
        inside = codes == code
        chosen.append(kept_under_cap(hashes[inside], num_bytes[inside], min(total, ceiling)))
    kept = np.sort(np.concatenate(chosen))
    stays = _contains(kept, hashes)
    if not stays.any():
        raise ShardError(f"pool: no document fits under max_bytes {spec.max_bytes:,}; raise `pool.max_bytes`")
    return _Cap(kept=kept, num_docs=int(stays.sum()), num_bytes=int(num_bytes[stays].sum()))


def _contains(ordered: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    place = np.searchsorted(ordered, values)
    found: npt.NDArray[np.bool_] = place < len(ordered)
    found[found] = ordered[place[found]] == values[found]
    return found


def _write_part(collected: Collected, number: int, num_parts: int, out: ArtifactWriter, cap: _Cap | None) -> _Part:
    rows = collected.spill.partition(number, num_parts)
    by = ["id", "digest", *(["meta"] if collected.has_places else []), "file", "record"]  # equal but for their places
    light = rows.select(by)
    order = pc.sort_indices(light, sort_keys=[(name, "ascending") for name in by])
    _refuse_conflicts(light.take(order), collected.files)
    if cap is not None:
        order = order.filter(pa.array(_contains(cap.kept, rows["hash"].to_numpy()[order.to_numpy()])))
    table = rows.select([*TEXT_SCHEMA.names, "digest"]).take(order).combine_chunks()
    ids = table["id"].to_pylist()
    unique = numbered(ids)
    renamed = [new for old, new in zip(ids, unique, strict=True) if old != new]
    if renamed:
        table = table.set_column(0, TEXT_SCHEMA.field("id"), pa.array(unique, pa.large_string()))
        table = table.take(pc.sort_indices(table["id"])).combine_chunks()
    with replacing(out.part_path(number)) as temporary:
        write_table(temporary, table.select(TEXT_SCHEMA.names))
    return _Part(digest=_digest(table, with_meta=collected.has_places), slices=_count(table), numbered_ids=renamed)


def _refuse_conflicts(ordered: pa.Table, files: list[str]) -> None:
    """Raise ShardError if neighbours in id order share an id but not their content."""
    if len(ordered) < 2:
        return
    ids, digests = ordered["id"].combine_chunks(), ordered["digest"].combine_chunks()
    same_id = pc.equal(ids[1:], ids[:-1])
    conflict = pc.and_(same_id, pc.not_equal(digests[1:], digests[:-1]))
    if not pc.any(conflict).as_py():
        return
    row = pc.index(conflict, True).as_py()
    first, second = (f"{files[ordered['file'][at].as_py()]}:{ordered['record'][at]}" for at in (row, row + 1))
    raise ShardError(
        f"{first} and {second}: both have the id {ids[row].as_py()!r} but different contents; expected one content "
        "an id; mend the ids, or leave `pool.id` out to have ids computed"
    )


def _refuse_taken_numbers(parts: list[_Part], out: ArtifactWriter) -> None:
    """Raise ShardError if a record's own id equals one made by numbering equal records."""
    made_in = {name: number for number, part in enumerate(parts) for name in part.numbered_ids}
    names = list(made_in)
    homes = partition_of(np.array([id_hash(name) for name in names], np.uint64), len(parts)).tolist()
    for home in sorted(set(homes)):
        present = Counter(read_table(out.part_path(home), ["id"])["id"].to_pylist())
        for name in (name for name, at in zip(names, homes, strict=True) if at == home):
            if present[name] > (made_in[name] == home):
                raise ShardError(
                    f"pool: id {name!r} belongs to one record and to a numbered copy of another; expected no own id "
                    "that ends in `-1`, `-2` beside equal records; mend the ids, or leave `pool.id` out"
                )


def _digest(table: pa.Table, *, with_meta: bool) -> bytes:
    """Return a digest over (id, content) of the rows in order, and over `meta` where it holds places."""
    ids = text_view(table["id"])
    digest = hashlib.sha256(len(ids).to_bytes(8, "little"))
    digest.update((ids.offsets - ids.offsets[0]).astype("<i8").tobytes())
    digest.update(ids.data[ids.offsets[0] : ids.offsets[-1]].tobytes())
    for content in table["digest"].to_pylist():
        digest.update(content)
    if with_meta:
        for meta in table["meta"].to_pylist():
            digest.update(b"" if meta is None else meta.encode() + b"\n")
    return digest.digest()


def _count(table: pa.Table) -> dict[str, tuple[int, int]]:
    sized = pa.table({"slice": table["slice"], "bytes": text_view(table["text"]).num_bytes})
    totals = sized.group_by("slice", use_threads=False).aggregate([("bytes", "count"), ("bytes", "sum")])
    return {row["slice"]: (row["bytes_count"], row["bytes_sum"]) for row in totals.to_pylist()}


def _slices(parts: list[_Part]) -> dict[str, Json]:
    names = sorted({name for part in parts for name in part.slices})
    counted = {name: [part.slices[name] for part in parts if name in part.slices] for name in names}
    return {
        name: {"docs": sum(docs for docs, _ in counts), "bytes": sum(size for _, size in counts)}
        for name, counts in counted.items()
    }
