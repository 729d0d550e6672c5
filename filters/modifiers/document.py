"""Document modifiers: the small class a plugin author writes, and its adapter to tables.

```python
@register_modifier("no-hashtags", version=1)
@dataclass(frozen=True, slots=True, kw_only=True)
class NoHashtags:
    keep_first: int = 0

    def rewrite(self, doc: Document) -> str: ...
```
The class's dataclass fields are the modifier's settings. It runs in Python, document by document.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import pyarrow as pa

from curation.errors import PluginError
from filters.document import DOCUMENT_COLUMNS, Document, class_instance, class_settings, class_summary, class_version
from filters.modifiers.base import MODIFIERS, Modifier, ModifierSettings, Rewritten

C = TypeVar("C", bound=type)


class DocumentModifier(Protocol):
    """What a plugin author writes; an instance holds the settings."""

    def rewrite(self, doc: Document, /) -> str:
        """Return the document's new text; a pure function of it."""


def register_modifier(name: str, *, version: int) -> Callable[[C], C]:
    """Return the decorator that registers a document modifier; raise `version` whenever its output changes."""

    def decorate(cls: C) -> C:
        setattr(cls, "modifier_version", version)  # noqa: B010 - the class does not declare it
        MODIFIERS.register(name, cls)
        return cls

    return decorate


def as_modifier(name: str, cls: type[Any]) -> Modifier:
    """Return the modifier that runs a document modifier's class. Raises: PluginError for a class that is not one."""
    if not callable(getattr(cls, "rewrite", None)) or not dataclasses.is_dataclass(cls):
        raise PluginError(
            f"modifier `{name}`: {cls.__qualname__} is not a dataclass with `rewrite(document) -> str`; "
            "decorate it, its fields are its settings"
        )

    def rewrite(table: pa.Table, settings: Any) -> Rewritten:
        chosen = cast("DocumentModifier", class_instance(cls, settings))
        texts = [_rewritten(name, chosen, Document(**record)) for record in table.to_pylist()]
        return Rewritten(texts=pa.array(texts, pa.large_string()))

    return Modifier(
        name=name,
        version=class_version(name, cls, getattr(cls, "modifier_version", 0)),
        summary=class_summary(cls),
        source=f"{cls.__module__}:{cls.__qualname__}",
        settings=class_settings(cls, ModifierSettings),
        rewrite=rewrite,
        columns=tuple(DOCUMENT_COLUMNS),
    )


def _rewritten(name: str, chosen: DocumentModifier, doc: Document) -> str:
    try:
        text = chosen.rewrite(doc)
    except Exception as error:
        raise PluginError(f"modifier `{name}`: `rewrite` raised {error!r} on document {doc.id}") from error
    if not isinstance(text, str):
        raise PluginError(f"modifier `{name}`: `rewrite` returned {text!r}, expected a string (document {doc.id})")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PluginError(
            f"modifier `{name}`: {error} in document {doc.id}; expected text without surrogates"
        ) from error
    return text
