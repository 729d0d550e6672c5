"""`curate plugins`: what other packages add, which of it loads, and what has no effect."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from curation.console import JsonFlag, give, printable
from curation.errors import PluginError, nearest
from curation.files import Json
from curation.registry import GROUP_PREFIX, Plugin, Registry, installed_plugins

if TYPE_CHECKING:
    from rich.console import Console

REGISTRIES = (
    "filters.base:FILTERS",
    "filters.base:FILTER_SCHEMES",
    "filters.rules:RULE_SETS",
    "filters.modifiers.base:MODIFIERS",
    "filters.signals:SIGNAL_SETS",
    "curation.stages:STAGES",
    "curation.dedup.stage:DEDUPS",
    "curation.dedup.embeddings:EMBEDDINGS",
    "curation.mixture:MIXTURES",
    "curation.extraction.base:EXTRACTORS",
)
"""Every registry that reads entry points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRow:
    """One entry point and what became of it."""

    kind: str
    name: str
    package: str
    target: str
    status: str
    """`ok`, or why it does not count."""


def plugins(json_output: JsonFlag = False) -> None:
    """List what installed packages add to curate, and say which of it does not load."""
    rows = plugin_rows()
    listed: list[Json] = [cast("Json", asdict(row)) for row in rows]
    give({"plugins": listed}, lambda console: _draw(console, rows), as_json=json_output)


def plugin_rows() -> list[PluginRow]:
    """Return every entry point of a group `curate.*`; each one is loaded to see whether it can be."""
    known = {registry.group: registry for registry in map(_registry, REGISTRIES)}
    return [
        PluginRow(
            kind=group.removeprefix(GROUP_PREFIX),
            name=plugin.name,
            package=plugin.package,
            target=plugin.target,
            status=_status(known, group, plugin),
        )
        for group, found in sorted(installed_plugins().items())
        for plugin in found
    ]


def _registry(target: str) -> Registry[Any]:
    module, _, name = target.partition(":")
    return cast("Registry[Any]", getattr(importlib.import_module(module), name))


def _status(known: dict[str, Registry[Any]], group: str, plugin: Plugin) -> str:
    if group not in known:
        return f"no effect: curate has no group `{group}`; {nearest(group, known)}"
    registry = known[group]
    if plugin.name in registry.builtin:
        return "no effect: the name is curate's own; rename the entry point"
    first = next(other for other in registry.plugins() if other.name == plugin.name)
    if first != plugin:
        return f"no effect: {first.package} has this name already"
    try:
        registry.get(plugin.name)
    except PluginError as error:
        return f"broken: {error}"
    return "ok"


def _draw(console: Console, rows: list[PluginRow]) -> None:
    from rich.table import Table

    if not rows:
        console.print('No installed package adds anything (docs/filters.md, "A filter of your own").')
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "package", "status"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(printable, (row.kind, row.name, row.package, row.status)))
    console.print(table)
