"""The eight planted false wins of rules.md, each refused by its condition and rule, each beside its honest twin.

Panel leak and near copies are also built from real text (`test_panel_traps`), reweighting also trained
(`test_trained_traps`); here all are judged by the shipped gates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

MICRO = {"tiers": {"micro": 3}}
WIDE = {"tiers": {"micro-1x": 3, "small-0.5x": 3, "small-1x": 3}, "budgets": []}
PROBED = {"tiers": {"micro-0.5x": 3, "micro-0.5x@lr0.5": 3, "micro-0.5x@lr2": 3, "micro-1x": 3}, "budgets": []}
GAIN = -0.01


@dataclass(frozen=True, kw_only=True)
class Trap:
    """A world that looks like a win, what is wrong in it, and who must say so."""

    name: str
    trap: dict[str, Any]
    """What replaces fields of the twin's world."""
    condition: str
    rule: int
    words: str
    gate: str = "G1"
    twin: dict[str, Any] = field(default_factory=dict)
    """What replaces fields of the honest world for both."""
    decision: str = "reject"
    diagnosis: str = ""


def everywhere(*arms: str) -> Any:
    """An effect of one per cent in all slices of these arms."""
    return lambda arm, tier, name: GAIN if arm in arms else 0.0


def at_own_rate(arm: str, tier: str, name: str) -> float:
    """A gain at the tier's learning rate, a loss at twice it."""
    return {"mine": -GAIN if "@lr2" in tier else GAIN}.get(arm, 0.0)


TRAPS = (
    Trap(
        name="panel-leak",
        trap={"leaks": {"mine": 3}},
        condition="panel-leakage",
        rule=1,
        words="the corpus holds 3 documents with panel text and 3 near copies",
    ),
    Trap(
        name="reweighting",
        trap={"effect": everywhere("mine", "random-matched")},
        condition="quality-gain",
        rule=3,
        words="over random-matched",
    ),
    Trap(
        name="reweighting-at-scale",
        trap={"effect": everywhere("mine", "random-matched")},
        twin={"study": WIDE},
        gate="G2",
        condition="quality-beats-noise",
        rule=3,
        words="over random-matched",
    ),
    Trap(
        name="extra-epochs",
        trap={"epochs": {"baseline": 4.0}, "effect": everywhere("mine", "random", "random-matched")},
        condition="repetition",
        rule=4,
        words="1.00 epochs, the baseline 4.00: over 2 epochs unmatched, repetition and quality cannot be told apart",
    ),
    Trap(
        name="more-repeats-than-the-baseline",
        trap={"epochs": {"mine": 4.0}},
        condition="repetition",
        rule=4,
        words="4.00 epochs, the baseline 1.00: over 2 epochs unmatched",
    ),
    Trap(
        name="learning-rate",
        trap={"effect": at_own_rate},
        twin={"study": PROBED},
        gate="G2",
        condition="learning-rate",
        rule=17,
        words="the gain hangs on the learning rate",
        diagnosis="4-optimisation-only",
    ),
    Trap(
        name="seed-picking",
        trap={"seeds": {"mine": (1, 2, 7)}},
        condition="seeds",
        rule=10,
        words="seeds 7 are not 1..3: nobody picks seeds",
    ),
    Trap(
        name="suspicious-items",
        trap={"gap": (3.0, 1.6, 4.4)},
        condition="suspicious-gap",
        rule=14,
        words="suspicious items gain +3.00 points more than clean ones (+1.60 to +4.40)",
        diagnosis="5-proxy-overfit",
    ),
)


def found(report: Any, condition: str) -> Any:
    """Return one condition of a report."""
    return next(item for item in report.conditions if item.name == condition)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_a_planted_false_win_is_rejected_by_its_own_condition_and_rule(
    made: Any, judged: Any, world: Any, trap: Trap
) -> None:
    honest = replace(world(effect=everywhere("mine"), study=MICRO), **trap.twin)
    report = judged(made(replace(honest, **trap.trap)), trap.gate)
    refused = found(report, trap.condition)
    assert (refused.state, refused.rule) == ("fail", trap.rule)
    assert trap.words in refused.text
    assert refused.evidence
    assert all(one.startswith("study-result-") for one in refused.evidence)
    assert report.decision == trap.decision
    if trap.diagnosis:
        assert next(item.state for item in report.diagnoses if item.name == trap.diagnosis) == "found"


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_its_honest_twin_is_not_refused_for_that_reason(made: Any, judged: Any, world: Any, trap: Trap) -> None:
    honest = replace(world(effect=everywhere("mine"), study=MICRO), **trap.twin)
    report = judged(made(honest), trap.gate)
    assert found(report, trap.condition).state == "pass"
    assert report.states("fail") == ()
    if trap.diagnosis:
        assert next(item.state for item in report.diagnoses if item.name == trap.diagnosis) != "found"


TWENTY = {
    "kind": "mixture",
    "vary": {
        f"m{one:02}": {"mix": {"weights": {"docs": 0.1 + 0.04 * one, "prose": 0.9 - 0.04 * one}}} for one in range(20)
    },
    "tiers": {"micro-1x": 5},
    "budgets": [],
}


def p_alone(report: Any) -> float:
    """Return the one-sided p of an arm that is looked at alone."""
    return float(found(report, "average-gain").text.rpartition(" p ")[2].partition(":")[0])


def test_the_lucky_one_of_twenty_passes_alone_and_not_among_the_twenty(made: Any, judged: Any, world: Any) -> None:
    nothing = made(world(study=TWENTY, world=5))
    reports = {arm: judged(nothing, "G1", arm) for arm in TWENTY["vary"]}
    lucky = min(reports, key=lambda arm: p_alone(reports[arm]))
    assert found(reports[lucky], "average-gain").state == "pass"
    refused = found(reports[lucky], "screening")
    assert (refused.state, refused.rule) == ("fail", 10)
    assert "as one of 20 tries: the luckiest of so many does as well" in refused.text
    assert {report.decision for report in reports.values()} == {"reject"}
    twin = made(world(study=TWENTY, world=5, effect=everywhere(lucky)))
    assert found(judged(twin, "G1", lucky), "screening").state == "pass"


def test_a_true_gain_in_quality_goes_up_at_every_gate(made: Any, judged: Any, world: Any) -> None:
    tiers = {**PROBED["tiers"], "small-0.5x": 3, "small-1x": 3}
    won = made(world(effect=everywhere("mine"), study={"tiers": tiers, "budgets": []}))
    for gate in ("G0", "G1", "G2"):
        report = judged(won, gate)
        assert (report.decision, report.states("fail"), report.states("insufficient")) == ("scale-up", (), ())
    assert math.isclose(report.winner.gain, -math.log1p(GAIN), abs_tol=0.002)
    assert report.winner.held_out > 0


def test_a_true_gain_in_the_target_alone_is_for_the_target_alone(made: Any, judged: Any, world: Any) -> None:
    def effect(arm: str, tier: str, name: str) -> float:
        return (-0.03 if name.startswith("target/") else 0.0075) if arm == "mine" else 0.0

    slices = {"docs": 60, "code-python": 60, "math": 60, "prose": 60, "target/law": 60}
    five = {"tiers": {"micro": 5}}
    report = judged(made(world(effect=effect, slices=slices, study=five)), "G1")
    assert report.decision == "target-domain-only"
    assert "target/law" in report.why
    same = judged(made(world(effect=everywhere("mine"), slices=slices, study=five)), "G1")
    assert same.decision == "scale-up"


def test_a_true_gain_with_a_traded_slice_within_its_floor_goes_up_and_untraded_is_rejected(
    made: Any, judged: Any, world: Any
) -> None:
    def effect(arm: str, tier: str, name: str) -> float:
        return {"math": 0.02}.get(name, -0.03) if arm == "mine" else 0.0

    traded = judged(made(world(effect=effect, study={**MICRO, "trade": {"math": 0.04}})), "G1")
    assert (traded.decision, found(traded, "severe-regression").state) == ("scale-up", "pass")
    silent = judged(made(world(effect=effect, study=MICRO)), "G1")
    regression = found(silent, "severe-regression")
    assert (silent.decision, regression.state, regression.rule) == ("reject", "fail", 13)
    assert "worse beyond noise: math" in regression.text
