"""Studies: the YAML that names a base recipe, one change, the tiers with their seeds, and what must not get worse.

```yaml
hypothesis: a quality classifier lowers bits per byte on prose beyond what reweighting explains
kind: filter                         # or dedup, mixture, tokenizer, optimizer: `curate study kinds`
base: dclm-baseline@1                # a shipped recipe's name, or a path
pool: {path: data/**/*.parquet}      # optional; replaces the base's
vary: {quality_v3: {filter: quality_v3}}
panel: [held-out]                    # optional; or single settings of the base's: {bytes_per_slice: 200000}
tiers: {pico: 2}                     # tier: seeds 1..n (rule 10)
budgets: [0.5, 1]                    # optional; every tier at these multiples of 1x, from one plateau (rule 16)
epochs: 1                            # how often a corpus smaller than a budget may be read; more than 4 is flagged
protect: [code-python]               # must not get worse (rule 13)
trade: {web-assets: 0.02}            # may get worse by this share of bits per byte
recovery: skip-only                  # or ladder: rewind when the loss goes wrong (docs/training.md, Stability)
selected_for: [docs]                 # drawn on by a classifier or search; left out of the headline (rule 2)
promote: gates                       # or all: which arms go on to larger tiers (docs/studies.md, Promotion)
suites: [small]                      # scored after each training; where a task is above chance it is judged
decision: ["if code gains and prose does not pay, scale up"]   # optional; in words, frozen with the rest
rollback: {early_points: [0.02, 0.05, 0.1, 0.2], prediction_interval: 0.99, actions: [pause, rewind]}   # optional
```
An arm is one change of one component; several changes are a list and need `multi_factor: true` (rule 17).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from curation.errors import CurateError, StudyError, nearest, raise_faults
from curation.mix_names import unknown_slices
from curation.recipe import MixSpec, Spec, Strings, read_mapping, validate
from curation.yamlio import apply_overrides
from leaderboard.studies.rollback import RollbackPlan

BASELINE = "baseline"
MAX_SEEDS = 64
HELD_OUT = "held-out"
"""The panel that is split off the pool; every study has it (rule 1)."""


def _as_changes(value: object) -> object:
    """Turn one change into a list of it; a bare name or nothing is told how a change looks."""
    changes = value if isinstance(value, (list, tuple)) else (value,)
    for item in changes:
        if not isinstance(item, Mapping):
            named = item if isinstance(item, str) and item.strip() else "NAME"
            raise ValueError(f"{item!r} is no change, expected a mapping; write e.g. `{{filter: {named}}}`")
    return tuple(changes)


def _as_panel(value: object) -> object:
    """Turn a list of panels into settings of the base's: `held-out`, and `{name: files}` for target documents."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        return value
    targets: dict[str, Any] = {}
    for item in names:
        if isinstance(item, Mapping):
            targets.update(item)
        elif item != HELD_OUT:
            raise ValueError(
                f"unknown panel `{item}`, expected `{HELD_OUT}`, or `{{NAME: FILES}}` for documents of your own; "
                f"{nearest(str(item), [HELD_OUT])}"
            )
    if HELD_OUT not in names:
        raise ValueError(f"no `{HELD_OUT}` among {list(names)}, which every study has (rule 1); add it")
    return {"targets": targets} if targets else {}


Changes = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_as_changes)]


class Study(Spec):
    """Everything that determines a study; see the module's docstring for the keys."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    hypothesis: str = Field(min_length=1, max_length=500)
    kind: str
    base: str
    pool: Any = None
    vary: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")], Changes] = Field(min_length=1)
    panel: Annotated[dict[str, Any], BeforeValidator(_as_panel)] = Field(default_factory=dict)
    tiers: dict[str, Annotated[int, Field(ge=1, le=MAX_SEEDS)]] = Field(min_length=1)
    budgets: tuple[Annotated[float, Field(gt=0)], ...] = ()
    protect: Strings = ()
    trade: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    selected_for: Strings = ()
    multi_factor: bool = False
    epochs: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """How often a run may read its corpus, or a slice of it; permits repeats, changes no result (`train.supply`)."""
    recovery: Literal["skip-only", "ladder"] = "skip-only"
    promote: Literal["all", "gates"] | None = None
    """Which arms go on to the next tier; None: `all` for one or two arms, `gates` for more."""
    suites: Strings = ()
    """Suites of tasks that every finished run is scored on."""
    decision: Strings = ()
    """What would be decided in which case, in words; frozen before the first training and shown beside the result."""
    rollback: RollbackPlan | None = None
    """When the final run is looked at and stopped; None: the plan that ships with the project."""


def load_study(path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Return the study in `path` with `--set` overrides; its name defaults to the file's.

    Raises: StudyError that lists every fault of words, tiers and arms.
    """
    from leaderboard.studies.arms import arm_faults
    from leaderboard.studies.study_faults import read_words

    value = read_mapping(path)
    value.setdefault("name", path.stem.lower())
    read = read_words(_beside(apply_overrides(value, overrides), path), str(path))
    study, faults = _known_tiers(read.study) if "tiers" not in read.broken else (read.study, [])
    if not read.broken & {"kind", "base", "vary", "pool", "panel"}:
        told = tuple(f"{fault.partition(':')[0]}:" for fault in read.faults if fault.startswith("vary."))
        faults += [fault for fault in arm_faults(study, str(path)) if not fault.startswith(told)]
    raise_faults(StudyError, str(path), list(dict.fromkeys([*read.faults, *faults])))
    return study


def parse_study(value: Mapping[str, Any], where: str) -> Study:
    """Return the study that `value` describes.

    Raises: StudyError that lists every fault of form, and every broken rule of comparison.
    """
    from leaderboard.studies.study_faults import read_words

    read = read_words(value, where)
    raise_faults(StudyError, where, read.faults)
    return read.study


def with_known_tiers(study: Study, where: str) -> Study:
    """Return the study with every tier under its full name (`pico` is `pico-1x`), and one for each of its budgets.

    All have one evaluation context (rule 6): `micro` beside `nano` is `micro-1x@eval512`.

    Raises: StudyError that lists unknown tiers, names that mean the same one, or budgets that cannot be had.
    """
    known, faults = _known_tiers(study)
    raise_faults(StudyError, where, faults)
    return known


def _known_tiers(study: Study) -> tuple[Study, list[str]]:
    """Return the study with full names of its tiers, and what is wrong with them; with a fault the study as it is."""
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
        if tier.variant not in ("", f"lr{number_text(tier.lr_multiplier)}"):
            faults.append(f"tiers: `{name}` trains otherwise, expected a tier; write `{plain}` and an arm that does")
            continue
        if tier.lr_multiplier != 1 and plain not in found:
            faults.append(
                f"tiers: `{name}` is a probe of the learning rate, expected a tier; it may only follow `{plain}` as "
                "its learning-rate interaction control"
            )
            continue
        if tier.name in found:
            faults.append(f"tiers: `{name}` is `{tier.name}`, which is there already; keep one")
        found[tier.name] = (tier, count)
    if faults:
        return study, faults
    context = evaluation_context(tier for tier, _ in found.values())
    tiers = {scored_at(tier, context).name: count for tier, count in found.values()}
    return study.model_copy(update={"tiers": tiers, "budgets": ()}), []


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
    for arm, changes in study.vary.items():
        for mix in (change["mix"] for change in changes if isinstance(change.get("mix"), Mapping)):
            faults += unknown_slices(validate(MixSpec, mix, f"{where}: vary.{arm}.mix"), known, f"vary.{arm}.mix.")
    raise_faults(StudyError, where, faults)


def _beside(value: dict[str, Any], study_path: Path) -> dict[str, Any]:
    """Return the study's words with the files that they name as paths from the working directory.

    The base, a recipe and a tokenizer of an arm may lie beside the study.
    """

    def found(name: object) -> object:
        near = study_path.parent / name if isinstance(name, str) and name.endswith((".yaml", ".yml", ".json")) else None
        return str(near) if near is not None and near.is_file() else name

    def changes(value: object) -> object:
        if isinstance(value, list):
            return [changes(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {key: found(item) if key in ("recipe", "tokenizer") else item for key, item in value.items()}

    vary = value.get("vary")
    arms = {"vary": {name: changes(item) for name, item in vary.items()}} if isinstance(vary, dict) else {}
    return {**value, **({"base": found(value["base"])} if "base" in value else {}), **arms}
