"""Ranges of scores: by hand with three points, and none where they cannot be had."""

from __future__ import annotations

import math
from typing import Any

import pytest

from leaderboard.gates.evidence import Cited
from leaderboard.gates.score_ranges import score_ranges
from leaderboard.studies.facts import FamilyDelta

E = math.e


def tier(flops: float, points: float, half: float = 0.1, **changes: Any) -> Any:
    fact = FamilyDelta(
        **{
            "tier": "t", "arm": "a", "against": "baseline", "suite": "s", "family": "math", "points": points,
            "low": points - half, "high": points + half, "num_tasks": 1, "num_items": 9, "seeds": (1,),
            "eligible": True, **changes,
        }
    )  # fmt: skip
    return type("Tier", (), {"flops": flops, "families": (Cited(fact=fact, id="x"),)})()


def test_three_points_off_a_line_give_students_interval_with_one_degree() -> None:
    # ln C = 0, 1, 2; points 1, 3, 2: slope 0.5, mean 2, residuals -0.5, 1, -0.5, s² = 1.5; at ln C = 3: 3 ± ...
    found = score_ranges([tier(1, 1), tier(E, 3), tier(E**2, 2)], E**3)
    half = 12.7062 * math.sqrt(1.5) * math.sqrt(1 + 1 / 3 + 4 / 2)
    assert found["math"] == pytest.approx((3 - half, 3 + half), rel=1e-4)


def test_points_on_a_line_are_as_uncertain_as_they_are_themselves() -> None:
    found = score_ranges([tier(1, 1, half=1.959964), tier(E, 2, half=1.959964), tier(E**2, 3, half=1.959964)], E)
    assert found["math"] == pytest.approx((2 - 12.7062 * math.sqrt(4 / 3), 2 + 12.7062 * math.sqrt(4 / 3)), rel=1e-4)


def test_two_scales_families_below_chance_and_without_interval_have_no_range() -> None:
    assert score_ranges([tier(1, 1), tier(E, 2)], E) == {}
    assert score_ranges([tier(1, 1), tier(E, 2), tier(E**2, 2, eligible=False)], E) == {}
    assert score_ranges([tier(1, 1), tier(E, 2), tier(E**2, 2, low=None)], E) == {}
