"""Verdicts: planted wins and planted false wins, refused with the right rule."""

from __future__ import annotations

import math
from typing import Any

import pytest

from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.compare_arms import HEADLINE
from leaderboard.studies.results import Assessment, Supply
from leaderboard.studies.verdict import ArmNames, Terms, assess, epochs_flag, is_laptop_tier

SLICES = {"docs": 60, "code": 60}
ARMS = ["baseline", "mine", "random", "random-matched"]
NOISE = {key: NoisePrior(sigma=0.001, degrees=8) for key in ("docs", "code", HEADLINE)}


def assessed(make_scores: Any, make_supply: Any, effects: dict[str, dict[str, float]], **options: Any) -> Assessment:
    """Return the assessment of arms with these effects by slice on 2 bits per byte, run noise 0.1 %."""

    def level(arm: str, seed: int, name: str) -> float:
        noise = math.exp(0.001 * float(generator(5, arm, seed, name).normal()))
        return 2.0 * (1 + effects.get(arm, {}).get(name, 0.0)) * noise

    tier = options.pop("tier", "micro-1x")
    epochs = options.pop("epochs", dict.fromkeys(ARMS, 1.0))
    scores = make_scores(ARMS, options.pop("seeds", 3), level, SLICES, tier=tier)
    terms = Terms(**{"kind": "filter", "noise": NOISE, "num_budgets": 2, **options})
    return assess(scores, ArmNames(arm="mine", random="random", matched="random-matched"), make_supply(epochs), terms)


WIN = {"mine": {"docs": -0.03, "code": -0.03}}


def test_an_intervention_in_one_arm_alone_decides_nothing_and_one_replayed_in_all_does(
    make_scores: Any, make_supply: Any
) -> None:
    alone = assessed(make_scores, make_supply, WIN, interventions={("mine", 2): "abc"})
    assert alone.verdict == "insufficient"
    assert {reason.rule for reason in alone.reasons} == {17}
    assert alone.total.invalid.startswith("intervened in mine seed 2 and not the same in both")
    assert alone.total.invalid in [reason.text for reason in alone.reasons]
    replayed = assessed(make_scores, make_supply, WIN, interventions={(arm, 2): "abc" for arm in ARMS})
    assert (replayed.verdict, replayed.total.invalid) == ("better", "")
    other = assessed(make_scores, make_supply, WIN, interventions={("mine", 2): "abc", ("baseline", 2): "abd"})
    assert "mine seed 2, baseline seed 2" in other.total.invalid


def test_a_planted_true_win_passes(make_scores: Any, make_supply: Any) -> None:
    assert assessed(make_scores, make_supply, WIN).verdict == "better"


def test_no_difference_is_not_called_a_win(make_scores: Any, make_supply: Any) -> None:
    assert assessed(make_scores, make_supply, {}).verdict == "no-difference"


def test_reweighting_is_not_sold_as_quality(make_scores: Any, make_supply: Any) -> None:
    result = assessed(make_scores, make_supply, {**WIN, "random-matched": {"docs": -0.03, "code": -0.03}})
    assert result.verdict == "reweighting"
    assert result.quality is not None
    assert result.quality.headline is not None
    assert abs(result.quality.headline.share) < 0.002


def test_quality_and_the_rest_add_up_to_the_whole_gain(make_scores: Any, make_supply: Any) -> None:
    result = assessed(make_scores, make_supply, {**WIN, "random-matched": {"docs": -0.01, "code": 0.01}})
    parts = [item.headline.log_ratio for item in (result.total, result.quality, result.rest)]  # type: ignore[union-attr]
    assert parts[0] == pytest.approx(parts[1] + parts[2])


def test_extra_epochs_of_the_baseline_do_not_make_a_win(make_scores: Any, make_supply: Any) -> None:
    both = {**WIN, "random-matched": {"docs": -0.03, "code": -0.03}}
    epochs = {"baseline": 4.0, "mine": 1.0, "random": 1.0, "random-matched": 1.0}
    assert assessed(make_scores, make_supply, both, epochs=epochs).verdict == "no-difference"


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"tier": "pico-1x"}, 18),
        ({"tier": "nano-0.1x"}, 18),
        ({"noise": {}}, 9),
        ({"num_budgets": 1}, 16),
    ],
)
def test_runs_that_cannot_decide_are_insufficient_and_name_the_rule(
    make_scores: Any, make_supply: Any, options: dict[str, Any], rule: int
) -> None:
    result = assessed(make_scores, make_supply, WIN, **options)
    assert (result.verdict, [reason.rule for reason in result.reasons]) == ("insufficient", [rule])


def test_one_seed_is_insufficient_by_rule_8(make_scores: Any, make_supply: Any) -> None:
    result = assessed(make_scores, make_supply, WIN, seeds=1, noise={})
    assert {reason.rule for reason in result.reasons} == {8, 9}


def test_a_protected_slice_that_got_worse_turns_a_win_into_a_regression(make_scores: Any, make_supply: Any) -> None:
    effects = {"mine": {"docs": -0.05, "code": 0.008}}
    assert assessed(make_scores, make_supply, effects).verdict == "better"
    assert assessed(make_scores, make_supply, effects, protect=("code",)).verdict == "regression"


def test_a_traded_slice_may_lose_down_to_its_floor(make_scores: Any, make_supply: Any) -> None:
    effects = {"mine": {"docs": -0.06, "code": 0.02}}
    assert assessed(make_scores, make_supply, effects).verdict == "regression"
    assert assessed(make_scores, make_supply, effects, trade={"code": 0.04}).verdict == "better"


def test_every_slice_that_got_worse_is_listed_worst_first(make_scores: Any, make_supply: Any) -> None:
    result = assessed(make_scores, make_supply, {"mine": {"docs": 0.01, "code": 0.03}})
    assert result.regressions == ("code", "docs")


def test_a_protected_slice_that_the_panel_lacks_makes_a_win_insufficient(make_scores: Any, make_supply: Any) -> None:
    result = assessed(make_scores, make_supply, WIN, protect=("math",))
    assert {item.slice: item.state for item in result.protect}["math"] == "missing"
    assert (result.verdict, [reason.rule for reason in result.reasons]) == ("insufficient", [13])


@pytest.mark.parametrize(
    ("options", "rule", "words"),
    [
        ({"num_seeds": 4}, 10, "3 of 4 seeds finished"),
        ({"unstable": frozenset({("random-matched", 2)})}, 9, "random-matched seed 2"),
    ],
)
def test_missing_and_unstable_runs_make_a_win_insufficient(
    make_scores: Any, make_supply: Any, options: dict[str, Any], rule: int, words: str
) -> None:
    result = assessed(make_scores, make_supply, WIN, **options)
    assert (result.verdict, [reason.rule for reason in result.reasons]) == ("insufficient", [rule])
    assert words in result.reasons[0].text


def test_an_unstable_run_of_an_arm_that_is_not_compared_changes_nothing(make_scores: Any, make_supply: Any) -> None:
    assert assessed(make_scores, make_supply, WIN, unstable=frozenset({("other", 1)})).verdict == "better"


def test_a_control_of_quite_another_size_is_no_control(make_scores: Any, make_supply: Any) -> None:
    epochs = {"baseline": 1.0, "mine": 1.0, "random": 1.0, "random-matched": 0.7}
    result = assessed(make_scores, make_supply, WIN, epochs=epochs)
    assert (result.verdict, [reason.rule for reason in result.reasons]) == ("insufficient", [3])


def supply(epochs: float) -> Supply:
    """Return a supply with these epochs."""
    return Supply(arm="a", tier="t", unique_tokens=1, tokens_seen=1, epochs=epochs, flag="")


def test_epochs_more_than_a_quarter_apart_are_flagged() -> None:
    assert epochs_flag(supply(1.25), supply(1.0)) == ""
    assert "compares only through the equal-keep controls" in epochs_flag(supply(1.26), supply(1.0))
    assert "though neither repeats any text" in epochs_flag(supply(0.2), supply(0.1))


def test_a_control_with_other_kept_tokens_is_noted(make_scores: Any, make_supply: Any) -> None:
    epochs = {"baseline": 1.0, "mine": 1.0, "random": 1.0, "random-matched": 0.9}
    assert [note.rule for note in assessed(make_scores, make_supply, WIN, epochs=epochs).notes] == [3]


@pytest.mark.parametrize(("tier", "expected"), [("pico", True), ("nano-0.1x", True), ("micro-1x", False)])
def test_pico_and_nano_are_laptop_tiers(tier: str, expected: bool) -> None:
    assert is_laptop_tier(tier) is expected
