"""The pruning-metric filter: easy or hard documents by their distance to prototypes, at a chosen kept share.

Sorscher's self-supervised metric: cluster embeddings by k-means; a document is easy if it lies near its nearest
prototype (the metric is 1 - cosine), hard if far. With much data keep the hard ones, with little the easy ones; which
is better is the question that the study answers. Any score that another filter computes can be pruned by its own
`keep`; this one needs no labels and no network. Embeddings are random projections of word counts with
smooth-inverse-frequency weights; prototypes come from reference documents of the judged slices (rule 2).
Source: Sorscher et al., arXiv:2206.14486, section 6; Arora et al. 2017 for the weights a / (a + p(word)), a = 0.001.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curation.batches import TextView, read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.randomness import generator
from curation.sidecars import map_parts, part_shards
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.models.keep_share import SHARE, keep_share
from filters.models.reference_texts import reference_texts

VERSION = "pruning-metric@2"
REASONS = {"easy": "too-hard", "hard": "too-easy"}
MODEL_FILE, WEIGHTS_FILE = "prototypes.parquet", "weights.parquet"
BUCKETS = 1 << 18
RARENESS = 0.001
ROUNDS = 20
DIMENSIONS = 64

Floats = npt.NDArray[np.float64]


class PruningSettings(FilterSettings):
    """Which end is kept, how much of it, and how many prototypes there are."""

    mode: Literal["easy", "hard"] = "easy"
    keep: Annotated[float, Field(gt=0, le=1)] = 0.7
    prototypes: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Clusters; never more than a tenth of the documents they are found on."""
    seed: Annotated[int, Field(ge=0)] = 0
    max_fit_bytes: Annotated[int, Field(ge=1)] = 50_000_000


class PruningFilter:
    """Keeps the easy or the hard end; see the module."""

    name = "pruning-metric"
    version = VERSION
    summary = "Keeps the documents nearest to (easy) or farthest from (hard) the prototypes of the pool (Sorscher)."
    settings = PruningSettings

    def node(self, settings: PruningSettings, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; it depends on the metric and on who is alive."""
        scope = settings.scope(inputs)
        model = _model_node(settings, inputs, where)

        def run(context: NodeRun) -> Mapping[str, Json]:
            return keep_share(
                context,
                label=f"filter {self.name}",
                keep=settings.keep,
                scope=scope,
                reason=REASONS[settings.mode],
                unit="distance" if settings.mode == "hard" else "-distance",
                shown="distance",
            )

        return Node(
            kind="verdict",
            version=self.version,
            params={
                "filter": self.name,
                "keep": settings.keep,
                "share": SHARE,
                "mode": settings.mode,
                **scope.as_params(),
            },
            inputs={
                "pool": inputs.pool,
                "model": model,
                "scores": _scores_node(settings, inputs, model),
                **inputs.who_is_alive(),
            },
            run=run,
            label=f"filter {self.name}",
        )


PRUNING = PruningFilter()


def word_weights(view: TextView) -> Floats:
    """Return a / (a + p) by bucket of words, p their share of the words of all documents."""
    from filters.models.pruning_kernels import count_words

    counts = np.zeros(BUCKETS, np.int64)
    count_words(view.data, view.offsets, counts)
    return np.asarray(RARENESS / (RARENESS + counts / max(1, counts.sum())), np.float64)


def embeddings(view: TextView, weights: Floats) -> Floats:
    """Return documents x 64 unit vectors; zeros without words."""
    from filters.models.pruning_kernels import embed

    out = np.zeros((len(view), DIMENSIONS))
    embed(view.data, view.offsets, weights, out)
    return out


def find_prototypes(vectors: Floats, number: int, seed: int) -> Floats:
    """Return `number` unit vectors by spherical k-means: k-means++ starts, 20 rounds; an empty cluster stays put."""
    random = generator(seed, "prototypes")
    chosen = [int(random.integers(len(vectors)))]
    nearest = 1.0 - vectors @ vectors[chosen[0]]
    for _ in range(1, number):
        chance = np.maximum(nearest, 0.0) ** 2
        total = chance.sum()
        following = int(random.choice(len(vectors), p=chance / total)) if total > 0 else chosen[-1]
        chosen.append(following)
        nearest = np.minimum(nearest, 1.0 - vectors @ vectors[following])
    centres = vectors[chosen].copy()
    for _ in range(ROUNDS):
        owner = (vectors @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, owner, vectors)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.where(norms > 0, norms, 1.0), centres)
    return centres


def distances(vectors: Floats, prototypes: Floats) -> Floats:
    """Return 1 - cosine to the nearest prototype, in [0, 2]; 1 for a document without words."""
    return np.asarray(1.0 - (vectors @ prototypes.T).max(axis=1, initial=-1.0), np.float64)


def _model_node(settings: PruningSettings, inputs: StageInputs, where: str) -> Node:
    scope = settings.scope(inputs)

    def run(context: NodeRun) -> Mapping[str, Json]:
        size = settings.max_fit_bytes
        found = reference_texts(context, scope.judges, max_bytes=size, label="prototypes", where=where)
        view = text_view(found.texts)
        weights = word_weights(view)
        number = max(1, min(settings.prototypes, len(view) // 10))
        prototypes = find_prototypes(embeddings(view, weights), number, settings.seed)
        for name, values in ((MODEL_FILE, prototypes.ravel()), (WEIGHTS_FILE, weights)):
            with replacing(context.out.path / name) as temporary:
                write_table(temporary, pa.table({"value": values}))
        return {"num_docs": len(view), "num_bytes": found.num_bytes, "num_prototypes": number}

    return Node(
        kind="prototypes",
        version=VERSION,
        params={
            "prototypes": settings.prototypes,
            "seed": settings.seed,
            "max_fit_bytes": settings.max_fit_bytes,
            **scope.as_params(),
        },
        inputs={"pool": inputs.pool, "panel": inputs.panel},
        run=run,
        label="prototypes",
    )


def _scores_node(settings: PruningSettings, inputs: StageInputs, model: Node) -> Node:
    """Return the sidecar `distance` and `score`, the distance with the sign of the mode."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        pool, fitted = context.inputs["pool"], context.inputs["model"]
        weights, flat = (read_table(fitted.path / name)["value"].to_numpy() for name in (WEIGHTS_FILE, MODEL_FILE))
        prototypes = flat.reshape(-1, DIMENSIONS)

        def score(part: int) -> int:
            path = context.out.part_path(part)
            view = text_view(read_table(pool.part_paths()[part], ["text"])["text"])
            if not context.out.has(path.name):
                # rounded, because a matrix product may differ in its last bits from one machine to the next
                distance = np.round(distances(embeddings(view, np.ascontiguousarray(weights)), prototypes), 9)
                columns = {"distance": distance, "score": distance if settings.mode == "hard" else -distance}
                with replacing(path) as temporary:
                    write_table(temporary, pa.table(columns))
            return len(view)

        return {
            "num_docs": sum(
                map_parts(context, "pruning metric", pool.num_parts, score, shards=part_shards(context, pool))
            )
        }

    return Node(
        kind="scores",
        version=VERSION,
        params={"mode": settings.mode},
        inputs={"pool": inputs.pool, "model": model},
        run=run,
        label="pruning metric",
    )
