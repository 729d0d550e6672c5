"""Questions with choices from a file of the user's, and what a model's scores of them add up to.

A line is `{"context": str, "choices": [str, ...], "answer": int}`; choices follow the context as they stand, their
leading space included; `answer` counts from 0; other fields are passed over. The engine `curate` scores them as it
does suites; what it would exclude of a suite is refused here.
Accuracy: share of questions whose right choice has the highest log-likelihood; per byte: the highest log-likelihood a
byte. Standard error: `curation.suites.task_scores`, of a share p of n items sqrt(p (1 - p) / (n - 1)), as lm-eval has
it. Bits per byte: Σ nats of right choices / Σ their bytes / ln 2, leading space included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from curation.errors import RunError, raise_faults
from curation.files import Json
from curation.progress import Progress
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Input
from curation.sources.records import Rejected
from curation.suites.prompted import CHOICE_TOO_LONG, Prompted
from curation.suites.task_scores import Score, clustered_mean
from train.evals.engine import ItemScores

if TYPE_CHECKING:
    from rich.console import Console

    from train.evaluate import Subject

MAX_LINE_BYTES = 10_000_000
SHOWN_FAULTS = 20
PLUMBING = "plumbing: items of your own, no suite; these numbers are no evidence and enter no comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An item as it is asked, and its file and line for messages."""

    item: Prompted
    where: str


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a JSON Lines file, in its order.

    Raises: RunError if it is missing or empty, or that lists the faults of its lines with their numbers.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected JSON Lines of context, choices, answer; give --items FILE")
    found: list[Question] = []
    faults: list[str] = []
    for number, record in jsonl_records(Input(path=path, container="jsonl"), MAX_LINE_BYTES):
        where = f"{path}:{number}"
        fault = _fault(record)
        if fault:
            faults.append(f"{where}: {fault}")
            continue
        fields = cast("dict[str, Json]", record)
        choices = tuple(cast("list[str]", fields["choices"]))
        item = Prompted(
            task="items",
            item=len(found),
            gold=cast("int", fields["answer"]),
            contexts=(cast("str", fields["context"]),) * len(choices),
            continuations=choices,
        )
        found.append(Question(item=item, where=where))
    rest = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
    raise_faults(RunError, "--items", [*faults[:SHOWN_FAULTS], *rest])
    if not found:
        raise RunError(f"{path}: no items; expected at least one line; add some")
    return found


def _fault(record: object) -> str:
    """Return what is wrong with a line; empty when nothing."""
    if isinstance(record, Rejected):
        return f"{record.reason} {record.detail}".strip() + "; expected one JSON object; mend the line"
    if not isinstance(record, dict):
        return f"{type(record).__name__}, expected an object with context, choices and answer; mend the line"
    missing = [name for name in ("context", "choices", "answer") if name not in record]
    if missing:
        return f"no `{'`, `'.join(missing)}`; expected context, choices and answer; add it"
    context, choices, answer = record["context"], record["choices"], record["answer"]
    if not isinstance(context, str):
        return f"context {context!r:.60}, expected text (it may be empty); mend it"
    if not isinstance(choices, list) or not choices or not all(isinstance(one, str) and one for one in choices):
        return f"choices {choices!r:.60}, expected a list of texts, at least one, none empty; mend it"
    if " " in choices:
        return f"choices {choices!r:.60}, expected text in each beside its leading space; mend it"
    if type(answer) is not int or not 0 <= answer < len(choices):
        return f"answer {answer!r:.60}, expected a whole number from 0 to {len(choices) - 1}; mend it"
    return ""


def score_questions(
    subject: Subject, questions: Sequence[Question], progress: Progress, *, workers: int = 1
) -> dict[str, Json]:
    """Return accuracies, bits per byte of the right choices, and the log-likelihood of each choice.

    Raises: RunError for a choice longer than the window, or log-likelihoods that are not finite.
    """
    from train.evals.scorer import scorer_of

    engine = scorer_of(subject.reader, subject.context_tokens, workers)
    with progress.task("score", float(len(questions))) as task:
        scores = engine.score([question.item for question in questions], task.advance)
    _refuse_excluded(subject, questions, scores)
    return {**subject.as_json(), **report(questions, scores)}


def _refuse_excluded(subject: Subject, questions: Sequence[Question], scores: Sequence[ItemScores]) -> None:
    """Raise RunError for the first items without scores: of one's own file nothing is left out in silence."""
    faults = []
    for question, score in zip(questions, scores, strict=True):
        if score.excluded == CHOICE_TOO_LONG:
            longest = max(question.item.continuations, key=len)
            faults.append(
                f"{question.where}: choice {longest[:60]!r}: too long after its context, expected 1 to "
                f"{subject.context_tokens} tokens; shorten it, or score it with a longer context"
            )
        elif score.excluded is not None:
            faults.append(f"{question.where}: {score.excluded}, expected a number for each choice; mend item or model")
    raise_faults(RunError, "--items", faults[:SHOWN_FAULTS])


def report(questions: Sequence[Question], scores: Sequence[ItemScores]) -> dict[str, Json]:
    """Return the sums of all questions, and under `items` what each choice got."""
    lines = [_line(question, score) for question, score in zip(questions, scores, strict=True)]
    accuracy, per_byte = (_share(lines, name) for name in ("best", "best_per_byte"))
    gold = [question.item.gold for question in questions]
    nats = -math.fsum(score.log_likelihoods[right] for score, right in zip(scores, gold, strict=True))
    num_bytes = sum(_num_bytes(one.item)[one.item.gold] for one in questions)
    return {
        "n": len(lines),
        "accuracy": accuracy.value,
        "standard_error": accuracy.se,
        "accuracy_per_byte": per_byte.value,
        "standard_error_per_byte": per_byte.se,
        "bits_per_byte": nats / num_bytes / math.log(2),
        "note": PLUMBING,
        "items": cast("list[Json]", lines),
    }


def _share(lines: Sequence[dict[str, Json]], name: str) -> Score:
    """Return the share of items whose `name` is the answer; every item stands alone."""
    return clustered_mean([float(line[name] == line["answer"]) for line in lines], list(map(str, range(len(lines)))))


def _num_bytes(item: Prompted) -> list[int]:
    return [len(choice.encode()) for choice in item.continuations]


def _line(question: Question, score: ItemScores) -> dict[str, Json]:
    values, num_bytes = np.array(score.log_likelihoods), _num_bytes(question.item)
    return {
        "where": question.where,
        "answer": question.item.gold,
        "best": int(np.argmax(values)),
        "best_per_byte": int(np.argmax(values / num_bytes)),
        "log_likelihoods": list(score.log_likelihoods),
        "greedy": list(score.greedy),
        "num_tokens": list(score.num_tokens),
        "num_bytes": cast("list[Json]", num_bytes),
    }


def draw_report(console: Console, title: str, found: dict[str, Json]) -> None:
    """Print the sums for a person."""
    console.print(f"{title}: {found['n']:,} items, windows of {found['context']} tokens", markup=False)
    for name, label in (("", "accuracy"), ("_per_byte", "accuracy per byte")):
        error = cast("float | None", found[f"standard_error{name}"])
        told = "no standard error of one item" if error is None else f"± {error:.4f} (standard error)"
        console.print(f"{label:<32} {found[f'accuracy{name}']:.4f} {told}", markup=False)
    console.print(f"{'bits per byte of the right choice':<32} {found['bits_per_byte']:.4f}", markup=False)
    console.print(f"{PLUMBING[0].upper()}{PLUMBING[1:]}.", markup=False)
