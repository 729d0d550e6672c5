"""Which steps are taken, and the rolling hash of samples."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mixtures.draws import draw
from train.steps import WARM, StepGuard, sample_hash


def warmed() -> StepGuard:
    """Return a guard that has seen 70 steps with losses 4.9 and 5.1 in turn: mean 5.0, σ 0.1."""
    guard = StepGuard(sigmas=6.0)
    assert all(
        guard.judge(step, 5.0 + 0.1 * (-1) ** step, 1.0 + 0.1 * (-1) ** step) == "accepted" for step in range(70)
    )
    return guard


@pytest.mark.parametrize(
    ("loss", "norm", "judged"), [(5.5, 1.5, "accepted"), (5.7, 1.0, "outlier"), (5.0, 1.7, "outlier")]
)
def test_a_step_six_sigma_above_its_window_is_skipped(loss: float, norm: float, judged: str) -> None:
    assert warmed().judge(70, loss, norm) == judged


def test_before_the_window_is_half_full_every_finite_step_is_taken() -> None:
    guard = StepGuard(sigmas=6.0)
    assert all(guard.judge(step, 5.0 + 0.01 * (step % 2), 1.0) == "accepted" for step in range(WARM - 1))
    assert guard.judge(WARM - 1, 500.0, 1.0) == "accepted"


def test_without_a_bound_every_finite_step_is_taken() -> None:
    guard = StepGuard(sigmas=None)
    assert all(guard.judge(step, 5.0, 1.0) == "accepted" for step in range(100))
    assert guard.judge(100, 500.0, 500.0) == "accepted"
    assert guard.judge(101, math.inf, 1.0) == "non-finite"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_skipped_and_forgotten(bad: float) -> None:
    guard = warmed()
    assert guard.judge(70, bad, 1.0) == "non-finite"
    assert guard.judge(71, 5.0, bad) == "non-finite"
    assert (guard.skipped, len(guard.losses)) == ([70, 71], 70)


def test_three_non_finite_steps_in_a_row_are_divergence() -> None:
    guard = StepGuard(sigmas=6.0)
    for step in (0, 1):
        guard.judge(step, math.nan, 1.0)
        assert not guard.diverged
    guard.judge(2, math.nan, 1.0)
    assert guard.diverged


def test_outliers_stay_out_of_the_window_so_that_the_next_one_is_seen() -> None:
    guard = warmed()
    assert [guard.judge(70 + i, 9.0 + i, 1.0) for i in range(4)] == ["outlier"] * 4
    assert guard.judge(74, 5.7, 1.0) == "outlier"  # with 9 to 12 inside, σ would be 1.1 and the bound 12
    assert max(guard.losses) == 5.1


def test_more_than_sixteen_outliers_in_a_row_are_a_new_level() -> None:
    guard = warmed()
    judged = [guard.judge(70 + i, 7.0 + 0.1 * (-1) ** i, 1.0) for i in range(20)]
    assert judged == ["outlier"] * 16 + ["accepted"] * 4
    assert min(guard.losses) == 6.9


def test_a_step_planned_to_be_left_out_leaves_no_trace_in_the_window() -> None:
    guard = StepGuard(sigmas=6.0, planned=frozenset({3}))
    assert [guard.judge(step, 5.0, 1.0) for step in range(5)] == [*["accepted"] * 3, "planned", "accepted"]
    assert (guard.skipped, len(guard.losses)) == ([3], 4)


def test_the_state_survives_json() -> None:
    guard = warmed()
    guard.judge(70, 9.0, 1.0)
    again = StepGuard(sigmas=6.0)
    again.restore(json.loads(json.dumps(guard.as_json())))
    assert again == guard


def test_the_sample_hash_depends_on_every_draw_and_their_order() -> None:
    shares, sizes = {"a": 0.5, "b": 0.5}, {"a": 9, "b": 9}
    first, second = (draw(shares, sizes, seed=1, start=start, count=4) for start in (0, 4))
    other = draw(shares, sizes, seed=2, start=0, count=4)
    hashes = {sample_hash("", first), sample_hash("", second), sample_hash("", other)}
    assert len(hashes) == 3
    assert sample_hash(sample_hash("", first), second) != sample_hash(sample_hash("", second), first)
    assert sample_hash("", first) == sample_hash("", draw(shares, sizes, seed=1, start=0, count=4))
    assert np.array_equal(first.slices, [0, 1, 0, 1])
