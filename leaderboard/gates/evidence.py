"""Evidence: what is known of one arm of one study, as gates read it; every record names where it stands.

Built from one StudyResult by `leaderboard.gates.collect.evidence_of`. An id is
`study-result-<fingerprint 8>#<field path>`. Gains are natural log ratios of bits per byte with the sign turned:
**positive is better** for the arm. What is absent is None or empty and makes a condition `insufficient`, never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from leaderboard.studies.decision_facts import (
    Confirmation,
    ContaminationCounts,
    ContaminationGap,
    Forecast,
    HalfDelta,
    NoiseUsed,
    Plumbing,
    Report,
)
from leaderboard.studies.facts import CheckpointDelta, CorpusIntegrity, Cost, FamilyDelta, Measurement, RunFacts
from leaderboard.studies.results import Reason, Supply

Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited(Generic[Fact]):
    """A fact and the id of the place it stands at."""

    fact: Fact
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A gain with its interval (families and seeds); `low` and `high` are None when no noise is known."""

    id: str
    gain: float
    low: float | None
    high: float | None
    num_seeds: int
    se_seeds: float | None = None
    se_families: float | None = None
    degrees: float | None = None

    @property
    def se(self) -> float | None:
        """Standard error over seeds and families; None when either side's run noise is unknown."""
        if self.se_seeds is None:
            return None
        return math.hypot(self.se_seeds, self.se_families or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEffect:
    """The gain in one slice against the baseline."""

    slice: str
    domain: str
    """What it is a sample of (`curation.slices`); `target` for a domain that the study named."""
    effect: Effect
    judged: bool
    why_not: str = ""
    role: str = ""
    """`protect` or `trade` as frozen; empty for a slice that the study does not name."""
    floor: float | None = None
    """Largest loss allowed, as a share; None for a slice without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """One recipe's headline log bits per byte by seed, in the order of seeds."""

    arm: str
    seeds: tuple[int, ...]
    log_bpb: tuple[float, ...]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another recipe of the study at the tier, for screening and ranks; the arm itself is among them."""

    arm: str
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class TierEvidence:
    """Everything known of the arm at one tier (a model with a budget; `@lr2` is a probe of the rate)."""

    id: str
    tier: str
    model: str
    multiple: float
    lr_multiplier: float
    laptop: bool
    """Whether the tier tests plumbing only (rule 18)."""
    num_params: int | None
    num_tokens: int
    flops: float
    """Training FLOPs of one run."""
    planned_seeds: int
    arm: Runs
    baseline: Runs
    matched: Runs | None
    total: Effect | None
    """Against the baseline; None without a slice that may be judged."""
    quality: Effect | None
    """Against `random-matched`; None without the control."""
    rest: Effect | None
    """`random-matched` against the baseline."""
    slices: tuple[SliceEffect, ...]
    noise: Cited[NoiseUsed] | None
    supply: Cited[Supply] | None
    baseline_supply: Cited[Supply] | None
    matched_supply: Cited[Supply] | None
    faults: tuple[Reason, ...] = ()
    """What makes the comparison itself invalid: unequal interventions, a control that is none."""
    health: tuple[Cited[RunFacts], ...] = ()
    baseline_health: tuple[Cited[RunFacts], ...] = ()
    checkpoints: tuple[Cited[CheckpointDelta], ...] = ()
    families: tuple[Cited[FamilyDelta], ...] = ()
    halves: tuple[Cited[HalfDelta], ...] = ()
    confirmation: Cited[Confirmation] | None = None
    gap: Cited[ContaminationGap] | None = None
    plumbing: Cited[Plumbing] | None = None
    cost: Cited[Cost] | None = None
    peers: tuple[Peer, ...] = ()
    choosing_seeds: tuple[int, ...] = ()
    """Seeds that chose the points of a sweep; `arm` and `baseline` are without them."""
    others: tuple[Runs, ...] = ()
    """Every further recipe of the tier, arms and controls: the spread of one run is pooled over them too."""
    noise_reason: str = ""
    """Why no noise pack is used, where one was looked for."""
    kind_seeds: int = 1
    """Fewest seeds that the protocol of the study's kind asks for at the tier's stage."""
    required: tuple[str, ...] = ()
    """Measurements that it asks for there."""
    measurements: tuple[Cited[Measurement], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One time that results on this panel were read for a decision."""

    study: str
    """Fingerprint of the frozen study."""
    name: str
    arm: str
    results: str
    """Digest of what was read."""
    panel: str
    num_seeds: int
    same_study: bool
    """Whether it is another frozen version of the study that is judged, or earlier results of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a gate may read about one arm."""

    id: str
    study: str
    """Fingerprint of the frozen study."""
    name: str
    kind: str
    arm: str
    panel: str
    multi_factor: bool
    runs_before_freeze: int
    tiers: tuple[TierEvidence, ...]
    """From the smallest model and budget to the largest; probes of the learning rate follow their tier."""
    selected_for: tuple[str, ...] = ()
    num_recipes: int = 1
    """Arms, controls and the baseline together: what one more seed trains."""
    num_failures: int = 0
    """Trainings of the arm, its controls or the baseline that did not finish."""
    contamination: Cited[ContaminationCounts] | None = None
    baseline_contamination: Cited[ContaminationCounts] | None = None
    integrity: Cited[CorpusIntegrity] | None = None
    baseline_integrity: Cited[CorpusIntegrity] | None = None
    corpus_cost: Cited[Cost] | None = None
    epochs_at_target: float | None = None
    """Epochs of the arm's supply at the budget that the next decision is about."""
    forecast: Cited[Forecast] | None = None
    reports: tuple[Cited[Report], ...] = ()
    looks: tuple[Look, ...] = ()
    earlier_results: int = 0
    """Earlier results of this study that a gate read for this arm; the looks at 2, 3, 5 seeds allow for them."""

    @property
    def plain_tiers(self) -> tuple[TierEvidence, ...]:
        """Tiers without probes of the learning rate, smallest first."""
        return tuple(item for item in self.tiers if item.lr_multiplier == 1)

    @property
    def evidence_tiers(self) -> tuple[TierEvidence, ...]:
        """Plain tiers that may decide (rule 18)."""
        return tuple(item for item in self.plain_tiers if not item.laptop)


def sorted_tiers(tiers: Sequence[TierEvidence]) -> tuple[TierEvidence, ...]:
    """Return tiers from cheap to dear, each followed by the probes of its learning rate."""
    plain = {(item.model, item.multiple): item.flops for item in tiers if item.lr_multiplier == 1}

    def place(item: TierEvidence) -> tuple[float, str, float, float]:
        flops = plain.get((item.model, item.multiple), item.flops)
        return flops, item.model, abs(math.log(item.lr_multiplier)), item.lr_multiplier

    return tuple(sorted(tiers, key=place))
