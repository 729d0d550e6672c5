"""Registries: names that lead to components in any package, loaded on first use.

A built-in entry is a string `module:object`, so that a lower package can name a higher one without importing it.
Plugins add entries through the entry-point group `curate.<registry name>s` or `register`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from curation.errors import PluginError, nearest

T = TypeVar("T")


@dataclass(slots=True)
class Registry(Generic[T]):
    """Components of one kind by name."""

    name: str
    builtin: Mapping[str, str]
    added: dict[str, T] = field(default_factory=dict)

    def register(self, name: str, component: T) -> None:
        """Add a component.

        Raises: PluginError if the name is taken.
        """
        if name in self.added or name in self.builtin:
            raise PluginError(f"{self.name} `{name}` is already registered; choose another name")
        self.added[name] = component

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self.builtin, *self.added, *(point.name for point in self._plugins())})

    def get(self, name: str, where: str = "") -> T:
        """Return the component called `name`; `where` opens the error message.

        Raises: PluginError for an unknown name (offering the nearest) or one that does not load.
        """
        if name in self.added:
            return self.added[name]
        if name in self.builtin:
            return self._load(self.builtin[name])
        for point in self._plugins():
            if point.name == name:
                return self._load(point.value)
        prefix = f"{where}: " if where else ""
        raise PluginError(f"{prefix}unknown {self.name} `{name}`; {nearest(name, self.names())}")

    def _load(self, target: str) -> T:
        module, _, attribute = target.partition(":")
        try:
            return cast("T", getattr(importlib.import_module(module), attribute))
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.name} at {target} does not load: {error}; reinstall its package") from error

    def _plugins(self) -> list[importlib.metadata.EntryPoint]:
        return list(entry_points(group=f"curate.{self.name}s"))
