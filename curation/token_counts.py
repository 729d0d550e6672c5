"""Token counts of a pool: a row-aligned sidecar with `num_tokens` int32 a row, EOS not counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation.batches import read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts, part_shards
from curation.tokenizers import load_tokenizer

VERSION = "token-counts@1"


def token_counts_node(pool: Node, tokenizer: str, *, label: str = "token counts") -> Node:
    """Return the node of the counts of `pool` under the shipped tokenizer of that name.

    Raises: RecipeError for an unknown tokenizer.
    """
    frozen = load_tokenizer(tokenizer)

    def run(context: NodeRun) -> Mapping[str, Json]:
        source = context.inputs["pool"]

        def count(part: int) -> int:
            path = context.out.part_path(part)
            if not context.out.has(path.name):
                view = text_view(read_table(source.part_paths()[part], ["text"])["text"])
                with replacing(path) as temporary:
                    write_table(temporary, pa.table({"num_tokens": frozen.count(view).astype(np.int32)}))
            return int(read_table(path)["num_tokens"].to_numpy().sum(dtype=np.int64))

        totals = map_parts(context, "count tokens", source.num_parts, count, shards=part_shards(context, source))
        return {"num_tokens": sum(totals), "tokenizer": frozen.name}

    return Node(
        kind="token-counts",
        version=VERSION,
        params={"tokenizer": frozen.name, "digest": frozen.digest},
        inputs={"pool": pool},
        run=run,
        label=label,
    )
