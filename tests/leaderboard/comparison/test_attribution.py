"""Attribution: contrasts by hand, what each world is attributed to, what is said of the others, and when nothing is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.compare_arms import Rules
from leaderboard.comparison.attribution import MARGIN, Factors, attribute, marked
from leaderboard.gates.definition import load_gates
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
             arms: list[str] = ARMS, noise: float = NOISE) -> Attribution | None:  # fmt: skip
    def level(arm: str, seed: int, name: str) -> float:
        effect = sum(world.get(part, 0.0) for part in HAS[arm].split())
        effect += world.get("together", 0.0) if arm == "both" else 0.0
        return 2.0 * math.exp(effect + noise * float(generator(5, arm, seed, name).normal()))

    scores = make_scores(arms, seeds, level, {"math": 80})
    return attribute(scores, FACTORS, rules, reason=reason)


def on_math(*args: Any, **options: Any) -> SliceAttribution:
    found = of_world(*args, **options)
    assert found is not None
    return found.slices[0]


@pytest.mark.parametrize(
    ("world", "told"),
    [
        ("math", "math; code not resolved"),
        ("code", "code; math not resolved"),
        ("both, code and math", "both, code and math"),
    ],
)
def test_a_gain_is_attributed_to_what_made_it(make_scores: Any, world: str, told: str) -> None:
    found = on_math(make_scores, WORLDS[world])
    assert found.verdict == f"attributed to {told}"
    assert found.sentence.startswith(f"math: attributed to {told}. in all ")


def test_alone_is_said_only_where_the_intervals_of_the_other_lie_inside_the_margin(make_scores: Any) -> None:
    """At n = 3 a run noise of 0.2 % leaves some ±0.3 % for code, one of 0.02 % less than ±0.1 %."""
    quiet = Rules(noise={"math": NoisePrior(sigma=0.0002, degrees=15)})
    sure = on_math(make_scores, WORLDS["math"], rules=quiet, noise=0.0002)
    assert (sure.verdict, sure.to) == ("attributed to math alone", ("math",))
    small = on_math(make_scores, {"math": -0.03, "code": -0.004}, noise=NOISE)
    assert small.verdict == "attributed to math; code not resolved"
    assert all(one.low is not None and one.low < -MARGIN for one in small.contrasts if one.of == "code")


def test_the_margin_is_that_of_the_gates() -> None:
    assert load_gates().neutral_slice == MARGIN


def test_nothing_is_attributed_to_a_slice_that_makes_it_worse_where_others_are_raised(make_scores: Any) -> None:
    """Code alone gains 2 %, but beside math it costs 3 %: the gain in all is math's."""
    found = on_math(make_scores, {"math": -0.06, "code": -0.02, "together": 0.05})
    assert found.verdict == "attributed to math; code makes it worse"
    assert found.to == ("math",)
    sides = {(one.kind, one.of): one.side for one in found.contrasts}
    assert (sides["adds", "code"], sides["alone", "code"]) == ("worse", "better")


def test_marks_are_holms_over_all_contrasts_of_all_slices() -> None:
    """By hand: 0.05/4 = 0.0125 passes 0.012, 0.05/3 = 0.0167 not 0.02, nor any after it, though all are < 0.05."""
    marks = marked({"math": [0.02, None, 0.012], "code": [0.03, 0.04]})
    assert marks == {"math": [(0.02, False), (None, None), (0.012, True)], "code": [(0.03, False), (0.04, False)]}
    assert marked({"math": [0.02]}) == {"math": [(0.02, True)]}


def test_a_slice_more_raises_what_a_contrast_must_pass(make_scores: Any) -> None:
    """The same runs on math: what stands among 6 contrasts is asked again among 12."""

    def level(arm: str, seed: int, name: str) -> float:
        effect = {"baseline": 0.0, "both": -0.0042, "both.without-code": -0.0021, "both.without-math": -0.0021}[arm]
        return 2.0 * math.exp((effect if name == "math" else 0.0) + 0.001 * (seed - 2))

    noise = {name: NoisePrior(sigma=NOISE, degrees=15) for name in ("math", "books")}
    found = {}
    for slices in ({"math": 80}, {"math": 80, "books": 80}):
        one = attribute(make_scores(ARMS, 3, level, slices), FACTORS, Rules(noise=noise))
        assert one is not None
        total = next(c for c in next(s for s in one.slices if s.slice == "math").contrasts if c.kind == "total")
        found[one.tests] = (total.p, total.holm)
    assert sorted(found) == [6, 12]
    p = found[6][0]
    assert p is not None
    assert p == pytest.approx(found[12][0], rel=0.2)
    assert 0.05 / 12 < p < 0.05 / 6, p
    assert (found[6][1], found[12][1]) == (True, False)


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
    assert found.by_intervals == "attributed to math; code not resolved"
    assert {one.holm for one in found.contrasts} == {None}
    assert {one.p for one in found.contrasts} == {None}


def test_of_three_raised_slices_two_are_not_called_both(make_scores: Any) -> None:
    has = {"baseline": "", "all": "code law math", **{f"no-{one}": " ".join({"code", "law", "math"} - {one})
                                                       for one in ("code", "law", "math")}}  # fmt: skip
    factors = Factors(arm="all", baseline="baseline", raised=("code", "law", "math"),
                      without={one: f"no-{one}" for one in ("code", "law", "math")})  # fmt: skip

    def level(arm: str, seed: int, name: str) -> float:
        effect = sum({"code": -0.02, "math": -0.03}.get(part, 0.0) for part in has[arm].split())
        return 2.0 * math.exp(effect + 0.001 * (seed - 2))

    found = attribute(make_scores(list(has), 3, level, {"math": 80}), factors, RULES)
    assert found is not None
    assert found.slices[0].verdict == "attributed to code and math; law not resolved"


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
    assert found.slices[0].verdict == "attributed to math; code not tested"
    assert of_world(make_scores, {}, arms=["baseline", "both"]) is None
