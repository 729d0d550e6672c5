"""Conditions on trainings and their course: stability, the gain before the end, other halves and seeds (rule 10)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from leaderboard.gates.case import Case, Check, Limits, Outcome, decided, insufficient, share
from leaderboard.gates.evidence import Cited, TierEvidence
from leaderboard.studies.decision_facts import HalfDelta
from leaderboard.studies.facts import CheckpointDelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StableLimits(Limits):
    """Of the arm's trainings beside the baseline's."""

    max_spikes_over_baseline: float
    spikes_ignored: float
    """Spike score that is none: one step in a thousand."""
    max_skipped_fraction: float
    max_interventions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeFinalLimits(Limits):
    """Of checkpoints at equal tokens."""

    min_points: int
    min_positive_fraction: float
    must_include_plateau: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutLimits(Limits):
    """Of the half of the panel that selected nothing."""

    min_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationLimits(Limits):
    """Of the seed that the board assigned."""

    min_gain: float


def _stable(case: Case, limits: StableLimits) -> Outcome:
    tier = _tier(case)
    threshold = (
        f"finite; spikes ≤ {limits.max_spikes_over_baseline:g}x the baseline's, skipped ≤ "
        f"{limits.max_skipped_fraction:.2%}, interventions ≤ {limits.max_interventions}"
    )
    own, base = [item.fact for item in tier.health], [item.fact for item in tier.baseline_health]
    cited = tuple(item.id for item in (*tier.health, *tier.baseline_health))
    if not own or not base or len(own) < len(tier.arm.seeds):
        return insufficient("not every training left its record", "measure", evidence=cited, threshold=threshold)
    wrong = []
    if not all(run.finite and not run.diverged for run in own):
        wrong.append("a loss or gradient is no number, or it diverged")
    spikes, usual = fmean(run.spike_score for run in own), fmean(run.spike_score for run in base)
    if spikes > max(limits.spikes_ignored, limits.max_spikes_over_baseline * usual):
        wrong.append(f"spike score {spikes:.4f}, the baseline's {usual:.4f}")
    skipped = max(run.skipped_fraction for run in own)
    if skipped > limits.max_skipped_fraction:
        wrong.append(f"{skipped:.2%} of steps skipped")
    touched = max(run.num_interventions for run in own)
    if touched > limits.max_interventions:
        wrong.append(f"{touched} interventions")
    text = "; ".join(wrong) or f"{len(own)} trainings: spike score {spikes:.4f} (baseline {usual:.4f})"
    return decided(not wrong, text, spikes, threshold, cited)


def _before_final(case: Case, limits: BeforeFinalLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"≥ {limits.min_points} checkpoints, the arm ahead at ≥ {limits.min_positive_fraction:.0%}"
    points = checkpoints(tier)
    cited = tuple(item.id for item in points) or (tier.id,)
    plateau = any(item.fact.phase == "plateau" for item in points)
    if len(points) < limits.min_points or (limits.must_include_plateau and not plateau):
        text = f"{len(points)} checkpoints at equal tokens" + ("" if plateau else ", none before the decay")
        return insufficient(text, "measure", evidence=cited, threshold=threshold)
    ahead = sum(item.fact.log_ratio < 0 for item in points) / len(points)
    text = f"ahead at {ahead:.0%} of {len(points)} checkpoints"
    return decided(ahead >= limits.min_positive_fraction, text, ahead, threshold, cited)


def checkpoints(tier: TierEvidence) -> tuple[Cited[CheckpointDelta], ...]:
    """Return the checkpoints before the end at equal tokens, in order, after warm-up."""
    found = [item for item in tier.checkpoints if item.fact.phase in ("plateau", "decay")]
    return tuple(sorted(found, key=lambda item: item.fact.tokens))


def _held_out(case: Case, limits: HeldOutLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"gain on the held-out half > {limits.min_gain:.2%}"
    found = half(tier, "held-out")
    selected = half(tier, "selection")
    if found is None or selected is None:
        return insufficient("the panel's halves were not compared", "measure", evidence=(tier.id,), threshold=threshold)
    gain = -found.fact.log_ratio
    text = f"{share(gain)} on the held-out half, {share(-selected.fact.log_ratio)} on the half that selects"
    return decided(gain > limits.min_gain, text, gain, threshold, (found.id, selected.id))


def half(tier: TierEvidence, name: str) -> Cited[HalfDelta] | None:
    """Return a half of the panel by name."""
    return next((item for item in tier.halves if item.fact.half == name), None)


def _confirmation(case: Case, limits: ConfirmationLimits) -> Outcome:
    tier = _tier(case)
    threshold = f"gain on the board's seed > {limits.min_gain:.2%}"
    if tier.confirmation is None:
        text = "the board has assigned no confirmation seed, or it was not trained"
        return insufficient(text, "document", evidence=(tier.id,), threshold=threshold)
    gain = -tier.confirmation.fact.log_ratio
    text = f"{share(gain)} on seed {tier.confirmation.fact.seed}"
    return decided(gain > limits.min_gain, text, gain, threshold, (tier.confirmation.id,))


def _tier(case: Case) -> TierEvidence:
    assert case.tier is not None
    return case.tier


RUN_CHECKS: dict[str, Check] = {
    "stable": Check(limits=StableLimits, judge=_stable),
    "before-final": Check(limits=BeforeFinalLimits, judge=_before_final),
    "held-out-half": Check(limits=HeldOutLimits, judge=_held_out),
    "confirmation-seed": Check(limits=ConfirmationLimits, judge=_confirmation),
}
