"""What `curate compare` compares: arms of a study, or two sides of runs, seeds and published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from curation.errors import CurateError, RunError, nearest
from curation.files import Json
from curation.store import Store
from leaderboard.comparison.checks import Check, checks
from leaderboard.comparison.finding import find_side, find_study, study_sides
from leaderboard.comparison.marks import with_kept
from leaderboard.comparison.outcome import Question, compare_sides
from leaderboard.comparison.sides import Side, shared_places, without_tier
from leaderboard.comparison.verdicts import Outcome
from leaderboard.noise.find import known_packs
from leaderboard.noise.pack import NoisePack
from leaderboard.studies.results import RESULT_FILE, Comparison, StudyResult, read_result
from leaderboard.studies.study import BASELINE

LONGEST_NAME = 40
"""A recipe called by more is called by a fingerprint."""
Packs = Sequence[tuple[Path, NoisePack]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One pair of sides: every place where they meet, and the checks over them."""

    outcomes: tuple[Outcome, ...]
    checks: tuple[Check, ...]
    decision: tuple[str, ...] = ()
    """What the study would decide in which case, in its own words."""


def compared(
    store: Store,
    names: Sequence[str],
    *,
    arm: str | None = None,
    against: str | None = None,
    control: str | None = None,
) -> list[Compared]:
    """Return what the command's arguments compare: a study's arms, or side A with side B.

    Raises: RunError for arguments that are neither, ResultsError or RunError for sides that cannot be compared.
    """
    if len(names) == 1:
        if control:
            raise RunError("compare: --control names the control of two sides, but one study was given; drop it")
        study = find_study(store, names[0])
        return _of_study(store, study or _must_be_study(store, names[0]), arm=arm, against=against or BASELINE)
    if len(names) != 2:
        raise RunError(f"compare: {len(names)} arguments, expected one study directory or two runs")
    if arm or against:
        raise RunError("compare: --arm and --against choose arms of one study, but two runs were given; drop them")
    return [_of_sides(store, names[0], names[1], control)]


def comparisons(store: Store, names: Sequence[str], *, arm: str | None, against: str | None) -> list[Comparison]:
    """Return the comparisons of panels alone. Raises: as `compared`."""
    found = compared(store, names, arm=arm, against=against)
    return [one.panels[0] for pair in found for one in pair.outcomes if one.panels]


def compared_json(found: Sequence[Compared]) -> Json:
    """Return everything as plain JSON: one object a pair of sides and place, the panel's comparison in its old form."""
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(Comparison)
    listed: list[Json] = []
    for pair in found:
        told = cast("list[Json]", [asdict(one) for one in pair.checks])
        for one in pair.outcomes:
            panel = cast("Mapping[str, Json]", adapter.dump_python(one.panels[0], mode="json") if one.panels else {})
            own: dict[str, Json] = {
                "arm": one.a,
                "against": one.b,
                "tier": one.place.tier,
                "place": one.place.label,
                "checkpoint": one.place.checkpoint,
                "seeds": list(one.seeds),
                "suites": list(one.suites),
                "rows": cast("list[Json]", [asdict(row) for row in one.rows]),
                "got_worse": [row.name for row in one.regressions],
                "verdict": one.verdict,
                "reasons": cast("list[Json]", [asdict(reason) for reason in one.reasons]),
                "notes": list(one.notes),
                "invalid": one.invalid,
                "checks": told,
                "protect": cast("list[Json]", [asdict(item) for item in one.protect]),
                "attribution": cast("Json", asdict(one.attribution)) if one.attribution else None,
                "decision": list(pair.decision),
            }
            listed.append({**panel, **own})
    return listed


def _must_be_study(store: Store, name: str) -> StudyResult:
    if not Path(name).exists() or not (Path(name) / RESULT_FILE).exists():
        try:
            side = find_side(store, name)
        except CurateError:
            return read_result(Path(name))
        models = f"{len(side.models)} model{'s' if len(side.models) > 1 else ''}"
        raise RunError(
            f"compare: one side given, `{name}` ({models}), two needed; `curate compare {name} OTHER`: a comma joins "
            "runs of one side, a space parts the sides"
        )
    return read_result(Path(name))


def _of_study(store: Store, result: StudyResult, *, arm: str | None, against: str) -> list[Compared]:
    known = [item.name for item in result.arms]
    if against not in known and f"{arm}.{against}" in known:  # with several arms each has controls of its own
        against = f"{arm}.{against}"
    for name in (arm, against):
        if name is not None and name not in known:
            raise RunError(f"study {result.name}: no arm `{name}`; {nearest(name, known)}")
    chosen = [arm] if arm else [item.name for item in result.arms if item.name != against]
    sides = study_sides(store, result)
    packs = known_packs(store.root)
    found = []
    for name in chosen:
        if name in sides and against in sides and set(sides[name].places()) & set(sides[against].places()):
            found.append(_of_arms(result, sides, (name, against), packs))
    if not found:
        raise RunError(f"study {result.name}: no tier has runs of both {', '.join(chosen)} and {against}; rerun it")
    return found


def _of_arms(result: StudyResult, sides: Mapping[str, Side], which: tuple[str, str], packs: Packs) -> Compared:
    """Compare two arms of a study; against the baseline the study's own verdict stands."""
    arm, against = which
    roles = {item.name: item for item in result.arms}
    matched = next((item.name for item in result.arms if (item.of, item.role) == (arm, "random-matched")), None)
    filtering = result.kind == "filter" and roles[arm].role == "arm"
    question = Question(
        a=arm,
        b=against,
        matched=matched if matched in sides and matched != against else None,
        needs_control=filtering,
        packs=packs,
    )
    outcomes = compare_sides(sides, question)
    traced = {item.tier: item for item in result.facts.attributions if item.arm == arm}
    given = {item.tier: item for item in result.assessments if item.arm == arm} if against == BASELINE else {}
    judged = []
    for one in outcomes:
        own = given.get(one.place.tier)
        if own is not None:
            notes = (*one.notes, *(f"{note.text} (rule {note.rule})" for note in own.notes))
            one = replace(one, verdict=own.verdict, reasons=own.reasons, notes=notes, protect=own.protect)
            one = replace(one, rows=with_kept(one.rows, own, result.trade), attribution=traced.get(one.place.tier))
        judged.append(one)
    return Compared(outcomes=tuple(judged), checks=tuple(checks(judged)), decision=result.decision)


def _of_sides(store: Store, left: str, right: str, control: str | None) -> Compared:
    """Compare two sides; models without tier meet whatever the other side has."""
    a, b = _labelled(find_side(store, left)), _labelled(find_side(store, right))
    twice = {model.identity for model in a.models} & {model.identity for model in b.models}
    if twice:
        same = next(model.name for model in a.models if model.identity in twice)
        raise RunError(f"compare: {left} and {right} are one run ({same}); expected two")
    if a.label == b.label:
        a, b = replace(a, label=left), replace(b, label=right)
    sides = [a, b] + ([replace(_labelled(find_side(store, control)), label="control")] if control else [])
    if any(not place.tier for side in (a, b) for place in side.places()):
        sides = [without_tier(side) for side in sides]
    by_label = {side.label: side for side in sides}
    shared_places(sides[0], sides[1])
    question = Question(
        a=sides[0].label, b=sides[1].label, matched="control" if control else None, packs=known_packs(store.root)
    )
    outcomes = compare_sides(by_label, question)
    return Compared(outcomes=tuple(outcomes), checks=tuple(checks(outcomes)))


def _labelled(side: Side) -> Side:
    """Return the side under its model's name if it has only one, or its recipe's if results name one in words."""
    names = {model.name for model in side.models}
    if len(names) == 1:
        return replace(side, label=next(iter(names)))
    arms = {model.arm for model in side.models}
    arm = next(iter(arms)) if len(arms) == 1 else ""
    return replace(side, label=arm) if 0 < len(arm) <= LONGEST_NAME else side
