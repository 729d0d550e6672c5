"""The corpus' shards: which rows go into which, cut by bytes alone, and the pass that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.backends.shards import ShardOutputs
from curation.batches import GROUP_BYTES, TEXT_SCHEMA, read_table, write_pieces
from curation.corpus_scan import PartScan, last_text
from curation.files import Json, replacing
from curation.nodes import NodeRun
from curation.quality_buckets import Entries
from curation.sidecars import map_parts, one_ahead


def write_shards(
    context: NodeRun,
    scans: Sequence[PartScan],
    masks: Sequence[npt.NDArray[np.bool_]],
    entries: Entries | None,
    shard_bytes: int,
) -> dict[str, Json]:
    """Write `data/train-*.parquet` with the rows of `masks` and return what they hold together."""
    sizes = [np.where(mask, scan.rows.num_bytes, 0) for scan, mask in zip(scans, masks, strict=True)]
    total = int(sum(int(size.sum()) for size in sizes))
    num_shards = max(1, -(-total // shard_bytes))
    starts = np.cumsum([0, *(int(size.sum()) for size in sizes)])
    shard_of = [
        np.minimum((starts[i] + np.cumsum(size) - size) * num_shards // max(total, 1), num_shards - 1)
        for i, size in enumerate(sizes)
    ]

    def path_of(shard: int) -> Path:
        return context.out.path / "data" / f"train-{shard:05d}-of-{num_shards:05d}.parquet"

    def rows_of(shard: int) -> int:
        return sum(int((mask & (owner == shard)).sum()) for mask, owner in zip(masks, shard_of, strict=True))

    def write(shard: int) -> None:
        path = path_of(shard)
        if path.is_file():
            return
        chosen = [mask & (owner == shard) for mask, owner in zip(masks, shard_of, strict=True)]
        paths = last_text(context.inputs).part_paths()
        tables = ((i, read_table(paths[i])) for i, rows in enumerate(chosen) if rows.any())
        named = ((i, entries.relabelled(table, i) if entries else table) for i, table in tables)
        pieces = (table.filter(pa.array(chosen[i])) for i, table in named)
        with replacing(path) as temporary, one_ahead(pieces) as read:
            write_pieces(temporary, TEXT_SCHEMA, read, GROUP_BYTES)

    outputs = ShardOutputs(paths=lambda shard: [path_of(shard)], rows=rows_of)
    map_parts(context, "write corpus", num_shards, write, shards=outputs)
    return {
        "num_docs": int(sum(int(mask.sum()) for mask in masks)),
        "num_bytes": total,
        "num_tokens": int(sum(int(scan.rows.num_tokens[mask].sum()) for scan, mask in zip(scans, masks, strict=True))),
        "num_shards": num_shards,
    }
