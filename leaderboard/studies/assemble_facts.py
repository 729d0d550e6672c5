"""A result's facts beside its comparisons, from runs, corpora and scores: what gates read (`leaderboard.gates`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from curation.panel_leak import PanelLeak
from curation.randomness import stable_hash
from leaderboard.compare_arms import Rules, compare_arms
from leaderboard.comparison.attribution import Factors, attribute
from leaderboard.noise.find import Found as NoiseFound
from leaderboard.scores import SliceScores, TierScores
from leaderboard.studies.attribution_facts import Attribution
from leaderboard.studies.decision_facts import (
    Confirmation,
    ContaminationCounts,
    DecisionFacts,
    HalfDelta,
    NoiseUsed,
    Plumbing,
)
from leaderboard.studies.facts import (
    CheckpointDelta,
    CorpusIntegrity,
    Cost,
    Facts,
    FamilyDelta,
    Look,
    Measurement,
    Promotion,
    SuiteScores,
)
from leaderboard.studies.leave_one_out import moved_points
from leaderboard.studies.papers import reports_of
from leaderboard.studies.results import Assessment
from leaderboard.studies.rollback import RollbackPlan, default_plan
from leaderboard.studies.run_facts import checkpoint_deltas, logged, run_cost
from leaderboard.studies.study import BASELINE
from leaderboard.studies.trained import BuiltArm, TrainedRun
from leaderboard.studies.verdict import is_laptop_tier

HALVES = ("selection", "held-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was found beside runs and comparisons."""

    store: Path | None = None
    """Root of the store, where the runs' clocks are; None when there are none."""
    integrity: Mapping[str, CorpusIntegrity] = field(default_factory=dict)
    """By arm."""
    leaks: Mapping[str, PanelLeak] = field(default_factory=dict)
    """By arm: what of the panel its corpus holds."""
    corpus_seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall seconds by arm that building its corpus took beyond what earlier arms had built; absent where unknown."""
    suites: tuple[SuiteScores, ...] = ()
    families: tuple[FamilyDelta, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    promotion: tuple[Promotion, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)
    plumbing: tuple[Plumbing, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    epochs_at_target: Mapping[str, float] = field(default_factory=dict)
    """By arm: how often its corpus is read at the largest tier of the study."""
    rollback: RollbackPlan | None = None
    """None: the plan that ships with the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One tier's scores, and the noise that they were judged with."""

    scores: TierScores
    noise: NoiseFound
    rules: Rules


def facts_of(
    arms: Sequence[BuiltArm],
    runs: Sequence[TrainedRun],
    assessments: Sequence[Assessment],
    judged: Mapping[str, Judged],
    given: Gathered,
) -> Facts:
    """Return the facts of a study's result."""
    return Facts(
        checkpoints=tuple(_checkpoints(runs, assessments)),
        suites=given.suites,
        families=given.families,
        measurements=given.measurements,
        costs=tuple(_costs(arms, runs, given)),
        promotion=given.promotion,
        looks=tuple(_looks(assessments, judged, runs)),
        attributions=tuple(_attributions(arms, assessments, judged)),
        protocol=dict(given.protocol),
        decision=DecisionFacts(
            noise=tuple(_noise(judged)),
            halves=tuple(halves_of(assessments, judged)),
            contamination=tuple(_contamination(arms, given)),
            plumbing=given.plumbing,
            reports=reports_of(arms, runs, given.integrity, given.rollback or default_plan()),
            confirmations=given.confirmations,
            epochs_at_target=dict(given.epochs_at_target),
        ),
    )


def _checkpoints(runs: Sequence[TrainedRun], assessments: Sequence[Assessment]) -> Iterable[CheckpointDelta]:
    logs = {run.artifact.fingerprint + run.arm: logged(run.artifact, run.arm, run.tier) for run in runs}
    for item in assessments:
        here = [log for log in logs.values() if log.tier == item.tier]
        names = item.total.headline_slices or tuple(one.slice for one in item.total.slices)
        yield from checkpoint_deltas(here, item.arm, BASELINE, names)


def _costs(arms: Sequence[BuiltArm], runs: Sequence[TrainedRun], given: Gathered) -> Iterable[Cost]:
    tokens = {built.arm.name: int(str(built.corpus.summary["num_tokens"])) for built in arms}
    base = tokens.get(BASELINE, 0)
    kept = {name: number / base if base else None for name, number in tokens.items()}
    for built in arms:
        name = built.arm.name
        seconds = given.corpus_seconds.get(name)
        hours = None if seconds is None else seconds / 3_600
        yield Cost(
            arm=name, tier="", num_runs=0, wall_seconds=seconds, cpu_hours=hours, gpu_hours=0.0,
            tokens_per_second=None, device="cpu", kept_token_fraction=kept[name],
        )  # fmt: skip
    if given.store is None:
        return
    for arm, tier in dict.fromkeys((run.arm, run.tier) for run in runs):
        own = [run.artifact for run in runs if (run.arm, run.tier) == (arm, tier)]
        yield run_cost(arm, tier, own, given.store, kept.get(arm))


def _looks(
    assessments: Sequence[Assessment], judged: Mapping[str, Judged], runs: Sequence[TrainedRun]
) -> Iterable[Look]:
    """One look a tier: a result that was written was seen, with so many seeds."""
    for tier in judged:
        arms = tuple(item.arm for item in assessments if item.tier == tier)
        panels = {str(run.artifact.summary["panel_digest"]) for run in runs if run.tier == tier}
        seeds = min((len(item.total.seeds) for item in assessments if item.tier == tier), default=0)
        if arms and panels:
            yield Look(subject="panel", digest=min(panels), tier=tier, seeds=seeds, arms=arms, number=1)


def _attributions(
    arms: Sequence[BuiltArm], assessments: Sequence[Assessment], judged: Mapping[str, Judged]
) -> Iterable[Attribution]:
    """Yield where the gain of every arm with leave-one-out arms comes from, tier by tier."""
    mixes = {built.arm.name: built.arm.recipe.mix for built in arms}
    for item in assessments:
        without = {one.arm.left_out: one.arm.name for one in arms if one.arm.left_out and one.arm.of == item.arm}
        if not without:
            continue
        moved = moved_points(mixes[BASELINE], mixes[item.arm]) or {}
        raised = tuple(sorted(name for name, points in moved.items() if points > 0))
        one = judged[item.tier]
        rules = sorted({reason.rule for reason in item.reasons})
        found = attribute(
            one.scores,
            Factors(arm=item.arm, baseline=BASELINE, raised=raised, without=without),
            one.rules,
            dropped=one.noise.dropped,
            reason=f"{item.tier} decides nothing here: rules {', '.join(map(str, rules))}" if rules else "",
        )
        if found is not None:
            yield found


def _noise(judged: Mapping[str, Judged]) -> Iterable[NoiseUsed]:
    for tier, one in judged.items():
        prior = one.noise.headline  # also where these runs scatter more: the gates drop it themselves and ask for seeds
        if prior is not None:
            yield NoiseUsed(
                tier=tier,
                sigma=prior.sigma,
                degrees=prior.degrees,
                pack=one.noise.pack,
                sigma_upper=one.noise.cautious,
            )


def halves_of(assessments: Sequence[Assessment], judged: Mapping[str, Judged]) -> Iterable[HalfDelta]:
    """Gains on either half of the panel's families; tiers that decide nothing are left out."""
    for item in assessments:
        one = judged[item.tier]
        if is_laptop_tier(item.tier) or not item.total.headline_judged:
            continue
        for half in HALVES:
            scores = _half(one.scores, half, item.total.headline_slices)
            found = compare_arms(scores, item.arm, BASELINE, one.rules).headline if scores else None
            if found is not None:
                yield HalfDelta(
                    arm=item.arm, tier=item.tier, half=half, log_ratio=found.log_ratio, low=found.low, high=found.high
                )


def _half(scores: TierScores, half: str, names: Sequence[str]) -> TierScores | None:
    """Return the scores of one half of the families, which a hash of their names draws; None if a slice is empty."""
    slices = {}
    for name in names:
        one = scores.slices[name]
        mask = np.array([stable_hash(f"half|{family}") % 2 == HALVES.index(half) for family in one.families])
        if not mask.any():
            return None
        slices[name] = SliceScores(
            slice=name,
            families=tuple(family for family, kept in zip(one.families, mask, strict=True) if kept),
            nats=one.nats[mask],
            num_bytes=one.num_bytes[mask],
            num_docs=one.num_docs,
        )
    return TierScores(tier=scores.tier, runs=scores.runs, slices=slices) if slices else None


def _contamination(arms: Sequence[BuiltArm], given: Gathered) -> Iterable[ContaminationCounts]:
    for built in arms:
        name = built.arm.name
        found, leak = given.integrity.get(name), given.leaks.get(name)
        if found is None and leak is None:
            continue
        stages = [stage for stage in built.arm.recipe.stages if stage.kind == "decontaminate"]
        hit, checked = (found.items_hit, found.items_checked) if found else (None, None)
        yield ContaminationCounts(
            arm=name,
            decontaminated=any(stage.params.get("remove", "document") != "none" for stage in stages),
            exact_items=hit,
            overlap_fraction=hit / checked if hit is not None and checked else None,
            panel_exact=leak.exact if leak else None,
            panel_near=leak.near if leak else None,
        )
