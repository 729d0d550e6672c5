"""Chart geometry: round ticks, zero always in sight, marks inside the plot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.charts import curve_plot, interval_plot, nice_ticks
from leaderboard.compare_arms import Rules, compare_arms
from leaderboard.studies.results import CurvePoint


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 10.0, [0, 2, 4, 6, 8, 10]), (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]), (3.0, 3.0, [3.0])],
)
def test_ticks_are_round_numbers_inside_the_range(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high, 5) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_ascend_and_are_few(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span, 5)
    assert ticks == sorted(ticks)
    assert len(ticks) <= 12


def test_a_better_arm_lies_left_of_zero_and_the_headline_comes_first(make_scores: Any) -> None:
    def level(arm: str, seed: int, name: str) -> float:
        return 2.0 * (0.97 if arm == "mine" else 1.0) * (1 + 0.001 * seed)

    total = compare_arms(make_scores(["baseline", "mine"], 2, level, {"docs": 60}), "mine", "baseline", Rules())
    plot = interval_plot(total, None)
    assert [strip.label for strip in plot.strips] == ["mean over slices", "docs"]
    assert all(mark.x < plot.zero for strip in plot.strips for mark in strip.marks)
    assert all(0 <= mark.x <= 100 for strip in plot.strips for mark in strip.marks)


def test_a_curve_of_one_point_is_no_plot() -> None:
    assert curve_plot([("a", [CurvePoint(tokens=1, loss=1.0)])]) is None


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    points = [CurvePoint(tokens=i, loss=10.0 / i) for i in range(1, 1001)]
    plot = curve_plot([("a", points)])
    assert plot is not None
    drawn = plot.curves[0].points.split(" ")
    assert len(drawn) <= 121
    assert drawn[-1].startswith("100.00,")
