"""Conditions of the study's design: noise measured, arms that differ by the change alone, seeds, budgets, its kind's
required measurements (rules 5, 9, 10, 16, 17).
"""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.gates.case import (
    Case,
    Check,
    Limits,
    Outcome,
    against,
    decided,
    insufficient,
    judged_against,
    matched_epochs,
)
from leaderboard.gates.evidence import TierEvidence
from leaderboard.studies.verdict import epochs_flag


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLimits(Limits):
    """A condition that knows only yes and no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLimits(Limits):
    """Of the measurement of run noise."""

    min_degrees: float
    """Of the pack: 8 seeds give 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedLimits(Limits):
    """Of seeds an arm."""

    min_seeds: int
    min_seeds_if_small: int
    """Where the gain is under `small_gain`."""
    small_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionLimits(Limits):
    """Of epochs without a match."""

    max_epochs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits(Limits):
    """Of multiples of the budget."""

    min_multiples: int


def _noise(case: Case, limits: NoiseLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"≥ {limits.min_degrees:g} degrees of freedom, of at least 8 seeds"
    if tier.noise is None:
        text = tier.noise_reason or f"run noise of {tier.tier} was never measured: no noise pack of 8 seeds"
        return insufficient(text, "noise-pack", evidence=(tier.id,), threshold=threshold)
    fact = tier.noise.fact
    if fact.degrees < limits.min_degrees:
        text = f"the noise pack has {fact.degrees:g} degrees of freedom"
        return insufficient(text, "noise-pack", evidence=(tier.noise.id,), threshold=threshold)
    text = f"sigma {fact.sigma:.3%} of one run, {fact.degrees:g} degrees"
    return decided(True, text, fact.sigma, threshold, (tier.noise.id,))


def _valid(case: Case, _: NoLimits) -> Outcome:
    tier = _tier(case)
    threshold = "nothing done to one side only; controls that are controls"
    if tier.faults:
        text = "; ".join(f"{item.text} (rule {item.rule})" for item in tier.faults)
        return insufficient(text, evidence=(tier.id,), threshold=threshold)
    text = "several components vary: no cause is named" if case.evidence.multi_factor else "one component varies"
    return decided(True, text, True, threshold, (tier.id,))


def _headline(case: Case, _: NoLimits) -> Outcome:
    tier = _tier(case)
    threshold = "≥ 1 slice with 50 families and 1 MB that nothing was fitted to"
    if tier.total is None:
        return insufficient("no slice of the panel may be judged", evidence=(tier.id,), threshold=threshold)
    judged = [item.slice for item in tier.slices if item.judged]
    out = [item.slice for item in tier.slices if item.slice in case.evidence.selected_for]
    text = f"mean over {len(judged)} slices" + (f"; selected for and left out: {', '.join(out)}" if out else "")
    return decided(True, text, len(judged), threshold, (tier.total.id,))


def _seeds(case: Case, limits: SeedLimits) -> Outcome:
    tier = _tier(case)
    left, right = set(tier.arm.seeds), set(tier.baseline.seeds)
    shared = sorted(left & right & set(tier.matched.seeds if tier.matched else left))
    found = against(case, tier, judged_against(tier))
    small = found is not None and abs(found.gain) < limits.small_gain
    least = limits.min_seeds_if_small if small else limits.min_seeds
    threshold = f"seeds 1..n, all {tier.planned_seeds} planned, ≥ {least}"
    cited = (tier.arm.id, tier.baseline.id)
    extra = sorted((left | right) - set(range(1, tier.planned_seeds + 1)))
    if extra:
        text = f"seeds {', '.join(map(str, extra))} are not 1..{tier.planned_seeds}: nobody picks seeds"
        return Outcome(state="fail", text=text, threshold=threshold, evidence=cited, severe=True)
    chose = set(tier.choosing_seeds)
    if shared != sorted(set(range(1, tier.planned_seeds + 1)) - chose):
        text = f"{len(shared)} of {tier.planned_seeds} seeds finished in all arms: the rest may have failed by the arm"
        return insufficient(text, "measure", evidence=cited, threshold=threshold)
    if len(shared) < least:
        return insufficient(f"{len(shared)} seeds", "seeds", evidence=cited, threshold=threshold)
    text = f"seeds {shared[0]}..{shared[-1]}"
    text += f"; {', '.join(map(str, tier.choosing_seeds))} chose the points of the sweep" if chose else ""
    return decided(True, text, len(shared), threshold, cited)


def _repetition(case: Case, limits: RepetitionLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"≤ 1.25x the baseline's epochs, or ≤ {limits.max_epochs:g} epochs and equal-keep controls"
    alike = matched_epochs(tier)
    if alike is None or tier.supply is None or tier.baseline_supply is None:
        return insufficient("unique tokens and epochs are unknown", "measure", evidence=(tier.id,), threshold=threshold)
    own, base = tier.supply.fact.epochs, tier.baseline_supply.fact.epochs
    cited = (tier.supply.id, tier.baseline_supply.id)
    text = f"{own:.2f} epochs, the baseline {base:.2f}"
    if alike:
        return decided(True, text, own, threshold, cited)
    if max(own, base) > limits.max_epochs:
        text += f": over {limits.max_epochs:g} epochs unmatched, repetition and quality cannot be told apart"
        return decided(False, text, own, threshold, cited)
    if tier.matched_supply is None:
        return insufficient(f"{text}: no equal-keep control to compare with", evidence=cited, threshold=threshold)
    if epochs_flag(tier.supply.fact, tier.matched_supply.fact):
        return insufficient(f"{text}: the control repeats unlike the arm", evidence=cited, threshold=threshold)
    return decided(True, f"{text}: judged by random-matched alone", own, threshold, (*cited, tier.matched_supply.id))


def _budgets(case: Case, limits: BudgetLimits) -> Outcome:
    tier = _tier(case)
    found = sorted(item.multiple for item in case.evidence.plain_tiers if item.model == tier.model)
    threshold = f"≥ {limits.min_multiples} multiples of the budget"
    cited = tuple(item.id for item in case.evidence.plain_tiers if item.model == tier.model)
    text = f"{tier.model} at {', '.join(f'{item:g}x' for item in found)}"
    if len(set(found)) < limits.min_multiples:
        return insufficient(text, "budget", evidence=cited, threshold=threshold)
    return decided(True, text, len(set(found)), threshold, cited)


def _kind_seeds(case: Case, _: NoLimits) -> Outcome:
    tier = _tier(case)
    shared = len(set(tier.arm.seeds) & set(tier.baseline.seeds)) + len(tier.choosing_seeds)
    threshold = f"≥ {tier.kind_seeds} seeds, as studies of kind {case.evidence.kind} ask for"
    cited = (tier.arm.id, tier.baseline.id)
    if shared < tier.kind_seeds:
        return insufficient(f"{shared} seeds", "seeds", evidence=cited, threshold=threshold)
    return decided(True, f"{shared} seeds", shared, threshold, cited)


def _measurements(case: Case, _: NoLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"measured: {', '.join(tier.required) or 'nothing more'}"
    found = {item.fact.name: item.id for item in tier.measurements}
    cited = tuple(found[name] for name in tier.required if name in found) or (tier.id,)
    missing = [name for name in tier.required if name not in found]
    if missing:
        return insufficient(f"not measured: {', '.join(missing)}", "measure", evidence=cited, threshold=threshold)
    return decided(True, f"{len(tier.required)} measurements", len(tier.required), threshold, cited)


def _tier(case: Case) -> TierEvidence:
    assert case.tier is not None
    return case.tier


PROTOCOL_CHECKS: dict[str, Check] = {
    "noise-measured": Check(limits=NoiseLimits, judge=_noise),
    "valid-comparison": Check(limits=NoLimits, judge=_valid),
    "headline": Check(limits=NoLimits, judge=_headline),
    "seeds": Check(limits=SeedLimits, judge=_seeds),
    "repetition": Check(limits=RepetitionLimits, judge=_repetition),
    "budgets": Check(limits=BudgetLimits, judge=_budgets),
    "kind-seeds": Check(limits=NoLimits, judge=_kind_seeds),
    "kind-measurements": Check(limits=NoLimits, judge=_measurements),
}
