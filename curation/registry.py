"""Registries: names that lead to components in any package, loaded on first use.

A built-in entry is a string `module:object`, so that a lower package can name a higher one without importing it.
Plugins add entries through the entry-point group `curate.<registry name>s` or `register`. A name of ours wins over a
plugin's; of two plugins with one name the first on the Python path wins. Nothing of a plugin is imported before it is
asked for, so one that is broken stops only whoever names it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import distributions
from typing import Generic, TypeVar, cast

from curation.errors import PluginError, nearest

T = TypeVar("T")

GROUP_PREFIX = "curate."
OURS = "curate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point of an installed distribution."""

    name: str
    target: str
    package: str
    """Distribution and version: `curate-example 0.1.0`."""


@dataclass(slots=True)
class Registry(Generic[T]):
    """Components of one kind by name."""

    name: str
    builtin: Mapping[str, str]
    added: dict[str, T] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The entry-point group that plugins use."""
        return f"{GROUP_PREFIX}{self.name}s"

    def register(self, name: str, component: T) -> None:
        """Add a component.

        Raises: PluginError if the name is taken.
        """
        if name in self.added or name in self.builtin:
            raise PluginError(f"{self.name} `{name}` is already registered; choose another name")
        self.added[name] = component

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self.builtin, *self.added, *(plugin.name for plugin in self.plugins())})

    def plugins(self) -> list[Plugin]:
        """Entry points of this registry's group, in the order of the Python path; nothing is imported."""
        return list(installed_plugins().get(self.group, ()))

    def origin(self, name: str) -> str:
        """Return where the component comes from: `curate`, a distribution with its version, or this process."""
        if name in self.builtin:
            return OURS
        found = [plugin.package for plugin in self.plugins() if plugin.name == name]
        return found[0] if found else "this process"

    def get(self, name: str, where: str = "") -> T:
        """Return the component called `name`; `where` opens the error message.

        Raises: PluginError for an unknown name (offering the nearest) or one that does not load.
        """
        if name in self.added:
            return self.added[name]
        prefix = f"{where}: " if where else ""
        if name in self.builtin:
            return self._load(self.builtin[name])
        for plugin in self.plugins():
            if plugin.name == name:
                return self._load_plugin(plugin, prefix)
        raise PluginError(f"{prefix}unknown {self.name} `{name}`; {nearest(name, self.names())}")

    def _load(self, target: str) -> T:
        try:
            return cast("T", _object_at(target))
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.name} at {target} does not load: {error}; reinstall its package") from error

    def _load_plugin(self, plugin: Plugin, prefix: str) -> T:
        try:
            return cast("T", _object_at(plugin.target))
        except Exception as error:  # a stranger's module may raise anything while it is imported
            raise PluginError(
                f"{prefix}{self.name} `{plugin.name}` of the package {plugin.package} does not load "
                f"({plugin.target}: {type(error).__name__}: {error}); update or uninstall that package"
            ) from error


def installed_plugins() -> Mapping[str, tuple[Plugin, ...]]:
    """Return every entry point whose group begins with `curate.`, by group; nothing is imported."""
    return _installed_plugins(tuple(sys.path))


@lru_cache(maxsize=8)
def _installed_plugins(_: tuple[str, ...]) -> Mapping[str, tuple[Plugin, ...]]:
    """Reading the metadata of all distributions takes tens of milliseconds, so once a Python path."""
    found: dict[str, tuple[Plugin, ...]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        name = str(distribution.metadata["Name"])
        if name in seen:  # shadowed by an earlier place on the path
            continue
        seen.add(name)
        for point in distribution.entry_points:
            if point.group.startswith(GROUP_PREFIX):
                plugin = Plugin(name=point.name, target=point.value, package=f"{name} {distribution.version}")
                found[point.group] = (*found.get(point.group, ()), plugin)
    return found


def _object_at(target: str) -> object:
    module, _, attribute = target.partition(":")
    found: object = importlib.import_module(module)
    for name in attribute.split(".") if attribute else ():
        found = getattr(found, name)
    return found
