"""Which steps are taken, and the rolling hash of samples."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from curation.errors import RunError
from mixtures.draws import draw
from train.steps import WARM, StepGuard, sample_hash


def warmed() -> StepGuard:
    """Return a guard that has seen 70 steps with losses 4.9 and 5.1 in turn: mean 5.0, σ 0.1."""
    guard = StepGuard(sigmas=6.0)
    assert all(guard.accept(step, 5.0 + 0.1 * (-1) ** step, 1.0 + 0.1 * (-1) ** step) for step in range(70))
    return guard


@pytest.mark.parametrize(("loss", "norm", "taken"), [(5.5, 1.5, True), (5.7, 1.0, False), (5.0, 1.7, False)])
def test_a_step_six_sigma_above_its_window_is_skipped(loss: float, norm: float, taken: bool) -> None:
    assert warmed().accept(70, loss, norm) is taken


def test_before_the_window_is_half_full_every_finite_step_is_taken() -> None:
    guard = StepGuard(sigmas=6.0)
    assert all(guard.accept(step, 5.0 + 0.01 * (step % 2), 1.0) for step in range(WARM - 1))
    assert guard.accept(WARM - 1, 500.0, 1.0)


def test_without_a_bound_every_finite_step_is_taken() -> None:
    guard = StepGuard(sigmas=None)
    assert all(guard.accept(step, 5.0, 1.0) for step in range(100))
    assert guard.accept(100, 500.0, 500.0)
    assert not guard.accept(101, math.inf, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_skipped_and_forgotten(bad: float) -> None:
    guard = warmed()
    assert not guard.accept(70, bad, 1.0)
    assert not guard.accept(71, 5.0, bad)
    assert (guard.skipped, len(guard.losses)) == ([70, 71], 70)


def test_the_third_non_finite_step_in_a_row_ends_the_run() -> None:
    guard = StepGuard(sigmas=6.0)
    guard.accept(0, math.nan, 1.0)
    guard.accept(1, math.nan, 1.0)
    with pytest.raises(RunError, match="step 2: .*third non-finite"):
        guard.accept(2, math.nan, 1.0)


def test_a_lasting_new_level_is_followed() -> None:
    guard = warmed()
    taken = [guard.accept(70 + i, 7.0 + 0.1 * (-1) ** i, 1.0) for i in range(20)]
    assert not taken[0]
    assert taken[-1]


def test_the_state_survives_json() -> None:
    guard = warmed()
    guard.accept(70, 9.0, 1.0)
    assert StepGuard.from_json(json.loads(json.dumps(guard.as_json())), 6.0) == guard


def test_the_sample_hash_depends_on_every_draw_and_their_order() -> None:
    shares, sizes = {"a": 0.5, "b": 0.5}, {"a": 9, "b": 9}
    first, second = (draw(shares, sizes, seed=1, start=start, count=4) for start in (0, 4))
    other = draw(shares, sizes, seed=2, start=0, count=4)
    hashes = {sample_hash("", first), sample_hash("", second), sample_hash("", other)}
    assert len(hashes) == 3
    assert sample_hash(sample_hash("", first), second) != sample_hash(sample_hash("", second), first)
    assert sample_hash("", first) == sample_hash("", draw(shares, sizes, seed=1, start=0, count=4))
    assert np.array_equal(first.slices, [0, 1, 0, 1])
