"""Runs of other trainers as results of ours: the small JSON (`curate-import@1`), and DCLM's evaluation records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from curation.errors import ResultsError, raise_faults
from curation.files import Json, digest_json, sha256_file
from curation.suites.dclm import dclm_aggregates, dclm_tasks
from curation.suites.item_metrics import METRIC_VERSIONS, ChoiceScores, item_metrics
from train.evals.chance import above_chance
from train.evals.import_schema import ImportedItem, ImportedSlice, ImportedTask, ImportFile
from train.evals.panel_scores import perplexity
from train.evals.results import Aggregate, Metric, ModelFacts, Results, Scored, SliceResult, SuiteFacts, TaskResult
from train.evals.score_tables import DOCUMENTS_SCHEMA, ITEMS_SCHEMA
from train.evals.task_results import metric_means

DCLM_CONTEXT = 2048
"""Window of open_lm's models in DCLM's evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file made elsewhere holds."""

    scored: Scored
    curve: Sequence[Mapping[str, Json]] = ()
    """Loss, a row a step and slice; empty where the file has none."""


def import_json(path: Path) -> Imported:
    """Return what a file of `curate-import@1` holds. Raises: ResultsError that lists every fault."""
    file = _validated(_read(path), str(path))
    items = [_item_row(name, task, item) for name, task in file.tasks.items() for item in task.items]
    documents = [
        {"slice": name, **document.model_dump()} for name, part in file.slices.items() for document in part.documents
    ]
    tasks = {
        name: _task(name, task, [row for row in items if row["task"] == name]) for name, task in file.tasks.items()
    }
    results = Results(
        model=ModelFacts(
            digest=digest_json(["import", sha256_file(path)]),
            trainer=file.trainer,
            **file.model.model_dump(exclude={"params"}),
        ),
        suite=SuiteFacts(name=file.suite, version=file.suite_version, digest=_suite_digest(file, tasks)),
        context=file.context,
        metric_versions={**METRIC_VERSIONS, "scorer": file.trainer},
        software=file.software,
        date=file.date,
        tasks=tasks,
        slices={name: _slice(part) for name, part in file.slices.items()},
        notes=tuple(_notes(file)),
    )
    scored = Scored(
        results=results,
        items=pa.Table.from_pylist(items, ITEMS_SCHEMA) if items else None,
        documents=pa.Table.from_pylist(documents, DOCUMENTS_SCHEMA) if documents else None,
    )
    return Imported(scored=scored, curve=[point.model_dump() for point in file.curve])


def import_dclm(path: Path) -> Scored:
    """Return a record of DCLM's evaluations: raw scores by task and its aggregates, worked out anew.

    Raises: ResultsError that lists every fault.
    """
    value = _read(path)
    metrics = value.get("eval_metrics") if isinstance(value, dict) else None
    scores = metrics.get("icl") if isinstance(metrics, dict) else None
    if not isinstance(scores, dict) or not scores:
        raise ResultsError(f"{path}: no `eval_metrics.icl`; expected an evaluation record of DCLM; choose another")
    wrong = {name: one for name, one in scores.items() if not isinstance(one, int | float) or not 0 <= one <= 1}
    raise_faults(
        ResultsError,
        str(path),
        [f"task `{name}`: score {one}, expected a share from 0 to 1" for name, one in wrong.items()],
    )
    return Scored(
        results=dclm_results(
            scores,
            ModelFacts(name=_dclm_name(value, path), digest=digest_json(["import", sha256_file(path)]), trainer="dclm"),
            date=str(value["creation_date"]) if value.get("creation_date") else None,
        )
    )


def dclm_results(
    scores: Mapping[str, float], model: ModelFacts, *, date: str | None = None, notes: Sequence[str] = ()
) -> Results:
    """Return results on DCLM's tasks from raw scores by task: tasks without one are named, aggregates worked out."""
    known = dclm_tasks()
    missing = {name: "no score in the record" for name in known if name not in scores}
    return Results(
        model=model,
        suite=SuiteFacts(name="dclm", version="1", digest=digest_json(["dclm", sorted(known)])),
        context=DCLM_CONTEXT,
        metric_versions={**METRIC_VERSIONS, "scorer": "llm-foundry"},
        software={},
        date=date,
        tasks={name: _dclm_task(name, float(score)) for name, score in sorted(scores.items())},
        missing=missing,
        aggregates={
            name: Aggregate(value=one.value, reason=one.reason) for name, one in dclm_aggregates(scores).items()
        },
        notes=tuple(notes),
    )


def _dclm_name(value: Mapping[str, Any], path: Path) -> str:
    """Return the model's name; where the record only has a path of the machine it ran on, the file's."""
    found = str(value.get("model_name") or "")
    return found if found and not found.startswith("/") else path.stem


def _dclm_task(name: str, score: float) -> TaskResult:
    row = dclm_tasks().get(name)
    return TaskResult(
        family=row.category if row else "other",
        kind="other",
        shots=row.shots if row else 0,
        n=0,
        digest=digest_json(["dclm", name]),
        primary="acc_per_token",
        accuracy="acc_per_token",
        baseline_v1=0.01 * row.v1 if row else None,
        baseline_v2=0.01 * row.v2 if row else None,
        metrics={"acc_per_token": Metric(value=score, n=0)},
        rows=False,
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ResultsError(f"{path}: no such file; expected one JSON file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: is not JSON ({error}); mend the file") from None


def _validated(value: Any, where: str) -> ImportFile:
    try:
        return ImportFile.model_validate(value)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise_faults(ResultsError, where, faults)
        raise


def _item_row(name: str, task: ImportedTask, item: ImportedItem) -> dict[str, Any]:
    row: dict[str, Any] = {
        **dict.fromkeys(ITEMS_SCHEMA.names),
        "task": name,
        "item": item.item,
        "own_id": item.id,
        "group": item.group or str(item.item),
        "gold": -1,
    }
    if item.log_likelihoods is None:
        return {**row, task.metric: item.score}
    assert item.gold is not None
    found = item_metrics(
        ChoiceScores(
            gold=item.gold,
            log_likelihoods=item.log_likelihoods,
            greedy=item.greedy or (),
            num_tokens=item.num_tokens,
            num_chars=item.num_chars or (),
            num_bytes=item.num_bytes or (),
        )
    )
    lists = ("log_likelihoods", "greedy", "num_tokens", "num_bytes", "num_chars")
    return {**row, "gold": item.gold, **{one: getattr(item, one) for one in lists}, **found}


def _task(name: str, task: ImportedTask, rows: Sequence[Mapping[str, Any]]) -> TaskResult:
    told = Metric(value=task.score, se=task.se, n=task.n or 0)
    metrics = {task.metric: told, **metric_means(rows)}
    return TaskResult(
        family=task.family,
        kind="mc" if rows and all(row["log_likelihoods"] for row in rows) else "other",
        shots=task.shots,
        n=len(rows) or task.n or 0,
        digest=task.digest or digest_json(["imported", name, [row["item"] for row in rows]]),
        primary=task.metric,
        accuracy=task.metric if task.metric.startswith("acc") else None,
        above_chance=above_chance(metrics[task.metric], task.metric, task.chance),
        baseline_v1=task.chance,
        metrics=metrics,
        rows=bool(rows),
    )


def _slice(part: ImportedSlice) -> SliceResult:
    documents = part.documents
    nats = math.fsum(one.nats for one in documents)
    num_bytes = sum(one.num_bytes for one in documents) or part.num_bytes
    num_tokens = sum(one.num_tokens for one in documents) or part.num_tokens
    bits = nats / num_bytes / math.log(2) if documents else part.bits_per_byte
    per_token = nats / num_tokens if documents and num_tokens else part.nats_per_token
    return SliceResult(
        nats_per_token=per_token,
        bits_per_byte=bits,
        perplexity=perplexity(per_token),
        num_docs=len(documents) or part.num_docs,
        num_families=len({one.family for one in documents}),
        num_bytes=num_bytes,
        num_tokens=num_tokens,
        rows=bool(documents),
    )


def _suite_digest(file: ImportFile, tasks: Mapping[str, TaskResult]) -> str:
    slices: dict[str, Json] = {
        name: [[one.id, one.num_bytes] for one in part.documents] for name, part in sorted(file.slices.items())
    }
    asked = {name: one.digest for name, one in sorted(tasks.items())}
    return digest_json([file.suite, file.suite_version, asked, slices])


def _notes(file: ImportFile) -> list[str]:
    """Say where a file's own sum is not the mean of the items that it lists."""
    told = []
    for name, task in file.tasks.items():
        values = [item.score for item in task.items if item.score is not None]
        if len(values) == len(task.items) and values and abs(math.fsum(values) / len(values) - task.score) > 1e-6:
            mean = math.fsum(values) / len(values)
            told.append(f"{name}: the file says {task.score:.6f}, its items come to {mean:.6f}; the items count")
    if file.model.params:
        told.append(f"parameters: {file.model.params:,}")
    return told
