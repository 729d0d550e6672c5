"""From judged conditions to one of five decisions.

In this order: a contamination failure or a severe regression → `reject`; the gain is in instruction-like slices only →
`keep-for-post-training`; the average alone fails and every target gains → `target-domain-only`, both only where
nothing that could have made the gain is unknown (`GROUNDS`), else `one-more-proxy`; any other failure → `reject`;
nothing failed and something is unknown → `one-more-proxy`; all pass → `scale-up`.
Source: training reference 4.3; the order is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.gates.case import Case
from leaderboard.gates.evidence import SliceEffect
from leaderboard.gates.report import ConditionResult, Decision
from leaderboard.gates.slice_checks import is_target

AVERAGE = frozenset({"average-gain", "quality-gain", "effect-beats-noise", "quality-beats-noise", "screening"})
"""Checks that speak of the average."""
GROUNDS = frozenset(
    "panel-leakage eval-leakage benchmark-overlap suspicious-gap noise-measured seeds valid-comparison".split()
)
"""Checks that a gain of some slices rests on as much as an average's: unknown, it may be a leak or noise."""
FORMAT_DOMAINS = ("instruction",)
SMALL_REST = 0.25
"""Share of the average gain below which the other slices gain nothing to speak of. Source: ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision and why."""

    decision: Decision
    why: str


def decide(case: Case, found: Sequence[ConditionResult], average: frozenset[str]) -> Decided:
    """Return the decision; `average` are the names of the conditions that speak of the average."""
    failed = [item for item in found if item.state == "fail"]
    unknown = [item for item in found if item.state == "insufficient"]
    severe = [item for item in failed if item.severe and item.name not in average]
    if severe:
        return Decided(decision="reject", why=f"{severe[0].name}: {severe[0].text}")
    slices = case.tier.slices if case.tier is not None else ()
    measured = not any(item.name == "noise-measured" and item.state != "pass" for item in found)
    open_grounds = [item.name for item in unknown if item.name in GROUNDS]
    if measured and (only := _format_only(slices)):
        return _grounded("keep-for-post-training", f"the gain lies in {only} alone", open_grounds)
    below = [item for item in failed if item.name in average]
    if below and len(below) == len(failed) and measured and (targets := _targets(slices)):
        why = f"{targets} gain, the average does not: {below[0].text}"
        return _grounded("target-domain-only", why, open_grounds)
    if failed:
        return Decided(decision="reject", why="; ".join(f"{item.name}: {item.text}" for item in failed))
    if unknown:
        names = ", ".join(item.name for item in unknown)
        return Decided(decision="one-more-proxy", why=f"nothing failed, {len(unknown)} conditions are open: {names}")
    return Decided(decision="scale-up", why=f"all {len(found)} conditions pass")


def _grounded(decision: Decision, why: str, unknown: Sequence[str]) -> Decided:
    """Return the decision, or one more proxy while what the gain rests on is unknown."""
    if not unknown:
        return Decided(decision=decision, why=why)
    return Decided(decision="one-more-proxy", why=f"{why}; first to be known: {', '.join(unknown)}")


def _format_only(slices: Sequence[SliceEffect]) -> str:
    """Return the instruction-like slices where they alone gain; empty otherwise."""
    judged = [item for item in slices if item.judged and not is_target(item)]
    ahead = [item for item in judged if _gains(item)]
    forms = [item for item in ahead if item.domain in FORMAT_DOMAINS]
    rest = [item for item in judged if item.domain not in FORMAT_DOMAINS]
    if not forms or len(forms) < len(ahead) or not rest:
        return ""
    mean_rest = sum(item.effect.gain for item in rest) / len(rest)
    mean = sum(item.effect.gain for item in judged) / len(judged)
    return ", ".join(item.slice for item in forms) if mean_rest <= SMALL_REST * max(mean, 0.0) else ""


def _targets(slices: Sequence[SliceEffect]) -> str:
    """Return the target slices where every one of them gains beyond noise; empty otherwise."""
    targets = [item for item in slices if is_target(item)]
    held = targets and all(_gains(item) for item in targets)
    return ", ".join(item.slice for item in targets) if held else ""


def _gains(item: SliceEffect) -> bool:
    return item.effect.low is not None and item.effect.low > 0
