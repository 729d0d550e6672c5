"""The judge: evidence and a gates' file in, a report out; no clock, no store, no network, no randomness."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.gates.case import Case, Outcome, against, fragile, insufficient, judged_against
from leaderboard.gates.decide import AVERAGE, decide
from leaderboard.gates.definition import CHECKS, Condition, Gate, Gates
from leaderboard.gates.diagnoses import diagnose
from leaderboard.gates.evidence import Evidence, TierEvidence
from leaderboard.gates.next_runs import cheapest
from leaderboard.gates.report import SCHEMA, ConditionResult, GateReport, LooksTaken, Winner
from leaderboard.gates.run_checks import half
from leaderboard.gates.scale_checks import scale_ratio, scales
from leaderboard.gates.statistics import neutral, sequential
from leaderboard.gates.survival import survival_checks

MIN_RATIO = 2.5
MIN_SCALES_OF_LAST = 3


def judge(evidence: Evidence, gates: Gates, gate: str = "G1") -> GateReport:
    """Return the verdict of a gate on an arm; unknown is `insufficient`, never a pass.

    Raises: KeyError for a gate that the file has not (`gate_of` refuses it with words).
    """
    chosen = gates.gates[gate]
    case = case_of(evidence, gates, chosen)
    conditions = tuple(judged(case, one) for one in binding(evidence, chosen))
    conditions += tuple(_not_failed(evidence, gates, name) for name in chosen.not_failed)
    average = frozenset(one.name for one in chosen.conditions if one.check in AVERAGE)
    found = decide(case, conditions, average)
    return GateReport(
        schema=SCHEMA,
        gates=gates.name,
        gates_digest=gates.digest,
        gate=chosen.name,
        title=chosen.title,
        study=evidence.study,
        name=evidence.name,
        arm=evidence.arm,
        tier=case.tier.tier if case.tier else None,
        decision=found.decision,
        why=found.why,
        conditions=conditions,
        survival=survival_checks(case),
        diagnoses=diagnose(case),
        next_runs=cheapest(case, conditions) if found.decision == "one-more-proxy" else None,
        winner=_winner(case),
        looks=LooksTaken(
            panel=evidence.panel,
            of_this_study=case.earlier,
            earlier_results=evidence.earlier_results,
            of_others=sum(not look.same_study for look in evidence.looks),
            arms=len(case.tier.peers) if case.tier else 0,
        ),
    )


def highest_gate(evidence: Evidence, gates: Gates) -> str:
    """Return the highest gate that the study's tiers reach, of those in the file.

    One tier that may decide reaches G1, two models 2.5 times apart G2, three G3; laptop tiers G0 alone (rule 18).
    """
    case = case_of(evidence, gates, next(iter(gates.gates.values())))
    models = scales(case)
    reached = (
        0 if not models else 1 if scale_ratio(models) < MIN_RATIO else 3 if len(models) >= MIN_SCALES_OF_LAST else 2
    )
    names = sorted(gates.gates)
    return max((name for name in names if int(name[1:]) <= reached), default=names[0])


def case_of(evidence: Evidence, gates: Gates, gate: Gate) -> Case:
    """Return what the conditions of a gate are judged on."""
    tiers = evidence.plain_tiers if gate.smallest else evidence.evidence_tiers
    tier: TierEvidence | None = None
    if tiers:
        tier = tiers[0] if gate.smallest else tiers[-1]
    return Case(
        evidence=evidence,
        tier=tier,
        looks=gates.looks,
        neutral_slice=gates.neutral_slice,
        neutral_points=gates.neutral_points,
        earlier=sum(look.same_study for look in evidence.looks),
    )


def binding(evidence: Evidence, gate: Gate) -> list[Condition]:
    """Return the conditions that bind the study's kind."""
    return [one for one in gate.conditions if not one.kinds or evidence.kind in one.kinds]


def judged(case: Case, condition: Condition) -> ConditionResult:
    """Return one condition, judged."""
    check = CHECKS[condition.check]
    if case.tier is None and not check.any_tier:
        laptop = [item.tier for item in case.evidence.plain_tiers]
        shown = f"{', '.join(laptop)}: laptop tiers test plumbing (rule 18)" if laptop else "nothing was trained"
        text = f"no tier that may decide was compared ({shown})"
        outcome = insufficient(text, "next-tier", evidence=[item.id for item in case.evidence.plain_tiers])
    else:
        outcome = check.judge(case, condition.limits)
    if outcome.state != "insufficient" and isinstance(outcome.value, float) and not math.isfinite(outcome.value):
        outcome = insufficient(f"{outcome.text}: no number", "measure", evidence=outcome.evidence)
    return _result(condition, outcome)


def _result(condition: Condition, outcome: Outcome) -> ConditionResult:
    return ConditionResult(
        name=condition.name,
        state=outcome.state,
        rule=condition.rule,
        title=condition.text,
        text=outcome.text,
        value=outcome.value,
        threshold=outcome.threshold,
        evidence=outcome.evidence,
        needs=outcome.needs,
        severe=outcome.severe,
    )


def _not_failed(evidence: Evidence, gates: Gates, name: str) -> ConditionResult:
    """Return whether an earlier gate was passed: what failed there fails, what was not measured there is not known."""
    gate = gates.gates[name]
    case = case_of(evidence, gates, gate)
    found = [judged(case, one) for one in binding(evidence, gate)]
    failed = [item for item in found if item.state == "fail"]
    unknown = [item for item in found if item.state == "insufficient"]
    text = "; ".join(f"{item.name}: {item.text}" for item in failed)
    if not failed:
        passed = sum(item.state == "pass" for item in found)
        told = f"; not known: {', '.join(item.name for item in unknown)}" if unknown else ""
        text = f"nothing failed: {passed} of {len(found)} conditions pass{told}"
    return ConditionResult(
        name=f"gate-{name.lower()}",
        state="fail" if failed else "insufficient" if unknown else "pass",
        rule=None,
        title=f"{name} is passed",
        text=text,
        value=len(failed),
        threshold="0 failed conditions",
        evidence=tuple(dict.fromkeys(cited for item in _or_all(failed, found) for cited in item.evidence)),
        severe=any(item.severe for item in failed),
        needs=tuple(dict.fromkeys(need for item in unknown for need in item.needs)),
    )


def _or_all(failed: Sequence[ConditionResult], found: Sequence[ConditionResult]) -> Sequence[ConditionResult]:
    return failed or found


def _winner(case: Case) -> Winner:
    tier = case.tier
    if tier is None:
        return Winner(gain=None, low=None, high=None, held_out=None, confirmation=None, fragile=None, neutral=None)
    other = judged_against(tier)
    effect = tier.total if other == "baseline" else tier.quality
    test = against(case, tier, other)
    passes = test is not None and sequential(test, case.looks) == "passes"
    held_out = half(tier, "held-out")
    return Winner(
        gain=effect.gain if effect else None,
        low=effect.low if effect else None,
        high=effect.high if effect else None,
        held_out=-held_out.fact.log_ratio if held_out else None,
        confirmation=-tier.confirmation.fact.log_ratio if tier.confirmation else None,
        fragile=fragile(case, tier, other) if passes else None,
        neutral=neutral(effect.low, effect.high, case.neutral_slice) if effect else None,
    )
