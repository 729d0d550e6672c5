"""Results of `lm_eval --log_samples --output_path DIR` as results of ours: `results_*.json` and `samples_*.jsonl`.

Every fault of a directory is told at once. Several result files are one result when they are of one model; of a task
that is in two of them the later counts, by the date in the name. The suite's digest is that of lm-eval's own hashes of
documents, prompts and targets, so two imports share a table exactly when the same text was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.errors import ResultsError, raise_faults
from curation.files import digest_json, sha256_file
from curation.suites.item_metrics import METRIC_VERSIONS
from curation.suites.tasks import load_task_suite
from train.evals.lm_eval_run import HASHES, HarnessTask
from train.evals.lm_eval_samples import TaskRows, task_rows
from train.evals.results import ModelFacts, Results, Scored, SuiteFacts, utc_text

_OBJECTS = ("groups", "configs", "versions", "n-shot", "n-samples", "config")
"""What a result file may hold beside `results`, each an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the files do not say of a model, told by whoever imports them."""

    name: str | None = None
    tier: str | None = None
    seed: int | None = None
    arm: str | None = None
    tokens_seen: int | None = None
    tokenizer: str | None = None
    trainer: str = "lm-eval"
    context: int | None = None
    suite: str | None = None


def import_lm_eval(place: Path, told: Told) -> Scored:
    """Return the results in a directory of lm-eval, or of one of its result files.

    Raises: ResultsError that lists every fault.
    """
    files = _result_files(place)
    faults: list[str] = []
    found: dict[str, HarnessTask] = {}
    values = []
    for file in files:
        value = _json(file, faults)
        if value is None:
            continue
        values.append(value)
        for name in value["results"]:
            if name not in (value.get("groups") or {}) or name in (value.get("configs") or {}):
                task = _task(file, name, value, faults)
                if task is not None:
                    found[name] = task
    names = {str(value.get("model_name") or (value.get("config") or {}).get("model")) for value in values}
    if len(names) > 1:
        faults.append(f"results of several models ({', '.join(sorted(names))}), expected one; import them one by one")
    context = told.context or next((value["max_length"] for value in values if value.get("max_length")), None)
    if values and not isinstance(context, int):
        faults.append("says no `max_length`, the window that was scored in; tell it with --context")
    tasks: dict[str, TaskRows] = {}
    for name, task in sorted(found.items()):
        try:
            tasks[name] = task_rows(task, family_of(name))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            faults.append(f"task `{name}`: {error}; expected samples as lm-eval 0.4 logs them; run it again")
    if not tasks and not faults:
        faults.append("no task with samples; run lm_eval with --log_samples")
    raise_faults(ResultsError, str(place), faults)
    assert isinstance(context, int)
    facts = _model(told, sorted(names)[0], files)
    return harness_results(facts, tasks, context=context, suite=told.suite or "lm-eval", said=values[-1])


def harness_results(
    model: ModelFacts, tasks: Mapping[str, TaskRows], *, context: int, suite: str, said: Mapping[str, Any]
) -> Scored:
    """Return results of a model on tasks of lm-eval; `said` is what lm-eval says of software and time."""
    digest = digest_json([suite, {name: one.result.digest for name, one in sorted(tasks.items())}])
    software = {"lm_eval": str(said["lm_eval_version"])} if said.get("lm_eval_version") else {}
    versions = {name: str(said[key]) for name, key in (("transformers", "transformers_version"),) if said.get(key)}
    results = Results(
        model=model,
        suite=SuiteFacts(name=suite, version="1", digest=digest),
        context=context,
        metric_versions={**METRIC_VERSIONS, "scorer": f"lm-eval {software.get('lm_eval', 'of unknown version')}"},
        software={**software, **versions},
        duration_seconds=_seconds(said.get("total_evaluation_time_seconds")),
        date=_moment(_seconds(said.get("date"))),
        tasks={name: one.result for name, one in tasks.items()},
        notes=tuple(note for one in tasks.values() for note in one.notes),
    )
    return Scored(results=results, items=pa.concat_tables([one.rows for one in tasks.values()]))


def _seconds(said: object) -> float | None:
    """Return seconds, which files hold as number or text; None for what says none. Raises: ValueError."""
    if said is None or said == "":
        return None
    found = float(str(said))
    datetime.fromtimestamp(found, UTC)
    return found


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else utc_text(datetime.fromtimestamp(seconds, UTC))


def family_of(task: str) -> str:
    """Return the family that a shipped suite gives a task of this name, else `other`."""
    return _shipped_families().get(task, "other")


@lru_cache(maxsize=1)
def _shipped_families() -> Mapping[str, str]:
    """Return the families of the shipped tasks by each of their names; `small` says it first."""
    found: dict[str, str] = {}
    for one in (*load_task_suite("small").tasks, *load_task_suite("core").tasks):
        for name in (one.name, *one.data):
            found.setdefault(name, one.family)
    return found


def _result_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    files = sorted({*place.glob("results_*.json"), *place.glob("*/results_*.json")}, key=lambda path: path.name)
    if not files:
        raise ResultsError(
            f"{place}: no results_*.json there or one level below; expected the --output_path of lm_eval "
            "(with --log_samples)"
        )
    return files


def _json(file: Path, faults: list[str]) -> dict[str, Any] | None:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        faults.append(f"{file.name}: is not JSON ({error}); run it again")
        return None
    if not isinstance(value, dict) or not isinstance(value.get("results"), dict):
        faults.append(f"{file.name}: has no `results`; expected a result file of lm-eval; choose another")
        return None
    if groups := [key for key in _OBJECTS if not isinstance(value.get(key) or {}, dict)]:
        faults.append(f"{file.name}: {', '.join(groups)}: expected objects by task; run it again")
        return None
    for key in ("date", "total_evaluation_time_seconds"):
        try:
            _seconds(value.get(key))
        except (ValueError, OverflowError, OSError):
            faults.append(
                f"{file.name}: {key} {value[key]!r:.40}, expected seconds as a number; mend it or take it out"
            )
    if (value.get("config") or {}).get("limit"):
        faults.append(f"{file.name}: ran with --limit {value['config']['limit']}; expected whole tasks; run it without")
    return value


def _task(file: Path, name: str, value: Mapping[str, Any], faults: list[str]) -> HarnessTask | None:
    if "/" in name or "\0" in name or not isinstance(value["results"][name], dict):
        faults.append(f"{file.name}: task {name!r:.80}: expected a name without `/` that holds an object; run it again")
        return None
    date = file.stem.removeprefix("results_")
    path = file.with_name(f"samples_{name}_{date}.jsonl")
    if not path.is_file():
        faults.append(f"{path.name}: is not there; expected the samples of `{name}`; run lm_eval with --log_samples")
        return None
    samples, wrong = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            sample = json.loads(line)
            if fault := _sample_fault(sample):
                wrong.append(f"{path.name}:{number}: {fault}; expected a sample of lm-eval; run it again")
            samples.append(sample)
        except ValueError as error:
            wrong.append(f"{path.name}:{number}: is not JSON ({error}); run it again")
    faults += wrong
    if wrong:
        return None
    filters = list(dict.fromkeys(str(sample.get("filter")) for sample in samples))
    kept = [sample for sample in samples if str(sample.get("filter")) == filters[0]] if filters else []
    listed = (value.get("n-samples") or {}).get(name, {}).get("effective")
    if listed not in (None, len(kept)):
        faults.append(f"{path.name}: {len(kept)} samples, the results say {listed}; the file is cut short: run again")
        return None
    return HarnessTask(
        name=name,
        output_type=str((value.get("configs") or {}).get(name, {}).get("output_type", "")),
        version=str((value.get("versions") or {}).get(name, "")),
        shots=int((value.get("n-shot") or {}).get(name) or 0),
        results=value["results"][name],
        samples=tuple(sorted(kept, key=lambda sample: int(sample["doc_id"]))),
    )


def _sample_fault(sample: object) -> str:
    """Return what is wrong with a sample; empty when nothing."""
    if not isinstance(sample, dict):
        return f"is {type(sample).__name__}, no object"
    if missing := [key for key in ("doc_id", "arguments", "filtered_resps", *HASHES) if key not in sample]:
        return f"has no {', '.join(missing)}"
    try:
        place = int(sample["doc_id"])
    except (TypeError, ValueError, OverflowError):
        place = -1
    return "" if place >= 0 else f"doc_id {sample['doc_id']!r:.40}, a whole number from 0 on was due"


def _model(told: Told, found: str, files: list[Path]) -> ModelFacts:
    beside = sorted({path for file in files for path in (file, *file.parent.glob("samples_*.jsonl"))})
    return ModelFacts(
        name=told.name or Path(found).name or "model",
        digest=digest_json(["import", {path.name: sha256_file(path) for path in beside}]),
        tier=told.tier,
        seed=told.seed,
        arm=told.arm,
        tokens_seen=told.tokens_seen,
        tokenizer=told.tokenizer,
        trainer=told.trainer,
    )
