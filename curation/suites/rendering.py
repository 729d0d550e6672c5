"""Tasks as prompts, the way llm-foundry 0.9 shows MosaicML/DCLM records (`icl`), or by templates (`cloze`).

`icl`: texts of a record are stripped (its lists are not); an example is the query, the continuation delimiter and the
right answer; examples and the query are joined by the example delimiter; the end of the context loses its spaces, and
a continuation gets one in front. A `schema` record puts each of its contexts before the one continuation, without
continuation delimiter when no examples are shown.
What differs: llm-foundry encodes examples, query and answer apart and joins ids, here the text is joined first, so ids
differ where a tokenizer merges across a joint; generation tasks are scored by the likelihood of the gold answer; the
space before a continuation is always there, llm-foundry leaves it out for SentencePiece vocabularies.
Source: llm-foundry 0.9, eval/datasets/in_context_learning_evaluation.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.errors import ShardError
from curation.files import digest_json
from curation.suites.cloze import cloze_parts
from curation.suites.fewshot import drawn_examples, limited, parts_of
from curation.suites.prompted import Prompted
from curation.suites.records import item_of
from curation.suites.shapes import canonical, own_id
from curation.suites.task_data import TaskData
from curation.suites.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One record before it stands in a prompt."""

    contexts: tuple[str, ...]
    """One a choice, without the prelimiter."""
    continuations: tuple[str, ...]
    gold: int


def render_task(task: Task, data: TaskData, context_tokens: int) -> list[Prompted]:
    """Return the items that a task asks at an evaluation context, in the order of their places.

    Raises: ShardError for a record that lacks what the task needs, with its place.
    """
    asked = [place for place, record in enumerate(data.records) if not task.split or record.get("split") == task.split]
    if not asked:
        raise ShardError(f"{data.origin}: task `{task.name}`: no record with `split: {task.split}`; mend the file")
    chosen = set(limited(asked, task.limit))
    parsed: dict[int, Parts] = {}

    def parts_at(place: int) -> Parts:
        if place not in parsed:
            parsed[place] = _parts(task, data, place)
        return parsed[place]

    items = []
    for part, places in parts_of(data.records, asked, task.partition).items():
        for place, examples in _examples(task, data, part, places, context_tokens):
            if place in chosen:
                shown = [parts_at(other) for other in examples]
                items.append(_prompted(task, data, place, parts_at(place), shown))
    return sorted(items, key=lambda one: one.item)


def _examples(
    task: Task, data: TaskData, part: str, places: Sequence[int], context_tokens: int
) -> list[tuple[int, tuple[int, ...]]]:
    """Return each place of a part with the places of its examples."""
    shots = task.shots_at(context_tokens)
    if task.fewshot_split and shots:
        rows = [place for place, record in enumerate(data.records) if record.get("split") == task.fewshot_split]
        pool = parts_of(data.records, rows, task.partition).get(part, [])
        return [(place, tuple(pool[:shots])) for place in places]
    drawn = drawn_examples(len(places), shots, task.fewshot_seed)
    return [(place, tuple(places[index] for index in chosen)) for place, chosen in zip(places, drawn, strict=True)]


def _prompted(task: Task, data: TaskData, place: int, parts: Parts, shown: Sequence[Parts]) -> Prompted:
    before = task.prompt
    for example in shown:
        before += _example(task, example, bool(before))
    record = data.records[place]
    contexts = tuple(before + _question(task, context, bool(before)) for context in parts.contexts)
    pairs = [_moved(context, text) for context, text in zip(contexts, parts.continuations, strict=True)]
    return Prompted(
        task=task.name,
        item=place,
        gold=parts.gold,
        contexts=tuple(context for context, _ in pairs),
        continuations=tuple(text for _, text in pairs),
        own_id=own_id(record),
        group=_group(task, record, place),
        partition=str(record.get(task.partition, "")) if task.average == "partitions" else "",
        uncond=task.uncond,
    )


def _example(task: Task, parts: Parts, follows: bool) -> str:
    opened = _opened(task, parts.contexts[parts.gold if task.kind == "schema" else 0], follows)
    answer = parts.continuations[parts.gold]
    return opened + answer if task.layout == "cloze" else opened + task.continuation_delimiter + answer


def _question(task: Task, context: str, follows: bool) -> str:
    opened = _opened(task, context, follows)
    if task.layout == "cloze":
        return opened
    if task.kind == "schema":  # as there: no delimiter without examples, and its spaces go
        return opened + task.continuation_delimiter.rstrip() if follows else opened
    return (opened + task.continuation_delimiter).rstrip()


def _opened(task: Task, context: str, follows: bool) -> str:
    """Return a context after what stands before it; of a schema the prelimiter comes first, as there."""
    joint = task.example_delimiter if follows else ""
    return (task.prelimiter + joint if task.kind == "schema" else joint + task.prelimiter) + context


def _moved(context: str, continuation: str) -> tuple[str, str]:
    """Return the pair with the spaces that end the context at the front of the continuation; one where there were none.

    A continuation that opens with a space keeps it.
    """
    bare = context.rstrip()
    space = context[len(bare) :]
    return bare, space + continuation if space else continuation if continuation[:1].isspace() else f" {continuation}"


def _parts(task: Task, data: TaskData, place: int) -> Parts:
    record = data.records[place]
    try:
        if task.layout == "cloze":
            item = item_of(record, place)
            if item is None:
                raise ValueError("no question among its fields")
            return Parts(**cloze_parts(task, record, item))
        return _icl_parts(task, canonical(record))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        what = f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
        raise ShardError(
            f"{data.origin}: record {place} (from 0): {what}; expected what task `{task.name}` of kind `{task.kind}` "
            "needs; mend the record"
        ) from None


def _icl_parts(task: Task, record: Mapping[str, Any]) -> Parts:
    """Raises: KeyError, ValueError, IndexError, TypeError for a record that is not of the task's kind."""
    if task.kind == "mc":
        choices = tuple(_texts(record["choices"]))
        return Parts(
            contexts=(_text(_asked(record)),) * len(choices), continuations=choices, gold=_gold(record, choices)
        )
    if task.kind == "schema":
        contexts = tuple(_texts(record["context_options"]))
        texts = (_text(record["continuation"]),) * len(contexts)
        return Parts(contexts=contexts, continuations=texts, gold=_gold(record, contexts))
    answer = _text(record["continuation"] if task.kind == "lm" else record["answer"])
    if task.chain_of_thought and record.get("chain_of_thought"):
        answer = f"{_text(record['chain_of_thought'])}{task.chain_of_thought}{answer}"
    return Parts(contexts=(_text(_asked(record)),), continuations=(answer,), gold=0)


def _asked(record: Mapping[str, Any]) -> object:
    """Return the question: `query` (choices), `context` (text, answers) or `question`; Raises: KeyError."""
    names = [name for name in ("query", "context", "question") if record.get(name) is not None]
    return record[names[0] if names else "query"]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is no text")
    return value.strip()


def _texts(value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{value!r:.60} is no list of texts")
    return list(value)


def _gold(record: Mapping[str, Any], choices: Sequence[str]) -> int:
    gold = record["gold"] if record.get("gold") is not None else record["answer"]
    gold = int(gold) if isinstance(gold, str) and gold.isdigit() else gold
    if type(gold) is not int or not 0 <= gold < len(choices):
        raise ValueError(f"gold {gold!r} is no choice from 0 to {len(choices) - 1}")
    return gold


def _group(task: Task, record: Mapping[str, Any], place: int) -> str:
    if task.cluster == "item":
        return str(place)
    if task.cluster == "options":
        return digest_json([str(one) for one in record.get("context_options") or ()])[:16]
    if task.cluster == "passage":
        item = item_of(record, place)
        return digest_json(item.passage)[:16] if item is not None and item.passage else str(place)
    return str(record.get(task.cluster, place))
