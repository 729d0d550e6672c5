"""A task of the user's own: a file of items becomes a suite of one task of the family `target`.

The first record tells the kind: `context_options` is `schema`, `choices` is `mc`, `continuation` is `lm`, `answer` is
`gold`. The question is `query` or `context`, shown as it stands, or `question`, shown between `Question:` and `Answer:`
with its passage before it; the right choice is `gold`, or `answer` as a number.
More tasks, examples or another wording: a suite file in YAML (`curation.suites.tasks`), whose `data` may be a path
relative to it. Nothing of such a suite is pinned: the digest of its records is part of what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curation.errors import RecipeError, ShardError
from curation.suites.formats import records_of
from curation.suites.layout import SUFFIXES
from curation.suites.records import item_of
from curation.suites.shapes import canonical
from curation.suites.tasks import AggregateSpec, Kind, Task, TaskSuite

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("context_options", "schema"), ("choices", "mc"), ("continuation", "lm"), ("answer", "gold"),
)  # fmt: skip


def target_suite(path: Path) -> TaskSuite:
    """Return the suite of the one task whose items are in a file. Raises: ShardError, RecipeError."""
    if not path.exists():
        raise ShardError(f"{path}: no such file; expected items, one JSON object a line; mend the path")
    first = next(iter(records_of(path)), None)
    if first is None:
        raise ShardError(f"{path}: holds no items; expected one JSON object a line")
    if not isinstance(first.record, Mapping):
        raise ShardError(f"{path}:{first.place}: {type(first.record).__name__}, expected an object; mend the line")
    record = canonical(first.record)
    kind = next((kind for field, kind in _KINDS if record.get(field) is not None), None)
    if kind is None:
        raise RecipeError(
            f"{path}:{first.place}: fields {', '.join(sorted(map(str, record))[:8])}; expected one of "
            f"`{'`, `'.join(field for field, _ in _KINDS)}`, which tells the kind of task; rename a field"
        )
    name = path.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    task = Task(
        name=name, data=(str(path.resolve()),), family="target", kind=kind, **_shown(record), **_scored(kind, record)
    )
    return TaskSuite(
        name=name,
        version=1,
        title=f"target task {name}",
        source="a file of the user's",
        tasks=(task,),
        aggregates={"target_bpb": AggregateSpec(of="bits_per_byte_corr")},
    )


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    if record.get("question") is None or record.get("query") is not None:
        return {}
    item = item_of(record, 0)
    passage = "{passage}\n" if item is not None and item.passage else ""
    return {"layout": "cloze", "context": passage + "Question: {question}\nAnswer:", "cluster": "passage"}


def _scored(kind: Kind, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return accuracy and chance: equal odds among the first record's choices, none where there are no choices."""
    if kind in ("lm", "gold"):
        return {"accuracy": "acc_raw", "baselines": {"v1": 0.0}}
    count = len(record["context_options"] if kind == "schema" else record["choices"])
    accuracy = "acc_raw" if kind == "schema" else "acc_per_char"
    return {"accuracy": accuracy, "baselines": {"v1": 100.0 / max(count, 1)}}
