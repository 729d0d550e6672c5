"""Rule 17 on resolved recipes: an arm differs from its base in one component, and from the other arms in something.

Words can hide a second change (a whole recipe, a preset, a default), so what is compared is what the recipes say after
they were resolved. Names, descriptions and what others published of a stage decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curation.files import digest_json
from curation.recipe import Recipe, as_json
from curation.recipe_changes import stage_changes
from leaderboard.studies.kinds import Protocol
from leaderboard.studies.study import Study
from leaderboard.studies.study_faults import flow, plan_command
from leaderboard.studies.training_change import TrainingChange

WORDS = ("name", "description", "version", "shard_bytes")
"""Keys of a recipe that change no document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One component in which two recipes differ."""

    component: str
    text: str


def differences(base: Recipe, other: Recipe) -> list[Difference]:
    """Return every component in which `other` differs from `base`: each stage is one, and each of the other keys."""
    before, after = as_json(base), as_json(other)
    found = [
        Difference(component=(change.after or change.before).kind, text=change.text())  # type: ignore[union-attr]
        for change in stage_changes(before["stages"], after["stages"])  # type: ignore[arg-type]
    ]
    found += [
        Difference(component=key, text=f"{key} {flow(after[key])} in place of {flow(before[key])}")
        for key in after
        if key not in (*WORDS, "stages") and after[key] != before[key]
    ]
    return found


def recipe_identity(recipe: Recipe, training: TrainingChange | None) -> str:
    """Return the digest of all that decides an arm's models, its paths included."""
    value: dict[str, Any] = {key: item for key, item in as_json(recipe).items() if key not in WORDS}
    value["stages"] = [{key: stage[key] for key in ("kind", "name", "params")} for stage in value["stages"]]
    return digest_json({"recipe": value, "training": training.as_json() if training else {}})


def change_faults(
    study: Study,
    protocol: Protocol,
    arm: str,
    found: Sequence[Difference],
    training: TrainingChange | None,
    where: str,
) -> list[str]:
    """Return what rule 17 says of an arm with these differences from the base; empty when it varies one component."""
    place = f"vary.{arm}"
    components = [item.component for item in found] + ([training.component] if training else [])
    if not components:
        return [
            f"{place}: gives the base itself, so it changes nothing; expected another {protocol.component} or other "
            "settings of it; change the arm or drop it"
        ]
    if study.multi_factor:
        return []
    if len(components) > 1:
        texts = [item.text for item in found] + ([training.text()] if training else [])
        return [
            f"{place}: differs from the base in {len(components)} components ({'; '.join(texts)}), expected one "
            f"(rule 17); make an arm of each, or give up naming a cause: {plan_command(where, 'multi_factor=true')}"
        ]
    if components[0] != protocol.component:
        return [
            f"{place}: changes `{components[0]}` ({found[0].text if found else training.text() if training else ''}), "
            f"but the study's kind is `{protocol.name}`, whose arms change the {protocol.component}; "
            "change the kind or the arm"
        ]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An arm, the side that it belongs to, and what decides its models."""

    name: str
    side: str
    identity: str


def equal_arms(arms: Sequence[Known]) -> list[str]:
    """Return the faults of arms that are an arm before them; of several points of a side the first is named."""
    first: dict[str, Known] = {}
    faults: dict[str, str] = {}
    for arm in arms:
        same = first.setdefault(arm.identity, arm)
        if same is not arm and arm.side not in faults:
            point = "" if arm.name == arm.side else f" at {arm.name.removeprefix(arm.side).lstrip('.')}"
            faults[arm.side] = (
                f"vary.{arm.side}: gives the same recipe as `{same.name}`{point}, expected different ones; "
                "drop one of them"
            )
    return list(faults.values())


def repeated_names(arms: Sequence[tuple[str, str]]) -> list[str]:
    """Return the faults of arms, as names with where each comes from, that are called as an arm before them."""
    first: dict[str, str] = {}
    faults = []
    for name, origin in arms:
        if name in first:
            faults.append(
                f"{origin}: is called `{name}`, as {first[name]} is, expected a name of its own; rename an "
                "arm of `vary`, or list under `leave_one_out` slices that differ in letters a-z or digits"
            )
        first.setdefault(name, origin)
    return faults
