"""From a study to its arms: the base, each change, and per filter arm two controls at equal kept tokens (rule 3).

`random` keeps the same share of the pool as the arm's filter, `random-matched` the same share of every slice. With
one arm they carry just these names, else `<arm>.random` and `<arm>.random-matched`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.errors import RecipeError, StudyError
from curation.files import Json, digest_json
from curation.recipe import Recipe, as_json, load_recipe, validate
from curation.recipe_changes import (
    described,
    recipe_name,
    replaced_filter,
    settings_text,
    stage_changes,
    with_filter,
)
from leaderboard.study import BASELINE, CONTROLS, Study, change_text

Role = Literal["baseline", "arm", "random", "random-matched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One recipe of a study and why it is there."""

    name: str
    role: Role
    of: str
    """The arm that a control belongs to; the arm's own name otherwise."""
    change: str
    recipe: Recipe


def resolve_arms(study: Study, where: str) -> list[Arm]:
    """Return the baseline, every arm, and after each arm its controls; the base's pool and panel settings replaced.

    Raises: StudyError for a base or change that gives no valid recipe.
    """
    base = _base(study, where)
    arms = [
        Arm(
            name=BASELINE,
            role="baseline",
            of=BASELINE,
            change="none",
            recipe=_recipe(_told(base, base, None, study), where),
        )
    ]
    for name, changes in study.vary.items():
        value = dict(base)
        for change in changes:
            value = _changed(value, change)
        recipe = _recipe(_told(value, base, name, study, changes), f"{where}: vary.{name}")
        arms.append(Arm(name=name, role="arm", of=name, change=_change(changes, base), recipe=recipe))
        for control in CONTROLS:
            arms.append(_control(study, value, base, name, control, where))
    return arms


def study_identity(study: Study, corpora: Mapping[str, str], pool: str, panel: str) -> dict[str, Json]:
    """Return what the study's fingerprint is taken over: its words, its arms' corpora, pool content and panel.

    `corpora` are the fingerprints of each arm's corpus: they hold the settings, the components' versions and the
    content of every model or list that a stage names, never its path. `epochs` permits and decides nothing.
    """
    words = as_json(study)
    if "targets" in study.panel:  # the panel's fingerprint holds their content
        words["panel"] = {key: item for key, item in study.panel.items() if key != "targets"}
    return {
        "study": {
            key: value for key, value in words.items() if key not in ("pool", "base", "vary", "budgets", "epochs")
        },
        "corpora": dict(corpora),
        "pool": pool,
        "panel": panel,
    }


def study_fingerprint(identity: Mapping[str, Json]) -> str:
    """Return the study's fingerprint, 64 hex digits."""
    return digest_json(identity)


def _base(study: Study, where: str) -> dict[str, Any]:
    try:
        named_file = study.base.endswith((".yaml", ".yml"))
        recipe = load_recipe(Path(study.base)) if named_file else load_recipe(base=study.base)
    except RecipeError as error:
        raise StudyError(f"{where}: base: {error}") from None
    value: dict[str, Any] = dict(as_json(recipe))
    if study.pool is not None:
        value["pool"] = study.pool
    value["panel"] = {**value["panel"], **study.panel}
    return value


def _changed(value: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    if "mix" in change:
        return {**value, "mix": change["mix"]}
    params = {key: item for key, item in change.items() if key != "filter"}
    return {**value, "stages": with_filter(value["stages"], _filter_stage(str(change["filter"]), params))}


def _filter_stage(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "filter", "name": name, "params": dict(params)}


def _control(study: Study, value: dict[str, Any], base: dict[str, Any], arm: str, control: str, where: str) -> Arm:
    stage = next(item for item in reversed(value["stages"]) if item["kind"] == "filter")
    match: str | dict[str, Any] = {"filter": stage["name"], **stage["params"]} if stage["params"] else stage["name"]
    name = control if len(study.vary) == 1 else f"{arm}.{control}"
    changed = {**value, "stages": with_filter(value["stages"], _filter_stage(control, {"match": match}))}
    recipe = _recipe(_told(changed, base, name, study, study.vary[arm]), f"{where}: control {name}")
    role: Role = "random" if control == "random" else "random-matched"
    shown = ", ".join([stage["name"], *(f"{key} {item}" for key, item in stage["params"].items())])
    return Arm(name=name, role=role, of=arm, change=f"filter {control} (match {shown})", recipe=recipe)


def _change(changes: Sequence[Mapping[str, Any]], base: Mapping[str, Any]) -> str:
    """Return an arm's change in words, with the filter it replaces where the base has several."""
    old = replaced_filter(base["stages"])
    return change_text(tuple(map(dict, changes))) + (
        f" in place of filter {old.name}; other filters stay" if old else ""
    )


def _told(
    value: Mapping[str, Any],
    base: Mapping[str, Any],
    arm: str | None,
    study: Study,
    changes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the recipe of an arm, or of the base, with a name and a description that say what the study changed."""
    settings = [f"panel.{key}={item}" for key, item in study.panel.items()]
    settings += [f"mix={settings_text(change['mix'])}" for change in changes if isinstance(change.get("mix"), Mapping)]
    text = described(base["name"], base["description"], stage_changes(base["stages"], value["stages"]), settings)
    return {**value, "name": recipe_name(base["name"], arm) if arm else base["name"], "description": text}


def _recipe(value: dict[str, Any], where: str) -> Recipe:
    try:
        recipe: Recipe = validate(Recipe, value, where)
    except RecipeError as error:
        raise StudyError(str(error)) from None
    return recipe
