"""What a study's plan holds: rows by arm, by arm and tier, by tier, and the whole."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.studies.foresight import Doubt
from leaderboard.studies.plan_costs import Disk, Effect, Speed
from leaderboard.studies.versions import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTier:
    """One arm at one tier."""

    tier: str
    unique_tokens: int | None
    tokens_seen: int
    epochs: float | None
    flag: str
    """What rule 4 says of it; empty when nothing."""
    refused: str
    """Why it would not be trained for want of text; empty when it would."""
    runs_reused: int
    runs_to_train: int
    cpu_hours: float
    gpu_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One arm of a plan: what is reused, built and trained, and what is known of its supply."""

    arm: str
    role: str
    of: str
    change: str
    estimated: str
    """How the numbers were guessed; empty when the corpus is built and they are its own."""
    to_build: tuple[str, ...]
    kept_docs: int | None
    kept_tokens: int | None
    """Tokens of the corpus by the recipe's tokenizer, or estimated."""
    filtered_docs: int | None
    """Documents that the arm's filters dropped of those that reached them; None until the corpus is built."""
    disk_bytes: int
    """Of corpus and token shards."""
    token_bytes: int
    """Of them, the token shards."""
    tiers: tuple[ArmTier, ...]
    corpus: str = ""
    """What its corpus is; arms with the same one share it."""
    shards: tuple[str, ...] = ()
    """What its token shards are."""

    @property
    def runs_reused(self) -> int:
        """Runs that the store has."""
        return sum(one.runs_reused for one in self.tiers)

    @property
    def runs_to_train(self) -> int:
        """Runs that it lacks."""
        return sum(one.runs_to_train for one in self.tiers)

    @property
    def epochs(self) -> dict[str, float]:
        """By tier, where something is known."""
        return {one.tier: one.epochs for one in self.tiers if one.epochs is not None}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What would be refused before training, and repeats that would be flagged."""
        told = [f"would be refused: {one.refused}" if one.refused else f"{one.tier}: {one.flag}" for one in self.tiers
                if one.refused or one.flag]  # fmt: skip
        return tuple(dict.fromkeys(told))


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One tier of a plan."""

    tier: str
    seeds: int
    runs_reused: int
    runs_to_train: int
    cpu_hours: float
    gpu_hours: float
    speed: Speed
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """All of a plan."""

    study: str
    kind: str
    fingerprint: str | None
    """None until the pool was read."""
    pool: str
    """`known`, or how its size was guessed."""
    arms: tuple[PlanRow, ...]
    tiers: tuple[TierRow, ...]
    disk: Disk
    doubts: tuple[Doubt, ...]
    tokenizers: tuple[str, ...] = ()
    """That the recipes count kept tokens by."""
    earlier: tuple[Version, ...] = ()
    """Frozen studies of the same name or hypothesis with other words."""
    decision: tuple[str, ...] = ()
    """What would be decided in which case, in the study's words."""

    @property
    def cpu_hours(self) -> float:
        """Of all runs to train."""
        return sum(row.cpu_hours for row in self.tiers)

    @property
    def gpu_hours(self) -> float:
        """Of all runs to train."""
        return sum(row.gpu_hours for row in self.tiers)
