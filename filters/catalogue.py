"""Everything a recipe can name around filters, by kind, with who made it and whether it loads.

A broken plugin is an entry with its fault, never the end of the list.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from curation.errors import CurateError
from curation.registry import Registry
from filters.base import FILTER_SCHEMES, FILTERS, find_filter
from filters.modifiers.base import MODIFIERS, find_modifier
from filters.rules import RULE_SETS, find_rule_set
from filters.signals import SIGNAL_SETS, signal_set

WHERE = "curate filters list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One component by name; `version` and `summary` are empty if it does not load."""

    name: str
    origin: str
    version: str = ""
    summary: str = ""
    dialect: str | None = None
    """Of rule sets."""
    broken: str | None = None
    """Why it does not load."""


def catalogue() -> dict[str, list[Entry]]:
    """Return the entries by kind: filters, rule sets, modifiers, signal sets, schemes; every kind sorted by name."""
    return {kind: _entries(registry, describe) for kind, (registry, describe) in _KINDS.items()}


def known_names() -> list[str]:
    """Return the names of all kinds, without loading any."""
    return sorted({name for registry, _ in _KINDS.values() for name in registry.names()})


def origin_of(name: str) -> str:
    """Return where a component comes from, whatever its kind; a class of one's own is its module."""
    plain = name.partition("@")[0]
    scheme, colon, _ = name.partition(":")
    if colon:
        return FILTER_SCHEMES.origin(scheme) if scheme in FILTER_SCHEMES.names() else f"module {scheme}"
    registries: list[Registry[Any]] = [registry for registry, _ in _KINDS.values()]
    return next((registry.origin(plain) for registry in registries if plain in registry.names()), "this process")


def scheme_summary(name: str) -> str:
    """Return the first line of what the module that makes a scheme's filters says of itself."""
    module = inspect.getmodule(FILTER_SCHEMES.get(name, WHERE))
    return (inspect.getdoc(module) or "").partition("\n")[0]


def _entries(registry: Registry[Any], describe: Callable[[str], Mapping[str, str]]) -> list[Entry]:
    entries = []
    for name in registry.names():
        origin = registry.origin(name)
        try:
            entries.append(Entry(name=name, origin=origin, **describe(name)))
        except CurateError as error:
            entries.append(Entry(name=name, origin=origin, broken=str(error)))
    return entries


def _filter(name: str) -> dict[str, str]:
    found = find_filter(name, WHERE)
    return {"version": found.version, "summary": found.summary}


def _rule_set(name: str) -> dict[str, str]:
    found = find_rule_set(name, WHERE)
    return {"version": str(found.version), "summary": found.summary, "dialect": found.dialect}


def _modifier(name: str) -> dict[str, str]:
    found = find_modifier(name, WHERE)
    return {"version": found.version, "summary": found.summary}


def _signal_set(name: str) -> dict[str, str]:
    found = signal_set(name)
    return {"version": found.version, "summary": f"{len(found.signals)} signals; {found.source}"}


def _scheme(name: str) -> dict[str, str]:
    return {"summary": scheme_summary(name)}


_KINDS: Mapping[str, tuple[Registry[Any], Callable[[str], Mapping[str, str]]]] = {
    "filters": (FILTERS, _filter),
    "rule_sets": (RULE_SETS, _rule_set),
    "modifiers": (MODIFIERS, _modifier),
    "signal_sets": (SIGNAL_SETS, _signal_set),
    "schemes": (FILTER_SCHEMES, _scheme),
}
