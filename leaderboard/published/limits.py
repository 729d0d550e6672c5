"""Limits of the shipped gates that a table of task scores can be held against, and the gates' own verdict on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from curation.files import Json
from leaderboard.gates.definition import Gates, load_gates
from leaderboard.gates.evidence import Evidence, Runs, TierEvidence
from leaderboard.gates.judge import judge
from leaderboard.published.blocks import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """Numbers out of the gates' file."""

    gates: str
    max_p: float
    """`average-gain` of G1, one-sided."""
    screening_level: float
    """`screening` of G1: Benjamini and Hochberg's q."""
    min_same_sign_fraction: float
    """`downstream-consistent` of G2: families of tasks."""
    max_negative_families: int
    min_families: int


def gate_limits(gates: Gates | None = None) -> GateLimits:
    """Return the limits of the shipped gates."""
    found = gates or load_gates()
    return GateLimits(
        gates=found.name,
        max_p=float(_limit(found, "G1", "average-gain", "max_p")),
        screening_level=float(_limit(found, "G1", "screening", "level")),
        min_same_sign_fraction=float(_limit(found, "G2", "downstream-consistent", "min_same_sign_fraction")),
        max_negative_families=int(_limit(found, "G2", "downstream-consistent", "max_negative_families")),
        min_families=int(_limit(found, "G2", "downstream-consistent", "min_families")),
    )


def literal_verdicts(block: Block) -> dict[str, Json]:
    """Return what G1 says of the block's data sets as they were published: without panel, seeds and measured noise."""
    report = judge(_evidence(block), load_gates(), "G1")
    states = Counter(one.state for one in report.conditions)
    return {
        "gate": "G1",
        "decision": report.decision,
        "why": report.why,
        "conditions": dict(sorted(states.items())),
        "insufficient": [one.name for one in report.conditions if one.state == "insufficient"],
        "failed": [one.name for one in report.conditions if one.state == "fail"],
    }


def _limit(gates: Gates, gate: str, condition: str, name: str) -> float:
    found = next(one for one in gates.gates[gate].conditions if one.name == condition)
    value: float = getattr(found.limits, name)
    return value


def _evidence(block: Block) -> Evidence:
    """Return what the gates may read of a candidate of the block: one run, no documents; the same for each of them."""
    nothing = Runs(arm="", seeds=(), log_bpb=(), id="published#runs")
    first = block.at_small[0]
    tier = TierEvidence(
        id="published#tier",
        tier=block.small,
        model=block.small.rpartition("-")[0],
        multiple=1.0,
        lr_multiplier=1.0,
        laptop=False,
        num_params=None,
        num_tokens=0,
        flops=first.flops,
        planned_seeds=1,
        arm=nothing,
        baseline=nothing,
        matched=None,
        total=None,
        quality=None,
        rest=None,
        slices=(),
        noise=None,
        supply=None,
        baseline_supply=None,
        matched_supply=None,
    )
    return Evidence(
        id="published",
        study="0" * 64,
        name="published",
        kind="filter",
        arm="candidate",
        panel="",
        multi_factor=False,
        runs_before_freeze=0,
        tiers=(tier,),
    )
