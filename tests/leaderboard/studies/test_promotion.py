"""Who goes on from a tier: a function of the results so far, with gates that answer what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.facts import Promotion
from leaderboard.studies.promotion import Answer, going_on, kill_text, policy_of, promote, tiers_in_order
from leaderboard.studies.results import StudyResult
from leaderboard.studies.study import Study, parse_study

Make = Callable[..., StudyResult]
LEVELS = {"baseline": 1.0, "mine": 0.99, "random": 1.0, "random-matched": 1.0}


def study(num_arms: int = 1, tiers: Mapping[str, int] | None = None, **more: Any) -> Study:
    """Return a filter study of so many arms."""
    vary = {f"arm{number}": {"filter": "word-count", "min_words": 10 + number} for number in range(num_arms)}
    words = {"name": "s", "hypothesis": "h", "kind": "filter", "base": "baseline", "vary": vary}
    return parse_study({**words, "tiers": tiers or {"pico-1x": 1, "nano-1x": 1}, **more}, "s.yaml")


def answering(**by_gate: str) -> Callable[[StudyResult, str, str, str], Answer]:
    """Return gates that say one thing of every arm."""
    return lambda _result, _arm, gate, _tier: Answer(state=by_gate[gate], reason=gate, evidence=("id",))


@pytest.fixture
def result(make_result: Make) -> Callable[[str], StudyResult]:
    """Return a maker of a result of one arm, `mine`, at a tier."""
    return lambda tier: make_result(lambda arm, *_: LEVELS[arm], {"docs": 60}, tier=tier)


def ends(found: list[Promotion]) -> list[tuple[str, bool]]:
    """Return gate and outcome of each decision."""
    return [(item.gate, item.promoted) for item in found]


@pytest.mark.parametrize(("num_arms", "expected"), [(1, "all"), (2, "all"), (3, "gates")])
def test_a_study_of_one_or_two_arms_promotes_all_unless_it_says_otherwise(num_arms: int, expected: str) -> None:
    assert policy_of(study(num_arms)) == expected
    assert policy_of(study(num_arms, promote="gates")) == "gates"


def test_tiers_go_from_the_cheapest_to_the_dearest() -> None:
    found = tiers_in_order(study(tiers={"micro-1x": 1, "pico-1x": 1, "nano-0.5x": 1, "nano-1x": 1}))
    assert [name.partition("@")[0] for name in found] == ["pico-1x", "nano-0.5x", "nano-1x", "micro-1x"]


def test_an_arm_that_fails_smoke_stops_even_where_all_are_promoted(result: Callable[[str], StudyResult]) -> None:
    order = ["pico-1x", "nano-1x"]
    found = promote(study(), result("pico-1x"), "pico-1x", order, ["mine"], answering(G0="fail"))
    assert ends(found) == [("G0", False)]
    assert found[0].evidence == ("id",)


@pytest.mark.parametrize("tier", ["pico-1x", "nano-1x"])
def test_a_laptop_tier_asks_no_gate_but_smoke(tier: str, result: Callable[[str], StudyResult]) -> None:
    words = study(tiers={tier: 1, "small-1x": 1}, promote="gates")
    found = promote(words, result(tier), tier, [tier, "small-1x"], ["mine"], answering(G0="insufficient"))
    assert ends(found) == [("G0", True)]


@pytest.mark.parametrize(("answer", "goes"), [("pass", True), ("insufficient", False), ("fail", False)])
def test_between_stages_only_a_pass_goes_on(answer: str, goes: bool, result: Callable[[str], StudyResult]) -> None:
    order = ["100m-1x", "400m-1x"]
    words = study(tiers=dict.fromkeys(order, 2), promote="gates")
    found = promote(words, result("100m-1x"), "100m-1x", order, ["mine"], answering(G0="pass", G1=answer))
    assert ends(found) == [("G1", goes)]


def test_promote_all_asks_no_gate_between_stages(result: Callable[[str], StudyResult]) -> None:
    order = ["100m-1x", "400m-1x"]
    words = study(tiers=dict.fromkeys(order, 2), promote="all")
    assert ends(promote(words, result("100m-1x"), "100m-1x", order, ["mine"], answering(G0="pass"))) == [("G0", True)]


def test_an_arm_without_finished_runs_is_not_judged_and_does_not_go_on(result: Callable[[str], StudyResult]) -> None:
    found = promote(study(), result("pico-1x"), "pico-1x", ["pico-1x"], ["other"], answering(G0="pass"))
    assert ends(found) == [("runs", False)]


def test_controls_follow_their_arm_and_nobody_goes_on_alone() -> None:
    words = study(2)
    arms = resolve_arms(words, "s.yaml")
    stopped = Promotion(tier="pico-1x", arm="arm0", promoted=False, gate="G0", reason="")
    order = ["pico-1x", "nano-1x"]
    assert going_on(arms, [stopped], "pico-1x", order) == [arm.name for arm in arms]
    assert going_on(arms, [stopped], "nano-1x", order) == ["baseline", "arm1", "arm1.random", "arm1.random-matched"]
    both = [stopped, Promotion(tier="pico-1x", arm="arm1", promoted=False, gate="G0", reason="")]
    assert going_on(arms, both, "nano-1x", order) == []


def test_the_kill_rate_is_told_tier_by_tier() -> None:
    found = [
        Promotion(tier="pico-1x", arm=f"arm{number}", promoted=number > 5, gate="G0", reason="") for number in range(8)
    ]
    assert kill_text(found) == ["6 of 8 arms stopped at pico-1x (G0)"]
