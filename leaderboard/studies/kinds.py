"""Kinds of studies as data: what an arm may change, which controls are added, what must be measured before a verdict.

A protocol is `leaderboard/data/kinds/NAME@VERSION.yaml`; the stages of the ladder, which all kinds share, are
`leaderboard/data/ladder@VERSION.yaml`. A measurement that a protocol asks for and a result lacks makes a gate's
condition `insufficient`. A change of a protocol is a new file with a new version, never an edit.
Source: rules 3, 4, 10, 13, 16 of docs/statistics.md; the ladder and the protocols of docs/studies.md.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from curation.errors import RecipeError, StudyError, nearest
from curation.files import Json
from curation.recipe import Spec, as_json, validate
from curation.yamlio import load_yaml

DATA = Path(__file__).resolve().parents[1] / "data"
FOLDER = DATA / "kinds"
LADDER = "ladder@1"
SCHEMA = "study-kind/1"
LADDER_SCHEMA = "study-ladder/1"

StageName = Literal["smoke", "small", "medium", "large", "final"]
Component = Literal["filter", "dedup", "mix", "tokenizer", "optimizer"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class Stage(Spec):
    """One stage of the ladder: which tiers it is trained at and how many candidates enter it."""

    name: StageName
    params: str
    tokens: str
    purpose: str
    models: tuple[str, ...]
    """Tiers of these models belong to it, at any budget."""
    candidates: str
    """In words: `many`, `10-50`."""
    max_candidates: int | None = Field(ge=1)
    """None: no bound."""


class Ladder(Spec):
    """The stages in their order; each model is in at most one."""

    schema_: Literal["study-ladder/1"] = Field(alias="schema")
    name: str
    version: int = Field(ge=1)
    stages: tuple[Stage, ...] = Field(min_length=1)


class ControlRule(Spec):
    """A control that the system adds, and what it tells apart."""

    name: Name
    per: Literal["arm", "study", "side"]
    """One for every arm, one for the whole study, or points of the base as much as of each arm."""
    recipe: str
    separates: str
    rules: tuple[int, ...]


class Seeds(Spec):
    """Fewest seeds 1..n by stage (rules 8, 10)."""

    smoke: int = Field(ge=1)
    small: int = Field(ge=1)
    medium: int = Field(ge=1)
    large: int = Field(ge=1)
    small_gain: int = Field(ge=1)
    """Fewest where the gain is below 1 %."""
    confirmation: int = Field(ge=0)
    """Seeds that the board draws after submission."""


class Budgets(Spec):
    """How many multiples of a tier's budget a claim needs (rule 16)."""

    min_multiples: int = Field(ge=1)
    suggested: tuple[float, ...]
    why: str


class Sizes(Spec):
    """How many model sizes a claim needs."""

    min_models: int = Field(ge=1)
    why: str


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)) or not all(value > 0 for value in values):
        raise ValueError(f"expected different numbers above 0, ascending, got {list(values)}")
    return values


Multipliers = Annotated[tuple[float, ...], Field(min_length=1), AfterValidator(_ascending)]


class Sweep(Spec):
    """Rates and batches at which every side of an optimizer study is trained."""

    learning_rate_multipliers: Multipliers
    """Of the tier's rate; where an arm names none, and for the base."""
    min_learning_rates: int = Field(ge=1)
    batch_multipliers: Multipliers
    min_batches: int = Field(ge=1)


class Measurement(Spec):
    """Something that must have been measured, from which stage of the ladder on it is asked for."""

    name: Name
    stages: tuple[StageName, ...] = Field(min_length=1)
    what: str
    rules: tuple[int, ...]


class Protocol(Spec):
    """Everything that a kind of study fixes."""

    schema_: Literal["study-kind/1"] = Field(alias="schema")
    name: Name
    version: int = Field(ge=1)
    component: Component
    """The one component that an arm may change (rule 17)."""
    summary: str
    question: str
    corpus: Literal["changes", "baseline"]
    """Whether arms have corpora of their own, or all train on the base's."""
    controls: tuple[ControlRule, ...]
    sweep: Sweep | None = None
    seeds: Seeds
    budgets: Budgets
    tiers: Sizes
    protect: Literal["strict", "lax"]
    """`strict`: every judged slice is protected without being named (rule 13)."""
    measurements: tuple[Measurement, ...] = Field(min_length=1)

    @property
    def title(self) -> str:
        """Name and version, `filter@1`."""
        return f"{self.name}@{self.version}"

    @property
    def control_names(self) -> tuple[str, ...]:
        """Names that no arm can take."""
        return tuple(control.name for control in self.controls)

    def required(self, stage: str) -> tuple[Measurement, ...]:
        """Return what must have been measured at a stage of the ladder."""
        return tuple(item for item in self.measurements if stage in item.stages)

    def min_seeds(self, stage: str, *, small_gain: bool = False) -> int:
        """Return the fewest seeds at a stage; `small_gain` for gains below 1 %, which smoke runs never claim."""
        least = {name: int(getattr(self.seeds, name)) for name in ("smoke", "small", "medium", "large")}
        plain = least.get(stage, 1)
        return max(plain, self.seeds.small_gain) if small_gain and stage in ("small", "medium") else plain

    def as_json(self) -> dict[str, Json]:
        """Return the protocol as its file says it."""
        value = as_json(self)
        return {"schema": value.pop("schema_"), **value}


def kind_names() -> list[str]:
    """Return the kinds that there are, sorted."""
    return sorted({path.stem.partition("@")[0] for path in FOLDER.glob("*@*.yaml")})


def load_protocol(kind: str, *, where: str = "kind") -> Protocol:
    """Return the protocol of `filter` or `filter@1`; without a version the newest.

    Raises: StudyError for an unknown kind or version, with the nearest.
    """
    name, _, version = kind.partition("@")
    if name not in kind_names():
        raise StudyError(
            f"{where}: unknown kind `{kind}`, expected one of {', '.join(kind_names())}; "
            f"{nearest(name, kind_names())} `curate study kinds` explains them"
        )
    newest = max(_versions(name))
    if version and version not in map(str, _versions(name)):
        raise StudyError(f"{where}: `{kind}` is not shipped, expected `{name}@{newest}`; write `{name}`")
    return _read_protocol(FOLDER / f"{name}@{version or newest}.yaml")


@cache
def load_ladder() -> Ladder:
    """Return the stages of the ladder."""
    path = DATA / f"{LADDER}.yaml"
    ladder: Ladder = _validated(Ladder, path)
    return ladder


def stage_of(tier: str) -> Stage | None:
    """Return the stage of the ladder that a tier (`micro-0.5x@eval512`) or a model belongs to; None for an unknown."""
    plain = tier.partition("@")[0]
    model = plain.rpartition("-")[0] if plain.endswith("x") and plain.rpartition("-")[0] else plain
    return next((stage for stage in load_ladder().stages if model in stage.models), None)


def json_schema() -> dict[str, Json]:
    """Return the JSON schema of a protocol's file."""
    value: dict[str, Json] = Protocol.model_json_schema(by_alias=True)
    return value


def _versions(name: str) -> list[int]:
    return [int(path.stem.partition("@")[2]) for path in FOLDER.glob(f"{name}@*.yaml")]


@cache
def _read_protocol(path: Path) -> Protocol:
    protocol: Protocol = _validated(Protocol, path)
    return protocol


def _validated(model: type[Spec], path: Path) -> Any:
    try:
        return validate(model, load_yaml(path), str(path))
    except RecipeError as error:
        raise StudyError(str(error)) from None


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, sort_keys=True))
