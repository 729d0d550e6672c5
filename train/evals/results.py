"""The contract of evaluation results: `results.json` and its tables, written, read, checked and kept apart.

One directory holds the results of one model (at one checkpoint) on one suite: `results.json`, for a suite of tasks
`items.parquet`, for a panel `documents.parquet`. Everything in it depends on model and suite alone, except
`duration_seconds` and `date`, which are a clock's. Results that answer other questions (another suite digest, metric
version, context or panel, or a partial suite) never share a table: `refuse_unlike`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt, ValidationError

from curation.batches import write_table
from curation.errors import ResultsError, raise_faults
from curation.files import Json, read_json, replacing, write_json
from train.evals.score_tables import (
    DOCUMENTS_SCHEMA,
    ITEMS_SCHEMA,
    conformed,
    document_faults,
    item_faults,
    read_documents,
    read_items,
)

SCHEMA: Literal["curate-results@1"] = "curate-results@1"
KIND = "scores"
RESULTS = "results.json"
ITEMS = "items.parquet"
DOCUMENTS = "documents.parquet"
CLOCKS = ("date", "duration_seconds")
"""The only fields of equal evaluations that may differ."""

TaskKind = Literal["mc", "schema", "lm", "gold", "other"]
"""`other`: of another program, whose own metrics are all that is known."""
Digest = Annotated[str, Field(min_length=8)]


class Part(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFacts(Part):
    """What was scored."""

    name: str
    digest: Digest
    """Of weights, tokenizer and architecture; equal digests give equal scores."""
    tier: str | None = None
    seed: int | None = None
    arm: str | None = None
    """Fingerprint or name of the corpus that it was trained on."""
    tokens_seen: NonNegativeInt | None = None
    checkpoint: NonNegativeInt | None = None
    """Steps done; None is the finished model."""
    tokenizer: str | None = None
    trainer: str = "curate"


class SuiteFacts(Part):
    """What was asked."""

    name: str
    version: str
    digest: Digest


class Metric(Part):
    """A mean over items with its standard error; `n` items have the metric."""

    value: FiniteFloat | None
    se: FiniteFloat | None = None
    n: NonNegativeInt


class TaskResult(Part):
    """A task's sums."""

    family: str
    kind: TaskKind
    shots: NonNegativeInt
    n: NonNegativeInt
    """Scored items."""
    excluded: Mapping[str, PositiveInt] = {}
    truncated: NonNegativeInt = 0
    """Scored items whose context lost its beginning."""
    digest: Digest
    primary: str
    accuracy: str | None = None
    """The accuracy under the task's own normalisation."""
    above_chance: bool | None = None
    """Whether that accuracy beats chance by two standard errors; if not, it is not shown."""
    baseline_v1: FiniteFloat | None = None
    baseline_v2: FiniteFloat | None = None
    metrics: Mapping[str, Metric]
    rows: bool = True
    """Whether the items are in `items.parquet`; imports may know sums alone."""


class FamilyResult(Part):
    """Mean over the tasks of a family."""

    metric: str
    value: FiniteFloat | None
    se: FiniteFloat | None = None
    tasks: tuple[str, ...] = ()
    reason: str | None = None
    """Why there is no value."""


class Aggregate(Part):
    """A number over tasks, or why there is none."""

    value: FiniteFloat | None
    se: FiniteFloat | None = None
    metric: str | None = None
    reason: str | None = None


class SliceResult(Part):
    """A panel slice (rule 5): Σ nats / Σ bytes / ln 2 with an interval over families."""

    nats_per_token: FiniteFloat | None
    bits_per_byte: FiniteFloat | None
    perplexity: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    num_docs: NonNegativeInt
    num_families: NonNegativeInt
    num_bytes: NonNegativeInt
    num_tokens: NonNegativeInt
    marks: tuple[str, ...] = ()
    rows: bool = True
    """Whether the documents are in `documents.parquet`; imports may know sums alone."""


class Partial(Part):
    """What was left out on purpose: such results are looked at, never compared."""

    limit: PositiveInt | None = None
    """First items of each task."""
    tasks: tuple[str, ...] = ()
    """The only tasks asked; empty means all."""


class Results(Part):
    """What `results.json` holds."""

    schema_: Literal["curate-results@1"] = Field(default=SCHEMA, alias="schema")
    model: ModelFacts
    suite: SuiteFacts
    context: PositiveInt
    metric_versions: Mapping[str, str]
    software: Mapping[str, str]
    duration_seconds: Annotated[FiniteFloat, Field(ge=0)] | None = None
    date: str | None = None
    partial: Partial | None = None
    averaged: tuple[int, ...] = ()
    """Checkpoints whose scores were averaged; empty for the scores of one model."""
    tasks: Mapping[str, TaskResult] = {}
    missing: Mapping[str, str] = {}
    """Tasks of the suite without results, and why."""
    families: Mapping[str, FamilyResult] = {}
    aggregates: Mapping[str, Aggregate] = {}
    slices: Mapping[str, SliceResult] = {}
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the JSON object."""
        return cast("dict[str, Json]", self.model_dump(mode="json", by_alias=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Results with the rows behind them."""

    results: Results
    items: pa.Table | None = None
    documents: pa.Table | None = None
    folder: Path | None = None

    @property
    def where(self) -> str:
        """What messages call it."""
        return str(self.folder) if self.folder else f"{self.results.model.name} on {self.results.suite.name}"


def clocks(seconds: float) -> dict[str, Any]:
    """Return `CLOCKS` of an evaluation that took so long and ends now."""
    return {"duration_seconds": round(seconds, 3), "date": utc_text(datetime.now(UTC))}


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC as results say it: `2025-01-31T12:00:00Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_results(folder: Path, scored: Scored) -> None:
    """Write results into `folder`, the tables first. Raises: ResultsError if they contradict each other."""
    results = scored.results
    faults: list[str] = []
    tables = {ITEMS: (scored.items, ITEMS_SCHEMA), DOCUMENTS: (scored.documents, DOCUMENTS_SCHEMA)}
    if scored.items is not None:
        faults += item_faults(scored.items, results)
    if scored.documents is not None:
        faults += document_faults(scored.documents, results)
    raise_faults(ResultsError, str(folder), faults)
    for name, (table, schema) in tables.items():
        if table is not None:
            with replacing(folder / name) as temporary:
                write_table(temporary, conformed(table, schema))
    write_json(folder / RESULTS, results.as_json())


def read_results(folder: Path) -> Scored:
    """Return the results in `folder`, checked.

    Raises: ResultsError if there are none, of another schema, or that lists what is wrong with them.
    """
    results = read_summary(folder)
    items = read_items(folder / ITEMS, results) if any(task.rows for task in results.tasks.values()) else None
    documents = (
        read_documents(folder / DOCUMENTS, results) if any(part.rows for part in results.slices.values()) else None
    )
    return Scored(results=results, items=items, documents=documents, folder=folder)


def read_summary(folder: Path) -> Results:
    """Return `results.json` of `folder` alone. Raises: ResultsError as `read_results`."""
    path = folder / RESULTS
    if not path.is_file():
        raise ResultsError(f"{folder}: no {RESULTS}; expected the output of `curate eval`; score the model again")
    try:
        held = read_json(path)
    except ValueError as error:
        raise ResultsError(f"{path}: is not JSON ({error}); score the model again") from None
    schema = held.get("schema") if isinstance(held, Mapping) else None
    if schema != SCHEMA:
        raise ResultsError(f"{path}: schema {schema!r}, expected {SCHEMA!r}; score again, or import it")
    try:
        return Results.model_validate(held)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise_faults(ResultsError, str(path), faults)
        raise


def refuse_unlike(several: Sequence[Scored]) -> None:
    """Raise if results answer different questions, or only part of one.

    Raises: ResultsError that lists every difference to the first: suite digest, metric versions, context, panel.
    """
    faults = [f"{one.where}: {fault}" for one in several if (fault := _partial_fault(one.results))]
    for other in several[1:]:
        faults += [f"{other.where}: {fault}" for fault in differences(several[0].results, other.results)]
    raise_faults(ResultsError, "these results cannot share a table", faults)


def differences(first: Results, second: Results) -> list[str]:
    """Return why two results cannot be compared, with both values; empty if they can."""
    told = []
    if first.suite.name != second.suite.name:
        told.append(f"suite {second.suite.name}, expected {first.suite.name}; score both on one suite")
    elif first.suite.digest != second.suite.digest:
        told.append(
            f"suite {second.suite.name} has digest {second.suite.digest[:16]}, expected {first.suite.digest[:16]}; "
            "score both on the same version and files"
        )
    if first.context != second.context:
        told.append(f"context {second.context}, expected {first.context}; score both with one --context (rule 6)")
    for name in sorted({*first.metric_versions, *second.metric_versions}):
        ours, theirs = first.metric_versions.get(name), second.metric_versions.get(name)
        if ours != theirs:
            told.append(f"metric version of {name} is {theirs}, expected {ours}; score both with one version of curate")
    return told


def _partial_fault(results: Results) -> str | None:
    partial = results.partial
    if partial is None:
        return None
    limit = f"the first {partial.limit} items of each task" if partial.limit else ""
    tasks = f"only the tasks {', '.join(partial.tasks)}" if partial.tasks else ""
    asked = " and ".join(part for part in (tasks, limit) if part)
    return f"partial results ({asked}), expected the whole suite; score it without --limit and --tasks"
