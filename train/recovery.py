"""What a run does about a loss that rises and stays up: rewind, leave data out, reorder it, lower the rate, give up.

The ladder, in runs started with it; the default policy, and that of every scored run, is clipping and skipped steps
alone (`train.steps`). Trouble is a sustained spike (`train.spikes`: 0.15 nats above the median of the last 1,000 steps
for 50 steps), three non-finite steps in a row, or a parameter that is not finite. Answers:

    2  back to the newest scheduled checkpoint at least 100 steps before the onset; the batches from there to 200 steps
       past the onset are never read
    3  again within 2,000 steps: back at least 200 steps and one checkpoint more; the windows from there to 200 steps
       past the onset are read in another order, by a recorded seed
    4  again: as 2, and the learning rate is 0.7 of itself from there on
    5  again: the run ends as unstable

Each answer is data (`Intervention`). The state after step s is a pure function of (corpus, tier, seed, log, s), so a
checkpoint that is missing costs time only, and another run can replay a log. Source: docs/training.md, "Stability";
PaLM (2204.02311) section 5.1 for rewinding about 100 steps and skipping 200 to 500 batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from curation.errors import RunError
from curation.files import Json
from train.order import Edit

if TYPE_CHECKING:
    from curation.store import Artifact

Policy = Literal["skip-only", "ladder", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The numbers of the ladder, in steps."""

    back: int = 100
    past: int = 200
    again_within: int = 2_000
    rate_factor: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a run cannot go on as it is."""

    step: int
    """The last step taken."""
    onset: int
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """One answer: what was seen, and what changed from step `restart` on."""

    level: int
    reason: str
    detected: int
    onset: int
    restart: int
    """The first step that is taken anew and differently."""
    batches: int
    """Left out, or at level 3 reordered."""
    seed: int
    rate_factor: float
    numbers: Mapping[str, float]

    @property
    def edit(self) -> Edit:
        """What becomes of the order of data."""
        kind: Literal["skip", "reorder"] = "reorder" if self.level == 3 else "skip"
        return Edit(kind=kind, step=self.restart, batches=self.batches, seed=self.seed)

    @property
    def text(self) -> str:
        """Return it in words."""
        done = "reordered" if self.level == 3 else "left out"
        rate = f", learning rate x{self.rate_factor:g} from there" if self.rate_factor != 1 else ""
        return (
            f"level {self.level} at step {self.detected}: {self.reason} since step {self.onset}; "
            f"back to step {self.restart}, {self.batches} batches {done}{rate}"
        )


Log = Sequence[Intervention]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The policy of a run; part of its identity."""

    policy: Policy = "skip-only"
    replayed: tuple[Intervention, ...] = ()
    """The log that a `replay` follows from its first step."""
    planned_skips: tuple[int, ...] = ()
    """Steps whose update is left out by configuration."""
    ladder: Ladder = field(default_factory=Ladder)

    def as_json(self) -> dict[str, Json]:
        """Return what belongs to the run's fingerprint."""
        return {
            "policy": self.policy,
            "ladder": asdict(self.ladder) if self.policy == "ladder" else None,
            "replayed": log_json(self.replayed),
            "planned_skips": list(self.planned_skips),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recovery:
        """Return the policy that `as_json` described."""
        return cls(
            policy=value["policy"],
            replayed=log_from_json(value["replayed"]),
            planned_skips=tuple(int(step) for step in value["planned_skips"]),
            ladder=Ladder(**value["ladder"]) if value["ladder"] else Ladder(),
        )


SKIP_ONLY = Recovery()
LADDER = Recovery(policy="ladder")


def log_json(log: Log) -> list[Json]:
    """Return the log as plain JSON."""
    return [asdict(item) for item in log]


def log_from_json(value: Sequence[Mapping[str, Any]]) -> tuple[Intervention, ...]:
    """Return the log that `log_json` wrote."""
    return tuple(Intervention(**item) for item in value)


def edits_of(log: Log) -> tuple[Edit, ...]:
    """Return what the log does to the order of data."""
    return tuple(item.edit for item in log)


def rate_factor(log: Log, step: int) -> float:
    """Return what the learning rate of `step` is multiplied by."""
    return math.prod(item.rate_factor for item in log if item.restart <= step)


def in_effect(log: Log, step: int) -> int:
    """Return how many entries of the log had changed the course of the run by `step`."""
    return sum(item.restart <= step for item in log)


def recovery_of(*, recover: bool, replayed: Artifact | None) -> Recovery:
    """Return the policy that a command asks for: the ladder, the interventions of another run, or skipping alone.

    Raises: RunError for both at once, or a run that was never intervened in.
    """
    if replayed is None:
        return LADDER if recover else SKIP_ONLY
    if recover:
        raise RunError("--replay-interventions: given with --recover; a replay meets no answer of its own; drop one")
    if replayed.kind != "run":
        raise RunError(f"{replayed.path}: holds a {replayed.kind}, expected a run; see `curate show {replayed.path}`")
    log = log_from_json(cast("Sequence[Mapping[str, Any]]", replayed.summary.get("interventions", ())))
    if not log:
        raise RunError(
            f"{replayed.path}: has 0 interventions, expected at least one to replay; train without "
            "--replay-interventions, the two runs compare as they are"
        )
    return Recovery(policy="replay", replayed=log)


def answer(log: Log, trouble: Trouble, *, every: int, ladder: Ladder) -> Intervention:
    """Return the next rung for `trouble` in a run with a checkpoint every so many steps.

    Raises: RunError when the ladder has no rung left.
    """
    last = log[-1] if log else None
    again = last is not None and abs(trouble.onset - last.onset) <= ladder.again_within
    level = last.level + 1 if last is not None and again else 2
    if level > 4:
        raise RunError(
            f"step {trouble.step}: unstable: {trouble.reason} since step {trouble.onset}, after {len(log)} "
            "interventions of which the last lowered the learning rate; expected a run that holds; look at the data "
            "around that step (quarantine.jsonl), or lower the tier's rate"
        )
    restart = _scheduled(trouble.onset - ladder.back, every)
    if level == 3:
        restart = min(_scheduled(trouble.onset - 2 * ladder.back, every), max(0, restart - every))
    return Intervention(
        level=level,
        reason=trouble.reason,
        detected=trouble.step,
        onset=trouble.onset,
        restart=restart,
        batches=trouble.onset + ladder.past - restart,
        seed=len(log) + 1,
        rate_factor=ladder.rate_factor if level == 4 else 1.0,
        numbers=dict(trouble.numbers),
    )


def _scheduled(step: int, every: int) -> int:
    """Return the newest step at or before `step` with a scheduled checkpoint; 0 is the state before the first."""
    return max(0, step // every * every)
