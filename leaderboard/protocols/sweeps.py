"""Sweeps of an optimizer study: each side at the best of its rates and batches, claimed on seeds that chose nothing.

A side is an optimizer with its settings; its points differ in rate and batch. The best point of a side has the lowest
mean ln(bits per byte) over the headline's slices at seed 1. Best of many is too good by luck (the winner's curse), on
both sides and more on the side with more points, so the gain is claimed on seeds 2..n alone, which chose nothing: there
it is as good as any pre-registered comparison. A best point at an edge of its sweep says that the sweep stopped early.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from leaderboard.compare_arms import Rules, compare_arms
from leaderboard.noise.find import known_packs, noise_for
from leaderboard.protocols.measured import Point, SideSweep, SweepClaim
from leaderboard.protocols.study_runs import MeasuredRun, mean_log_bpb, of_arm
from leaderboard.protocols.tokenizer_report import headline_slices
from leaderboard.scores import ScoredRun, gather
from leaderboard.studies.assemble import scored_run
from leaderboard.studies.results import Comparison, StudyResult
from leaderboard.studies.study import BASELINE
from train.tier_names import number_text
from train.tiers import Tier, load_tier

CHOOSING_SEED = 1


def side_of(tier: Tier, plain: Tier) -> str:
    """Return the side that a variant of `plain` belongs to: its optimizer and settings, whatever its rate and batch."""
    rest = [part for part in tier.variant.split("@") if "=" in part]
    return " ".join([tier.optimizer, *rest])


def rate_of(tier: Tier, plain: Tier) -> float:
    """Return the rate of a variant over that of the study's tier."""
    return round(tier.learning_rate / plain.learning_rate, 9)


def batch_of(tier: Tier, plain: Tier) -> float:
    """Return the batch of a variant over that of the study's tier."""
    return tier.batch_tokens / plain.batch_tokens


def side_sweeps(result: StudyResult, runs: Sequence[MeasuredRun], tier: str) -> list[SideSweep]:
    """Return the sides at one tier, the base's first, each with its best point by the choosing seed."""
    plain, slices = load_tier(tier), headline_slices(result, tier)
    sides: dict[str, dict[str, Tier]] = {}
    here = sorted((run for run in runs if run.result.tier == tier), key=lambda run: run.result.arm != BASELINE)
    for run in here:
        sides.setdefault(side_of(run.trained, plain), {})[run.result.arm] = run.trained
    found = []
    for side, arms in sides.items():
        points = [
            Point(
                arm=arm,
                learning_rate_multiplier=rate_of(trained, plain),
                batch_multiplier=batch_of(trained, plain),
                loss=_choosing_loss(runs, arm, tier, slices),
            )
            for arm, trained in arms.items()
        ]
        found.append(_swept(side, tier, points))
    return found


def _choosing_loss(runs: Sequence[MeasuredRun], arm: str, tier: str, slices: Sequence[str]) -> float | None:
    chosen = [run for run in of_arm(runs, arm, tier) if run.result.seed == CHOOSING_SEED]
    return mean_log_bpb(chosen, slices) if chosen and slices else None


def _swept(side: str, tier: str, points: Sequence[Point]) -> SideSweep:
    known = [point for point in points if point.loss is not None and math.isfinite(point.loss)]
    best = min(known, key=lambda point: (point.loss, point.arm)) if known else None
    ordered = sorted(points, key=lambda point: (point.batch_multiplier, point.learning_rate_multiplier))
    return SideSweep(
        side=side,
        tier=tier,
        points=tuple(ordered),
        best=best.arm if best else None,
        at_edge=tuple(_edges(best, points)) if best else (),
        chosen_by_seed=CHOOSING_SEED,
    )


def _edges(best: Point, points: Sequence[Point]) -> list[str]:
    """Return at which edges of the rates tried at its batch the best point lies."""
    rates = [point.learning_rate_multiplier for point in points if point.batch_multiplier == best.batch_multiplier]
    told = []
    for name, edge, beyond in (("smallest", min(rates), 0.5), ("largest", max(rates), 2.0)):
        if best.learning_rate_multiplier == edge:
            further = number_text(round(edge * beyond, 6))
            told.append(f"the {name} rate, x{number_text(edge)} at batch x{number_text(best.batch_multiplier)}; "
                        f"add x{further}")  # fmt: skip
    return told


def rates_tried(sweep: SideSweep) -> int:
    """Return the most rates that the side was trained at with one batch."""
    batches = {point.batch_multiplier for point in sweep.points}
    return max(len({p.learning_rate_multiplier for p in sweep.points if p.batch_multiplier == one}) for one in batches)


def batches_tried(sweep: SideSweep) -> int:
    """Return at how many batches the side was trained."""
    return len({point.batch_multiplier for point in sweep.points})


def sweep_claims(result: StudyResult, runs: Sequence[MeasuredRun], sweeps: Sequence[SideSweep]) -> list[SweepClaim]:
    """Return every side's claim against the base's side, which is the first of `sweeps` (all of one tier)."""
    base, *others = sweeps
    if base.best is None:
        return []
    return [_claim(result, runs, side, base) for side in others if side.best is not None]


def _claim(result: StudyResult, runs: Sequence[MeasuredRun], side: SideSweep, base: SideSweep) -> SweepClaim:
    assert side.best is not None, "only sides with a chosen point claim anything"
    assert base.best is not None, "as does the base's"
    slices = headline_slices(result, side.tier)
    losses = {point.arm: point.loss for sweep in (side, base) for point in sweep.points}
    own, other = losses[side.best], losses[base.best]
    assert own is not None, "a best point has a loss"
    assert other is not None, "a best point has a loss"
    fresh = sorted(
        {run.result.seed for run in of_arm(runs, side.best, side.tier)}
        & {run.result.seed for run in of_arm(runs, base.best, side.tier)} - {CHOOSING_SEED}
    )
    claim = SweepClaim(
        side=side.side, tier=side.tier, arm=side.best, against=base.best, fresh_seeds=tuple(fresh), log_ratio=None,
        low=None, high=None, choosing_log_ratio=own - other,
    )  # fmt: skip
    if not fresh or not slices:
        return replace(claim, why="no seed that did not choose the points: seed 1 alone says nothing of them")
    found = _fresh_comparison(result, runs, claim)
    if found.headline is None:
        return replace(claim, why="no slice of the panel makes a headline")
    delta = found.headline
    unknown = "" if delta.se_seeds is not None else "seed noise is not in the interval: one seed a point, no noise pack"
    return replace(claim, log_ratio=delta.log_ratio, low=delta.low, high=delta.high, why=found.invalid or unknown)


def _fresh_comparison(result: StudyResult, runs: Sequence[MeasuredRun], claim: SweepClaim) -> Comparison:
    """Return the chosen points against each other on seeds after the first.

    Seed noise is pooled over all points; of those that were not chosen the choosing seed counts too, since there no
    luck was picked.
    """
    scored: list[ScoredRun] = [
        replace(scored_run(run.artifact, run.result.arm), tier=claim.tier)
        for run in runs
        if run.result.tier == claim.tier
        and (run.result.arm not in (claim.arm, claim.against) or run.result.seed != CHOOSING_SEED)
    ]
    selected = frozenset(result.selected_for)
    scores = gather(scored)
    noise = noise_for(scored, scores, known_packs(runs[0].artifact.path.parent), selected)
    interventions = {
        (run.result.arm, run.result.seed): run.result.interventions
        for run in runs
        if run.result.tier == claim.tier and run.result.intervened
    }
    rules = Rules(selected_for=selected, noise=noise.priors, interventions=interventions)
    return compare_arms(scores, claim.arm, claim.against, rules)
