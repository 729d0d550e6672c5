"""From a study to its arms: the base, each change, and the controls that the kind adds (`controls`, `sweep`).

A control of an arm is called after it, `<arm>.random`; with one arm in the study just `random`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from curation.errors import CurateError, RecipeError, StudyError, raise_faults
from curation.files import digest_json
from curation.recipe import Recipe, as_json, load_recipe, validate
from curation.recipe_changes import described, recipe_name, settings_text, stage_changes
from leaderboard.studies.changes import (
    LEAVE_ONE_OUT,
    STAGES,
    TRAINING,
    Varied,
    component_of,
    told_change,
    varied_recipe,
)
from leaderboard.studies.controls import RANDOM_CONTROLS, WEIGHT_CONTROLS, matched_stages, matched_text, weight_recipe
from leaderboard.studies.kinds import Protocol, load_protocol
from leaderboard.studies.leave_one_out import arm_name, left_out_mixes, moved_points, shift_text
from leaderboard.studies.one_change import (
    Known,
    change_faults,
    differences,
    equal_arms,
    recipe_identity,
    repeated_names,
)
from leaderboard.studies.study import BASELINE, Study
from leaderboard.studies.study_faults import split_faults
from leaderboard.studies.sweep import Point, arm_points, base_points, unknown_optimizer
from leaderboard.studies.training_change import TrainingChange

Role = Literal["baseline", "arm", "random", "random-matched", "natural", "uniform", "leave-one-out", "point"]
"""`point`: another rate or batch of the base or of an arm."""
SIDES = ("baseline", "arm", "point")
"""Roles that are no controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One recipe of a study and why it is there."""

    name: str
    role: Role
    of: str
    """The arm that a control or a point belongs to, the baseline for those of all; the arm's own name otherwise."""
    change: str
    recipe: Recipe
    training: TrainingChange | None = None
    """What its runs have other than the tier; None in studies of data."""
    left_out: str = ""
    """Of the role `leave-one-out`: the slice that its arm raises and it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What resolving an arm needs to know of its study."""

    study: Study
    protocol: Protocol
    base: Mapping[str, Any]
    where: str


def resolve_arms(study: Study, where: str) -> list[Arm]:
    """Return the baseline, every arm, and after each arm its controls; the base's pool and panel settings replaced.

    Raises: StudyError that lists every base or change that gives no valid recipe, arms that vary more or less than one
    component (rule 17), and arms that are equal or have one name.
    """
    arms, faults = _resolved(study, where)
    raise_faults(StudyError, where, faults)
    return arms


def arm_faults(study: Study, where: str) -> list[str]:
    """Return everything for which `resolve_arms` would refuse the study."""
    return _resolved(study, where)[1]


def _resolved(study: Study, where: str) -> tuple[list[Arm], list[str]]:
    try:
        terms = _Terms(study=study, protocol=load_protocol(study.kind), base=_base(study), where=where)
        recipe = _recipe(_told(terms, terms.base, None), where)
    except CurateError as error:
        return [], [f"base: {fault}" if study.base in fault else fault for fault in split_faults(error, where)]
    baseline = Arm(name=BASELINE, role="baseline", of=BASELINE, change="none", recipe=recipe)
    arms, faults = [baseline, *_base_points(terms, baseline)], []
    for name in study.vary:
        try:
            own, wrong = _arm_with_controls(terms, baseline, name)
        except CurateError as error:
            faults += split_faults(error, where)
            continue
        arms += own
        faults += wrong
    faults += equal_arms(
        [
            Known(name=arm.name, side=arm.of, identity=recipe_identity(arm.recipe, arm.training))
            for arm in arms
            if arm.role in SIDES
        ]
    )
    arms = [*arms, *_weight_controls(terms, arms)]
    return arms, faults + repeated_names([(arm.name, _origin(arm)) for arm in arms])


def _origin(arm: Arm) -> str:
    """Return the place in the study that an arm comes from."""
    if arm.role == "leave-one-out":
        return f"vary.{arm.of}.{LEAVE_ONE_OUT} (without `{arm.left_out}`)"
    return f"vary.{arm.name}" if arm.role == "arm" else f"{arm.role} of `{arm.of}`"


def _arm_with_controls(terms: _Terms, baseline: Arm, name: str) -> tuple[list[Arm], list[str]]:
    """Return an arm with its controls or points, and what rule 17 has against it."""
    study, place = terms.study, f"{terms.where}: vary.{name}"
    changes = study.vary[name]
    varied = varied_recipe(terms.base, changes, place)
    recipe = _recipe(_told(terms, varied.value, name), place)
    arm = Arm(name=name, role="arm", of=name, change=told_change(changes, terms.base, varied), recipe=recipe)
    found = differences(baseline.recipe, recipe)
    points = _points(terms, arm)
    centre = points[0]
    training = centre.training or next((point.training for point in points if point.training), None)
    faults = change_faults(study, terms.protocol, name, found, training, terms.where)
    if not faults and terms.protocol.component in STAGES and varied.place is None:
        faults = [
            f"vary.{name}: takes a stage away ({found[0].text}), which no control can match; expected a stage more; "
            "make the recipe without it the base and let the arm add it"
        ]
    if faults:
        return [], faults
    left_out, faults = _left_out(terms, baseline.recipe, arm)
    return ([], faults) if faults else ([*points, *left_out, *_matched_controls(terms, varied, name)], [])


def _left_out(terms: _Terms, base: Recipe, arm: Arm) -> tuple[list[Arm], list[str]]:
    """Return the arms in which one of the slices that an arm raises is left out, and why they cannot be made."""
    which = next((change[LEAVE_ONE_OUT] for change in terms.study.vary[arm.name] if LEAVE_ONE_OUT in change), False)
    if which is False:
        return [], []
    place = f"vary.{arm.name}.{LEAVE_ONE_OUT}"
    mixes, faults = left_out_mixes(base.mix, arm.recipe.mix, which)
    found = []
    for slice_name, mix in mixes.items():
        name = arm_name(arm.name, slice_name, alone=len(terms.study.vary) == 1)
        value = {**as_json(arm.recipe), "mix": mix}
        recipe = _recipe(_told(terms, value, name, arm.name), f"{terms.where}: {place}")
        moved = moved_points(base.mix, recipe.mix) or {}
        change = f"mix {shift_text(moved)} ({slice_name} left out)"
        found.append(
            Arm(name=name, role="leave-one-out", of=arm.name, change=change, recipe=recipe, left_out=slice_name)
        )
    return found, [f"{place}: {fault}" for fault in faults]


def _points(terms: _Terms, arm: Arm) -> list[Arm]:
    """Return the arm as it trains: itself where only data vary, else one arm a point, the arm's own first."""
    changes = [change for change in terms.study.vary[arm.name] if component_of(change, terms.where) in TRAINING]
    if not changes:
        return [arm]
    change = changes[-1]
    if "tokenizer" in change:
        return [replace(arm, training=_tokenizer(terms, arm.name, str(change["tokenizer"])))]
    fault = unknown_optimizer(f"vary.{arm.name}", change)
    if fault:
        raise StudyError(f"{terms.where}: {fault}")
    sweep = terms.protocol.sweep or load_protocol("optimizer").sweep
    assert sweep is not None
    return [_point(arm, point) for point in arm_points(arm.name, change, sweep, _own(terms, "optimizer"))]


def _base_points(terms: _Terms, baseline: Arm) -> list[Arm]:
    """Return the base at the other points of an optimizer study; none in other kinds."""
    if terms.protocol.sweep is None:
        return []
    changes = [change for arm in terms.study.vary.values() for change in arm if "optimizer" in change]
    points = base_points(BASELINE, changes, terms.protocol.sweep, _own(terms, "optimizer"))
    return [_point(baseline, point) for point in points if not point.centre]


def _point(side: Arm, point: Point) -> Arm:
    if point.centre:
        return replace(side, training=point.training)
    change = point.training.text() if point.training else "none"
    return replace(side, name=point.name, role="point", of=side.name, change=change, training=point.training)


def _tokenizer(terms: _Terms, arm: str, name: str) -> TrainingChange | None:
    """Return the change to a tokenizer; None for the one that every tier of the study has already."""
    from curation.tokenizers import open_tokenizer

    open_tokenizer(name, where=f"{terms.where}: vary.{arm}.tokenizer")
    return None if name == _own(terms, "tokenizer") else TrainingChange(tokenizer=name)


def _own(terms: _Terms, what: Literal["optimizer", "tokenizer"]) -> str:
    """Return the optimizer or tokenizer of the study's tiers; empty where they differ or are not known."""
    from train.tiers import load_tier

    try:
        found = {str(getattr(load_tier(tier), what)) for tier in terms.study.tiers}
    except CurateError:  # said where the tiers are checked
        return ""
    return found.pop() if len(found) == 1 else ""


def _matched_controls(terms: _Terms, varied: Varied, arm: str) -> list[Arm]:
    """Return the controls at equal kept tokens of one arm, where its kind has them."""
    found = []
    for control in (name for name in RANDOM_CONTROLS if name in terms.protocol.control_names):
        stages = matched_stages(varied, control)
        if stages is None:
            continue
        name = control if len(terms.study.vary) == 1 else f"{arm}.{control}"
        recipe = _recipe(_told(terms, {**varied.value, "stages": stages}, name, arm), f"{terms.where}: control {name}")
        change = f"filter {control} (match {matched_text(varied)})"
        found.append(Arm(name=name, role=cast("Role", control), of=arm, change=change, recipe=recipe))
    return found


def _weight_controls(terms: _Terms, arms: Sequence[Arm]) -> list[Arm]:
    """Return the base at the weights of the controls of a mixture study, but for weights that some arm has."""
    known = [arm.recipe.mix.weights for arm in arms if not arm.recipe.mix.shift]
    found = []
    for control in (name for name in WEIGHT_CONTROLS if name in terms.protocol.control_names and name not in known):
        value = weight_recipe(terms.base, control)
        recipe = _recipe(_told(terms, value, control), f"{terms.where}: control {control}")
        change = f"mix {control}"
        found.append(Arm(name=control, role=cast("Role", control), of=BASELINE, change=change, recipe=recipe))
    return found


def equal_corpora(arms: Sequence[Arm], corpora: Mapping[str, str]) -> list[str]:
    """Return the faults of arms that resolve to the models of the base or of an arm before them.

    Words may differ where fingerprints do not: a default that is written out is the default.
    """
    trainings = {arm.name: arm.training.as_json() if arm.training else {} for arm in arms}
    return equal_arms(
        [
            Known(name=arm.name, side=arm.of, identity=digest_json([corpora[arm.name], trainings[arm.name]]))
            for arm in arms
            if arm.role in SIDES
        ]
    )


def _base(study: Study) -> dict[str, Any]:
    named_file = study.base.endswith((".yaml", ".yml"))
    recipe = load_recipe(Path(study.base)) if named_file else load_recipe(base=study.base)
    value: dict[str, Any] = dict(as_json(recipe))
    if study.pool is not None:
        value["pool"] = study.pool
    value["panel"] = {**value["panel"], **study.panel}
    return value


def _told(terms: _Terms, value: Mapping[str, Any], arm: str | None, of: str | None = None) -> dict[str, Any]:
    """Return the recipe of an arm, or of the base, with a name and a description that say what the study changed.

    `of` is the arm that a control belongs to.
    """
    study, base = terms.study, terms.base
    changes = study.vary.get(of or arm or "", ())
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
