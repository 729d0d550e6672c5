"""What a study's kind asks to be measured: the numbers, what is missing with the command that would mend it, claims.

A number is a `Measurement` under the name that the kind's protocol asks for (`leaderboard/data/kinds`). Where a
requirement is not met its measurement is left out and a `Missing` says why: a gate then answers `insufficient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from curation.files import Json
from leaderboard.studies.facts import Measurement, Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting of a side of an optimizer study: how it did on the seed that chooses."""

    arm: str
    learning_rate_multiplier: float
    batch_multiplier: float
    loss: float | None
    """Mean over headline slices of ln(bits per byte) at the choosing seed; None when that run is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSweep:
    """One optimizer with one group of settings at one tier: its rates and batches, and the best of them."""

    side: str
    """`adamw`, `muon weight_decay=0.05` ..."""
    tier: str
    points: tuple[Point, ...]
    best: str | None
    """The arm that was chosen; None without a run to choose by."""
    at_edge: tuple[str, ...]
    """In words: which edges of the sweep the best lies at; empty when it is inside."""
    chosen_by_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepClaim:
    """A side against the base's, each at its chosen point, on seeds that chose nothing."""

    side: str
    tier: str
    arm: str
    against: str
    fresh_seeds: tuple[int, ...]
    log_ratio: float | None
    """Mean over headline slices of ln(bpb / other's); negative is better. None without a fresh seed."""
    low: float | None
    high: float | None
    choosing_log_ratio: float
    """The same on the seed that chose: too good by the choice itself."""
    why: str = ""
    """Why nothing is claimed; empty when something is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that `curate study measure` says."""

    study: str
    kind: str
    protocol: str
    rule: str
    """The rule of budget: what is equal between arms."""
    measurements: tuple[Measurement, ...]
    missing: tuple[Missing, ...]
    sweeps: tuple[SideSweep, ...] = ()
    claims: tuple[SweepClaim, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that is required was measured."""
        return not self.missing

    def as_json(self) -> dict[str, Json]:
        """Return everything as plain JSON."""
        return {**cast("dict[str, Json]", asdict(self)), "complete": self.complete}


def of_name(measurements: Sequence[Measurement], name: str, **fields: str) -> list[Measurement]:
    """Return the measurements of one name with these values of `arm`, `tier`, `of` or `unit`."""
    return [
        one
        for one in measurements
        if one.name == name and all(getattr(one, key) == value for key, value in fields.items())
    ]
