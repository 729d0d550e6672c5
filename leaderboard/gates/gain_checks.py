"""Conditions on the gain at one tier: a test, looks, control, screening (rules 3, 8, 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from leaderboard.gates.case import (
    Case,
    Check,
    Limits,
    Need,
    Outcome,
    against,
    decided,
    effect_of,
    fragile,
    insufficient,
    judged_against,
    peer_p,
    share,
)
from leaderboard.gates.evidence import TierEvidence
from leaderboard.gates.statistics import GainTest, critical_t, family_wise, screened, sequential

SIDE = {"baseline": "the baseline", "matched": "random-matched"}
LOOKS_FACTOR = 0.025 / 0.01105
"""Nominal to overall one-sided level of three looks. Source: Pocock 1977; training reference 4.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainLimits(Limits):
    """Of a gain tested once."""

    min_gain: float
    max_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectLimits(Limits):
    """Of a gain tested at looks."""

    min_gain_in_sigmas: float
    min_seeds: int
    fragile_blocks_below: int
    """Fewer seeds than these do not carry a gain that one run more or less decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningLimits(Limits):
    """Of many arms at once."""

    method: Literal["benjamini-hochberg", "holm"]
    level: float


def _gain(case: Case, limits: GainLimits) -> Outcome:
    tier = _tier(case)
    return tested_once(case, tier, judged_against(tier), limits)


def _quality(case: Case, limits: GainLimits) -> Outcome:
    tier = _tier(case)
    if tier.matched is None:
        text = "no random-matched control: quality and reweighting cannot be told apart"
        return insufficient(text, "measure", evidence=(tier.id,), threshold=f"p ≤ {limits.max_p:g}")
    return tested_once(case, tier, "matched", limits)


def tested_once(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"], limits: GainLimits) -> Outcome:
    """Return whether the gain is there by one test; before the last look, and not futile, more seeds may show it."""
    found = against(case, tier, other)
    threshold = f"gain > {limits.min_gain:.2%}, one-sided p ≤ {limits.max_p:g}"
    cited = tuple(item.id for item in (effect_of(tier, other),) if item is not None) or (tier.id,)
    if found is None or found.t is None or found.p is None:
        needs: tuple[Need, ...] = ("seeds", "noise-pack") if found else ("measure",)
        text = f"no gain over {SIDE[other]} can be tested"
        return insufficient(text, *needs, evidence=cited, threshold=threshold)
    text = f"{_shown(found)} over {SIDE[other]}, one-sided p {found.p:.2g}"
    look = sequential(found, case.looks)
    if found.gain > limits.min_gain and found.p <= limits.max_p:
        if found.prior_dropped and found.num_seeds < case.looks.seeds_without_prior:
            return insufficient(f"{text}; {_louder(case)}", "seeds", evidence=cited, threshold=threshold)
        return decided(True, text, found.gain, threshold, cited)
    if look == "goes-on":
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    why = {"worse": "worse", "futile": "too small to be found by more seeds"}.get(look, "not found at the last look")
    return decided(False, f"{text}: {why}", found.gain, threshold, cited, severe=look == "worse")


def _effect_beats_noise(case: Case, limits: EffectLimits) -> Outcome:
    tier = _tier(case)
    return at_looks(case, tier, judged_against(tier), limits)


def _quality_beats_noise(case: Case, limits: EffectLimits) -> Outcome:
    tier = _tier(case)
    if tier.matched is None:
        text = "no random-matched control: quality and reweighting cannot be told apart"
        return insufficient(text, "measure", evidence=(tier.id,))
    return at_looks(case, tier, "matched", limits)


def at_looks(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"], limits: EffectLimits) -> Outcome:
    """Return whether the gain beats the critical t of its look and run noise itself."""
    found = against(case, tier, other)
    table = ", ".join(f"{count}: {value:g}" for count, value in sorted(case.looks.critical.items()))
    threshold = f"t ≥ {{{table}}}, gain ≥ {limits.min_gain_in_sigmas:g} sigma, ≥ {limits.min_seeds} seeds"
    cited = tuple(item.id for item in (effect_of(tier, other),) if item is not None) or (tier.id,)
    if found is None or found.t is None or found.sigma is None:
        needs: tuple[Need, ...] = ("seeds", "noise-pack") if found else ("measure",)
        return insufficient(f"no gain over {SIDE[other]} can be tested", *needs, evidence=cited, threshold=threshold)
    needed = f"of {critical_t(found, case.looks):.2f} at {found.degrees:.0f} degrees"
    text = f"{_shown(found)} over {SIDE[other]}, t {found.t:.2f} {needed}, {found.num_seeds} seeds"
    if found.prior_dropped:
        text += f"; {_louder(case)}"
    look = sequential(found, case.looks)
    if look == "passes" and found.num_seeds < limits.min_seeds:
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    if look == "passes":
        if fragile(case, tier, other) and found.num_seeds < limits.fragile_blocks_below:
            return insufficient(f"{text}; fragile: without one run it would not pass", "seeds", evidence=cited)
        held = found.gain >= limits.min_gain_in_sigmas * found.sigma
        return decided(held, text, found.t, threshold, cited)
    if look == "goes-on":
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    return decided(False, f"{text}: {look.replace('-', ' ')}", found.t, threshold, cited, severe=look == "worse")


def _screening(case: Case, limits: ScreeningLimits) -> Outcome:
    tier = _tier(case)
    p_values = peer_p(case, tier)
    own, tries = case.evidence.arm, len(p_values) + case.earlier
    threshold = f"{limits.method} at {limits.level:g} over {tries} tries"
    cited = tuple(peer.effect.id for peer in tier.peers) or (tier.id,)
    if own not in p_values:
        return insufficient("the gain has no p-value", "seeds", "noise-pack", evidence=cited, threshold=threshold)
    if limits.method == "holm":
        test = against(case, tier, judged_against(tier))
        factor = 1.0 if test is not None and test.prior_dropped else LOOKS_FACTOR  # without a prior there is one look
        at_looks_too = {arm: min(1.0, p * factor) for arm, p in p_values.items()}
        marks = family_wise(at_looks_too, alpha=limits.level, earlier=case.earlier)
    else:
        marks = screened(p_values, q=limits.level, earlier=case.earlier)
    counted = f" ({case.earlier} of them earlier looks)" if case.earlier else ""
    text = f"p {p_values[own]:.2g} as one of {tries} tries{counted}"
    if marks[own]:
        return decided(True, text, p_values[own], threshold, cited)
    found = against(case, tier, judged_against(tier))
    if found is not None and sequential(found, case.looks) in ("goes-on", "passes") and _more_seeds(case, found):
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    return decided(False, f"{text}: the luckiest of so many does as well", p_values[own], threshold, cited)


def _more_seeds(case: Case, found: GainTest) -> bool:
    return case.looks.next_look(found.num_seeds) is not None


def _louder(case: Case) -> str:
    return (
        f"its runs scatter more than {case.looks.excess:g} times the measured noise: the prior is dropped and "
        f"{case.looks.seeds_without_prior} seeds are needed"
    )


def _shown(found: GainTest) -> str:
    return f"{share(found.gain)} fewer bits per byte"


def _tier(case: Case) -> TierEvidence:
    assert case.tier is not None
    return case.tier


GAIN_CHECKS: dict[str, Check] = {
    "average-gain": Check(limits=GainLimits, judge=_gain),
    "quality-gain": Check(limits=GainLimits, judge=_quality),
    "effect-beats-noise": Check(limits=EffectLimits, judge=_effect_beats_noise),
    "quality-beats-noise": Check(limits=EffectLimits, judge=_quality_beats_noise),
    "screening": Check(limits=ScreeningLimits, judge=_screening),
}
