"""The gates' file: conditions with their limits as versioned YAML, checked key by key, with a digest.

`leaderboard/data/gates/gates@1.yaml` is shipped; `--gates FILE` gives another, and every verdict holds its digest. The
JSON schema `leaderboard/data/gates.schema.json` is generated from the checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from curation.errors import StudyError, nearest, raise_faults
from curation.files import Json, digest_json
from curation.yamlio import load_yaml
from leaderboard.gates.case import Check, Limits
from leaderboard.gates.contamination_checks import CONTAMINATION_CHECKS
from leaderboard.gates.corpus_checks import CORPUS_CHECKS
from leaderboard.gates.forecast_checks import FORECAST_CHECKS
from leaderboard.gates.gain_checks import GAIN_CHECKS
from leaderboard.gates.protocol_checks import PROTOCOL_CHECKS
from leaderboard.gates.run_checks import RUN_CHECKS
from leaderboard.gates.scale_checks import SCALE_CHECKS
from leaderboard.gates.slice_checks import SLICE_CHECKS
from leaderboard.gates.statistics import Looks

SCHEMA = "gates/1"
SHIPPED = "gates@1"
CHECKS: Mapping[str, Check] = {
    **CORPUS_CHECKS,
    **CONTAMINATION_CHECKS,
    **PROTOCOL_CHECKS,
    **GAIN_CHECKS,
    **RUN_CHECKS,
    **SLICE_CHECKS,
    **SCALE_CHECKS,
    **FORECAST_CHECKS,
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _LooksFile(_Strict):
    critical: dict[Annotated[int, Field(ge=2)], Annotated[float, Field(gt=0)]] = Field(min_length=1)
    level: Annotated[float, Field(gt=0, lt=0.5)]
    futile_below: Annotated[float, Field(ge=0)]
    futile_from: Annotated[int, Field(ge=2)]
    excess: Annotated[float, Field(gt=1)]
    seeds_without_prior: Annotated[int, Field(ge=2)]
    level_without_prior: Annotated[float, Field(gt=0, lt=0.5)]


class _NeutralFile(_Strict):
    slice: Annotated[float, Field(gt=0)]
    points: Annotated[float, Field(gt=0)]


class _ConditionFile(_Strict):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    check: str = ""
    rule: Annotated[int, Field(ge=1, le=18)] | None = None
    text: str = Field(min_length=1, max_length=120)
    kinds: tuple[str, ...] = ()
    limits: dict[str, Any]


class _GateFile(_Strict):
    title: str = Field(min_length=1, max_length=60)
    tier: Literal["smallest", "largest"]
    again: tuple[str, ...] = ()
    not_failed: tuple[str, ...] = ()
    conditions: tuple[_ConditionFile, ...] = Field(min_length=1)


class _GatesFile(_Strict):
    schema_: Literal["gates/1"] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9@._-]{0,63}$")
    looks: _LooksFile
    neutral: _NeutralFile
    gates: dict[Annotated[str, Field(pattern=r"^G[0-9]$")], _GateFile] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a gate: what judges it, against what, and which rule asks for it."""

    name: str
    check: str
    rule: int | None
    text: str
    kinds: tuple[str, ...]
    """Kinds of study that it binds; empty for all."""
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate: its conditions, and the earlier gates of which nothing may have failed."""

    name: str
    title: str
    smallest: bool
    """Whether the smallest tier is judged, whatever it is, or the largest that may decide."""
    conditions: tuple[Condition, ...]
    not_failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All gates of a file."""

    name: str
    digest: str
    looks: Looks
    neutral_slice: float
    neutral_points: float
    gates: Mapping[str, Gate]


def load_gates(path: Path | None = None) -> Gates:
    """Return the gates of a file, the shipped ones of none.

    Raises: StudyError that lists every fault, with its place.
    """
    place = path or shipped_path()
    return parse_gates(load_yaml(place), str(path) if path else f"{SHIPPED}.yaml")


def shipped_path() -> Path:
    """Return the file of the shipped gates."""
    return Path(__file__).resolve().parent.parent / "data" / "gates" / f"{SHIPPED}.yaml"


def parse_gates(value: object, where: str) -> Gates:
    """Return the gates that a YAML value describes.

    Raises: StudyError that lists every fault, with its place.
    """
    try:
        file = _GatesFile.model_validate(value)
    except ValidationError as error:
        raise_faults(StudyError, where, [_fault(one) for one in error.errors()])
        raise
    faults: list[str] = []
    own = {name: [_condition(one, f"gates.{name}", faults) for one in gate.conditions] for name, gate in _items(file)}
    known = {one.name: one for conditions in own.values() for one in conditions if one is not None}
    gates = {}
    for name, gate in _items(file):
        faults += _unknown(gate.again, known, f"gates.{name}.again")
        faults += _unknown(gate.not_failed, file.gates, f"gates.{name}.not_failed")
        gates[name] = Gate(
            name=name,
            title=gate.title,
            smallest=gate.tier == "smallest",
            conditions=_conditions([known.get(one) for one in gate.again], own[name]),
            not_failed=gate.not_failed,
        )
    names = [one.name for gate in file.gates.values() for one in gate.conditions]
    faults += [
        f"gates: `{name}` is there twice; rename one" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    raise_faults(StudyError, where, faults)
    looks = Looks(
        critical=dict(file.looks.critical),
        level=file.looks.level,
        futile_below=file.looks.futile_below,
        futile_from=file.looks.futile_from,
        excess=file.looks.excess,
        seeds_without_prior=file.looks.seeds_without_prior,
        level_without_prior=file.looks.level_without_prior,
    )
    return Gates(
        name=file.name,
        digest=digest_json(cast("Json", file.model_dump(mode="json", by_alias=True))),
        looks=looks,
        neutral_slice=file.neutral.slice,
        neutral_points=file.neutral.points,
        gates=gates,
    )


def gates_schema() -> dict[str, Any]:
    """Return the JSON schema of a gates' file; limits are bound to the check that reads them."""
    schema = _GatesFile.model_json_schema(by_alias=True)
    condition = schema["$defs"]["_ConditionFile"]
    condition["allOf"] = [
        {
            "if": _is_check(name),
            "then": {"properties": {"limits": TypeAdapter(check.limits).json_schema()}},
        }
        for name, check in sorted(CHECKS.items())
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Gates of studies", **schema}


def limits_json(limits: Limits) -> dict[str, Json]:
    """Return limits as plain JSON."""
    return cast("dict[str, Json]", TypeAdapter(type(limits)).dump_python(limits, mode="json"))


def gates_json(gates: Gates) -> dict[str, Json]:
    """Return a gates' file as it is judged: every gate with all its conditions and limits."""
    listed: dict[str, Json] = {
        gate.name: {
            "title": gate.title,
            "not_failed": list(gate.not_failed),
            "conditions": [
                {
                    "name": one.name,
                    "check": one.check,
                    "rule": one.rule,
                    "text": one.text,
                    "kinds": list(one.kinds),
                    "limits": limits_json(one.limits),
                }
                for one in gate.conditions
            ],
        }
        for gate in gates.gates.values()
    }
    return {"name": gates.name, "digest": gates.digest, "gates": listed}


def limits_text(limits: Limits) -> str:
    """Return limits in words: `max_loss 0.01, ...`."""
    values = asdict(limits).items()  # type: ignore[call-overload]
    return ", ".join(f"{name} {_shown(value)}" for name, value in values) or "–"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _is_check(name: str) -> dict[str, Any]:
    """Match a condition that names the check, or is called like it and names none."""
    named = {"properties": {"check": {"const": name}}, "required": ["check"]}
    called = {"properties": {"name": {"const": name}}, "not": {"required": ["check"]}}
    return {"anyOf": [named, called]}


def _condition(file: _ConditionFile, where: str, faults: list[str]) -> Condition | None:
    check = file.check or file.name
    if check not in CHECKS:
        faults.append(f"{where}.{file.name}: no check `{check}`, expected a known one; {nearest(check, CHECKS)}")
        return None
    try:
        limits = TypeAdapter(CHECKS[check].limits).validate_python(file.limits)
    except ValidationError as error:
        faults.extend(f"{where}.{file.name}.limits.{_fault(one)}" for one in error.errors())
        return None
    return Condition(name=file.name, check=check, rule=file.rule, text=file.text, kinds=file.kinds, limits=limits)


def _conditions(*parts: list[Condition | None]) -> tuple[Condition, ...]:
    return tuple(one for part in parts for one in part if one is not None)


def _items(file: _GatesFile) -> list[tuple[str, _GateFile]]:
    return sorted(file.gates.items())


def _unknown(names: tuple[str, ...], known: Mapping[str, object], where: str) -> list[str]:
    return [f"{where}: `{name}` is not in this file; {nearest(name, known)}" for name in names if name not in known]


def _fault(error: Any) -> str:
    place = ".".join(map(str, error["loc"])) or "file"
    return f"{place}: {error['msg'].lower()}, got {error['input']!r:.60}"
