"""The cheapest work that would clear every open condition, by the training FLOPs of the tiers.

Each open condition says what would mend it; where there are alternatives, the set with the fewest FLOPs is taken. Work
that trains nothing costs no FLOPs. A larger tier needs what the judged one needs, so a tier is proposed with three
seeds; more seeds mean the next look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from curation.errors import CurateError
from leaderboard.gates.case import Case, Need
from leaderboard.gates.report import ConditionResult, NextRuns

SEEDS_OF_NEW = 3
SEEDS_OF_PROBES = 2
SEEDS_OF_PACK = 8
MIN_RATIO = 2.5
"""Of parameters between scales. Source: gate G2."""
PROBES = (0.5, 2.0)
BUDGETS = (0.5, 2.0, 0.25)
NOISE_NEEDS = "noise-pack"
TRAINING_NEEDS: tuple[Need, ...] = ("seeds", "next-tier", "budget", "probes", "longer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one need asks for."""

    tiers: Mapping[str, int] = field(default_factory=dict)
    """Tier -> seeds that it should have."""
    instead_of: str = ""
    """The tier that these stand for."""
    noise_runs: int = 0
    commands: tuple[str, ...] = ()


def cheapest(case: Case, found: Sequence[ConditionResult]) -> NextRuns | None:
    """Return the cheapest work that clears what is open; None when nothing is."""
    open_ones = [item for item in found if item.state == "insufficient"]
    if not open_ones:
        return None
    works = {need: work_of(case, need) for item in open_ones for need in item.needs}  # type: ignore[arg-type]
    able = {need: work for need, work in works.items() if work is not None}
    clears = [item for item in open_ones if any(need in able for need in item.needs)]
    choices = {tuple(need for need in item.needs if need in able) for item in clears}
    best = min(
        (tuple(sorted(set(chosen))) for chosen in product(*sorted(choices))),
        key=lambda chosen: (_flops(case, [able[need] for need in chosen]), chosen),
        default=(),
    )
    chosen = [able[need] for need in best]
    tiers = _merged(case, chosen)
    changed = any(tiers.get(name) != count for name, count in _planned(case).items()) or set(tiers) - set(
        _planned(case)
    )
    commands = [_study_command(tiers)] if changed else []
    kept = [able[need] for need in best if not (changed and need == "measure")]  # a run of other tiers measures too
    commands += [command for work in kept for command in work.commands]
    return NextRuns(
        tiers=tiers if changed else {},
        runs=_num_runs(case, chosen),
        flops=_flops(case, chosen),
        commands=tuple(dict.fromkeys(commands)),
        clears=tuple(item.name for item in clears),
        open=tuple(item.name for item in open_ones if item not in clears),
    )


def work_of(case: Case, need: Need) -> Work | None:
    """Return what a need asks for; None where it cannot be had."""
    if need == "seeds":
        return _seeds(case)
    if need == "next-tier":
        return _next_tier(case)
    if need == "budget":
        return _budget(case)
    if need == "probes":
        return _probes(case)
    if need == "longer":
        return _longer(case)
    if need == "noise-pack":
        return _noise(case)
    texts = {
        "measure": "curate study run STUDY.yaml   # reads runs and corpora again: the result is of an older version",
        "again": "curate study run STUDY.yaml   # tries again; first mend what the condition says",
        "suites": "curate study run STUDY.yaml   # with `suites:` in the study: scores the models that are there",
        "law": "curate fit compare --runs STUDY_DIR --baseline baseline --candidate ARM",
        "document": "curate submit STUDY_DIR --to BOARD   # the board assigns the seed and keeps the reports",
    }
    return Work(commands=(texts[need],))


def _seeds(case: Case) -> Work | None:
    tier = case.tier
    if tier is None:
        return None
    have = min(len(tier.arm.seeds), len(tier.baseline.seeds))
    count = case.looks.next_look(have)
    return None if count is None else Work(tiers={tier.tier: count})


def _next_tier(case: Case) -> Work | None:
    """Return the cheapest tier that makes a scale more: the first that may decide, or one 2.5 times as large."""
    known = [item for item in case.evidence.evidence_tiers if item.num_params]
    models = {item.model for item in known}
    for name, flops, params in ladder():
        ratio = params / max((item.num_params or 0 for item in known), default=1)
        if flops and name.rpartition("-")[0] not in models and (not known or ratio >= MIN_RATIO):
            return Work(tiers={name: SEEDS_OF_NEW})
    return None


def _budget(case: Case) -> Work | None:
    tier = case.tier
    if tier is None:
        return None
    have = {item.multiple for item in case.evidence.plain_tiers if item.model == tier.model}
    for multiple in BUDGETS:
        name = f"{tier.model}-{multiple:g}x"
        if multiple not in have and flops_of(name) is not None:
            return Work(tiers={name: max(SEEDS_OF_NEW, len(tier.arm.seeds))})
    return None


def _longer(case: Case) -> Work | None:
    """Return the judged tier's model at a budget that tells, in place of the one that was too small to."""
    tier = case.tier
    if tier is None:
        return None
    multiple = 1.0 if tier.multiple < 1 else 2 * tier.multiple
    name = f"{tier.model}-{multiple:g}x"
    if flops_of(name) is None:
        return None
    return Work(tiers={name: len(tier.arm.seeds)}, instead_of=tier.tier)


def _probes(case: Case) -> Work | None:
    plain = next(iter(case.evidence.evidence_tiers), None)
    if plain is None:
        return None
    return Work(tiers={f"{plain.tier}@lr{value:g}": SEEDS_OF_PROBES for value in PROBES})


def _noise(case: Case) -> Work | None:
    if case.tier is None:
        return None
    name = case.tier.tier
    commands = (
        f"curate noise train BASELINE_CORPUS --tier {name} --seeds {SEEDS_OF_PACK}",
        f"curate noise build --tier {name}",
    )
    return Work(noise_runs=max(0, SEEDS_OF_PACK - len(case.tier.baseline.seeds)), commands=commands)


def _planned(case: Case) -> dict[str, int]:
    return {item.tier: max(item.planned_seeds, len(item.arm.seeds)) for item in case.evidence.tiers}


def _merged(case: Case, works: Sequence[Work]) -> dict[str, int]:
    tiers = _planned(case)
    for work in works:
        for name, count in work.tiers.items():
            tiers[name] = max(count, tiers.get(name, 0))
    replaced = {work.instead_of for work in works}
    return {name: count for name, count in tiers.items() if name.partition("@")[0] not in replaced}


def _num_runs(case: Case, works: Sequence[Work]) -> int:
    planned, tiers = _planned(case), _merged(case, works)
    added = sum(max(0, count - planned.get(name, 0)) for name, count in tiers.items())
    return added * case.evidence.num_recipes + sum(work.noise_runs for work in works)


def _flops(case: Case, works: Sequence[Work]) -> float:
    planned, tiers = _planned(case), _merged(case, works)
    own = {item.tier: item.flops for item in case.evidence.tiers}
    total = 0.0
    for name, count in tiers.items():
        added = max(0, count - planned.get(name, 0))
        total += added * case.evidence.num_recipes * (own.get(name) or flops_of(name) or math.inf) if added else 0.0
    noise = case.tier.flops if case.tier is not None else 0.0
    return total + noise * sum(work.noise_runs for work in works)


def _study_command(tiers: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name}: {count}" for name, count in tiers.items())
    return f"curate study run STUDY.yaml --set 'tiers={{{listed}}}'"


@lru_cache(maxsize=1)
def ladder() -> tuple[tuple[str, float, int], ...]:
    """Return our tiers that may decide as (name, FLOPs of a run, parameters), cheapest first."""
    from train.tiers import load_tier, tier_names

    tiers = [load_tier(name) for name in tier_names()]
    own = [tier for tier in tiers if tier.evidence and tier.family == "ladder"]
    return tuple(
        (tier.name, float(tier.num_flops), tier.shape.total_params)
        for tier in sorted(own, key=lambda one: one.num_flops)
    )


@lru_cache(maxsize=256)
def flops_of(name: str) -> float | None:
    """Return the training FLOPs of a run of a tier; None for one that is not ours."""
    from train.tiers import load_tier

    try:
        return float(load_tier(name).num_flops)
    except CurateError:
        return None
