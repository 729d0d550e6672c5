"""What building and training leave: an arm with its corpus, a run with its artifact."""

from __future__ import annotations

from dataclasses import dataclass

from curation.store import Artifact
from leaderboard.studies.arms import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltArm:
    """An arm and the corpus it made."""

    arm: Arm
    corpus: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """A run of an arm and its artifact."""

    arm: str
    tier: str
    seed: int
    artifact: Artifact
