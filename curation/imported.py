"""Corpora that others made: their documents as a corpus artifact without recipe or panel, its origin recorded.

The documents are ingested as a pool, so ids, bad records and order are those of every pool, and leave it as they are:
no stage, no panel split. Their text is written once for the pool and once for the corpus. A corpus without a panel is
trained with `--panel`; nothing is known of how near its documents are to one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.batches import read_table, write_table
from curation.corpus import corpus_node
from curation.corpus_scan import TextVersion
from curation.files import Json, replacing
from curation.ingest import ensure_pool, pool_node
from curation.nodes import Node, NodeRun, Planner
from curation.recipe import Recipe
from curation.sidecars import ROLE_TRAIN, map_parts
from curation.store import Artifact
from curation.token_counts import token_counts_node

VERSION = "imported@1"
NO_PANEL = "no-panel"
"""Name of the input that says that every document is one of training; no `panel`, so that none is taken for one."""
CACHED = re.compile(r"/datasets--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{7,64})(?:/|$)")


def origin_of(path: str) -> dict[str, Json]:
    """Return where files come from, read off the cache of the Hugging Face client; else the name of the place."""
    match = CACHED.search(str(Path(path).absolute()))
    if match:
        return {"origin": f"hf://datasets/{match.group(1)}/{match.group(2)}", "revision": match.group(3)}
    return {"origin": path if "://" in path else Path(path).name, "revision": None}


def import_files(recipe: Recipe, origin: Mapping[str, Json], planner: Planner) -> Artifact:
    """Return the corpus of all documents of the recipe's pool; its stages are not asked.

    Raises: ShardError for missing, damaged or ill-suited input; RecipeError if no document is left.
    """
    pool = ensure_pool(planner.store, recipe.pool, workers=planner.workers, progress=planner.progress)
    source = pool_node(pool)
    everyone = _roles_node(source)
    counts = token_counts_node(source, recipe.tokenizer)
    made = corpus_node(recipe, TextVersion(pool=source, token_counts=counts), everyone, [], {}, [])

    def run(context: NodeRun) -> Mapping[str, Json]:
        inputs = {**context.inputs, "panel": context.inputs[NO_PANEL]}
        return {**made.run(replace(context, inputs=inputs)), "panel_digest": "", "imported": dict(origin)}

    inputs = {name: node for name, node in made.inputs.items() if name != "panel"}
    params = {**made.params, "imported": {"version": VERSION, **origin}}
    return planner.materialise(replace(made, params=params, inputs={**inputs, NO_PANEL: everyone}, run=run))


def _roles_node(source: Node) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        pool = context.inputs["pool"]

        def write(part: int) -> None:
            rows = read_table(pool.part_paths()[part], ["id"]).num_rows
            with replacing(context.out.part_path(part)) as temporary:
                write_table(temporary, pa.table({"role": np.full(rows, ROLE_TRAIN, np.int8)}))

        map_parts(context, "roles", pool.num_parts, write)
        return {"digest": ""}

    return Node(kind="roles", version=VERSION, params={}, inputs={"pool": source}, run=run, label="roles")
