"""Whether a metric of a task says anything about a model of some tier: judged, only shown, or hidden.

Rules and published decision accuracies (share of recipe pairs that a small model ranks as the 1B target does) are data:
`curation/data/tables/eligibility@1.yaml`. An accuracy whose published decision accuracy at the nearest measured size
below the tier is under 0.70 is shown, not judged. Tiers that the table does not know (other people's models) are judged
by nothing but the two standard errors above chance.
Source: DataDecide (2504.11393), signal-and-noise (2508.13144), OLMo-core's task groups, rules 9 and 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from curation.yamlio import load_yaml

Level = Literal["judged", "shown", "hidden"]
_TABLE = Path(__file__).resolve().parent.parent / "data" / "tables" / "eligibility@1.yaml"


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...]
    metrics: Literal["accuracy", "continuous"]
    suites: tuple[str, ...] = ()
    shown_from: str | None = None
    judged_from: str | None = None
    why: str


class EligibilityTable(BaseModel):
    """The rules and what they rest on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    tiers: tuple[str, ...]
    """From small to large."""
    sizes: dict[str, str]
    """Published model sizes by the tier that they stand for."""
    min_decision_accuracy: float
    decision_accuracy: dict[str, dict[str, float]]
    rules: tuple[_Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """What a metric of a task is good for at a tier, and why."""

    level: Level
    reason: str
    decision_accuracy: float | None = None
    """Published, at the nearest measured size that is not larger than the tier; of accuracies only."""


@lru_cache(maxsize=1)
def eligibility_table() -> EligibilityTable:
    """Return the shipped table."""
    return EligibilityTable.model_validate(load_yaml(_TABLE))


def model_of_tier(tier: str) -> str:
    """Return the size that a tier's name means: `dclm-1b-2x` and `1b-1x` are `1b`."""
    return tier.removeprefix("dclm-").partition("-")[0].lower()


def eligibility(task: str, metric: str, *, tier: str | None, suite: str = "") -> Eligibility:
    """Return what `metric` of `task` is good for in a model of a tier (`micro`, `1b-1x`; None: another model)."""
    table = eligibility_table()
    model = model_of_tier(tier) if tier else ""
    if model not in table.tiers:
        return Eligibility(level="judged", reason="no tier of ours: only chance and noise decide")
    size = table.tiers.index(model)
    rule = _rule(task, metric, suite.partition("@")[0])
    if rule.shown_from and size < table.tiers.index(rule.shown_from):
        return Eligibility(level="hidden", reason=f"{rule.why}; shown from {rule.shown_from}")
    published = decision_accuracy(task, model) if metric.startswith("acc_") else None
    if rule.judged_from and size < table.tiers.index(rule.judged_from):
        reason = f"{rule.why}; judged from {rule.judged_from}"
        return Eligibility(level="shown", reason=reason, decision_accuracy=published)
    if published is not None and published < table.min_decision_accuracy and size < table.tiers.index("1b"):
        reason = f"ranks {published:.0%} of recipe pairs as 1B models do, expected {table.min_decision_accuracy:.0%}"
        return Eligibility(level="shown", reason=reason, decision_accuracy=published)
    reason = f"judged from {rule.judged_from or table.tiers[0]}"
    return Eligibility(level="judged", reason=reason, decision_accuracy=published)


def decision_accuracy(task: str, model: str) -> float | None:
    """Return the published share of pairs ranked as at 1B, at the largest measured size up to that of the tier."""
    table = eligibility_table()
    held = table.decision_accuracy.get(task, {})
    order = table.tiers.index
    fitting = [published for published in held if order(table.sizes[published]) <= order(model)]
    return held[max(fitting, key=lambda published: order(table.sizes[published]))] if fitting else None


def _rule(task: str, metric: str, suite: str) -> _Rule:
    kind = "accuracy" if metric.startswith("acc_") else "continuous"
    for rule in eligibility_table().rules:
        fits = rule.metrics == kind and (not rule.suites or suite in rule.suites)
        if fits and any(fnmatchcase(task, pattern) for pattern in rule.tasks):
            return rule
    raise AssertionError(f"the table has no rule for {metric} of {task}")
