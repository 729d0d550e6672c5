"""What a modifier is: a named function from texts to other texts that counts what it changed in each of them.

A modifier never sees ids and never adds, removes or reorders documents. It may refuse a document (reason and value);
the stage then drops it, as it drops every document that rewriting left nothing of. `MODIFIERS` leads from names to
modifiers; `package.module:Class` names a class of one's own with `rewrite(document) -> str`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curation.errors import PluginError, RecipeError, nearest
from curation.files import Json
from curation.recipe import Spec
from curation.registry import Registry
from curation.slices import SliceKind
from curation.stages import StageInputs
from filters.base import Kinds
from filters.judged import PROSE, Scope

EVERY_KIND: tuple[SliceKind, ...] = get_args(SliceKind)
NATURAL: tuple[SliceKind, ...] = tuple(kind for kind in EVERY_KIND if kind not in ("code", "markup"))
"""Kinds of slices whose text people read as it stands."""

NOTHING_LEFT = "nothing-left"
"""Reason for which a document leaves that had words before and has none after."""


class ModifierSettings(Spec):
    """Settings of every modifier; each modifier adds its own fields."""

    applies_to: Kinds = PROSE
    """Kinds of slices that are rewritten; documents of other slices stay as they are."""

    def scope(self, inputs: StageInputs) -> Scope:
        """Return which slices are rewritten under these settings and the recipe's `slice_kinds`."""
        return Scope(applies_to=self.applies_to, slice_kinds=inputs.slice_kinds)


class EveryKindSettings(ModifierSettings):
    """Settings of a modifier that suits text of every kind."""

    applies_to: Annotated[Kinds, Field(validate_default=True)] = EVERY_KIND


class NaturalSettings(ModifierSettings):
    """Settings of a modifier that suits everything but code and markup."""

    applies_to: Annotated[Kinds, Field(validate_default=True)] = NATURAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One thing that a modifier counts in each document."""

    name: str
    """Kebab-case, in the plural: `lines-too-short`, `emails-masked`."""
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Which documents must go: index into the modifier's reasons (-1: none) and the value that failed."""

    reason: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """New texts in the order of the old ones; every array has one entry a document."""

    texts: pa.Array
    """large_string without nulls."""
    counters: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """By name of counter; one that is not given is 0."""
    refusals: Refusals | None = None


RewriteTable: TypeAlias = Callable[[pa.Table, Any], Rewritten]
"""(table of the modifier's columns, settings) -> new texts; a pure function of each row."""


def over_texts(rewrite: Callable[[pa.Array, Any], Rewritten]) -> RewriteTable:
    """Return `rewrite`, which reads a large_string array and settings, as a function of a table."""
    return lambda table, settings: rewrite(one_chunk(table["text"]), settings)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a text column as one array."""
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _no_identity(_: Any) -> Mapping[str, Json]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifier:
    """A component of kind modifier."""

    name: str
    version: str
    """Version of everything that decides its output, other libraries' versions included."""
    summary: str
    source: str
    settings: type[ModifierSettings]
    rewrite: RewriteTable
    counters: tuple[Counter, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it refuses documents, beside `nothing-left`."""
    identity: Callable[[Any], Mapping[str, Json]] = _no_identity
    """What else its output depends on under given settings (a list's digest); part of the fingerprint."""
    columns: tuple[str, ...] = ("text",)
    """Columns of the pool that it reads, `text` among them."""


MODIFIERS: Registry[Any] = Registry(
    "modifier",
    {
        "boilerplate": "filters.modifiers.boilerplate:BOILERPLATE",
        "c4-lines": "filters.modifiers.c4_lines:C4_LINES",
        "ftfy": "filters.modifiers.ftfy_repair:FTFY",
        "newlines": "filters.modifiers.newlines:NEWLINES",
        "pii": "filters.modifiers.pii:PII_MASKING",
        "refinedweb-lines": "filters.modifiers.refinedweb_lines:REFINEDWEB_LINES",
        "url-removal": "filters.modifiers.url_removal:URL_REMOVAL",
    },
)
"""Modifiers by name; a value is a `Modifier` or a class with `rewrite`. Entry points: group `curate.modifiers`."""


def find_modifier(name: str, where: str) -> Modifier:
    """Return the modifier called `name`: a registered one, or the class at `module:Class`.

    Raises: RecipeError for an unknown name (offering the nearest), PluginError for one that does not load.
    """
    from filters.base import plugin_class
    from filters.modifiers.document import as_modifier

    if ":" in name:
        return as_modifier(name, plugin_class(name, where, method="rewrite", gives="str", kind="modifier"))
    if name not in MODIFIERS.names():
        raise RecipeError(
            f"{where}: unknown modifier `{name}`; {nearest(name, MODIFIERS.names())} "
            "(a modifier of your own is `package.module:Class`)"
        )
    found = MODIFIERS.get(name, where)
    if isinstance(found, type):
        return as_modifier(name, found)
    if not isinstance(found, Modifier):
        raise PluginError(
            f"{where}: modifier `{name}` ({MODIFIERS.origin(name)}) is {found!r}; expected a `Modifier` or a dataclass "
            "with `rewrite(document) -> str`; update or uninstall that package"
        )
    return found


def replaced(texts: pa.Array, new: Mapping[int, str]) -> pa.Array:
    """Return `texts` with the given rows replaced."""
    if not new:
        return texts
    rows = np.fromiter(new.keys(), np.int64, len(new))
    index = np.arange(len(texts), dtype=np.int64)
    index[rows] = len(texts) + np.arange(len(new))
    added = pa.array(list(new.values()), pa.large_string())
    return pa.concat_arrays([texts, added]).take(pa.array(index))


def rewrite_rows(
    texts: pa.Array, rows: npt.NDArray[np.int64], function: Callable[[str], tuple[str, Mapping[str, int]]]
) -> Rewritten:
    """Return `texts` with `function` applied to the given rows; it returns the new text and its counts.

    Python at the speed of Python: give only the rows that a compiled scan could not clear.
    """
    new: dict[int, str] = {}
    counters: dict[str, npt.NDArray[np.int64]] = {}
    for row in rows.tolist():
        old = texts[row].as_py()
        text, counts = function(old)
        if text != old:
            new[row] = text
        for name, number in counts.items():
            if number:
                counters.setdefault(name, np.zeros(len(texts), np.int64))[row] = number
    return Rewritten(texts=replaced(texts, new), counters=counters)


def text_from(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array:
    """Return the texts whose UTF-8 bytes are `data[offsets[i]:offsets[i + 1]]`; bytes behind them are cut off."""
    used = pa.py_buffer(data[: int(offsets[-1])].tobytes())
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets.tobytes()), used)
