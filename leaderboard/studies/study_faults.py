"""What is wrong with a study's words: form, kind, arms, seeds; every fault at once, each with the edit that mends it.

What only the resolved recipes tell (two changed components, an arm that changes nothing) is `one_change`'s.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from curation.bundled import bundled_names
from curation.errors import CurateError, RecipeError, StudyError
from curation.recipe import validate
from leaderboard.studies.changes import (
    COMPONENTS,
    FIXED,
    IN_PLACE_OF,
    LEAVE_ONE_OUT,
    STAGES,
    component_names,
    no_component,
    settings_of,
)
from leaderboard.studies.kinds import Protocol, kind_names, load_protocol
from leaderboard.studies.study import BASELINE, Study
from leaderboard.studies.sweep import sweep_faults

MISSING = {
    "hypothesis": "say in one sentence what the change is expected to do, and to what",
    "kind": "write one of {kinds}; `curate study kinds` explains them",
    "base": "name a shipped recipe ({recipes}) or a recipe file",
    "vary": "name at least one arm, for example `vary: {{mine: {{filter: quality_v3}}}}`",
    "tiers": "name at least one tier and its seeds, for example `tiers: {{micro: 3}}`",
}
_STAND_INS: Mapping[str, Any] = {
    "name": "x",
    "hypothesis": "?",
    "kind": "?",
    "base": "baseline",
    "vary": {"x": {"filter": "x"}},
    "tiers": {"pico": 1},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A study as far as it could be read."""

    study: Study
    """Broken keys hold a stand-in."""
    faults: list[str]
    broken: frozenset[str]


def read_words(value: Mapping[str, Any], where: str) -> Words:
    """Return the study that `value` describes and everything that is wrong with its words."""
    said = dict(value)
    faults = _early_faults(said)
    broken = {fault.partition(":")[0].partition(".")[0] for fault in faults}
    for key in broken:
        said.pop(key, None)
    said |= {key: _STAND_INS[key] for key in broken if key in _STAND_INS}
    try:
        study: Study = validate(Study, said, where)
    except RecipeError as error:
        formal = split_faults(error, where)
        more = {found[0] for fault in formal if (found := re.match(r"\w+", fault))}
        said = {key: item for key, item in said.items() if key not in more}
        said |= {key: _STAND_INS[key] for key in more if key in _STAND_INS}
        study = validate(Study, said, where)
        faults, broken = faults + formal, broken | more
    study, unknown = _with_plain_kind(study, broken)
    faults += unknown
    if unknown:
        broken.add("kind")
    faults += _rule_faults(study, frozenset(broken), where)
    return Words(study=study, faults=faults, broken=frozenset(broken))


def split_faults(error: CurateError, where: str) -> list[str]:
    """Return the single faults of an error that may list several, without the place they share."""
    head, *listed = str(error).removeprefix(f"{where}: ").split("\n  - ")
    place = re.sub(r":? ?\d+ faults$", "", head.removeprefix(where)).strip(": ")
    return [f"{place}: {item}" if place else item for item in listed] or [head]


def _early_faults(value: Mapping[str, Any]) -> list[str]:
    """Return missing keys and seeds picked by hand, which pydantic would name less well."""
    facts = {"kinds": ", ".join(kind_names()), "recipes": ", ".join(bundled_names("recipes"))}
    empty = [key for key in MISSING if value.get(key) in (None, {}, []) or not str(value.get(key)).strip()]
    faults = [f"{key}: {'is empty' if key in value else 'missing'}; {MISSING[key].format(**facts)}" for key in empty]
    for key in ("seed", "seeds"):
        if key in value:
            faults.append(
                f"{key}: {value[key]!r}: seeds are not picked (rule 10), expected a number of seeds by tier; "
                "remove the key and write `tiers: {micro: 3}` for seeds 1, 2, 3"
            )
    tiers = value.get("tiers")
    for tier, seeds in tiers.items() if isinstance(tiers, Mapping) else ():
        if isinstance(seeds, (list, tuple, Mapping, str)):
            count = len(seeds) if isinstance(seeds, (list, tuple)) and seeds else 3
            faults.append(
                f"tiers.{tier}: seeds {seeds!r} are picked by hand (rule 10), expected a number n for seeds 1..n; "
                f"write `{tier}: {count}`: --set tiers.{tier}={count}"
            )
    return faults


def _with_plain_kind(study: Study, broken: set[str]) -> tuple[Study, list[str]]:
    """Return the study with its kind's bare name (`filter@1` is `filter`), and the fault of an unknown one."""
    if "kind" in broken:
        return study, []
    try:
        return study.model_copy(update={"kind": load_protocol(study.kind).name}), []
    except StudyError as error:
        return study, [str(error)]


def _rule_faults(study: Study, broken: frozenset[str], where: str) -> list[str]:
    protocol = None if "kind" in broken else load_protocol(study.kind)
    faults: list[str] = []
    if "vary" not in broken:
        for arm in study.vary:
            faults += _arm_faults(study, protocol, arm, where)
        faults += _twins(study)
    both = [name for name in study.trade if name in study.protect]
    faults += [f"trade.{name}: the slice is under `protect` too; keep it under one of them" for name in both]
    return faults


def _twins(study: Study) -> list[str]:
    """Return arms that are the same words as one before them."""
    first: dict[str, str] = {}
    faults = []
    for arm, changes in study.vary.items():
        words = repr([sorted(change.items(), key=str) for change in changes])
        if words in first:
            faults.append(f"vary.{arm}: is the same as `{first[words]}`, expected different arms; drop one of them")
        first.setdefault(words, arm)
    return faults


def _arm_faults(study: Study, protocol: Protocol | None, arm: str, where: str) -> list[str]:
    place = f"vary.{arm}"
    controls = protocol.control_names if protocol else ()
    if arm == BASELINE or arm in controls or any(arm.endswith(f".{control}") for control in controls):
        return [f"{place}: the name belongs to the base or a control, which are added for you; rename the arm"]
    changes = study.vary[arm]
    if not changes:
        return [f"{place}: changes nothing, expected one of {', '.join(COMPONENTS)}; name a change or drop the arm"]
    faults = [fault for change in changes for fault in _change_faults(place, change, protocol)]
    faults = [f"{fault}{_other_arm(study, arm)}" if "names no component" in fault else fault for fault in faults]
    components = [component for change in changes for component in component_names(change)]
    if len(components) > 1 and not study.multi_factor:
        faults.append(_several(place, components, changes, protocol, where))
    elif any(len(component_names(change)) > 1 for change in changes):
        faults.append(f"{place}: write several changes as a list with one component each")
    if not faults and protocol and protocol.component not in components and "recipe" not in components:
        faults.append(_other_kind(place, components, protocol, where))
    return faults


def _other_arm(study: Study, arm: str) -> str:
    """Return which arm was meant, where the name of one that names no component is near it: `vary.longr.keep=0.3`."""
    others = [name for name, changes in study.vary.items() if name != arm and all(map(component_names, changes))]
    close = get_close_matches(arm, others, n=1, cutoff=0.6)
    return f"; or is it a setting of the arm `{close[0]}`: write `vary.{close[0]}`" if close else ""


def _several(
    place: str, components: Sequence[str], changes: Sequence[Mapping[str, Any]], protocol: Protocol | None, where: str
) -> str:
    """Return the fault of rule 17, with the command that keeps the change that the kind is about."""
    own = next((change for change in changes if protocol and protocol.component in change), changes[0])
    wanted = protocol.component if protocol and protocol.component in own else component_names(own)[0]
    kept = {key: item for key, item in own.items() if key == wanted or key not in (*COMPONENTS, *FIXED)}
    return (
        f"{place}: changes {len(components)} components ({', '.join(components)}), expected one (rule 17); "
        f"split the arm: {plan_command(where, f'{place}={flow(kept)}')}; "
        f"or give up naming a cause: {plan_command(where, 'multi_factor=true')}"
    )


def _other_kind(place: str, components: Sequence[str], protocol: Protocol, where: str) -> str:
    fitting = [name for name in kind_names() if load_protocol(name).component in components]
    shown = ", ".join(components)
    mend = f"make it one: {plan_command(where, f'kind={fitting[0]}')}" if fitting else "change the arm"
    return (
        f"{place}: changes no {protocol.component}, but the study's kind is `{protocol.name}`; "
        f"it changes `{shown}`: {mend}"
    )


def plan_command(where: str, setting: str) -> str:
    """Return the command that plans the study with one setting mended."""
    return f"`curate study plan {shlex.quote(where)} --set {shlex.quote(setting)}`"


def flow(value: object) -> str:
    """Return a value as one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _change_faults(place: str, change: Mapping[str, Any], protocol: Protocol | None) -> list[str]:
    components = component_names(change)
    if not components:
        return [f"{place}: {no_component(change)}"]
    fixed = [
        f"{place}: an arm cannot change `{component}`, only {', '.join(COMPONENTS)}; "
        "change it in the base recipe, for all arms alike"
        for component in components
        if component in FIXED
    ]
    return fixed or [fault for component in components for fault in _setting_faults(place, component, change, protocol)]


def _setting_faults(place: str, component: str, change: Mapping[str, Any], protocol: Protocol | None) -> list[str]:
    """Return what is wrong with one component's value and the settings beside it."""
    value = change[component]
    if component == "mix":
        named = isinstance(value, (str, Mapping))
        faults = [] if named else [f"{place}.mix: {value!r}, expected `natural`, `uniform` or `{{weights: …}}`"]
    else:
        text = isinstance(value, str) and value.strip()
        faults = [] if text else [f"{place}.{component}: {value!r}, expected a name; write one"]
    settings = settings_of(change)
    if component == "optimizer":
        return faults + sweep_faults(place, settings, protocol.sweep if protocol else None)
    if component not in STAGES:
        known = ["weights, unit and normalize go inside `mix: {…}`"] if component == "mix" else []
        own = (component, LEAVE_ONE_OUT) if component == "mix" else (component,)
        extra = [key for key in change if key not in (*own, *COMPONENTS, *FIXED)]
        told = known[0] if known else f"`{component}` has no settings"
        faults += [f"{place}.{key}: does not belong to `{component}`; {told}; remove it" for key in extra]
    elif IN_PLACE_OF in change and not isinstance(change[IN_PLACE_OF], str):
        faults.append(f"{place}.{IN_PLACE_OF}: {change[IN_PLACE_OF]!r}, expected the name of a stage of the base")
    if component in STAGES and LEAVE_ONE_OUT in change:
        faults.append(f"{place}.{LEAVE_ONE_OUT}: belongs to arms that change the `mix`; remove it")
    return faults
