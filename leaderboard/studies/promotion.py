"""Which arms go on from a tier: a function of the results so far, of nothing else.

Tiers are trained from the cheapest to the dearest. After each, gate G0 is asked of every arm: one that fails it is
broken, is trained no further and enters no table. That is all a laptop tier may stop (rule 18), and all that happens
where the study says `promote: all`. With `promote: gates` an arm also needs a scale-up from the gate of its stage
(small G1, medium G2; `leaderboard/data/ladder@1.yaml`) before it is trained at the next, and no more arms go on than
that stage has candidates: those with the largest gain. Controls follow their arm, the baseline follows any arm.
A gate that lacks evidence is no pass: the arm waits, and says what for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboard.studies.arms import Arm
from leaderboard.studies.facts import Promotion
from leaderboard.studies.kinds import stage_of
from leaderboard.studies.results import Assessment, StudyResult
from leaderboard.studies.study import BASELINE, Study
from leaderboard.studies.verdict import is_laptop_tier
from train.tiers import load_tier

SMOKE_GATE = "G0"
GATE_AFTER: Mapping[str, str] = {"small": "G1", "medium": "G2"}
"""Stage of the ladder -> gate between it and the next."""
ALL_UP_TO = 2
"""A study of so few arms promotes all that work unless it says otherwise: there is nobody to choose among."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a gate says of an arm, as far as promotion asks."""

    state: str
    """`pass`, `fail` or `insufficient`."""
    reason: str
    evidence: tuple[str, ...] = ()


Asking = Callable[[StudyResult, str, str, str], Answer]
"""(result so far, arm, gate, tier) -> answer."""


def policy_of(study: Study) -> str:
    """Return `all` or `gates`: what the study says, else by its number of arms."""
    return study.promote or ("all" if len(study.vary) <= ALL_UP_TO else "gates")


def tiers_in_order(study: Study) -> list[str]:
    """Return the study's tiers from the cheapest to the dearest; probes of a learning rate beside their tier."""
    place = {name: number for number, name in enumerate(study.tiers)}
    return sorted(study.tiers, key=lambda name: (load_tier(name).num_flops, place[name]))


def going_on(arms: Sequence[Arm], promotion: Sequence[Promotion], tier: str, order: Sequence[str]) -> list[str]:
    """Return the arms, controls and baseline that are trained at `tier`: those that no earlier tier stopped."""
    before = set(order[: order.index(tier)])
    stopped = {item.arm for item in promotion if item.tier in before and not item.promoted}
    own = [arm.name for arm in arms if arm.role == "arm" and arm.name not in stopped]
    if not own:
        return []
    return [arm.name for arm in arms if arm.of in own or arm.of == BASELINE or arm.name in own]


def promote(
    study: Study, result: StudyResult, tier: str, order: Sequence[str], alive: Sequence[str], ask: Asking
) -> list[Promotion]:
    """Return one decision for each arm of `alive` (no controls) after `tier`, from the result so far."""
    later = order[order.index(tier) + 1 :]
    assessed = {item.arm: item for item in result.assessments if item.tier == tier}
    decided = {arm: _smoke(result, arm, tier, arm in assessed, ask) for arm in alive}
    standing = [arm for arm, item in decided.items() if item.promoted]
    gate = _gate_before(tier, later)
    if gate and policy_of(study) == "gates":
        for arm in standing:
            answer = ask(result, arm, gate, tier)
            decided[arm] = _decision(tier, arm, gate, answer, promoted=answer.state == "pass")
        decided |= _best(study, tier, later, decided, assessed)
    return [decided[arm] for arm in alive]


def _smoke(result: StudyResult, arm: str, tier: str, assessed: bool, ask: Asking) -> Promotion:
    failed = [item for item in result.failures if (item.arm, item.tier) == (arm, tier)]
    if not assessed:
        told = failed[0].message if failed else "it or the baseline has no finished run"
        return Promotion(tier=tier, arm=arm, promoted=False, gate="runs", reason=f"not judged: {told}")
    answer = ask(result, arm, SMOKE_GATE, tier)
    return _decision(tier, arm, SMOKE_GATE, answer, promoted=answer.state != "fail")


def _decision(tier: str, arm: str, gate: str, answer: Answer, *, promoted: bool) -> Promotion:
    return Promotion(
        tier=tier, arm=arm, promoted=promoted, gate=gate, reason=answer.reason, evidence=tuple(answer.evidence)
    )


def _gate_before(tier: str, later: Sequence[str]) -> str:
    """Return the gate between a tier and those that follow; empty inside a stage, at the end and on laptop tiers."""
    stage = stage_of(tier)
    following = [stage_of(name) for name in later]
    if stage is None or is_laptop_tier(tier) or not following or following[0] == stage:
        return ""
    return GATE_AFTER.get(stage.name, "")


def _best(
    study: Study,
    tier: str,
    later: Sequence[str],
    decided: Mapping[str, Promotion],
    assessed: Mapping[str, Assessment],
) -> dict[str, Promotion]:
    """Return the decisions of arms for which the next stage has no place: those that gained least."""
    stage = stage_of(later[0])
    standing = [arm for arm, item in decided.items() if item.promoted]
    if stage is None or stage.max_candidates is None or len(standing) <= stage.max_candidates:
        return {}
    ranked = sorted(standing, key=lambda arm: (_log_ratio(assessed[arm]), list(study.vary).index(arm)))
    told = f"{stage.name} takes {stage.max_candidates} candidates, {len(standing)} passed"
    return {
        arm: replace(decided[arm], promoted=False, reason=f"{told}; its gain is number {place}")
        for place, arm in enumerate(ranked, start=1)
        if place > stage.max_candidates
    }


def _log_ratio(item: Assessment) -> float:
    return item.total.headline.log_ratio if item.total.headline else 0.0


def kill_text(promotion: Sequence[Promotion]) -> list[str]:
    """Return, tier by tier, how many arms were stopped: `6 of 8 arms stopped at pico-1x (G0)`."""
    lines = []
    for tier in dict.fromkeys(item.tier for item in promotion):
        here = [item for item in promotion if item.tier == tier]
        stopped = [item for item in here if not item.promoted]
        gates = ", ".join(dict.fromkeys(item.gate for item in stopped or here))
        lines.append(f"{len(stopped)} of {len(here)} arms stopped at {tier} ({gates})")
    return lines
