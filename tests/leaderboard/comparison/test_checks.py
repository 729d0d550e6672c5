"""Named checks: worlds where a gain is narrow, and worlds where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from curation.store import Store
from leaderboard.compare_command import compared
from leaderboard.comparison.checks import Check

PLAIN = {"easy": 0.8, "hard": 0.4, "extra": 0.5}
BITS = {"easy": 1.0, "hard": 2.0, "extra": 1.5}
WEB = {"web": 1.0, "books": 1.1}
BETTER_WEB = {"web": 0.97, "books": 1.07}
World = Mapping[str, tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]]]
"""Tier -> the candidate's accuracy, bits by task, bits by slice; the baseline has PLAIN, BITS, WEB."""


@pytest.fixture
def checked(
    publish: Callable[..., Path], scored: Any, panel: Any, tmp_path: Path
) -> Callable[[World], dict[str, Check]]:
    def run(world: World) -> dict[str, Check]:
        for tier, (accuracy, bits, slices) in world.items():
            for seed in (1, 2, 3):
                publish(scored("base", seed, PLAIN, BITS, tier=tier))
                publish(panel("base", seed, WEB, tier=tier))
                publish(scored("mine", seed, accuracy, bits, tier=tier))
                last = publish(panel("mine", seed, slices, tier=tier))
        names = [f"{last.parent}/mine*", f"{last.parent}/base*"]
        return {one.name: one for one in compared(Store.open(tmp_path / "store"), names)[0].checks}

    return run


def better(**changes: float) -> dict[str, float]:
    return {**PLAIN, **changes}


def test_a_gain_on_the_easy_task_alone_is_found_and_says_which_is_easy(checked: Any) -> None:
    one = checked({"micro-1x": (better(easy=0.9), BITS, BETTER_WEB)})["gain only on easy tasks"]
    assert one.state == "found"
    assert "50% of what chance leaves: easy)" in one.evidence


def test_a_gain_on_a_hard_task_too_is_not_only_on_easy_ones(checked: Any) -> None:
    one = checked({"micro-1x": (better(easy=0.9, hard=0.5), BITS, BETTER_WEB)})["gain only on easy tasks"]
    assert one.state == "not found"


def test_a_gain_in_loss_alone_is_found(checked: Any) -> None:
    found = checked({"micro-1x": (PLAIN, BITS, BETTER_WEB)})
    assert found["gain only in loss"].state == "found"
    assert found["downstream lags loss"].state == "found"
    assert found["downstream moves without loss"].state == "not found"


def test_a_gain_in_loss_and_tasks_is_no_such_case(checked: Any) -> None:
    gained = {name: share + 0.1 for name, share in PLAIN.items()}
    found = checked({"micro-1x": (gained, {name: 0.95 * b for name, b in BITS.items()}, BETTER_WEB)})
    states = [
        found[name].state for name in ("gain only in loss", "downstream lags loss", "downstream moves without loss")
    ]
    assert states == ["not found"] * 3


def test_a_task_that_moves_while_loss_does_not_is_found_with_the_task(checked: Any) -> None:
    one = checked({"micro-1x": (better(hard=0.55), BITS, WEB)})["downstream moves without loss"]
    assert one.state == "found"
    assert "hard (acc_per_char)" in one.evidence
    assert "diluted in average validation loss" in one.explanation


def test_one_budget_cannot_tell(checked: Any) -> None:
    one = checked({"micro-1x": (PLAIN, BITS, BETTER_WEB)})["gain under one token budget only"]
    assert one.state == "cannot tell"


def test_a_gain_under_one_of_two_budgets_is_found(checked: Any) -> None:
    world = {"micro-0.5x": (PLAIN, BITS, WEB), "micro-1x": (PLAIN, BITS, BETTER_WEB)}
    one = checked(world)["gain under one token budget only"]
    assert one.state == "found"
    assert "0.5x" in one.evidence


def test_a_gain_under_both_budgets_is_not(checked: Any) -> None:
    world = {"micro-0.5x": (PLAIN, BITS, BETTER_WEB), "micro-1x": (PLAIN, BITS, BETTER_WEB)}
    assert checked(world)["gain under one token budget only"].state == "not found"


def test_downstream_that_appears_at_the_larger_size_lags(checked: Any) -> None:
    gained = {name: share + 0.1 for name, share in PLAIN.items()}
    world = {"micro-1x": (PLAIN, BITS, BETTER_WEB), "small-1x": (gained, BITS, BETTER_WEB)}
    one = checked(world)["downstream lags loss"]
    assert one.state == "found"
    assert "appears at the largest size" in one.evidence
    assert "enough capacity" in one.explanation


def test_where_nothing_differs_no_check_finds_anything(checked: Any) -> None:
    found = checked({"micro-0.5x": (PLAIN, BITS, WEB), "micro-1x": (PLAIN, BITS, WEB)})
    assert {one.state for one in found.values()} <= {"not found", "cannot tell"}


def test_a_headline_that_may_not_be_judged_finds_no_gain_in_loss(
    publish: Callable[..., Path], scored: Any, panel: Any, tmp_path: Path
) -> None:
    for seed in (1, 2, 3):
        for arm, slices in (("base", WEB), ("mine", BETTER_WEB)):
            publish(scored(arm, seed, PLAIN, BITS))
            last = publish(panel(arm, seed, slices, families=20))
    (pair,) = compared(Store.open(tmp_path / "store"), [f"{last.parent}/mine*", f"{last.parent}/base*"])
    found = {one.name: one for one in pair.checks}
    for name in ("gain only in loss", "downstream lags loss", "downstream moves without loss"):
        assert (found[name].state, "may not be judged" in found[name].evidence) == ("cannot tell", True)
