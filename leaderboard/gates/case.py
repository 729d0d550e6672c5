"""What a condition is judged on and what it says: the case, the outcome, and one t-test that all conditions share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from curation.numerics import NoisePrior
from leaderboard.gates.evidence import Effect, Evidence, Peer, Runs, TierEvidence
from leaderboard.gates.statistics import GainTest, Looks, is_fragile, pooled_t, upper_tail
from leaderboard.studies.verdict import epochs_flag

State = Literal["pass", "fail", "insufficient"]
Need = Literal[
    "seeds", "next-tier", "budget", "noise-pack", "probes", "longer", "suites", "measure", "again", "law", "document"
]
"""What would mend an `insufficient`: runs of five kinds, or work that trains nothing.

`measure`: the result lacks what every `study run` measures, so it is older; `again`: it was tried and was not possible.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a condition found; `evidence` are the ids of what it read."""

    state: State
    text: str
    value: float | str | bool | None = None
    threshold: str = ""
    evidence: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    """Each of these would clear an `insufficient`; the cheapest is proposed."""
    severe: bool = False
    """A failure that alone rejects the arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One arm at one gate: its evidence, the tier that decides, and what all conditions share."""

    evidence: Evidence
    tier: TierEvidence | None
    """The largest tier that may decide; at the first gate the smallest of all. None when there is no such tier."""
    looks: Looks
    neutral_slice: float
    neutral_points: float
    earlier: int
    """Looks at other versions of this study, each a try that counts in the multiplicity."""
    cache: dict[str, Any] = field(default_factory=dict, compare=False)


class Limits:
    """What a condition is measured against; each check has its own, every field is set in the gates' file."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A kind of condition: the limits that it takes from the gates' file, and what judges."""

    limits: type[Limits]
    judge: Callable[[Case, Any], Outcome]
    any_tier: bool = False
    """Whether it is judged without a tier that may decide (corpora, reports, laws)."""


def decided(
    held: bool,
    text: str,
    value: float | bool,
    threshold: str,
    evidence: tuple[str, ...],
    *,
    severe: bool = False,
) -> Outcome:
    """Return a pass, or a failure that is `severe` or not."""
    state: State = "pass" if held else "fail"
    failed = severe and not held
    return Outcome(state=state, text=text, value=value, threshold=threshold, evidence=evidence, severe=failed)


def insufficient(text: str, *needs: Need, evidence: Iterable[str] = (), threshold: str = "") -> Outcome:
    """Return the outcome of a condition that cannot be judged."""
    return Outcome(state="insufficient", text=text, needs=needs, evidence=tuple(evidence), threshold=threshold)


def prior_of(tier: TierEvidence) -> NoisePrior | None:
    """Return the prior of a tier's headline, with the cautious sigma; None when no pack measured it."""
    if tier.noise is None:
        return None
    fact = tier.noise.fact
    return NoisePrior(sigma=fact.sigma_upper or fact.sigma, degrees=fact.degrees)


def against(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"]) -> GainTest | None:
    """Return the arm's test at a tier against the baseline or `random-matched`, on the seeds that a look reads."""
    key = f"{tier.tier}|{other}"
    if key not in case.cache:
        case.cache[key] = _against(case, tier, other)
    found: GainTest | None = case.cache[key]
    return found


def sides(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"]) -> tuple[list[float], list[float]]:
    """Return log bits per byte of arm and other over the seeds both have, as many as a look reads."""
    right = tier.baseline if other == "baseline" else tier.matched
    if right is None:
        return [], []
    left_by, right_by = _by_seed(tier.arm), _by_seed(right)
    shared = sorted(left_by.keys() & right_by.keys())
    shared = shared[: case.looks.seeds_read(len(shared))]
    return [left_by[seed] for seed in shared], [right_by[seed] for seed in shared]


def fragile(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"]) -> bool:
    """Whether a gain that passes its look would not pass without one of the two sides' runs."""
    left, right = sides(case, tier, other)
    others = _others(tier, other)
    return is_fragile(left, right, prior_of(tier), case.looks, se_families=_families(tier, other), others=others)


def effect_of(tier: TierEvidence, other: Literal["baseline", "matched"]) -> Effect | None:
    """Return the effect as the study's result states it."""
    return tier.total if other == "baseline" else tier.quality


def matched_epochs(tier: TierEvidence) -> bool | None:
    """Whether arm and baseline repeat alike (rule 4); None when the supply is unknown."""
    if tier.supply is None or tier.baseline_supply is None:
        return None
    return not epochs_flag(tier.supply.fact, tier.baseline_supply.fact)


def judged_against(tier: TierEvidence) -> Literal["baseline", "matched"]:
    """Return whom the arm's gain is taken against: the equal-keep control where epochs differ (rule 4)."""
    return "matched" if matched_epochs(tier) is False else "baseline"


def peer_p(case: Case, tier: TierEvidence) -> dict[str, float]:
    """Return the one-sided p of every arm of the study at a tier; the arm's own from its test."""
    found = {peer.arm: _peer_p(case, peer) for peer in tier.peers}
    own = against(case, tier, judged_against(tier))
    if own is not None and own.p is not None:
        found[case.evidence.arm] = own.p
    return {arm: p for arm, p in found.items() if p is not None}


def share(value: float) -> str:
    """Return a gain or loss as per cent with a sign."""
    return f"{value * 100:+.2f}%"


def _peer_p(case: Case, peer: Peer) -> float | None:
    se = peer.effect.se
    if se is None or se <= 0:
        return None
    degrees = peer.effect.degrees or 2.0 * max(1, peer.effect.num_seeds - 1)
    return upper_tail(peer.effect.gain / se, degrees)


def _against(case: Case, tier: TierEvidence, other: Literal["baseline", "matched"]) -> GainTest | None:
    left, right = sides(case, tier, other)
    others = _others(tier, other)
    return pooled_t(left, right, prior_of(tier), case.looks, se_families=_families(tier, other), others=others)


def _families(tier: TierEvidence, other: Literal["baseline", "matched"]) -> float:
    effect = effect_of(tier, other)
    return (effect.se_families if effect else None) or 0.0


def _others(tier: TierEvidence, other: Literal["baseline", "matched"]) -> list[tuple[float, ...]]:
    """Return the runs of the tier's recipes that are neither side: their spread is pooled too."""
    third = tier.matched if other == "baseline" else tier.baseline
    return [runs.log_bpb for runs in (third, *tier.others) if runs is not None and runs.log_bpb]


def _by_seed(runs: Runs) -> dict[int, float]:
    return dict(zip(runs.seeds, runs.log_bpb, strict=False))
