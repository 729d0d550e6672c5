"""Samples as lm-eval logs them, of a run in our child or of a result directory, as rows of the contract.

A sample's arguments are (context, continuation) pairs and its filtered responses (log-likelihood, greedy), one a
choice; with `acc_mutual_info` the second half are unconditional. Saved files hold numbers as text. What has no
log-likelihoods (generated answers) keeps the metrics that lm-eval gave it: `acc` and `exact_match` are `acc_raw`,
`acc_norm` is `acc_per_char`, `acc_bytes` is `acc_per_byte`, `acc_mutual_info` is `acc_uncond`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curation.files import digest_json
from curation.suites.item_metrics import ChoiceScores, item_metrics
from curation.suites.prompted import NOT_FINITE
from curation.suites.shapes import own_id
from train.evals.chance import above_chance
from train.evals.lm_eval_run import HASHES, HarnessTask
from train.evals.results import Metric, TaskKind, TaskResult
from train.evals.score_tables import ITEMS_SCHEMA
from train.evals.task_results import metric_means

COLUMNS = {
    "acc": "acc_raw",
    "exact_match": "acc_raw",
    "acc_norm": "acc_per_char",
    "acc_bytes": "acc_per_byte",
    "acc_mutual_info": "acc_uncond",
}
UNKNOWN_ANSWER = "right-answer-not-known"
NO_METRIC = "no-metric-an-item"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRows:
    """One task of lm-eval in the contract's form."""

    result: TaskResult
    rows: pa.Table
    notes: tuple[str, ...] = ()


def task_rows(task: HarnessTask, family: str) -> TaskRows:
    """Return the rows and sums of a task. Raises: ValueError for a sample that is no sample of lm-eval."""
    rows = [_row(task.name, sample) for sample in task.samples]
    kept = [row for row in rows if row["excluded"] is None]
    reasons = [row["excluded"] for row in rows if row["excluded"] is not None]
    metrics = metric_means(kept)
    metrics |= {f"lm_eval/{name}": Metric(value=value, n=len(rows)) for name, value in _own(task.results).items()}
    counts = [len(row["log_likelihoods"]) for row in kept if row["log_likelihoods"]]
    choices = [count for count in counts if count > 1]
    primary = _primary(task, metrics)
    chance = math.fsum(1 / count for count in choices) / len(choices) if choices else None
    result = TaskResult(
        family=family,
        kind=_kind(task, bool(choices), bool(counts)),
        shots=task.shots,
        n=len(kept),
        excluded={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        digest=digest_json([task.name, [[str(sample.get(key)) for key in HASHES] for sample in task.samples]]),
        primary=primary,
        accuracy=primary if primary.startswith("acc_") else None,
        above_chance=above_chance(metrics[primary], primary, chance) if primary in metrics else None,
        baseline_v1=chance,
        metrics=metrics,
    )
    return TaskRows(
        result=result, rows=pa.Table.from_pylist(rows, ITEMS_SCHEMA), notes=tuple(_disagreement(task, rows))
    )


def _row(task: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    number = int(sample["doc_id"])
    doc = sample.get("doc")
    row: dict[str, Any] = {
        **dict.fromkeys(ITEMS_SCHEMA.names),
        "task": task,
        "item": number,
        "own_id": own_id(doc) or None if isinstance(doc, Mapping) else None,
        "group": str(number),
        "gold": -1,
    }
    values = responses(sample)
    if values is None:
        return _given(row, sample)
    pairs = arguments(sample)
    half = len(values) // 2 if _has_unconditional(sample, pairs) else len(values)
    gold = _gold(sample, pairs[:half], [value for value, _ in values[:half]])
    if gold is None:
        return {**row, "excluded": UNKNOWN_ANSWER}
    if not all(math.isfinite(value) for value, _ in values):
        return {**row, "gold": gold, "excluded": NOT_FINITE}
    return {**row, **_scores(sample, pairs[:half], values, gold)}


def _scores(
    sample: Mapping[str, Any], pairs: Sequence[tuple[str, str]], values: Sequence[tuple[float, bool]], gold: int
) -> dict[str, Any]:
    half = len(pairs)
    texts = [text.removeprefix(" ") for _, text in pairs]
    tokens = sample.get("num_tokens")
    scores = ChoiceScores(
        gold=gold,
        log_likelihoods=[min(0.0, value) for value, _ in values[:half]],
        greedy=[greedy for _, greedy in values[:half]],
        num_tokens=tokens[:half] if tokens else None,
        num_chars=[max(1, len(text)) for text in texts],
        num_bytes=[max(1, len(text.encode())) for text in texts],
        uncond=[min(0.0, value) for value, _ in values[half:]] or None,
    )
    return {
        "gold": gold,
        "log_likelihoods": list(scores.log_likelihoods),
        "greedy": list(scores.greedy),
        "num_tokens": list(scores.num_tokens) if scores.num_tokens else None,
        "num_chars": list(scores.num_chars),
        "num_bytes": list(scores.num_bytes),
        "uncond": list(scores.uncond) if scores.uncond else None,
        **item_metrics(scores),
    }


def _given(row: dict[str, Any], sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the metrics that lm-eval gave the sample."""
    found = {column: _number(sample[name]) for name, column in COLUMNS.items() if name in sample}
    found = {column: value for column, value in found.items() if value is not None}
    return {**row, **found} if found else {**row, "excluded": NO_METRIC}


def arguments(sample: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (context, continuation) of each request; saved files number them `gen_args_0.arg_0`."""
    given = sample["arguments"]
    listed = list(given.values()) if isinstance(given, Mapping) else list(given)
    rows = [list(one.values()) if isinstance(one, Mapping) else list(one) for one in listed]
    return [(str(row[0]), str(row[1]) if len(row) > 1 else "") for row in rows]


def responses(sample: Mapping[str, Any]) -> list[tuple[float, bool]] | None:
    """Return (log-likelihood, greedy) of each request; None for a sample that has none. Raises: ValueError."""
    given = sample["filtered_resps"]
    if not isinstance(given, list | tuple):
        raise ValueError(f"sample {sample.get('doc_id')}: filtered_resps is {str(given)[:40]!r}, expected a list")
    if not given or not all(isinstance(one, list | tuple) and len(one) == 2 for one in given):
        return None
    if not all(str(greedy) in ("True", "False") for _, greedy in given):
        return None
    return [(float(value), str(greedy) == "True") for value, greedy in given]


def _has_unconditional(sample: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> bool:
    half = len(pairs) // 2
    same = [text for _, text in pairs[:half]] == [text for _, text in pairs[half:]]
    return "acc_mutual_info" in sample and len(pairs) % 2 == 0 and same and not any(c for c, _ in pairs[half:])


def _gold(sample: Mapping[str, Any], pairs: Sequence[tuple[str, str]], values: Sequence[float]) -> int | None:
    """Return the number of the right choice; None where the sample does not say it, or names several."""
    if len(pairs) == 1:
        return 0
    target = sample.get("target")
    texts = [text.strip() for _, text in pairs]
    if len(set(texts)) > 1:
        said = str(target).strip()
        if said.isdigit() and int(said) < len(pairs):  # saved files hold the number as text
            return int(said)
        return texts.index(said) if said in texts else None
    right = _number(sample.get("acc"))  # contexts compete: the target is the text that follows all of them
    best = max(range(len(values)), key=lambda place: (values[place], -place))
    if right == 1:
        return best
    return 1 - best if right == 0 and len(pairs) == 2 else None


def _own(results: Mapping[str, Any]) -> dict[str, float]:
    """Return lm-eval's own numbers under its names."""
    found = {name: _number(value) for name, value in results.items() if "," in name}
    return {name: value for name, value in sorted(found.items()) if value is not None and "stderr" not in name}


def _primary(task: HarnessTask, metrics: Mapping[str, Metric]) -> str:
    """Return what counts of a task: its normalised accuracy if lm-eval reports one, else the first it reports."""
    reported = {name.partition(",")[0] for name in task.results}
    wanted = [COLUMNS[name] for name in ("acc_norm", "acc", "exact_match") if name in reported]
    if "perplexity" in reported and not wanted:
        wanted = ["bits_per_byte_corr"]
    return next((name for name in (*wanted, *metrics) if name in metrics), "acc_raw")


def _kind(task: HarnessTask, choices: bool, scored: bool) -> TaskKind:
    if not scored:
        return "other"
    return "mc" if choices else "lm"


def _disagreement(task: HarnessTask, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say where lm-eval's own accuracy of an item is another than that of its log-likelihoods."""
    pairs = [(row["acc_raw"], _number(sample.get("acc"))) for row, sample in zip(rows, task.samples, strict=True)]
    other = sum(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)
    return [f"{task.name}: lm-eval judges {other} items otherwise than their log-likelihoods"] if other else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None
