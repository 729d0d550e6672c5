"""The perplexity filter: an n-gram model fitted on reference documents of some slices; text unlike them goes.

CCNet sorts documents by perplexity under a model of Wikipedia into head, middle and tail, cut at the 30th and 60th
percentile; `keep: 0.6` is its head and middle, `keep: 0.3` its head. The model's slices are marked selected-for.
Low perplexity is not quality: boilerplate and repeated text have the lowest of all, so rules go first.
Source: CCNet, arXiv:1911.00359, section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from curation.batches import read_table, text_view, write_table
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.recipe import Strings
from curation.sidecars import VerdictPart, map_parts, part_shards, read_column, write_verdict
from curation.stages import StageInputs
from curation.tokenizers import load_tokenizer
from filters.base import FilterSettings, PartCount, count_part, verdict_summary
from filters.judged import Scope, slice_codes
from filters.models import ngram_model
from filters.models.keep_share import SHARE, keep_share, with_reason
from filters.models.reference_texts import learned_from, named_or_curated, reference_texts

VERSION = "perplexity@1"
REASON = "too-perplexing"


class PerplexitySettings(FilterSettings):
    """What the model learns from, and what is kept."""

    learn_from: Strings = ()
    """Slices whose reference documents the model is fitted on; none means the curated slices of the pool."""
    order: Annotated[int, Field(ge=1, le=ngram_model.MAX_ORDER)] = ngram_model.MAX_ORDER
    max_fit_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the living judged documents that is kept, the least perplexing; 0.6 without any bound (CCNet)."""
    max_perplexity: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Bound per token instead of a share; comparable only under one model."""

    @model_validator(mode="after")
    def _one_of_two(self) -> PerplexitySettings:
        if self.keep is not None and self.max_perplexity is not None:
            raise ValueError("give either `keep: <share>` or `max_perplexity: <bound>`, not both")
        return self


class PerplexityFilter:
    """Keeps what the model expects; see the module."""

    name = "perplexity"
    version = f"{VERSION}+{ngram_model.TOKENIZER}"
    summary = "Keeps the documents that an n-gram model of chosen slices finds least perplexing (CCNet)."
    settings = PerplexitySettings

    def node(self, settings: PerplexitySettings, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; with `keep` it depends on who is alive, with a bound it does not."""
        scope = settings.scope(inputs)
        model = model_node(settings, inputs, where)
        scores = perplexity_node(inputs.pool, model)
        keep = 0.6 if settings.keep is None and settings.max_perplexity is None else settings.keep
        nodes = {"pool": inputs.pool, "model": model, "scores": scores}

        def run(context: NodeRun) -> Mapping[str, Json]:
            if keep is not None:
                label = f"filter {self.name}"
                summary = keep_share(
                    context, label=label, keep=keep, scope=scope, reason=REASON, unit="-perplexity", shown="perplexity"
                )
            else:
                summary = _bounded(context, settings, scope)
            chosen = cast("list[str]", context.inputs["model"].summary["selected_for"])
            notes = [learned_from(chosen), *cast("list[Json]", summary.get("notes", []))]
            return {**summary, "selected_for": list[Json](chosen), "notes": notes}

        return Node(
            kind="verdict",
            version=self.version,
            params={
                "filter": self.name,
                "keep": keep,
                "share": SHARE,
                "max_perplexity": settings.max_perplexity,
                **scope.as_params(),
            },
            inputs=nodes if keep is None else {**nodes, **inputs.who_is_alive()},
            run=run,
            label=f"filter {self.name}",
        )


PERPLEXITY = PerplexityFilter()


def model_node(settings: PerplexitySettings, inputs: StageInputs, where: str) -> Node:
    """Return the node of the n-gram model."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        chosen = named_or_curated(settings.learn_from, context.inputs["pool"], "learn_from", where)
        found = reference_texts(
            context,
            lambda name: name in chosen,
            max_bytes=settings.max_fit_bytes,
            label="perplexity model",
            where=where,
        )
        sizes = ngram_model.fit(text_view(found.texts), context.out.path, settings.order)
        return {**sizes, "selected_for": list(chosen), "num_docs": len(found.texts), "num_bytes": found.num_bytes}

    return Node(
        kind="ngram-model",
        version=VERSION,
        params={
            "learn_from": sorted(settings.learn_from),
            "order": settings.order,
            "max_fit_bytes": settings.max_fit_bytes,
            "tokenizer": load_tokenizer(ngram_model.TOKENIZER).digest,
        },
        inputs={"pool": inputs.pool, "panel": inputs.panel},
        run=run,
        label="n-gram model",
    )


def perplexity_node(pool: Node, model: Node) -> Node:
    """Return the sidecar of every row: `perplexity` (per token), `bits_per_byte` and `score` = -perplexity."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        texts = context.inputs["pool"]
        fitted = ngram_model.load(context.inputs["model"].path)

        def measure(part: int) -> int:
            path = context.out.part_path(part)
            view = text_view(read_table(texts.part_paths()[part], ["text"])["text"])
            if not context.out.has(path.name):
                perplexity, bits = fitted.measure(view).T
                columns = {"perplexity": perplexity, "bits_per_byte": bits, "score": -perplexity}
                with replacing(path) as temporary:
                    write_table(temporary, pa.table({name: np.ascontiguousarray(v) for name, v in columns.items()}))
            return len(view)

        return {
            "num_docs": sum(
                map_parts(context, "perplexity", texts.num_parts, measure, shards=part_shards(context, texts))
            )
        }

    return Node(
        kind="scores",
        version=VERSION,
        params={"set": "perplexity"},
        inputs={"pool": pool, "model": model},
        run=run,
        label="perplexity",
    )


def _bounded(context: NodeRun, settings: Any, scope: Scope) -> dict[str, Json]:
    """Write the verdicts of a bound in perplexity per token."""
    pool = context.inputs["pool"]

    def judge(part: int) -> PartCount:
        slices = slice_codes(pool, part)
        judged = slices.rows_where(scope)
        values = read_column(context.inputs["scores"], part, "perplexity").astype(np.float64)
        verdict = with_reason(VerdictPart.keep_all(len(judged)), judged & (values > settings.max_perplexity), 0, values)
        write_verdict(context.out, part, verdict)
        return count_part(verdict, judged, slices, 1)

    return verdict_summary([REASON], map_parts(context, "filter perplexity", pool.num_parts, judge), scope)
