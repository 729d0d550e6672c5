"""What promotion asks of the gates: a gate's report on one arm of a result so far, in three words.

Only what was measured can stop an arm at G0; the gates between stages need every condition to pass (`scale-up`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.studies.promotion import SMOKE_GATE, Answer, Asking
from leaderboard.studies.results import StudyResult

if TYPE_CHECKING:
    from leaderboard.gates.evidence import Look


def asker(folder: Path) -> Asking:
    """Return the asking of the study in `folder`: arms of earlier versions of it count as tries in screening."""

    def ask(result: StudyResult, arm: str, gate: str, tier: str) -> Answer:
        from leaderboard.gates.looks import looks_before

        return ask_gates(result, arm, gate, tier, looks=looks_before(folder, result))

    return ask


def ask_gates(result: StudyResult, arm: str, gate: str, tier: str, looks: Sequence[Look] = ()) -> Answer:
    """Return what `gate` says of an arm after `tier`, by the evidence of the result so far and earlier `looks`."""
    from leaderboard.gates.collect import evidence_of
    from leaderboard.gates.definition import load_gates
    from leaderboard.gates.judge import judge

    evidence = evidence_of(result, arm, looks=looks)
    if gate == SMOKE_GATE:  # asked anew at every tier, of that tier
        evidence = replace(evidence, tiers=tuple(one for one in evidence.tiers if one.tier == tier))
    report = judge(evidence, load_gates(), gate)
    failed = [one for one in report.conditions if one.state == "fail"]
    if report.decision == "scale-up":
        cited = {name for one in report.conditions for name in one.evidence}
        return Answer(state="pass", reason=report.why, evidence=tuple(sorted(cited)))
    if failed:
        told = "; ".join(f"{one.name}: {one.text}" for one in failed)
        cited = {name for one in failed for name in one.evidence}
        return Answer(state="fail", reason=told, evidence=tuple(sorted(cited)))
    unknown = [one for one in report.conditions if one.state == "insufficient"]
    cited = {name for one in report.conditions if one.state == "pass" for name in one.evidence}
    told = f"nothing failed; not measured: {', '.join(one.name for one in unknown)}"
    if gate != SMOKE_GATE and report.next_runs is not None and report.next_runs.commands:
        told += f"; {report.next_runs.commands[0]}"
    return Answer(state="insufficient", reason=told, evidence=tuple(sorted(cited)))
