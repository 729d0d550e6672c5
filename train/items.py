"""Questions with choices from a file of the user's, and what a model's scores of them add up to.

A line is `{"context": str, "choices": [str, ...], "answer": int}`; choices follow the context as they stand, their
leading space included; `answer` counts from 0; other fields are passed over.
Accuracy: share of questions whose right choice has the highest log-likelihood; per byte: the highest log-likelihood a
byte. Standard error of a share p of n: sqrt(p (1 - p) / (n - 1)), as lm-eval has it. Bits per byte: Σ nats of right
choices / Σ their bytes / ln 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.errors import RunError, raise_faults
from curation.files import Json
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Input
from curation.sources.records import Rejected
from train.item_scores import Item, ItemScores

if TYPE_CHECKING:
    from rich.console import Console

MAX_LINE_BYTES = 10_000_000
SHOWN_FAULTS = 20
PLUMBING = "plumbing: items of your own, no suite; these numbers are no evidence and enter no comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An item and the number of its right choice, from 0."""

    item: Item
    answer: int


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a JSON Lines file, in its order.

    Raises: RunError if it is missing or empty, or that lists the faults of its lines with their numbers.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected JSON Lines of context, choices, answer; give --items FILE")
    found, faults = [], []
    for number, record in jsonl_records(Input(path=path, container="jsonl"), MAX_LINE_BYTES):
        where = f"{path}:{number}"
        fault = _fault(record)
        if fault:
            faults.append(f"{where}: {fault}")
            continue
        fields = cast("dict[str, Json]", record)
        choices = tuple(cast("list[str]", fields["choices"]))
        item = Item(context=cast("str", fields["context"]), choices=choices, where=where)
        found.append(Question(item=item, answer=cast("int", fields["answer"])))
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
    if type(answer) is not int or not 0 <= answer < len(choices):
        return f"answer {answer!r:.60}, expected a whole number from 0 to {len(choices) - 1}; mend it"
    return ""


def report(questions: Sequence[Question], scores: Sequence[ItemScores]) -> dict[str, Json]:
    """Return the sums of all questions, and under `items` what each choice got."""
    pairs = list(zip(questions, scores, strict=True))
    accuracy = sum(score.best == question.answer for question, score in pairs) / len(pairs)
    per_byte = sum(score.best_per_byte == question.answer for question, score in pairs) / len(pairs)
    nats = -math.fsum(score.log_likelihoods[question.answer] for question, score in pairs)
    num_bytes = sum(score.num_bytes[question.answer] for question, score in pairs)
    return {
        "n": len(pairs),
        "accuracy": accuracy,
        "standard_error": _standard_error(accuracy, len(pairs)),
        "accuracy_per_byte": per_byte,
        "standard_error_per_byte": _standard_error(per_byte, len(pairs)),
        "bits_per_byte": nats / num_bytes / math.log(2),
        "note": PLUMBING,
        "items": [_line(question, score) for question, score in pairs],
    }


def _line(question: Question, score: ItemScores) -> dict[str, Json]:
    return {
        "where": question.item.where,
        "answer": question.answer,
        "best": score.best,
        "best_per_byte": score.best_per_byte,
        "log_likelihoods": list(score.log_likelihoods),
        "greedy": list(score.greedy),
        "num_tokens": list(score.num_tokens),
        "num_bytes": list(score.num_bytes),
    }


def _standard_error(share: float, n: int) -> float | None:
    """Return the standard error of a share of n; None for n = 1, which has none."""
    return math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else None


def draw_report(console: Console, title: str, found: dict[str, Json]) -> None:
    """Print the sums for a person."""
    console.print(f"{title}: {found['n']:,} items, windows of {found['context']} tokens", markup=False)
    for name, label in (("", "accuracy"), ("_per_byte", "accuracy per byte")):
        error = cast("float | None", found[f"standard_error{name}"])
        told = "no standard error of one item" if error is None else f"± {error:.4f} (standard error)"
        console.print(f"{label:<32} {found[f'accuracy{name}']:.4f} {told}", markup=False)
    console.print(f"{'bits per byte of the right choice':<32} {found['bits_per_byte']:.4f}", markup=False)
    console.print(f"{PLUMBING[0].upper()}{PLUMBING[1:]}.", markup=False)
