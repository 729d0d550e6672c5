"""Studies: the YAML that names a base recipe, one change, the tiers with their seeds, and what must not get worse.

```yaml
hypothesis: a quality classifier lowers bits per byte on prose beyond what reweighting explains
kind: filter
base: baseline                       # a shipped recipe's name, or a path
pool: {path: data/**/*.parquet}      # optional; replaces the base's
vary: {quality_v3: {filter: quality_v3}}
panel: {bytes_per_slice: 200000}     # optional; replaces single settings of the base's panel
tiers: {pico: 2}                     # tier: seeds 1..n (rule 10)
budgets: [0.5, 1]                    # optional; every tier at these multiples of 1x, from one plateau (rule 16)
epochs: 1                            # how often a corpus smaller than a budget may be read; more than 4 is flagged
protect: [code-python]               # must not get worse (rule 13)
trade: {web-assets: 0.02}            # may get worse by this share of bits per byte
recovery: skip-only                  # or ladder: rewind when the loss goes wrong (docs/training.md, Stability)
selected_for: [docs]                 # drawn on by a classifier or search; left out of the headline (rule 2)
```
An arm is one change of one component; several changes are a list and need `multi_factor: true` (rule 17).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from curation.errors import CurateError, RecipeError, StudyError, nearest, raise_faults
from curation.recipe import Spec, Strings, read_mapping, validate
from curation.yamlio import apply_overrides

KINDS = ("filter",)
COMPONENTS = ("filter", "mix")
"""What an arm can change; a study of kind `filter` varies the filter."""
FIXED = ("dedup", "decontaminate", "tokenizer", "panel", "pool")
"""Components that are the same for all arms of every study this version runs."""
BASELINE = "baseline"
CONTROLS = ("random", "random-matched")
MAX_SEEDS = 64


def _as_changes(value: object) -> object:
    return (value,) if isinstance(value, dict) else value


Changes = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_as_changes)]


class Study(Spec):
    """Everything that determines a study; see the module's docstring for the keys."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    hypothesis: str = Field(min_length=1, max_length=500)
    kind: str
    base: str
    pool: Any = None
    vary: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")], Changes] = Field(min_length=1)
    panel: dict[str, Any] = Field(default_factory=dict)
    tiers: dict[str, Annotated[int, Field(ge=1, le=MAX_SEEDS)]] = Field(min_length=1)
    budgets: tuple[float, ...] = ()
    protect: Strings = ()
    trade: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    selected_for: Strings = ()
    multi_factor: bool = False
    epochs: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """How often a run may read its corpus, or a slice of it; permits repeats, changes no result (`train.supply`)."""
    recovery: Literal["skip-only", "ladder"] = "skip-only"


def load_study(path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Return the study in `path` with `--set` overrides; its name defaults to the file's.

    Raises: StudyError that lists every fault.
    """
    value = read_mapping(path)
    value.setdefault("name", path.stem.lower())
    if isinstance(value.get("base"), str):
        value["base"] = _base(value["base"], path)
    return with_known_tiers(parse_study(apply_overrides(value, overrides), str(path)), str(path))


def parse_study(value: Mapping[str, Any], where: str) -> Study:
    """Return the study that `value` describes.

    Raises: StudyError that lists every fault of form, or every broken rule of comparison.
    """
    try:
        study: Study = validate(Study, dict(value), where)
    except RecipeError as error:
        raise StudyError(str(error)) from None
    raise_faults(StudyError, where, _faults(study))
    return study


def with_known_tiers(study: Study, where: str) -> Study:
    """Return the study with every tier under its full name (`pico` is `pico-1x`), and one for each of its budgets.

    All have one evaluation context (rule 6): `micro` beside `nano` is `micro-1x@eval512`.

    Raises: StudyError that lists unknown tiers, names that mean the same one, or budgets that cannot be had.
    """
    from train.tier_names import number_text
    from train.tiers import Tier, evaluation_context, load_tier, scored_at

    found: dict[str, tuple[Tier, int]] = {}
    given, faults = _with_budgets(study)
    for name, count in given:
        try:
            tier = load_tier(name, where="tiers")
        except CurateError as error:
            faults.append(str(error))
            continue
        plain = f"{tier.model}-{number_text(tier.multiple)}x"
        if tier.lr_multiplier != 1 and plain not in found:
            faults.append(
                f"tiers: `{name}` is a probe of the learning rate, expected a tier; it may only follow `{plain}` as "
                "its learning-rate interaction control"
            )
            continue
        if tier.name in found:
            faults.append(f"tiers: `{name}` is `{tier.name}`, which is there already; keep one")
        found[tier.name] = (tier, count)
    raise_faults(StudyError, where, faults)
    context = evaluation_context(tier for tier, _ in found.values())
    tiers = {scored_at(tier, context).name: count for tier, count in found.values()}
    return study.model_copy(update={"tiers": tiers, "budgets": ()})


def _with_budgets(study: Study) -> tuple[list[tuple[str, int]], list[str]]:
    """Return tier names with their seeds, one for each budget of the study if it names any, and what is wrong."""
    if not study.budgets:
        return list(study.tiers.items()), []
    given: list[tuple[str, int]] = []
    faults = []
    for name, count in study.tiers.items():
        try:
            given += [(budget, count) for budget in _budget_names(name, study.budgets)]
        except CurateError as error:
            faults.append(str(error))
    return given, faults


def _budget_names(name: str, multiples: tuple[float, ...]) -> list[str]:
    from train.branches import refuse_unbranched, with_budget
    from train.tiers import load_tier

    tier = load_tier(name, where="tiers")
    refuse_unbranched(tier, "budgets")
    if tier.multiple != 1:
        raise StudyError(f"budgets: `{name}` names its budget already; write `{tier.model}`, or drop `budgets`")
    return [with_budget(tier, multiple).name for multiple in multiples]


def refuse_unknown_slices(study: Study, known: Collection[str], where: str) -> None:
    """Check every slice that the study names against the pool's: a misspelt `protect` would protect nothing.

    Raises: StudyError that lists all unknown ones.
    """
    named = [("protect", study.protect), ("trade", study.trade), ("selected_for", study.selected_for)]
    faults = [
        f"{key}: the pool has no slice `{name}`, expected one of its slices; {nearest(name, known)}"
        for key, names in named
        for name in names
        if name not in known
    ]
    raise_faults(StudyError, where, faults)


def _base(name: str, study_path: Path) -> str:
    """Return a base given as a file as a path from the working directory; it may lie beside the study."""
    beside = study_path.parent / name
    return str(beside) if name.endswith((".yaml", ".yml")) and beside.is_file() else name


def _faults(study: Study) -> list[str]:
    faults = []
    if study.kind not in KINDS:
        hint = f"this version runs studies of kind {', '.join(KINDS)}"
        faults.append(f"kind: `{study.kind}` is not available; {hint}")
    for arm, changes in study.vary.items():
        faults += _arm_faults(study, arm, changes)
    both = [name for name in study.trade if name in study.protect]
    faults += [f"trade.{name}: the slice is under `protect` too; keep it under one of them" for name in both]
    return faults


def _arm_faults(study: Study, arm: str, changes: tuple[dict[str, Any], ...]) -> list[str]:
    place = f"vary.{arm}"
    if arm == BASELINE or arm in CONTROLS or any(arm.endswith(f".{control}") for control in CONTROLS):
        return [f"{place}: the name belongs to the base or a control, which are added for you; rename the arm"]
    faults = [fault for change in changes for fault in _change_faults(place, change)]
    components = [component for change in changes for component in component_names(change)]
    if len(components) > 1 and not study.multi_factor:
        faults.append(
            f"{place}: changes {len(components)} components ({', '.join(components)}), expected one (rule 17); "
            "split the arm, or set `multi_factor: true` and give up naming a cause"
        )
    elif any(len(component_names(change)) > 1 for change in changes):
        faults.append(f"{place}: write several changes as a list with one component each")
    if not faults and study.kind == "filter" and "filter" not in components:
        faults.append(f"{place}: changes no filter, but the study's kind is `filter`; add `filter: NAME`")
    return faults


def _change_faults(place: str, change: Mapping[str, Any]) -> list[str]:
    components = component_names(change)
    if not components:
        shown = ", ".join(map(str, change)) or "nothing"
        hint = nearest(str(next(iter(change), "")), COMPONENTS)
        return [f"{place}: changes {shown}, expected one of {', '.join(COMPONENTS)}; {hint}"]
    return [
        f"{place}: an arm of this version cannot change `{component}`, only {', '.join(COMPONENTS)}; "
        "change it in the base recipe, for all arms alike"
        for component in components
        if component not in COMPONENTS
    ]


def component_names(change: Mapping[str, Any]) -> list[str]:
    """Return the components that one change names; the other keys are its parameters."""
    return [key for key in change if key in (*COMPONENTS, *FIXED)]


def change_text(changes: tuple[dict[str, Any], ...]) -> str:
    """Return an arm's change in words, for tables: `filter quality_v3 (keep 0.3)`."""
    shown = []
    for change in changes:
        component = component_names(change)[0]
        params = ", ".join(f"{key} {item}" for key, item in change.items() if key != component)
        shown.append(f"{component} {change[component]}" + (f" ({params})" if params else ""))
    return " and ".join(shown)
