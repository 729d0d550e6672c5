"""Document filters: the small class a plugin author writes, and its adapter to batches.

```python
@register_filter("word-count", version=1)
@dataclass(frozen=True, slots=True, kw_only=True)
class WordCount:
    min_words: int = 50

    def judge(self, doc: Document) -> Verdict: ...
```
The class's dataclass fields are the filter's settings. It runs in Python, document by document.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, cast, get_type_hints

import numpy as np
from pydantic import create_model

from curation.batches import read_table
from curation.errors import PluginError
from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.recipe import Spec
from curation.sidecars import MAX_REASONS, VerdictPart, map_parts, write_verdict
from curation.stages import StageInputs
from filters.base import FILTERS, FilterSettings, count_part, verdict_summary
from filters.judged import Scope, SliceCodes, encode_slices

C = TypeVar("C", bound=type)
S = TypeVar("S", bound=Spec)

_REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DOCUMENT_COLUMNS = ["id", "text", "source", "slice", "url", "lang", "license", "date", "meta"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as a filter sees it; what the source did not give is None."""

    id: str
    text: str
    source: str = ""
    slice: str = ""
    url: str | None = None
    lang: str | None = None
    license: str | None = None
    date: str | None = None
    meta: str | None = None
    """Canonical JSON object with the record's other fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Keep, or drop for one reason with the value that failed."""

    reason: str | None = None
    value: float = math.nan

    @classmethod
    def keep(cls) -> Verdict:
        """Return the verdict that keeps."""
        return cls()

    @classmethod
    def drop(cls, reason: str, value: float = math.nan) -> Verdict:
        """Return the verdict that drops. Raises: ValueError if `reason` is not kebab-case."""
        if not _REASON.fullmatch(reason):
            raise ValueError(f"reason {reason!r} is not kebab-case like `too-few-words`")
        return cls(reason=reason, value=float(value))


class DocumentFilter(Protocol):
    """What a plugin author writes; an instance holds the settings."""

    def judge(self, doc: Document, /) -> Verdict:
        """Keep or drop one document; a pure function of it."""


def register_filter(name: str, *, version: int) -> Callable[[C], C]:
    """Return the decorator that registers a document filter; raise `version` whenever its verdicts change."""

    def decorate(cls: C) -> C:
        setattr(cls, "filter_version", version)  # noqa: B010 - the class does not declare it
        if FILTERS.builtin.get(name) != f"{cls.__module__}:{cls.__qualname__}":
            FILTERS.register(name, cls)
        return cls

    return decorate


def count_words(text: str) -> int:
    """Return the number of words of `text`, as every rule counts them (dialect `curate@1`)."""
    return len(text.split())


def as_filter(name: str, cls: type[Any]) -> ClassFilter:
    """Return the filter that runs a document filter's class. Raises: PluginError if it is not a dataclass."""
    if not callable(getattr(cls, "judge", None)):
        raise PluginError(f"filter `{name}`: {cls.__qualname__} has no `judge(document) -> Verdict`")
    if not dataclasses.is_dataclass(cls):
        raise PluginError(
            f"filter `{name}`: {cls.__qualname__} is not a dataclass; decorate it, its fields are its settings"
        )
    return ClassFilter(name=name, cls=cls)


def class_version(name: str, cls: type[Any], declared: int) -> str:
    """Return the declared version of a plugin class; for classes not ours also a digest of the defining module."""
    if cls.__module__.startswith("filters."):
        return f"{name}@{declared}"
    source = inspect.getsourcefile(cls)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else "unknown"
    return f"{name}@{declared}+{digest}"


def class_summary(cls: type[Any]) -> str:
    """Return the first line of the class's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def class_settings(cls: type[Any], base: type[S]) -> type[S]:
    """Return the settings model of a dataclass: its fields and those of `base`."""
    hints = get_type_hints(cls)
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        default = item.default
        if default is dataclasses.MISSING:
            default = ... if item.default_factory is dataclasses.MISSING else item.default_factory()
        fields[item.name] = (hints[item.name], default)
    return cast("type[S]", create_model(f"{cls.__name__}Settings", __base__=base, **fields))


def class_instance(cls: type[Any], settings: Any) -> Any:
    """Return the object that a plugin class makes of settings (an instance of `class_settings`)."""
    return cls(**{item.name: getattr(settings, item.name) for item in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFilter:
    """A document filter's class as a `Filter`."""

    name: str
    cls: type[Any]

    @property
    def version(self) -> str:
        """The declared version; for classes that are not ours also a digest of the module that defines them."""
        return class_version(self.name, self.cls, getattr(self.cls, "filter_version", 0))

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return class_summary(self.cls)

    @property
    def settings(self) -> type[FilterSettings]:
        """The class's dataclass fields."""
        return class_settings(self.cls, FilterSettings)

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node of the class under `settings`."""
        scope = settings.scope(inputs)
        judge = cast("DocumentFilter", class_instance(self.cls, settings))

        def run(context: NodeRun) -> Mapping[str, Json]:
            return run_documents(self.name, partial(_judge_each, self.name, judge), scope, context)

        return Node(
            kind="verdict",
            version=self.version,
            params={"filter": self.name, "settings": settings.model_dump(mode="json"), **scope.as_params()},
            inputs={"pool": inputs.pool},
            run=run,
            label=f"filter {self.name}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """First pass over a part: the verdicts before reasons have numbers."""

    verdicts: dict[int, Verdict]  # of dropped rows
    rows: np.ndarray
    slices: SliceCodes


Judge: TypeAlias = Callable[[Sequence[Document]], Sequence[Verdict]]
"""A batch of documents -> one verdict each, in their order."""

BATCH = 1024
"""Documents handed to a `Judge` at once."""


def run_documents(name: str, judge: Judge, scope: Scope, context: NodeRun) -> dict[str, Json]:
    """Judge all parts, number the reasons that occurred in alphabetic order, write the verdicts; return the summary."""
    pool = context.inputs["pool"]
    parts = map_parts(
        context, f"filter {name}", pool.num_parts, lambda part: _judge_part(judge, scope, pool.part_paths()[part])
    )
    reasons = sorted({str(verdict.reason) for part in parts for verdict in part.verdicts.values()})
    if len(reasons) > MAX_REASONS:
        raise PluginError(
            f"filter `{name}`: {len(reasons)} different reasons, at most {MAX_REASONS}; put numbers into `value`"
        )
    codes = {reason: code for code, reason in enumerate(reasons)}
    counts = []
    for number, part in enumerate(parts):
        verdict = VerdictPart.keep_all(len(part.rows))
        for row, given in part.verdicts.items():
            verdict.kept[row] = False
            verdict.reason[row] = codes[str(given.reason)]
            verdict.value[row] = given.value
            verdict.failed[row] = np.uint64(1 << codes[str(given.reason)])
        write_verdict(context.out, number, verdict)
        counts.append(count_part(verdict, part.rows, part.slices, len(reasons)))
    return verdict_summary(reasons, counts, scope)


def _judge_part(judge: Judge, scope: Scope, path: Path) -> _Judged:
    table = read_table(path, DOCUMENT_COLUMNS)
    slices = encode_slices(table["slice"])
    rows = slices.rows_where(scope)
    judged = np.flatnonzero(rows)
    dropped: dict[int, Verdict] = {}
    for start in range(0, len(judged), BATCH):
        chosen = judged[start : start + BATCH]
        docs = [Document(**record) for record in table.take(chosen).to_pylist()]
        verdicts = zip(chosen.tolist(), judge(docs), strict=True)
        dropped |= {row: verdict for row, verdict in verdicts if verdict.reason is not None}
    return _Judged(verdicts=dropped, rows=rows, slices=slices)


def _judge_each(name: str, chosen: DocumentFilter, docs: Sequence[Document]) -> list[Verdict]:
    verdicts = []
    for doc in docs:
        try:
            verdict = chosen.judge(doc)
        except Exception as error:
            raise PluginError(f"filter `{name}`: `judge` raised {error!r} on document {doc.id}") from error
        if not isinstance(verdict, Verdict):
            raise PluginError(f"filter `{name}`: `judge` returned {verdict!r}, expected a Verdict (document {doc.id})")
        verdicts.append(verdict)
    return verdicts
