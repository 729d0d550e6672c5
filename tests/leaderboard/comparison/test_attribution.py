"""Attribution: contrasts by hand, what each world is attributed to, and when nothing is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.compare_arms import Rules
from leaderboard.comparison.attribution import Factors, attribute
from leaderboard.studies.attribution_facts import Attribution, SliceAttribution

FACTORS = Factors(
    arm="both",
    baseline="baseline",
    raised=("code", "math"),
    without={"code": "both.without-code", "math": "both.without-math"},
)
ARMS = ["baseline", "both", "both.without-code", "both.without-math"]
HAS = {"baseline": "", "both": "code math", "both.without-code": "math", "both.without-math": "code"}
NOISE = 0.002
RULES = Rules(noise={"math": NoisePrior(sigma=NOISE, degrees=15)})
WORLDS: dict[str, dict[str, float]] = {
    "math": {"math": -0.03},
    "code": {"code": -0.03},
    "both, code and math": {"code": -0.02, "math": -0.03},
    "either": {"code": -0.03, "math": -0.03, "together": 0.03},
    "nothing": {},
    "worse": {"code": 0.03, "math": 0.03},
}


def of_world(make_scores: Any, world: dict[str, float], *, rules: Rules = RULES, reason: str = "", seeds: int = 3,
             arms: list[str] = ARMS) -> Attribution | None:  # fmt: skip
    def level(arm: str, seed: int, name: str) -> float:
        effect = sum(world.get(part, 0.0) for part in HAS[arm].split())
        effect += world.get("together", 0.0) if arm == "both" else 0.0
        return 2.0 * math.exp(effect + NOISE * float(generator(5, arm, seed, name).normal()))

    scores = make_scores(arms, seeds, level, {"math": 80})
    return attribute(scores, FACTORS, rules, reason=reason)


def on_math(*args: Any, **options: Any) -> SliceAttribution:
    found = of_world(*args, **options)
    assert found is not None
    return found.slices[0]


@pytest.mark.parametrize("told", ["math", "code", "both, code and math"])
def test_a_gain_is_attributed_to_what_made_it(make_scores: Any, told: str) -> None:
    found = on_math(make_scores, WORLDS[told])
    assert found.verdict == f"attributed to {told}"
    assert found.sentence.startswith(f"math: attributed to {told}. in all ")


def test_a_gain_that_either_would_make_is_attributed_to_both(make_scores: Any) -> None:
    found = on_math(make_scores, WORLDS["either"])
    assert found.to == ("code", "math")
    sides = {(one.kind, one.of): one.side for one in found.contrasts}
    assert (sides["adds", "code"], sides["alone", "code"], sides["interaction", ""]) == ("level", "better", "worse")


@pytest.mark.parametrize(("world", "why"), [("nothing", "no gain to attribute"), ("worse", "worse than the baseline")])
def test_where_nothing_is_gained_nothing_is_attributed(make_scores: Any, world: str, why: str) -> None:
    found = on_math(make_scores, WORLDS[world])
    assert (found.verdict, found.to) == ("not resolved", ())
    assert why in found.why


def test_contrasts_are_the_differences_that_they_are_called(make_scores: Any) -> None:
    def level(arm: str, seed: int, name: str) -> float:
        return math.exp({"baseline": 0.0, "both": -0.07, "both.without-code": -0.04, "both.without-math": -0.01}[arm])

    found = attribute(make_scores(ARMS, 2, level, {"math": 60}), FACTORS, Rules())
    assert found is not None
    values = {(one.kind, one.of): one.log_ratio for one in found.slices[0].contrasts}
    assert values == pytest.approx({
        ("total", ""): -0.07, ("adds", "code"): -0.03, ("adds", "math"): -0.06, ("alone", "code"): -0.01,
        ("alone", "math"): -0.04, ("interaction", ""): -0.02,
    })  # fmt: skip


def test_an_interaction_has_twice_the_seed_variance_of_a_difference(make_scores: Any) -> None:
    by_kind = {one.kind: one for one in on_math(make_scores, {}).contrasts}
    assert by_kind["interaction"].se_seeds == pytest.approx(math.sqrt(2) * float(by_kind["total"].se_seeds or 0))


def test_without_measured_noise_it_is_insufficient_and_without_marks(make_scores: Any) -> None:
    found = on_math(make_scores, WORLDS["math"], rules=Rules())
    assert (found.verdict, found.to) == ("insufficient", ())
    assert found.by_intervals == "attributed to math"
    assert {one.holm for one in found.contrasts} == {None}
    assert {one.p for one in found.contrasts} == {None}


def test_where_a_rule_forbids_a_verdict_it_is_insufficient(make_scores: Any) -> None:
    found = on_math(make_scores, WORLDS["math"], reason="pico decides nothing here: rules 18")
    assert (found.verdict, found.why) == ("insufficient", "pico decides nothing here: rules 18")


def test_a_slice_too_small_to_judge_is_insufficient(make_scores: Any) -> None:
    scores = make_scores(ARMS, 2, lambda *_: 2.0, {"math": 10})
    found = attribute(scores, FACTORS, RULES)
    assert found is not None
    assert "10 families" in found.slices[0].why


def test_an_arm_that_never_finished_leaves_the_contrasts_of_the_others(make_scores: Any) -> None:
    found = of_world(make_scores, WORLDS["math"], arms=["baseline", "both", "both.without-math"])
    assert found is not None
    assert found.left_out == ("math",)
    assert [one.kind for one in found.slices[0].contrasts] == ["total", "adds"]
    assert of_world(make_scores, {}, arms=["baseline", "both"]) is None
