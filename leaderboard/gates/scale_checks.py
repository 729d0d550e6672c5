"""Conditions across scales: sign of the gain, order of recipes, learning rate, cost (rule 11)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from leaderboard.gates.case import (
    Case,
    Check,
    Limits,
    Outcome,
    against,
    decided,
    insufficient,
    judged_against,
    share,
)
from leaderboard.gates.evidence import Peer, TierEvidence
from leaderboard.gates.statistics import quantile, stouffer, upper_tail


@dataclass(frozen=True, slots=True, kw_only=True)
class SignLimits(Limits):
    """Of the gain at every scale."""

    min_scales: int
    min_scale_ratio: float
    """Of parameters, largest to smallest."""
    max_stouffer_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLimits(Limits):
    """Of the order of recipes."""

    max_inversions: int
    min_winner_kept: float
    resolved_p: float
    """Two-sided; a pair is resolved where its difference is that unlikely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits(Limits):
    """Of probes of the learning rate."""

    multipliers: tuple[float, ...]
    opposite_p: float
    """One-sided; a loss less likely than that is no noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits(Limits):
    """Of what must be known of cost."""

    required: tuple[str, ...]
    max_epochs_at_target: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One recipe at one tier: its gain over the baseline."""

    arm: str
    gain: float
    variance: float
    degrees: float
    id: str = field(default="", compare=False)


def scales(case: Case) -> tuple[TierEvidence, ...]:
    """Return one tier that may decide for each model, its largest budget, smallest model first."""
    found: dict[str, TierEvidence] = {}
    for item in case.evidence.evidence_tiers:
        found[item.model] = item
    return tuple(sorted(found.values(), key=lambda item: item.num_params or item.flops))


def scale_ratio(tiers: tuple[TierEvidence, ...]) -> float:
    """Return how many times larger the largest model is than the smallest; by FLOPs where parameters are unknown."""
    if len(tiers) < 2:
        return 1.0
    first, last = tiers[0], tiers[-1]
    if first.num_params and last.num_params:
        return last.num_params / first.num_params
    return math.sqrt(last.flops / first.flops) if first.flops else math.inf


def _same_sign(case: Case, limits: SignLimits) -> Outcome:
    threshold = (
        f"gain > 0 at ≥ {limits.min_scales} scales ≥ {limits.min_scale_ratio:g}x apart, "
        f"together p ≤ {limits.max_stouffer_p:g}"
    )
    tiers = scales(case)
    found = [(item, against(case, item, judged_against(item))) for item in tiers]
    known = [(item, test) for item, test in found if test is not None and test.p is not None]
    cited = tuple(item.total.id for item, _ in known if item.total is not None)
    ratio = scale_ratio(tiers)
    listed = ", ".join(f"{item.tier} {share(test.gain)}" for item, test in known)
    lost = [item.tier for item, test in known if test.gain <= 0]
    opposed = [test for _, test in known if test.t is not None and test.t <= -quantile(0.95, test.degrees)]
    if opposed:
        return decided(False, f"the sign turns: {listed}", ratio, threshold, cited)
    if len(known) < limits.min_scales or ratio < limits.min_scale_ratio:
        text = f"{len(known)} scales, {ratio:.1f}x apart" + (f": {listed}" if listed else "")
        return insufficient(text, "next-tier", evidence=cited, threshold=threshold)
    p = stouffer([test.p for _, test in known if test.p is not None])
    assert p is not None
    text = f"{listed}; together p {p:.2g}"
    if not lost and p <= limits.max_stouffer_p:
        return decided(True, text, p, threshold, cited)
    last = max((test.num_seeds for _, test in known), default=0)
    if last < case.looks.last:
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    return decided(False, text, p, threshold, cited)


def places(case: Case, tier: TierEvidence) -> tuple[Place, ...]:
    """Return the study's recipes at a tier as gains over the baseline, the baseline first with gain 0."""
    found = [Place(arm="baseline", gain=0.0, variance=0.0, degrees=math.inf)]
    own = against(case, tier, "baseline")
    for peer in tier.peers:
        if peer.arm == case.evidence.arm and own is not None and own.se is not None:
            found.append(Place(arm=peer.arm, gain=own.gain, variance=own.se**2, degrees=own.degrees, id=peer.effect.id))
        elif peer.effect.se is not None:
            found.append(_place(peer))
    return tuple(found)


def _place(peer: Peer) -> Place:
    se = peer.effect.se or 0.0
    degrees = peer.effect.degrees or 2.0 * max(1, peer.effect.num_seeds - 1)
    return Place(arm=peer.arm, gain=peer.effect.gain, variance=se**2, degrees=degrees, id=peer.effect.id)


def beaten_p(left: Place, right: Place) -> float:
    """Return the one-sided p of `left` being no better than `right`.

    Both gains share the baseline's runs, whose part of the variance cancels between two arms: half of each sum.
    """
    variance = left.variance + right.variance
    if left.variance > 0 and right.variance > 0:
        variance /= 2
    if variance <= 0:
        return 0.0 if left.gain > right.gain else 1.0
    return upper_tail((left.gain - right.gain) / math.sqrt(variance), min(left.degrees, right.degrees))


def rank_stability(case: Case, limits: RankLimits) -> Outcome:
    """Return whether recipes resolved at the smallest and the largest scale stand in one order (rule 11).

    The winner is kept against the rivals that it beats beyond noise at the small scale; where it beats none, against
    all.
    """
    threshold = f"≤ {limits.max_inversions} significant inversions, P(winner kept) ≥ {limits.min_winner_kept:g}"
    tiers = scales(case)
    if len(tiers) < 2:
        return insufficient("one scale: no order to compare", "next-tier", threshold=threshold)
    small = {item.arm: item for item in places(case, tiers[0])}
    large = {item.arm: item for item in places(case, tiers[-1])}
    names = [name for name in small if name in large]
    cited = tuple(item.id for item in (*small.values(), *large.values()) if item.id)
    if len(names) < 2:
        return insufficient("fewer than two recipes at both scales", "seeds", evidence=cited, threshold=threshold)
    level = limits.resolved_p / 2
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    both = [(a, b) for a, b in pairs if _resolved(small[a], small[b], level) and _resolved(large[a], large[b], level)]
    turned = [(a, b) for a, b in both if (small[a].gain > small[b].gain) != (large[a].gain > large[b].gain)]
    winner = max(names, key=lambda name: (small[name].gain, name))
    others = [name for name in names if name != winner]
    rivals = [name for name in others if _resolved(small[winner], small[name], level)] or others
    kept = max(0.0, 1 - sum(beaten_p(large[winner], large[name]) for name in rivals))
    text = (
        f"{len(both)} of {len(pairs)} pairs resolved at {tiers[0].tier} and {tiers[-1].tier}, {len(turned)} inverted; "
        f"winner {winner} kept with P ≥ {kept:.2f}"
    )
    if len(turned) > limits.max_inversions:
        return decided(False, f"{text}: {'; '.join(f'{a} and {b}' for a, b in turned)}", kept, threshold, cited)
    if kept < limits.min_winner_kept:
        return insufficient(text, "seeds", evidence=cited, threshold=threshold)
    return decided(True, text, kept, threshold, cited)


def _resolved(left: Place, right: Place, level: float) -> bool:
    return min(beaten_p(left, right), beaten_p(right, left)) <= level


def _rate(case: Case, limits: RateLimits) -> Outcome:
    names = ", ".join(f"x{value:g}" for value in limits.multipliers)
    threshold = f"gain at learning rates {names}"
    probes = rates(case, limits.multipliers)
    if not probes:
        return insufficient(f"no tier was trained at {names}", "probes", threshold=threshold)
    found = [(item, against(case, item, judged_against(item))) for item in probes]
    cited = tuple(item.total.id if item.total else item.id for item, _ in found)
    gains = [(item, test) for item, test in found if test is not None]
    if len(gains) < len(probes):
        text = "a learning rate has no gain to compare"
        return insufficient(text, "probes", evidence=cited, threshold=threshold)
    listed = ", ".join(f"x{item.lr_multiplier:g} {share(test.gain)}" for item, test in gains)
    text = f"{probes[0].model}: {listed}"
    if all(test.gain > 0 for _, test in gains):
        return decided(True, text, True, threshold, cited)
    lost = [
        f"x{item.lr_multiplier:g}"
        for item, test in gains
        if test.gain <= 0 and (test.t is None or upper_tail(-test.t, test.degrees) <= limits.opposite_p)
    ]
    if lost:
        return decided(False, f"{text}: the gain hangs on the learning rate", False, threshold, cited)
    return insufficient(f"{text}: within noise", "probes", evidence=cited, threshold=threshold)


def rates(case: Case, multipliers: tuple[float, ...]) -> tuple[TierEvidence, ...]:
    """Return the cheapest tier that has all learning rates, by rate; empty when none has."""
    for plain in case.evidence.plain_tiers:
        same = [item for item in case.evidence.tiers if (item.model, item.multiple) == (plain.model, plain.multiple)]
        found = {item.lr_multiplier: item for item in same}
        if all(value in found for value in multipliers):
            return tuple(found[value] for value in sorted(multipliers))
    return ()


def _cost(case: Case, limits: CostLimits) -> Outcome:
    tier = case.tier
    assert tier is not None
    threshold = f"all of {', '.join(limits.required)}; epochs at the target ≤ {limits.max_epochs_at_target:g}"
    known = costs(case, tier)
    cited = tuple(item.id for item in (tier.cost, case.evidence.corpus_cost) if item is not None) or (tier.id,)
    missing = [name for name in limits.required if known.get(name) is None]
    epochs = case.evidence.epochs_at_target
    if epochs is not None and epochs > limits.max_epochs_at_target:
        text = f"the corpus would be read {epochs:.1f} times at the target"
        return decided(False, text, epochs, threshold, cited)
    if missing:
        return insufficient(f"not known: {', '.join(missing)}", "measure", evidence=cited, threshold=threshold)
    text = ", ".join(f"{name} {known[name]:g}" for name in limits.required)
    return decided(True, text, epochs or 0.0, threshold, cited)


def costs(case: Case, tier: TierEvidence) -> dict[str, float | None]:
    """Return what is known of an arm's cost at a tier, by the names that the gates' file asks for."""
    run = tier.cost.fact if tier.cost else None
    corpus = case.evidence.corpus_cost.fact if case.evidence.corpus_cost else None
    kept = corpus.kept_token_fraction if corpus else None
    return {
        "corpus-cpu-hours": corpus.cpu_hours if corpus else None,
        "corpus-gpu-hours": corpus.gpu_hours if corpus else None,
        "kept-token-fraction": kept if kept is not None else (run.kept_token_fraction if run else None),
        "unique-tokens": tier.supply.fact.unique_tokens if tier.supply else None,
        "epochs-at-target": case.evidence.epochs_at_target,
        "tokens-per-second": run.tokens_per_second if run else None,
        "device-hours": (run.cpu_hours if run.device == "cpu" else run.gpu_hours) if run else None,
    }


SCALE_CHECKS: dict[str, Check] = {
    "same-sign": Check(limits=SignLimits, judge=_same_sign),
    "rank-stability": Check(limits=RankLimits, judge=rank_stability),
    "learning-rate": Check(limits=RateLimits, judge=_rate),
    "cost": Check(limits=CostLimits, judge=_cost),
}
