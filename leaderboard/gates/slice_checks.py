"""Conditions on slices and downstream families: regressions, targets, and that loss becomes score (rule 13).

A loss of a slice is a share of bits per byte, worse is positive; the interval's worse end is compared too. Without an
interval nothing passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboard.gates.case import Case, Check, Limits, Outcome, decided, insufficient
from leaderboard.gates.evidence import Cited, SliceEffect, TierEvidence
from leaderboard.studies.facts import FamilyDelta

STRICT_KINDS = ("filter",)
"""Kinds of study whose every judged slice must hold; any mixture makes something worse (rule 13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionLimits(Limits):
    """Of losses, as shares of bits per byte."""

    max_loss: float
    max_loss_high: float
    """Of the interval's worse end."""
    max_loss_protected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLimits(Limits):
    """Of losses of targets and protected slices."""

    max_loss_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFamilyLimits(Limits):
    """Of the family that must hold."""

    min_low_points: float
    min_families: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistentLimits(Limits):
    """Of all families together."""

    min_same_sign_fraction: float
    max_negative_families: int
    min_families: int


def loss_of(item: SliceEffect) -> float:
    """Return how much more bits per byte a slice takes, as a share."""
    return math.expm1(-item.effect.gain)


def loss_high(item: SliceEffect) -> float | None:
    """Return the interval's worse end; None without an interval."""
    return None if item.effect.low is None else math.expm1(-item.effect.low)


def is_target(item: SliceEffect) -> bool:
    """Whether the study named the slice as what it is for."""
    return item.domain == "target"


def _severe_regression(case: Case, limits: RegressionLimits) -> Outcome:
    tier = _tier(case)
    threshold = (
        f"loss ≤ {limits.max_loss:.2%}, interval ≤ {limits.max_loss_high:.2%}; protected ≤ "
        f"{limits.max_loss_protected:.2%}; traded ≤ its floor"
    )
    bounds = _bounds(case, tier, limits)
    if not bounds and (not tier.slices or case.evidence.kind in STRICT_KINDS):
        text = "no slice is judged, protected or traded"
        return insufficient(text, "measure", evidence=(tier.id,), threshold=threshold)
    if not bounds:
        worst = max(tier.slices, key=loss_of)
        text = f"the study protects and trades no slice; the least: {_listed([worst])}"
        return decided(True, text, loss_of(worst), threshold, (worst.effect.id,))
    worse = [item for item, most in bounds if not loss_of(item) <= most]  # what is no number is no pass
    beyond = [item for item in worse if item.effect.high is not None and item.effect.high < 0]
    cited = tuple(item.effect.id for item in worse) or (tier.id,)
    if beyond:
        text = f"worse beyond noise: {_listed(beyond)}"
        return decided(False, text, max(map(loss_of, beyond)), threshold, cited, severe=True)
    unclear = [item for item, most in bounds if item not in worse and _too_wide(item, most, limits)]
    if worse:
        text = f"worse, perhaps by noise: {_listed(worse)}"
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    if unclear:
        cited = tuple(item.effect.id for item in unclear)
        return insufficient(f"too wide to say: {_listed(unclear)}", "seeds", evidence=cited, threshold=threshold)
    worst = max((item for item, _ in bounds), key=loss_of)
    text = f"{len(bounds)} slices hold; the least: {_listed([worst])}"
    return decided(True, text, loss_of(worst), threshold, (worst.effect.id,))


def _target_regression(case: Case, limits: TargetLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"interval's worse end ≤ {limits.max_loss_high:.2%}"
    aims = [item for item in tier.slices if is_target(item) or _is_strict(item)]
    if not aims:
        return decided(True, "the study names no target and protects no slice", 0, threshold, (tier.id,))
    highs = {item.slice: loss_high(item) for item in aims}
    cited = tuple(item.effect.id for item in aims)
    unknown = [name for name, high in highs.items() if high is None or not math.isfinite(high)]
    if unknown:
        return insufficient(f"no interval: {', '.join(unknown)}", "seeds", evidence=cited, threshold=threshold)
    above = [item for item in aims if (highs[item.slice] or 0.0) > limits.max_loss_high]
    if not above:
        return decided(True, f"{len(aims)} slices hold", max(map(loss_of, aims)), threshold, cited)
    lost = [item for item in above if item.effect.high is not None and item.effect.high < 0]
    if lost:
        return decided(False, f"worse: {_listed(lost)}", max(map(loss_of, lost)), threshold, cited, severe=True)
    return insufficient(f"too wide to say: {_listed(above)}", "seeds", evidence=cited, threshold=threshold)


def _one_family(case: Case, limits: OneFamilyLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"of ≥ {limits.min_families} families one with its lower end ≥ {limits.min_low_points:g} points"
    able = eligible(tier)
    cited = tuple(item.id for item in able) or (tier.id,)
    if len(able) < limits.min_families:
        text = f"{len(able)} families of tasks are above chance at {tier.tier}"
        return insufficient(text, "suites", evidence=cited, threshold=threshold)
    best = max(able, key=lambda item: item.fact.low if item.fact.low is not None else -math.inf)
    low = best.fact.low
    if low is None:
        return insufficient("no family has an interval", "suites", evidence=cited, threshold=threshold)
    text = f"{best.fact.family} {best.fact.points:+.2f} points, lower end {low:+.2f}"
    if low >= limits.min_low_points:
        return decided(True, text, low, threshold, (best.id,))
    if any(item.fact.high is None or item.fact.high >= 0 for item in able):
        return insufficient(f"{text}: too wide to say", "seeds", evidence=cited, threshold=threshold)
    return decided(False, text, low, threshold, cited)


def _consistent(case: Case, limits: ConsistentLimits) -> Outcome:
    tier = _tier(case)
    threshold = (
        f"≥ {limits.min_same_sign_fraction:.0%} of ≥ {limits.min_families} families gain, "
        f"≤ {limits.max_negative_families} beyond noise worse"
    )
    able = eligible(tier)
    cited = tuple(item.id for item in able) or (tier.id,)
    if len(able) < limits.min_families:
        text = f"{len(able)} families of tasks are above chance at {tier.tier}"
        return insufficient(text, "suites", evidence=cited, threshold=threshold)
    lost = [item.fact.family for item in able if item.fact.high is not None and item.fact.high < 0]
    same = sum(item.fact.points > 0 for item in able) / len(able)
    text = f"{same:.0%} of {len(able)} families gain" + (f"; worse beyond noise: {', '.join(lost)}" if lost else "")
    if len(lost) > limits.max_negative_families:
        return decided(False, text, same, threshold, cited, severe=True)
    if same >= limits.min_same_sign_fraction:
        return decided(True, text, same, threshold, cited)
    open_ones = [item for item in able if item.fact.points <= 0 and (item.fact.high is None or item.fact.high > 0)]
    if open_ones:
        return insufficient(f"{text}; the others within noise", "seeds", evidence=cited, threshold=threshold)
    return decided(False, text, same, threshold, cited)


def eligible(tier: TierEvidence) -> tuple[Cited[FamilyDelta], ...]:
    """Return the families of tasks that may be judged at a tier."""
    return tuple(item for item in tier.families if item.fact.eligible)


def _bounds(case: Case, tier: TierEvidence, limits: RegressionLimits) -> list[tuple[SliceEffect, float]]:
    strict = case.evidence.kind in STRICT_KINDS
    bounds = []
    for item in tier.slices:
        if item.role == "trade" and item.floor is not None:
            bounds.append((item, item.floor))
        elif item.role == "protect" or is_target(item):
            bounds.append((item, min(limits.max_loss_protected, item.floor or limits.max_loss_protected)))
        elif strict and item.judged:
            bounds.append((item, limits.max_loss))
    return bounds


def _too_wide(item: SliceEffect, most: float, limits: RegressionLimits) -> bool:
    high = loss_high(item)
    return high is None or not high <= max(limits.max_loss_high, 2 * most)


def _is_strict(item: SliceEffect) -> bool:
    return item.role == "protect"


def _listed(items: list[SliceEffect]) -> str:
    shown = []
    for item in sorted(items, key=loss_of, reverse=True):
        high = loss_high(item)
        upto = "no interval" if high is None else f"up to {high:+.2%}"
        shown.append(f"{item.slice} {loss_of(item):+.2%} bits per byte ({upto})")
    return ", ".join(shown)


def _tier(case: Case) -> TierEvidence:
    assert case.tier is not None
    return case.tier


SLICE_CHECKS: dict[str, Check] = {
    "severe-regression": Check(limits=RegressionLimits, judge=_severe_regression),
    "target-regression": Check(limits=TargetLimits, judge=_target_regression),
    "downstream-one-family": Check(limits=OneFamilyLimits, judge=_one_family),
    "downstream-consistent": Check(limits=ConsistentLimits, judge=_consistent),
}
