"""Leave-one-out arms: what they raise, who pays, what they are called, and what cannot be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from curation.recipe import MixSpec
from leaderboard.studies.arms import Arm, resolve_arms
from leaderboard.studies.leave_one_out import left_out_mixes, moved_points
from leaderboard.studies.study import load_study, parse_study

ROOT = Path(__file__).resolve().parents[3]
BASE = MixSpec(weights={"web": 0.7, "code": 0.1, "math": 0.2})


def arms_of(vary: dict[str, Any], **changes: Any) -> dict[str, Arm]:
    value = {"name": "s", "hypothesis": "h", "kind": "mixture", "base": "baseline", "vary": vary, "tiers": {"pico": 1}}
    return {arm.name: arm for arm in resolve_arms(parse_study({**value, **changes}, "s.yaml"), "s.yaml")}


def test_each_raised_slice_is_left_out_once_and_the_others_get_exactly_as_much() -> None:
    up = {"mix": {"shift": {"code": 0.05, "math": 0.1, "web": -0.12, "books": -0.03}}, "leave_one_out": True}
    found = arms_of({"a": up, "b": {"mix": "uniform"}})
    assert list(found) == ["baseline", "a", "a.without-code", "a.without-math", "b"]
    assert found["a.without-code"].recipe.mix.shift == pytest.approx({"math": 0.1, "web": -0.08, "books": -0.02})
    assert found["a.without-math"].recipe.mix.shift == pytest.approx({"code": 0.05, "web": -0.04, "books": -0.01})
    assert (found["a.without-math"].role, found["a.without-math"].of) == ("leave-one-out", "a")
    assert found["a.without-math"].left_out == "math"


def test_of_the_only_arm_they_have_plain_names() -> None:
    up = {"mix": {"shift": {"web/code": 0.05, "math": 0.1, "web": -0.15}}, "leave_one_out": ["web/code"]}
    assert [name for name in arms_of({"a": up}) if "without" in name] == ["without-web-code"]


def test_an_arm_that_only_shifts_shifts_the_shares_of_the_base() -> None:
    study = load_study(ROOT / "studies/more-code-math.yaml", ("pool=environment",))
    arms = {arm.name: arm for arm in resolve_arms(study, "s")}
    assert arms["plus10"].recipe.mix.weights == arms["baseline"].recipe.mix.weights
    assert arms["plus10"].recipe.mix.shift == {"code": 0.10, "math": 0.10, "general_web": -0.20}
    assert {name for name in arms if name.startswith("plus15")} == {
        "plus15",
        "plus15.without-code",
        "plus15.without-math",
    }
    assert len(study.decision) == 6


def test_given_weights_are_left_out_by_their_difference_from_the_base() -> None:
    arm = MixSpec(weights={"web": 0.4, "code": 0.2, "math": 0.4})
    mixes, faults = left_out_mixes(BASE, arm, True)
    assert faults == []
    assert mixes["code"]["weights"] == pytest.approx({"web": 0.5, "code": 0.1, "math": 0.4})
    assert mixes["math"]["weights"] == pytest.approx({"web": 0.6, "code": 0.2, "math": 0.2})


def test_points_are_not_known_where_they_need_the_pool() -> None:
    assert moved_points(MixSpec(), MixSpec(weights={"web": 1.0})) is None
    assert moved_points(MixSpec(), MixSpec(shift={"code": 0.1, "web": -0.1})) == {"code": 0.1, "web": -0.1}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"mix": "uniform", "leave_one_out": True}, "what is raised cannot be told from the base's shares"),
        ({"mix": {"shift": {"code": 0.1, "web": -0.1}}, "leave_one_out": True}, "raises code, expected two"),
        (
            {"mix": {"shift": {"code": 0.1, "math": 0.1, "web": -0.2}}, "leave_one_out": ["cod"]},
            "does not raise `cod`; did you mean `code`",
        ),
        (
            {"mix": {"shift": {"code": 0.1, "math": 0.1, "web": -0.2}}, "leave_one_out": "yes"},
            r"'yes', expected `true`, or a list of raised slices \(code, math\)",
        ),
        ({"mix": {"shift": {"code": 0.1, "web": -0.2}}}, r"shift sums to -0\.1"),
    ],
)
def test_what_cannot_be_left_out_is_refused_at_its_place(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(StudyError, match=rf"vary\.a.*{fault}"):
        arms_of({"a": change})


def test_a_filter_arm_has_nothing_to_leave_out() -> None:
    with pytest.raises(StudyError, match=r"vary\.a\.leave_one_out: belongs to arms that change the `mix`"):
        arms_of({"a": {"filter": "quality_v1", "leave_one_out": True}}, kind="filter")


UP = {"mix": {"shift": {"code": 0.05, "math": 0.1, "web": -0.15}}, "leave_one_out": True}


@pytest.mark.parametrize(
    ("vary", "first", "second"),
    [
        (
            {"a": UP, "a.without-math": {"mix": "uniform"}},
            r"vary\.a\.leave_one_out \(without `math`\)",
            r"vary\.a\.without-math",
        ),
        (
            {"a": {"mix": {"shift": {"web/code": 0.1, "web-code": 0.1, "web": -0.2}}, "leave_one_out": True}},
            r"vary\.a\.leave_one_out \(without `web-code`\)",
            r"vary\.a\.leave_one_out \(without `web/code`\)",
        ),
        (
            {"a": {"mix": {"shift": {"код": 0.1, "мат": 0.1, "web": -0.2}}, "leave_one_out": True}},
            r"vary\.a\.leave_one_out \(without `код`\)",
            r"vary\.a\.leave_one_out \(without `мат`\)",
        ),
    ],
)
def test_two_arms_of_one_name_are_refused_with_both_origins(vary: dict[str, Any], first: str, second: str) -> None:
    with pytest.raises(StudyError, match=rf"{second}: is called `.*`, as {first} is"):
        arms_of(vary)
