"""`curate classifier apply`: the scores of every document of a pool as one Parquet file, in the pool's order."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.batches import read_table
from curation.errors import RecipeError
from curation.files import Json, replacing
from curation.ingest import pool_node
from curation.nodes import Planner
from curation.progress import Progress
from curation.slices import SliceKind
from curation.store import Artifact, Store
from filters.judged import Scope, encode_slices
from filters.models.held_out import quantiles
from filters.models.scored import ScoreSource

KEPT = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
SCHEMA = pa.schema([("id", pa.large_string()), ("slice", pa.large_string()), ("score", pa.float32())])


def apply_source(
    source: ScoreSource, pool: Artifact, out: Path, store: Store, *, workers: int, progress: Progress
) -> dict[str, Json]:
    """Score all documents of `pool`, whatever their slice, and write `out`; return counts and bounds by share.

    The bounds are over the documents of prose slices, which a filter judges unless told otherwise (over all if there
    are none). A filter takes its
    share of those that are alive when it runs, so `keep` there is exact and a bound copied from here is not.
    Raises: RecipeError for a source that needs more than a pool.
    """
    if source.over_pool is None:
        raise RecipeError(f"curate classifier apply: `{source.name}` is no model file; give a path or a URI of one")
    everything = Scope(applies_to=get_args(SliceKind))
    planner = Planner(store=store, workers=workers, progress=progress)
    scores = planner.materialise(source.over_pool(pool_node(pool), everything))
    values: list[np.ndarray] = []
    prose: list[np.ndarray] = []
    with replacing(out) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for texts, scored in zip(pool.part_paths(), scores.part_paths(), strict=True):
            table = read_table(texts, ["id", "slice"])
            score = read_table(scored, ["score"])["score"]
            writer.write_table(table.append_column("score", score).cast(SCHEMA))
            values.append(score.to_numpy())
            prose.append(encode_slices(table["slice"]).rows_where(Scope()))
    joined, judged = np.concatenate(values), np.concatenate(prose)
    if not judged.any():
        judged = np.ones(len(joined), np.bool_)
    cuts = quantiles(joined[judged], tuple(1 - share for share in KEPT))
    return {
        "path": str(out),
        "num_docs": len(joined),
        "unit": source.unit,
        "scored_by": dict(source.about),
        "quantiles": quantiles(joined),
        "bounds": {f"{share:g}": bound for share, bound in zip(KEPT, cuts.values(), strict=True)},
        "bounds_over": int(judged.sum()),
    }
