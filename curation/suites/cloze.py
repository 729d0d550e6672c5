"""One record by templates: the question in a wording of ours, each choice's text (not its letter) as a continuation.

`{question}`, `{passage}`, `{answer}` are what `curation.suites.records` reads, `{choice}` one choice (the answer, when
there are none), `{record.FIELD}` a field as it stands; a list is its lines. Nothing else is replaced, so a template is
no program. Line ends are those of Unix; a byte order mark at the start of a text goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from curation.suites.items import Item
from curation.suites.tasks import Task

_FIELD = re.compile(r"\{(question|passage|answer|choice|record\.[A-Za-z0-9_ ]+)\}")


class ClozeParts(TypedDict):
    """What `rendering.Parts` is made of."""

    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    gold: int


def cloze_parts(task: Task, record: Mapping[str, Any], item: Item) -> ClozeParts:
    """Return contexts and continuations of a record. Raises: ValueError when it has no gold choice, KeyError."""
    answer = re.sub(task.remove, "", item.answer) if task.remove else item.answer
    if task.kind == "mc":
        if item.answer not in item.choices:
            raise ValueError(f"right answer {item.answer!r:.40} is none of its {len(item.choices)} choices")
        choices, gold = item.choices, item.choices.index(item.answer)
    else:
        choices, gold = (answer,), 0
    context = filled(task.context, record, item, answer)
    texts = tuple(filled(task.answer, record, item, choice) for choice in choices)
    return ClozeParts(contexts=(context,) * len(texts), continuations=texts, gold=gold)


def filled(template: str, record: Mapping[str, Any], item: Item, choice: str) -> str:
    """Return the template with its fields replaced."""
    known = {"question": item.question, "passage": item.passage, "answer": item.answer, "choice": choice}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        given = known[name] if name in known else record[name.removeprefix("record.")]
        text = "\n".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
        return text.replace("\r\n", "\n").removeprefix("\ufeff")

    return _FIELD.sub(value, template)
