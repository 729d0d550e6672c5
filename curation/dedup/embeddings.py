"""Embeddings: any function from texts to a matrix, and the sidecar of its rows, made once and shared.

`embed` names an entry of the registry (entry-point group `curate.embeddings`), or a function as `module:function`.
The function takes a list of texts and returns one float32 row a text, of any length but the same for all. It is
called from one thread at a time with `BATCH_DOCS` documents in the pool's order, so the sidecar does not depend on
workers. Its attribute `identity`, if it has one (the digest of a model's files, say), names what it computes; without
one it is known by the bytes of the file that defines it.
"""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table, write_table
from curation.errors import PluginError
from curation.files import Json, replacing, sha256_file
from curation.nodes import Node, NodeRun
from curation.registry import Registry
from curation.sidecars import map_parts, part_shards
from curation.store import Artifact

VERSION = "embeddings@1"
BATCH_DOCS = 256
COLUMN = "embedding"

Embed: TypeAlias = Callable[[Sequence[str]], npt.NDArray[np.float32]]

EMBEDDINGS: Registry[Embed] = Registry("embedding", {"hashed-words": "curation.dedup.hashed_words:embed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedder:
    """A function and its identity."""

    name: str
    identity: str
    embed: Embed


def find_embedder(name: str, where: str) -> Embedder:
    """Return the embedding called `name`. Raises: PluginError for an unknown name or one that does not load."""
    found = _function(name, where) if ":" in name else EMBEDDINGS.get(name, where)
    if not callable(found):
        raise PluginError(
            f"{where}: embed `{name}` is a {type(found).__name__}, expected a function of a list of texts"
        )
    own = getattr(found, "identity", None)
    origin = "" if ":" in name else f" of {EMBEDDINGS.origin(name)}"
    identity = str(own) if own is not None else f"{_source_digest(found)}{origin}"
    return Embedder(name=name, identity=identity, embed=cast("Embed", found))


def _function(name: str, where: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    except Exception as error:  # a stranger's module may raise anything while it is imported
        raise PluginError(
            f"{where}: embed `{name}` does not load ({type(error).__name__}: {error}); expected `module:function` "
            "that can be imported from here"
        ) from error


def _source_digest(function: object) -> str:
    """Return the sha256 of the file that defines a function, or of its class."""
    for item in (function, type(function)):
        try:
            path = inspect.getsourcefile(item)  # type: ignore[arg-type]
        except TypeError:
            continue
        if path is not None and Path(path).is_file():
            return f"sha256 {sha256_file(Path(path))}"
    raise PluginError(f"{function!r}: has no source file to know it by; give it an attribute `identity`")


def embeddings_node(pool: Node, embedder: Embedder) -> Node:
    """Return the node of the embeddings of every row of `pool`."""
    lock = threading.Lock()

    def run(context: NodeRun) -> Mapping[str, Json]:
        source = context.inputs["pool"]

        def one(part: int) -> int:
            path = context.out.part_path(part)
            if not context.out.has(path.name):
                with lock:  # torch and the like are one function to all threads
                    matrix = _embed(read_table(source.part_paths()[part], ["text"])["text"].to_pylist(), embedder)
                values = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), max(1, matrix.shape[1]))
                with replacing(path) as temporary:
                    write_table(temporary, pa.table({COLUMN: values}))
            return int(read_table(path)[COLUMN].type.list_size)

        sizes = set(
            map_parts(
                context, f"embeddings {embedder.name}", source.num_parts, one, shards=part_shards(context, source)
            )
        )
        sizes -= {1} if len(sizes) > 1 else set()  # a part without rows does not know the length
        if len(sizes) > 1:
            raise PluginError(
                f"embed `{embedder.name}`: rows of different lengths {sorted(sizes)}, expected one length"
            )
        return {"length": next(iter(sizes), 0), "identity": embedder.identity}

    return Node(
        kind="embeddings",
        version=VERSION,
        params={"embed": embedder.name, "identity": embedder.identity, "batch": BATCH_DOCS},
        inputs={"pool": pool},
        run=run,
        label=f"embeddings {embedder.name}",
    )


def _embed(texts: Sequence[str], embedder: Embedder) -> npt.NDArray[np.float32]:
    rows: list[npt.NDArray[np.float32]] = []
    for first in range(0, len(texts), BATCH_DOCS):
        batch = list(texts[first : first + BATCH_DOCS])
        matrix = np.asarray(embedder.embed(batch), np.float32)
        if matrix.ndim != 2 or len(matrix) != len(batch):
            shape = f"{matrix.shape} for {len(batch)} texts"
            raise PluginError(f"embed `{embedder.name}`: returned shape {shape}, expected one row a text")
        if not np.isfinite(matrix).all():
            bad = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
            raise PluginError(f"embed `{embedder.name}`: row {bad} is not finite, for the text {batch[bad][:60]!r}")
        if rows and matrix.shape[1] != rows[0].shape[1]:
            lengths = f"{rows[0].shape[1]} and {matrix.shape[1]}"
            raise PluginError(f"embed `{embedder.name}`: rows of lengths {lengths}, expected one length")
        rows.append(matrix)
    return np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)


def read_embeddings(artifact: Artifact, part: int) -> npt.NDArray[np.float32]:
    """Return the rows of one part."""
    column = read_table(artifact.part_paths()[part], [COLUMN])[COLUMN].combine_chunks()
    length = int(cast("int", artifact.summary["length"]))
    values: npt.NDArray[np.float32] = column.flatten().to_numpy()
    return values.reshape(-1, max(1, length))
