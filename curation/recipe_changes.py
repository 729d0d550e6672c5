"""What a command or a study changes of a recipe, and the words that say so.

Stages may be as written (`{filter: name, keep: 0.1}`) or resolved (`{kind: filter, name: ..., params: ...}`). Words
decide nothing: neither a recipe's name nor its description is part of a corpus' identity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import PurePosixPath
from typing import Any

from curation.errors import RecipeError
from curation.files import digest_json

STAGE_KINDS = ("filter", "modify", "dedup", "decontaminate")
MATCHED = ("filter", "dedup")
"""Kinds of stages that a control can match."""
MAX_NAME_CHARS = 64
_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWords:
    """A stage as people are told of it: a file without its folder, settings of a URI beside the others."""

    kind: str
    name: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, kind: str, name: str, params: Mapping[str, Any]) -> StageWords:
        """Return the words for a resolved stage; settings in its mapping go before those in a URI, as they do there."""
        rest, _, query = name.partition("?")
        scheme, colon, path = rest.partition(":")
        short = f"{scheme}:{PurePosixPath(path).name}" if colon and "/" in path else rest
        given = dict(pair for item in query.split("&") if len(pair := item.split("=", 1)) == 2)
        return cls(kind=kind, name=short, settings={**given, **params})

    def text(self) -> str:
        """Return kind, name and settings: ``filter `quality_v3` (keep=0.1)``."""
        shown = settings_text(self.settings)
        return f"{self.kind} `{self.name}`" + (f" ({shown})" if shown else "")

    def numbers(self) -> dict[str, str]:
        """Return the settings that are numbers, in one form whether YAML or a URI holds them."""
        found = {key: str(item) for key, item in self.settings.items() if not isinstance(item, bool)}
        return {key: f"{float(item):.10g}" for key, item in found.items() if _is_number(item)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return _NUMBER.fullmatch(text) is not None


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as `keep=0.1, applies_to=[prose, code]`; a path as its last part."""
    return ", ".join(f"{key}={_value_text(item)}" for key, item in settings.items())


def _value_text(value: object) -> str:
    if isinstance(value, str):
        return PurePosixPath(value).name if value.startswith(("/", "./", "../", "~")) else value
    if isinstance(value, Mapping) and any(isinstance(value.get(kind), str) for kind in MATCHED):
        return matched_text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value_text(item) for item in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def matched_text(match: str | Mapping[str, Any], name: str | None = None) -> str:
    """Return the stage a control matches, with its numbers: `quality_v3, keep=0.3`; `name` replaces its name."""
    mapping: Mapping[str, Any] = {"filter": match} if isinstance(match, str) else match
    kind = next((kind for kind in MATCHED if kind in mapping), "filter")
    inner = mapping.get("params") or {}
    params = {key: item for key, item in mapping.items() if key not in (kind, "params")}
    words = StageWords.of(kind, str(mapping.get(kind, "")), {**params, **inner})
    return ", ".join([name or words.name, *(f"{key}={item}" for key, item in words.numbers().items())])


def stage_words(item: object) -> StageWords | None:
    """Return the words for a stage, written or resolved; None for what is none (validation says so)."""
    if not isinstance(item, Mapping):
        return None
    if "kind" in item:
        params = item.get("params") or {}
        return StageWords.of(str(item["kind"]), str(item.get("name")), params if isinstance(params, Mapping) else {})
    kind = next((str(key) for key in item if key in STAGE_KINDS), None)
    rest = {str(key): value for key, value in item.items() if key not in (kind, "published")}
    return None if kind is None else StageWords.of(kind, str(item[kind]), rest)


def one_filter(names: Sequence[str]) -> str | None:
    """Return the filter that a command was given, None without one.

    Raises: RecipeError for several.
    """
    if len(names) < 2:
        return names[0] if names else None
    stages = ", ".join(f"{{filter: {name}}}" for name in names)
    raise RecipeError(
        f"--filter: given {len(names)} times ({', '.join(names)}), expected once; several filters are `stages:` of a "
        f"recipe file, in their order, for example `stages: [{{dedup: exact}}, {stages}]`: curate build RECIPE.yaml"
    )


def with_filter(stages: Sequence[Any], stage: Mapping[str, Any]) -> list[Any]:
    """Return `stages` with the last filter replaced by `stage`; without any it goes first (before dedup).

    The last one, because published recipes clean first and decide on quality last.
    """
    places = _filter_places(stages)
    if not places:
        return [stage, *stages]
    return [stage if i == places[-1] else item for i, item in enumerate(stages)]


def _filter_places(stages: Sequence[Any]) -> list[int]:
    words = [stage_words(item) for item in stages]
    return [i for i, word in enumerate(words) if word is not None and word.kind == "filter"]


def replaced_filter(stages: Sequence[Any]) -> StageWords | None:
    """Return which filter `with_filter` replaces where there are several; None where there is no question."""
    places = _filter_places(stages)
    return stage_words(stages[places[-1]]) if len(places) > 1 else None


def replacement_note(stages: Sequence[Any], new: str) -> str | None:
    """Return the line that says which of several filters `new` replaces and which stay; None with fewer than two."""
    places, old = _filter_places(stages), replaced_filter(stages)
    if old is None:
        return None
    stay = [words.name for i in places[:-1] if (words := stage_words(stages[i])) is not None]
    name = StageWords.of("filter", new, {}).name
    return f"filter {old.name} (stages[{places[-1]}]) replaced by {name}; other filters stay: {', '.join(stay)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChange:
    """One stage before and after; None where it was not or is no longer there."""

    place: int
    before: StageWords | None
    after: StageWords | None

    def text(self) -> str:
        """Return what was changed, in words."""
        before, after = self.before, self.after
        if after is None:
            return f"without {before.text()}" if before else ""
        if before is None:
            return f"{after.text()} added " + (f"as stages[{self.place}]" if self.place else "in front")
        if (before.kind, before.name) != (after.kind, after.name):
            return f"{after.text()} in place of {before.text()}"
        return f"{after.kind} `{after.name}` at {settings_text(after.settings) or 'its defaults'}"

    def name_parts(self) -> list[str]:
        """Return the numbers that are new here, and what a control matches, for a recipe's name."""
        if self.after is None:
            return []
        same = self.before is not None and self.before.name == self.after.name
        old = self.before.numbers() if self.before and same else {}
        match = self.after.settings.get("match")
        matched = [f"match-{matched_text(match)}"] if isinstance(match, (str, Mapping)) else []
        return [*(f"{key}-{item}" for key, item in self.after.numbers().items() if old.get(key) != item), *matched]


def stage_changes(before: Sequence[Any], after: Sequence[Any]) -> list[StageChange]:
    """Return what differs between two lists of stages, in order; `published` does not count."""
    old, new = [stage_words(item) for item in before], [stage_words(item) for item in after]
    keys = [[json.dumps([w and (w.kind, w.name, w.settings)], default=str) for w in words] for words in (old, new)]
    found = []
    for action, i, i_end, j, j_end in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if action == "equal":
            continue
        for k in range(max(i_end - i, j_end - j)):
            was = old[i + k] if i + k < i_end else None
            found.append(StageChange(place=j + k, before=was, after=new[j + k] if j + k < j_end else None))
    return found


def described(name: str, description: str, changes: Sequence[StageChange], settings: Sequence[str] = ()) -> str:
    """Return the description of a changed recipe: changed stages replace the words, settings only add to them."""
    if changes:
        return f"Recipe `{name}` with {'; '.join([*(change.text() for change in changes), *settings])}."
    return f"{description.strip()} Changed: {', '.join(settings)}.".strip() if settings else description


def told(written: Mapping[str, Any], resolved: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, str]:
    """Return name and description of a recipe that was `written` so and is now `resolved`; none that a user set."""
    keys = {override: re.split(r"[.=]", override, maxsplit=1)[0] for override in overrides}
    before = written.get("stages")
    changes = stage_changes(before if isinstance(before, list) else [], resolved["stages"])
    settings = [text for text, key in keys.items() if key not in ("stages", "pool", "name", "version", "description")]
    words: dict[str, str] = {}
    if "description" not in keys.values():
        name = str(written.get("name", "recipe"))
        words["description"] = described(name, resolved["description"], changes, settings)
    if "name" not in keys.values() and (parts := [part for change in changes for part in change.name_parts()]):
        words["name"] = recipe_name(resolved["name"], *parts)
    return words


def short_filter(name: str) -> str:
    """Return a filter's name for a recipe's: of `scheme:path/file?settings` the scheme and the file."""
    scheme, _, rest = name.partition(":")
    path, _, settings = rest.partition("?")
    return f"{scheme}-{PurePosixPath(path).name}" if "/" in path or settings else name


def recipe_name(*parts: str) -> str:
    """Return parts as a recipe may be called; what is too long ends in digits of the whole, so names stay different."""
    name = "-".join(parts)
    slug = re.sub(r"[^a-z0-9.-]+", "-", name.lower())
    if len(slug) <= MAX_NAME_CHARS:
        return slug
    return f"{slug[: MAX_NAME_CHARS - 9]}-{digest_json(name)[:8]}"


def replaced_pool(current: object, path: str) -> object:
    """Return the pool setting with another place for its documents, other keys (columns, globs) kept.

    What was said of the old place alone goes: its sample, its base, its configuration, that it is a path list.
    """
    if path == "environment" or not isinstance(current, dict) or current.get("source") == "environment":
        return path
    gone = {"sample", "base", "config", "split", *(("format",) if current.get("format") == "paths" else ())}
    return {**{key: value for key, value in current.items() if key not in gone}, "path": path}
