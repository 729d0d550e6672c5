"""`curate tags apply`: the tag and confidence of every document of a pool, as one Parquet file in the pool's order.

Parts are a sidecar of the store, so a run that was stopped continues; it is known by the pool and the model's digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.batches import read_table, text_view, write_pieces, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts
from curation.sources.taggers import ModelTagger
from curation.store import Artifact

VERSION = "tags@1"
SCHEMA = pa.schema(
    [
        pa.field("id", pa.large_string(), nullable=False),
        pa.field("slice", pa.large_string(), nullable=False),
        pa.field("tag", pa.large_string()),
        pa.field("confidence", pa.float32(), nullable=False),
    ]
)


def tags_node(pool: Node, tagger: ModelTagger) -> Node:
    """Return the node of every row's tag (-1 for none) and confidence."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        source = context.inputs["pool"]

        def one(part: int) -> None:
            path = context.out.part_path(part)
            if context.out.has(path.name):
                return
            tags, confidence = tagger.column(read_table(source.part_paths()[part], ["text"])["text"])
            with replacing(path) as temporary:
                write_table(temporary, pa.table({"tag": tags, "confidence": confidence}))

        map_parts(context, "tags", source.num_parts, one)
        return {"tags": list(tagger.tags), "confidence": tagger.confidence, **tagger.about}

    return Node(
        kind="tags", version=VERSION, params={"tagger": tagger.identity}, inputs={"pool": pool}, run=run, label="tags"
    )


def write_tags(out: Path, pool: Artifact, tags: Artifact, names: tuple[str, ...]) -> dict[str, Json]:
    """Write id, slice, tag (null for none) and confidence of every document; return counts by tag."""
    docs, size = np.zeros(len(names) + 1, np.int64), np.zeros(len(names) + 1, np.int64)

    def pieces() -> Iterator[pa.Table]:
        for texts, tagged in zip(pool.part_paths(), tags.part_paths(), strict=True):
            table, found = read_table(texts, ["id", "slice", "text"]), read_table(tagged)
            number = found["tag"].to_numpy()
            np.add.at(docs, number, 1)  # -1 is the last place
            np.add.at(size, number, text_view(table["text"]).num_bytes)
            tag = pa.array([names[i] if i >= 0 else None for i in number.tolist()], pa.large_string())
            yield pa.table([table["id"], table["slice"], tag, found["confidence"]], schema=SCHEMA)

    with replacing(out) as temporary:
        write_pieces(temporary, SCHEMA, pieces())
    counts: dict[str, Json] = {
        name: {"docs": int(docs[i]), "bytes": int(size[i])} for i, name in enumerate(names) if docs[i]
    }
    return {"num_docs": int(docs.sum()), "without_tag": {"docs": int(docs[-1]), "bytes": int(size[-1])}, "tags": counts}
