"""The documents that a tag model is fitted on: those of a pool with the smallest hash of their id.

The sample depends on the pool's documents and the seed, not on their files, order or number of parts. Memory: ids'
hashes of the whole pool, one part's text at a time, and heads and features of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import xxhash

from curation.batches import read_table, text_view
from curation.errors import RecipeError, nearest
from curation.progress import Progress
from curation.store import Artifact
from curation.tags.lsa import Features
from curation.tags.settings import FitSettings

LABEL_COLUMNS = ("slice", "source", "lang", "license")
META_PREFIX = "meta."
NO_LABEL = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Documents in the pool's order: ids, heads of their texts, labels if any were asked for."""

    ids: list[str]
    heads: pa.ChunkedArray
    labels: list[str] | None
    pool_docs: int


def draw_sample(pool: Artifact, settings: FitSettings, progress: Progress, *, against: str | None) -> Sample:
    """Return the sample. Raises: RecipeError for an unknown column `against`."""
    if against is not None and against not in LABEL_COLUMNS and not against.startswith(META_PREFIX):
        raise RecipeError(
            f"--against {against}: expected {', '.join(LABEL_COLUMNS)} or {META_PREFIX}KEY; "
            f"{nearest(against, LABEL_COLUMNS)}"
        )
    keys = [
        np.array([xxhash.xxh64_intdigest(id_, settings.seed) for id_ in _ids(pool, part)], np.uint64)
        for part in range(pool.num_parts)
    ]
    every = np.concatenate(keys) if keys else np.zeros(0, np.uint64)
    number = min(settings.sample_docs, len(every))
    bound = np.partition(every, number - 1)[number - 1] if number else np.uint64(0)
    ids: list[str] = []
    heads: list[pa.Array] = []
    labels: list[str] = []
    column = None if against is None else against if against in LABEL_COLUMNS else "meta"
    with progress.task("tags: sample", pool.num_parts) as task:
        for part, path in enumerate(pool.part_paths()):
            rows = np.flatnonzero(keys[part] <= bound)
            if len(rows):
                table = read_table(path, ["id", "text", *([column] if column and column != "id" else [])]).take(rows)
                ids += table["id"].to_pylist()
                heads.append(_heads(table["text"], settings.head_bytes))
                labels += _labels(table[column], against) if column and against else []
            task.advance()
    chunks = pa.chunked_array(heads, pa.large_string())
    return Sample(ids=ids, heads=chunks, labels=labels if against else None, pool_docs=len(every))


def _ids(pool: Artifact, part: int) -> list[str]:
    found: list[str] = read_table(pool.part_paths()[part], ["id"])["id"].to_pylist()
    return found


def _labels(column: pa.ChunkedArray, against: str) -> list[str]:
    values = column.to_pylist()
    if against.startswith(META_PREFIX):
        key = against.removeprefix(META_PREFIX)
        values = [None if meta is None else orjson.loads(meta).get(key) for meta in values]
    return [NO_LABEL if value is None else str(value) for value in values]


def _heads(texts: pa.ChunkedArray, head_bytes: int) -> pa.Array:
    """Return the first bytes of each text, cut at a character's end."""
    view = text_view(texts)
    ends = np.minimum(view.offsets[1:], view.offsets[:-1] + head_bytes)
    cut = [
        view.data[start:end].tobytes().decode("utf-8", "ignore")
        for start, end in zip(view.offsets[:-1].tolist(), ends.tolist(), strict=True)
    ]
    return pa.array(cut, pa.large_string())


def sample_features(sample: Sample, settings: FitSettings) -> Features:
    """Return the features of the sample's documents, in its order."""
    from curation.tags.feature_kernels import feature_lists

    starts, buckets, counts = [np.zeros(1, np.int64)], [], []
    for chunk in sample.heads.chunks:
        view = text_view(chunk)
        found = feature_lists(view.data, view.offsets, settings.shape())
        starts.append(found[0][1:] + starts[-1][-1])
        buckets.append(found[1])
        counts.append(found[2])
    none = np.zeros(0, np.int32)
    return Features(
        starts=np.concatenate(starts),
        buckets=np.concatenate(buckets) if buckets else none,
        counts=np.concatenate(counts) if counts else none,
    )
