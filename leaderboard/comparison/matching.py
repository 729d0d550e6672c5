"""Which version of a panel or a suite a comparison takes, and who lacks scores on it.

A model may hold scores of one suite at several contexts, or of several versions of its files. Compared is the version
on which most pairs of seeds meet, the first of side A among equals; what is left out is said. Where no version is on
both sides nothing is chosen: the refusal then names the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from leaderboard.comparison.sides import OWN_TRAINER, Model, PanelScores, Place, Side
from train.evals.results import Scored

OWN_SUITES = ("core", "panel", "small")
"""What `curate eval RUN --suite` scores without a file or a folder of one's own."""
Present = Mapping[str, Mapping[int, Model]]
"""Side -> seed -> model, at one place."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """What scores must share to stand in one table."""

    digest: str
    context: int
    metrics: tuple[tuple[str, str], ...] = ()


def matched(present: Present, a: str, b: str) -> tuple[Present, list[str]]:
    """Return the models with one version of each panel and suite that two sides share, and what was left out."""
    notes: list[str] = []
    for kind in ("panels", "suites", "results"):
        for name in _names(present[a], kind):
            chosen = _chosen(present[a], present[b], kind, name)
            if chosen is not None:
                if kind != "results":  # results hold the others once more
                    notes += _left_out((present[a], present[b]), kind, name, chosen)
                present = {
                    label: {seed: _with_only(model, kind, name, chosen) for seed, model in models.items()}
                    for label, models in present.items()
                }
    return present, notes


def lacking(present: Present, a: str, b: str) -> list[str]:
    """Return which models have no scores on a panel or a suite that others of the comparison have."""
    notes, apart = [], []
    seeds = present[a].keys() & present[b].keys()
    known = {label: {seed: set(_names({seed: present[label][seed]}, "")) for seed in seeds} for label in (a, b)}
    for name in dict.fromkeys([*_names(present[a], ""), *_names(present[b], "")]):
        without = [(label, seed) for label in (a, b) for seed in sorted(seeds) if name not in known[label][seed]]
        paired = sorted(seeds - {seed for _, seed in without})
        if not paired:
            apart.append(name)
        elif without:
            models = [present[label][seed] for label, seed in without]
            told = ", ".join(model.name for model in models)
            so = f"its rows pair seed {', '.join(map(str, paired))} only"
            notes.append(f"no scores on {name}: {told}; {so}{_remedy(name, models)}")
    if apart:
        notes.append(f"no seed has scores on both sides, so not compared: {', '.join(apart)}")
    return notes


def unmet(side: Side, places: Sequence[Place]) -> list[str]:
    """Return the models of a side that stand at no place of the other."""
    left: dict[Place, list[str]] = {}
    for model in side.models:
        if model.place not in places:
            left.setdefault(model.place, []).append(model.name)
    return [
        f"{side.label}: {', '.join(names)} at {place.label} meets nothing of the other side there and is left out"
        for place, names in left.items()
    ]


def version_of(scores: PanelScores | Scored) -> Version:
    """Return the version of a panel or suite that was scored."""
    if isinstance(scores, PanelScores):
        return Version(scores.digest, scores.context)
    results = scores.results
    return Version(results.suite.digest, results.context, tuple(sorted(results.metric_versions.items())))


def _remedy(name: str, models: Sequence[Model]) -> str:
    runs = [one.name for one in models if one.trainer == OWN_TRAINER and one.name.startswith("run-")]
    if name not in OWN_SUITES or len(runs) < len(models) or any(one.place.checkpoint is not None for one in models):
        return ""
    return "; " + ", ".join(f"`curate eval {run} --suite {name}`" for run in runs)


def _held(model: Model, kind: str) -> tuple[PanelScores | Scored, ...]:
    if kind == "panels":
        return model.panels
    if kind == "suites":
        return model.suites
    return model.results if kind == "results" else (*model.panels, *model.suites, *model.results)


def _named(scores: PanelScores | Scored) -> str:
    return scores.name if isinstance(scores, PanelScores) else scores.results.suite.name


def _names(models: Mapping[int, Model], kind: str) -> list[str]:
    return list(dict.fromkeys(_named(one) for model in models.values() for one in _held(model, kind)))


def _versions(models: Mapping[int, Model], kind: str, name: str) -> dict[Version, set[int]]:
    """Return the versions of a panel or suite with the seeds that have each."""
    found: dict[Version, set[int]] = {}
    for seed, model in models.items():
        for one in _held(model, kind):
            if _named(one) == name:
                found.setdefault(version_of(one), set()).add(seed)
    return found


def _chosen(ours: Mapping[int, Model], theirs: Mapping[int, Model], kind: str, name: str) -> Version | None:
    left, right = _versions(ours, kind, name), _versions(theirs, kind, name)
    both = [version for version in left if version in right]
    return max(both, key=lambda one: len(left[one] & right[one]), default=None)


def _with_only(model: Model, kind: str, name: str, chosen: Version) -> Model:
    kept = tuple(one for one in _held(model, kind) if _named(one) != name or version_of(one) == chosen)
    return replace(model, **cast("Any", {kind: kept}))


def _left_out(sides: Sequence[Mapping[int, Model]], kind: str, name: str, chosen: Version) -> list[str]:
    others: dict[Version, list[str]] = {}
    for models in sides:
        for model in models.values():
            for one in _held(model, kind):
                if _named(one) == name and version_of(one) != chosen:
                    others.setdefault(version_of(one), []).append(model.name)
    return [
        f"{name}: scores {_differs(version, chosen)} of {', '.join(names)} are left out, compared is "
        f"{_differs(chosen, version).removeprefix('at ').removeprefix('of ')}"
        for version, names in others.items()
    ]


def _differs(version: Version, other: Version) -> str:
    if version.context != other.context:
        return f"at context {version.context}"
    if version.digest != other.digest:
        return f"of digest {version.digest[:8]}"
    told = ", ".join(f"{name} {value}" for name, value in sorted(set(version.metrics) - set(other.metrics)))
    return f"of other metric versions ({told})"
