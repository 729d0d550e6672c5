"""DSIR: importance resampling towards the words and word pairs of a target slice.

Each document gets the log importance weight Σ ln(p_target(f) / p_pool(f)) over its features f, hashed into `buckets`,
and stays with a chance that grows with it: Gumbel noise is added and the `keep` share with the largest sums stays,
which samples without replacement in proportion to the weights. The paper resamples examples of 128 words; documents
here have any length, so each counts like one such example: its mean per feature times 255 (128 words, 127 pairs).
`noise: 0` keeps the top of the ranking instead of sampling.
Both distributions are fitted on reference documents (rule 2) with one added to every bucket; target slices are marked
selected-for. Deviations: words are `words@2` (runs of letters and digits), the paper's are wordpunct tokens.
Source: DSIR, arXiv:2302.03169, sections 3 and 4; Kool et al. 2019 for Gumbel top-k.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import Field

from curation.batches import TextView, read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.randomness import stable_hash
from curation.recipe import Strings
from curation.sidecars import map_parts, part_shards
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.judged import slice_codes
from filters.models.keep_share import SHARE, keep_share
from filters.models.reference_texts import learned_from, named_or_curated, reference_texts

VERSION = "importance@2"
REASON = "not-resampled"
EXAMPLE_FEATURES = 255
MODEL_FILE = "log-ratios.parquet"


class ImportanceSettings(FilterSettings):
    """The target, the features and the share that is drawn."""

    target: Strings = ()
    """Slices to be like; none means the curated slices of the pool."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.3
    buckets: Annotated[int, Field(ge=2, le=10_000_000)] = 10_000
    noise: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Scale of the Gumbel noise: 1 samples in proportion to the weights, 0 takes the best."""
    seed: Annotated[int, Field(ge=0)] = 0
    max_fit_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    """Bytes of reference text read for each of the two distributions."""


class ImportanceFilter:
    """Keeps a resample; see the module."""

    name = "dsir"
    version = VERSION
    summary = "Importance resampling: keeps a sample whose words and word pairs are like those of target slices (DSIR)."
    settings = ImportanceSettings

    def node(self, settings: ImportanceSettings, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; it depends on the scores and on who is alive."""
        scope = settings.scope(inputs)
        model = _model_node(settings, inputs, where)

        def run(context: NodeRun) -> Mapping[str, Json]:
            summary = keep_share(
                context,
                label=f"filter {self.name}",
                keep=settings.keep,
                scope=scope,
                reason=REASON,
                unit="log weight + noise",
                shown="log_weight",
            )
            chosen = cast("list[str]", context.inputs["model"].summary["selected_for"])
            notes = [learned_from(chosen), *cast("list[Json]", summary["notes"])]
            return {**summary, "selected_for": list[Json](chosen), "notes": notes}

        return Node(
            kind="verdict",
            version=self.version,
            params={"filter": self.name, "keep": settings.keep, "share": SHARE, **scope.as_params()},
            inputs={
                "pool": inputs.pool,
                "model": model,
                "scores": _scores_node(settings, inputs, model),
                **inputs.who_is_alive(),
            },
            run=run,
            label=f"filter {self.name}",
        )


DSIR = ImportanceFilter()


def bucket_counts(view: TextView, num_buckets: int) -> npt.NDArray[np.int64]:
    """Return how often the features of all documents fall into each bucket."""
    from filters.models.importance_kernels import count_buckets

    counts = np.zeros(num_buckets, np.int64)
    count_buckets(view.data, view.offsets, counts)
    return counts


def log_ratios(target: npt.NDArray[np.int64], pool: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return ln(p_target / p_pool) by bucket, one added to every count."""
    smoothed = [np.log((counts + 1.0) / (counts.sum() + len(counts))) for counts in (target, pool)]
    return np.asarray(smoothed[0] - smoothed[1], np.float64)


def log_weights(view: TextView, table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the log importance weight of each document as an example of 128 words; 0 without words."""
    from filters.models.importance_kernels import mean_of_buckets

    means, sizes = np.zeros(len(view)), np.zeros(len(view), np.int64)
    mean_of_buckets(view.data, view.offsets, table, means, sizes)
    return means * EXAMPLE_FEATURES


def gumbel_noise(ids: list[str], seed: int) -> npt.NDArray[np.float64]:
    """Return one standard Gumbel draw a document, a function of the seed and its id alone."""
    key = stable_hash("importance", seed)
    draws = np.array([xxhash.xxh3_64_intdigest(id_.encode("utf-8"), seed=key) for id_ in ids], np.uint64)
    uniform = ((draws >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return np.asarray(-np.log(-np.log(uniform)), np.float64)


def _model_node(settings: ImportanceSettings, inputs: StageInputs, where: str) -> Node:
    scope = settings.scope(inputs)

    def run(context: NodeRun) -> Mapping[str, Json]:
        chosen = named_or_curated(settings.target, context.inputs["pool"], "target", where)
        size = settings.max_fit_bytes
        target = reference_texts(context, chosen.__contains__, max_bytes=size, label="target", where=where)
        raw = reference_texts(context, scope.judges, max_bytes=size, label="judged slices", where=where)
        counts = [bucket_counts(text_view(found.texts), settings.buckets) for found in (target, raw)]
        with replacing(context.out.path / MODEL_FILE) as temporary:
            write_table(temporary, pa.table({"log_ratio": log_ratios(*counts)}))
        return {"selected_for": list(chosen), "target_bytes": target.num_bytes, "pool_bytes": raw.num_bytes}

    return Node(
        kind="importance-model",
        version=VERSION,
        params={
            "target": sorted(settings.target),
            "buckets": settings.buckets,
            "max_fit_bytes": settings.max_fit_bytes,
            **scope.as_params(),
        },
        inputs={"pool": inputs.pool, "panel": inputs.panel},
        run=run,
        label="importance model",
    )


def _scores_node(settings: ImportanceSettings, inputs: StageInputs, model: Node) -> Node:
    """Return the sidecar `log_weight` and `score` = log weight + noise; NaN where not judged."""
    scope = settings.scope(inputs)

    def run(context: NodeRun) -> Mapping[str, Json]:
        pool = context.inputs["pool"]
        table = read_table(context.inputs["model"].path / MODEL_FILE)["log_ratio"].to_numpy()

        def score(part: int) -> int:
            path = context.out.part_path(part)
            judged = slice_codes(pool, part).rows_where(scope)
            if not context.out.has(path.name):
                rows = read_table(pool.part_paths()[part], ["id", "text"])
                weights = log_weights(text_view(rows["text"]), np.ascontiguousarray(table))
                noise = gumbel_noise(rows["id"].to_pylist(), settings.seed) * settings.noise
                columns = {"log_weight": weights, "score": np.where(judged, weights + noise, np.nan)}
                with replacing(path) as temporary:
                    write_table(temporary, pa.table(columns))
            return int(judged.sum())

        return {
            "num_scored": sum(
                map_parts(context, "importance weights", pool.num_parts, score, shards=part_shards(context, pool))
            )
        }

    return Node(
        kind="scores",
        version=VERSION,
        params={"noise": settings.noise, "seed": settings.seed, **scope.as_params()},
        inputs={"pool": inputs.pool, "model": model},
        run=run,
        label="importance weights",
    )
