"""What an arm changes: the words of a study's `vary`, and the recipe that they make of the base's.

A change names one component and its settings: `{filter: NAME, ...}`, `{dedup: NAME, ...}`, `{mix: {...}}`,
`{tokenizer: NAME}`, `{optimizer: NAME, ...}`, or a whole recipe, `{recipe: FILE or NAME}`, of which only its one
difference from the base counts. A filter replaces the last filter of the base, or goes in front; a dedup replaces the
last dedup, or stands before the first decontamination, else last. `in_place_of: NAME` names another stage to replace,
and `in_place_of: nothing` adds the stage beside those that are there. `{mix: {shift: {...}}}` moves share points from
the base's own shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError, nearest
from curation.recipe import as_json, load_recipe
from curation.recipe_changes import settings_text, stage_changes, stage_words

STAGES = ("filter", "dedup")
"""Components that are one stage of the recipe."""
TRAINING = ("tokenizer", "optimizer")
"""Components that the runs have, not the corpus."""
COMPONENTS = (*STAGES, "mix", *TRAINING, "recipe")
"""What a change can name."""
FIXED = ("decontaminate", "modify", "panel", "pool", "tiers", "stages")
"""What is the same for all arms of every study."""
IN_PLACE_OF = "in_place_of"
LEAVE_ONE_OUT = "leave_one_out"
"""Of a `mix`: arms are added in which one of the raised slices stays at the base's share (`leave_one_out`)."""
KEEPS_BASE = ("weights", "groups", "phases", "tokens")
"""A `mix` that shifts shares and says none of these shifts those of the base."""
NOTHING = "nothing"
UNSHOWN = (IN_PLACE_OF, LEAVE_ONE_OUT)
"""Keys of a change that are no settings of its component."""

Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """The base's recipe with an arm's changes, as plain values."""

    value: dict[str, Any]
    place: int | None = None
    """Where the changed stage stands; None if no stage was changed."""
    replaced: Mapping[str, Any] | None = None
    """The base's stage that it stands for; None if it was added."""


def component_names(change: Change) -> list[str]:
    """Return the components that one change names; the other keys are its settings."""
    return [key for key in change if key in (*COMPONENTS, *FIXED)]


def component_of(change: Change, where: str) -> str:
    """Return the first component that a change names.

    Raises: StudyError if it names none.
    """
    names = component_names(change)
    if not names:
        raise StudyError(f"{where}: {no_component(change)}")
    return names[0]


def no_component(change: Change) -> str:
    """Return what is wrong with a change that names no component, with the nearest one."""
    shown = f"sets {', '.join(map(str, change))}" if change else "is empty"
    hint = nearest(str(next(iter(change), "")), COMPONENTS) if change else "write e.g. `{filter: quality_v3}`"
    return f"{shown} and names no component, expected one of {', '.join(COMPONENTS)}; {hint}"


def settings_of(change: Change) -> dict[str, Any]:
    """Return the settings of a change: its keys but the component and the place."""
    return {key: item for key, item in change.items() if key not in (*COMPONENTS, *UNSHOWN)}


def change_text(changes: Sequence[Change]) -> str:
    """Return an arm's change in words, for tables: `filter quality_v3 (keep 0.3)`."""
    shown = []
    for change in changes:
        component = component_of(change, "vary")
        params = ", ".join(f"{key} {item}" for key, item in change.items() if key not in UNSHOWN and key != component)
        named = change[component]
        name = settings_text(named) if isinstance(named, Mapping) else named
        shown.append(f"{component} {name}" + (f" ({params})" if params else ""))
    return " and ".join(shown)


def told_change(changes: Sequence[Change], base: Mapping[str, Any], varied: Varied) -> str:
    """Return an arm's change in words, with the stage it replaces where the base has several of its kind."""
    text = change_text(changes)
    stage = varied.value["stages"][varied.place] if varied.place is not None else None
    if stage is None or varied.replaced is None:
        return text
    kind = str(stage["kind"])
    several = sum(item["kind"] == kind for item in base["stages"]) > 1
    old = stage_words(varied.replaced)
    return f"{text} in place of {kind} {old.name}; other {kind}s stay" if several and old else text


def varied_recipe(base: Mapping[str, Any], changes: Sequence[Change], where: str) -> Varied:
    """Return the base's recipe with an arm's changes; the last stage that was changed is the one that counts.

    Raises: StudyError for a place that the base lacks, RecipeError for a recipe that cannot be read.
    """
    varied = Varied(value=dict(base))
    for change in changes:
        varied = _changed(varied, change, where)
    return varied


def _changed(varied: Varied, change: Change, where: str) -> Varied:
    component = component_of(change, where)
    value = varied.value
    if component in STAGES:
        return _with_stage(varied, component, change, where)
    if component == "mix":
        return Varied(
            value={**value, "mix": _mix(value["mix"], change["mix"])}, place=varied.place, replaced=varied.replaced
        )
    if component == "recipe":
        return _with_recipe(varied, str(change["recipe"]))
    return varied


def _mix(base: Mapping[str, Any], said: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an arm's `mix`: as it is said, or the base's with share points moved where it says no weights."""
    if isinstance(said, str):
        return {"weights": said}
    kept = "shift" in said and not any(key in said for key in KEEPS_BASE)
    return {**base, **said} if kept else said


def _with_stage(varied: Varied, kind: str, change: Change, where: str) -> Varied:
    stages = list(varied.value["stages"])
    stage = {"kind": kind, "name": str(change[kind]), "params": settings_of(change)}
    places = [number for number, item in enumerate(stages) if item["kind"] == kind]
    place = _named_place(stages, places, change.get(IN_PLACE_OF), f"{where}.{IN_PLACE_OF}")
    if place is None:
        place = _new_place(stages, kind, places)
        return Varied(value={**varied.value, "stages": [*stages[:place], stage, *stages[place:]]}, place=place)
    new = [*stages[:place], stage, *stages[place + 1 :]]
    return Varied(value={**varied.value, "stages": new}, place=place, replaced=stages[place])


def _named_place(stages: Sequence[Change], places: Sequence[int], name: object, where: str) -> int | None:
    """Return which stage is replaced; None if one is added."""
    if name is None:
        return places[-1] if places else None
    if name == NOTHING:
        return None
    named = [place for place in places if name in (stages[place]["name"], _short(stages[place]))]
    if len(named) == 1:
        return named[0]
    known = [_short(stages[place]) for place in places]
    found = "no such stage of this kind" if not named else f"{len(named)} of them"
    raise StudyError(f"{where}: the base has {found}, `{name}`, expected one; {nearest(str(name), [*known, NOTHING])}")


def _short(stage: Change) -> str:
    words = stage_words(stage)
    return words.name if words else str(stage["name"])


def _new_place(stages: Sequence[Change], kind: str, places: Sequence[int]) -> int:
    if kind == "filter":
        return 0
    if places:
        return places[-1] + 1
    return next((place for place, item in enumerate(stages) if item["kind"] == "decontaminate"), len(stages))


def _with_recipe(varied: Varied, name: str) -> Varied:
    """Return a whole recipe in place of the base; pool and panel are the study's."""
    value = varied.value
    is_file = name.endswith((".yaml", ".yml"))
    recipe = load_recipe(Path(name)) if is_file else load_recipe(base=name)
    new: dict[str, Any] = dict(as_json(recipe))
    kept = {key: value[key] for key in ("name", "description", "version", "pool", "panel")}
    old_stages, new_stages = cast("list[Change]", value["stages"]), cast("list[Change]", new["stages"])
    differing = stage_changes(old_stages, new_stages)
    place, replaced = None, None
    if len(differing) == 1 and differing[0].after is not None:  # all stages before the only difference are equal
        place = differing[0].place
        replaced = old_stages[place] if differing[0].before is not None else None
    return Varied(value={**new, **kept}, place=place, replaced=replaced)
