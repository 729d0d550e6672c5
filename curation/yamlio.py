"""The one YAML reader: PyYAML's traps closed.

`3e-4` is a number; `no`, `on` and `12:30` stay strings; only `true`/`false` are booleans; duplicate keys, aliases
that explode, foreign tags and files over 1 MB are errors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from curation.errors import RecipeError, nearest

MAX_BYTES = 1_000_000
MAX_ALIASES = 100


class _Loader(yaml.SafeLoader):
    """SafeLoader with strict scalars; alias count bounded."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # type: ignore[no-untyped-call]
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise yaml.YAMLError(f"more than {MAX_ALIASES} aliases")
        return super().compose_node(parent, index)  # type: ignore[no-untyped-call]


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise yaml.MarkedYAMLError(problem="a list or mapping as a key", problem_mark=key_node.start_mark)
        if key in result:
            raise yaml.MarkedYAMLError(problem=f"duplicate key `{key}`", problem_mark=key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)  # type: ignore[no-untyped-call]
    return result


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of YAML `text`; `where` opens error messages. Raises: RecipeError."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise RecipeError(f"{place}: {error.problem}; expected plain YAML; fix this line") from None
    except (yaml.YAMLError, RecursionError, ValueError, AttributeError) as error:  # `!!int x`, `!!timestamp x`
        raise RecipeError(f"{where}: {error}; expected plain YAML") from None


def load_yaml(path: Path) -> Any:
    """Return the value of the YAML file `path`. Raises: RecipeError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from None
    if len(raw) > MAX_BYTES:
        raise RecipeError(f"{path}: {len(raw):,} bytes, expected at most {MAX_BYTES:,}; is this the right file?")
    try:
        return parse_yaml(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def apply_overrides(value: dict[str, Any], overrides: tuple[str, ...]) -> dict[str, Any]:
    """Return `value` with each `a.b=c` set; c is YAML; a number in the path indexes a list.

    A string set on a mapping that has a `path` replaces that path only (`pool=DIR`). Raises: RecipeError.
    """
    import copy

    result = copy.deepcopy(value)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise RecipeError(f"--set {override}: expected `a.b=value`, for example `--set pool.text=content`")
        _assign(result, path.split("."), parse_yaml(text, f"--set {override}"), override)
    return result


def _assign(target: Any, keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        target = _child(target, key, override)
    last = keys[-1]
    if isinstance(target, list):
        target[_index(target, last, override)] = value
        return
    current = target.get(last) if isinstance(target, dict) else None
    if isinstance(current, dict) and isinstance(value, str) and "path" in current and value != "environment":
        current["path"] = value
        return
    if not isinstance(target, dict):
        raise RecipeError(
            f"--set {override}: `{last}` cannot be set inside {target!r}; set all of `{'.'.join(keys[:-1])}`"
        )
    target[last] = value


def _child(target: Any, key: str, override: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, key, override)]
    if not isinstance(target, dict):
        raise RecipeError(f"--set {override}: `{key}` is looked up in {target!r}, expected a mapping or a list")
    existing = target.setdefault(key, {})
    if isinstance(existing, str) and key == "pool":
        target[key] = {"source": "environment"} if existing == "environment" else {"path": existing}
    return target[key]


def _index(items: list[Any], key: str, override: str) -> int:
    """Find a list place by number, a stage by its kind (`stages.filter.keep`) or its name (`stages.language.keep`)."""
    if key.isdigit() and int(key) < len(items):
        return int(key)
    mappings = [(i, item) for i, item in enumerate(items) if isinstance(item, dict) and item]
    named = [i for i, item in mappings if key in item] or [
        i for i, item in mappings if next(iter(item.values())) == key
    ]
    if len(named) == 1:
        return named[0]
    if named:
        places = ", ".join(f"{i} ({next(iter(items[i].values()))})" for i in named)
        raise RecipeError(f"--set {override}: `{key}` is in several places of this list; say one by number: {places}")
    known = [str(part) for _, item in mappings for part in next(iter(item.items())) if isinstance(part, str)]
    raise RecipeError(f"--set {override}: no `{key}` in this list; {nearest(key, dict.fromkeys(known))}")
