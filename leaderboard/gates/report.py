"""What a gate says: conditions, decision, survival checks, diagnoses, the next runs; plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from curation.files import Json
from leaderboard.gates.case import State

SCHEMA = "gate-report/1"
Decision = Literal["scale-up", "one-more-proxy", "reject", "target-domain-only", "keep-for-post-training"]
DECISIONS: tuple[Decision, ...] = (
    "scale-up",
    "one-more-proxy",
    "reject",
    "target-domain-only",
    "keep-for-post-training",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionResult:
    """One condition, judged."""

    name: str
    state: State
    rule: int | None
    title: str
    """What is asked."""
    text: str
    """What was found."""
    value: float | str | bool | None
    threshold: str
    evidence: tuple[str, ...]
    needs: tuple[str, ...] = ()
    severe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCheck:
    """A survival check (`pass`, `fail`, `insufficient`) or a diagnosis (`found`, `not-found`, `insufficient`)."""

    name: str
    state: str
    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRuns:
    """The cheapest work that would clear every `insufficient`."""

    tiers: Mapping[str, int]
    """Tier -> seeds 1..n that the study should name."""
    runs: int
    """Trainings that this adds."""
    flops: float
    commands: tuple[str, ...]
    clears: tuple[str, ...]
    """Conditions."""
    open: tuple[str, ...]
    """Conditions that no run clears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The gain as it was selected, and as those parts of the evidence state it that selected nothing."""

    gain: float | None
    low: float | None
    high: float | None
    held_out: float | None
    """On the half of the panel's families that selected nothing."""
    confirmation: float | None
    """On the seed that the board assigned."""
    fragile: bool | None
    """Whether one run more or less would change it; None where it does not pass."""
    neutral: bool | None
    """Whether the interval lies inside the neutral margin (TOST)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksTaken:
    """How often results on this panel were read for a decision."""

    panel: str
    of_this_study: int
    """At other frozen versions of it; they count in the multiplicity."""
    earlier_results: int
    """Of this study, read for this arm; the looks at 2, 3 and 5 seeds allow for them."""
    of_others: int
    arms: int
    """Arms of the study at the deciding tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The verdict of one gate on one arm: a function of evidence and gates' file alone."""

    schema: str
    gates: str
    gates_digest: str
    gate: str
    title: str
    study: str
    name: str
    arm: str
    tier: str | None
    decision: Decision
    why: str
    conditions: tuple[ConditionResult, ...]
    survival: tuple[NamedCheck, ...]
    diagnoses: tuple[NamedCheck, ...]
    next_runs: NextRuns | None
    winner: Winner
    looks: LooksTaken

    def states(self, state: State) -> tuple[str, ...]:
        """Return the names of the conditions in a state."""
        return tuple(item.name for item in self.conditions if item.state == state)


def report_json(report: GateReport) -> dict[str, Json]:
    """Return the report as plain JSON; numbers that are none become text."""
    from dataclasses import asdict

    return cast("dict[str, Json]", _plain(asdict(report)))


def _plain(value: Any) -> Any:
    import math

    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
