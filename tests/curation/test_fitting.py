"""Batched fits: gradients, minima, losses and resamples against slow or known answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.descent import BLOCK_CELLS, Loss, Problem, Pullback, Search
from curation.fitting import MIN_SAMPLE_ROWS, SAMPLE_CELLS, grid, minimise, refit, resample_weights

Floats = np.ndarray
X = np.linspace(-1.0, 2.0, 40)


def line(theta: Floats) -> tuple[Floats, Pullback]:
    def pullback(weights: Floats) -> Floats:
        return np.stack([weights.sum(axis=1), weights @ X], axis=1)

    return theta[:, 0:1] + theta[:, 1:2] * X, pullback


def noisy_line() -> Floats:
    return 1.5 - 0.7 * X + np.random.default_rng(0).standard_normal(len(X)) * 0.1


def test_least_squares_is_what_a_regression_gives() -> None:
    problem = Problem(model=line, targets=noisy_line(), loss=Loss(kind="mse"))
    found = minimise(problem, grid((-3.0, 0.0, 3.0), (-3.0, 3.0)))
    slope, level = np.polyfit(X, noisy_line(), 1)
    assert found.theta == pytest.approx([level, slope], abs=1e-9)
    assert found.objective == pytest.approx(np.sum((noisy_line() - level - slope * X) ** 2))


def test_absolute_deviations_end_at_the_median_of_a_constant() -> None:
    targets = np.array([1.0, 2.0, 3.0, 10.0, 1000.0])

    def constant(theta: Floats) -> tuple[Floats, Pullback]:
        return np.repeat(theta, 5, axis=1), lambda weights: weights.sum(axis=1, keepdims=True)

    found = minimise(Problem(model=constant, targets=targets, loss=Loss(kind="lad")), grid((0.0, 50.0)))
    assert found.theta[0] == pytest.approx(3.0, abs=1e-4)
    assert found.objective == pytest.approx(2 + 1 + 0 + 7 + 997, rel=1e-6)


@given(st.floats(-5, 5), st.sampled_from([1e-3, 0.1, 1.0]))
def test_huber_is_quadratic_inside_delta_and_a_line_outside(residual: float, delta: float) -> None:
    size = abs(residual)
    expected = residual**2 / 2 if size <= delta else delta * (size - delta / 2)
    assert Loss(delta=delta).value(np.array([residual]))[0] == pytest.approx(expected)


def test_one_wild_point_hardly_moves_huber() -> None:
    targets = 1.5 - 0.7 * X
    targets[3] += 50
    found = minimise(Problem(model=line, targets=targets), grid((0.0, 2.0), (-2.0, 0.0)))
    assert found.theta == pytest.approx([1.5, -0.7], abs=1e-3)


def test_of_two_valleys_the_deeper_is_kept_however_many_starts_end_in_the_other() -> None:
    def quartic(theta: Floats) -> tuple[Floats, Pullback]:
        t = theta[:, 0:1]
        return t**4 - 4 * t**2 + 0.5 * t + 10, lambda w: w.sum(axis=1, keepdims=True) * (4 * t**3 - 8 * t + 0.5)

    problem = Problem(model=quartic, targets=np.zeros(1), loss=Loss(kind="mse"))
    found = minimise(problem, np.array([[1.0], [1.2], [1.4], [1.6], [-0.5]]))
    assert found.theta[0] == pytest.approx(-1.4445, abs=1e-3)


def test_starts_where_the_model_is_not_finite_are_passed_over() -> None:
    def root(theta: Floats) -> tuple[Floats, Pullback]:
        with np.errstate(invalid="ignore"):
            value = np.sqrt(theta[:, 0:1])
        return value, lambda w: w.sum(axis=1, keepdims=True) / (2 * value)

    problem = Problem(model=root, targets=np.array([3.0]), loss=Loss(kind="mse"))
    assert minimise(problem, np.array([[-4.0], [1.0]])).theta[0] == pytest.approx(9.0)
    with pytest.raises(ValueError, match="finite at no start"):
        minimise(problem, np.array([[-4.0]]))


def test_a_refit_with_weights_is_the_fit_of_the_repeated_rows() -> None:
    weights = resample_weights(np.arange(len(X)), 3, np.random.default_rng(1))
    problem = Problem(model=line, targets=noisy_line(), loss=Loss(kind="mse"))
    start = minimise(problem, grid((0.0,), (0.0,))).theta
    refits = np.concatenate(list(refit(problem, start, weights)))
    for row, count in zip(refits, weights, strict=True):
        slope, level = np.polyfit(np.repeat(X, count.astype(int)), np.repeat(noisy_line(), count.astype(int)), 1)
        assert row == pytest.approx([level, slope], abs=1e-7)


@given(st.integers(0, 50), st.integers(2, 6))
def test_whole_groups_are_drawn_and_as_many_as_there_are(seed: int, num_groups: int) -> None:
    groups = np.repeat(np.arange(num_groups), 3)
    weights = resample_weights(groups, 20, np.random.default_rng(seed))
    by_group = weights.reshape(20, num_groups, 3)
    assert np.all(by_group == by_group[:, :, :1])
    assert np.all(by_group[:, :, 0].sum(axis=1) == num_groups)


def test_a_block_of_starts_and_one_at_a_time_end_at_the_same_place() -> None:
    problem = Problem(model=line, targets=noisy_line())
    starts = grid((-3.0, 0.0, 3.0), (-3.0, 0.0, 3.0))
    together = minimise(problem, starts, Search(polished=9)).theta
    alone = [minimise(problem, start[None]).theta for start in starts]
    assert np.allclose(alone, together, atol=1e-7)


def line_of(rows: Floats) -> Callable[[Floats], tuple[Floats, Pullback]]:
    def model(theta: Floats) -> tuple[Floats, Pullback]:
        assert len(theta) * len(rows) <= max(BLOCK_CELLS, len(rows)), "more is held at once than a block"
        return theta[:, 0:1] + theta[:, 1:2] * rows, lambda w: np.stack([w.sum(axis=1), w @ rows], axis=1)

    return model


def long_problem(num: int) -> Problem:
    x = np.linspace(-1.0, 2.0, num)
    noise = np.random.default_rng(0).standard_normal(num) * 0.1
    return Problem(model=line_of(x), targets=1.5 - 0.7 * x + noise, of_rows=lambda rows: line_of(x[rows]))


def test_gradients_of_many_rows_are_taken_in_parts() -> None:
    slopes = long_problem(20_000).jacobian(np.array([1.0, 2.0]))
    assert slopes == pytest.approx(np.stack([np.ones(20_000), np.linspace(-1.0, 2.0, 20_000)], axis=1))


def test_gradients_of_rows_are_the_same_without_a_model_of_rows() -> None:
    problem, theta = long_problem(700), np.array([1.0, 2.0])
    assert np.array_equal(replace(problem, of_rows=None).jacobian(theta), problem.jacobian(theta))


def test_a_sample_of_rows_serves_the_first_descent_alone() -> None:
    """From 400 starts, 60,000 rows are met by 3,000; the minimum is that of all rows."""
    problem = long_problem(60_000)
    assert len(problem.sample(3000).targets) == 3000
    starts = grid(tuple(np.linspace(-3, 3, 20)), tuple(np.linspace(-3, 3, 20)))
    found = minimise(problem, starts)
    whole = minimise(replace(problem, of_rows=None), starts[:1])
    assert found.theta == pytest.approx(whole.theta, abs=1e-6)
    assert found.objective == pytest.approx(whole.objective, rel=1e-9)


def test_a_small_table_is_never_sampled() -> None:
    """The published 240 rows from 4,500 starts."""
    assert long_problem(240).sample(max(MIN_SAMPLE_ROWS, SAMPLE_CELLS // 4500)).targets.shape == (240,)


def test_draws_in_two_calls_are_those_of_one() -> None:
    groups, rng = np.repeat(np.arange(7), 2), np.random.default_rng(3)
    parts = [resample_weights(groups, num, rng) for num in (3, 5)]
    assert np.array_equal(np.concatenate(parts), resample_weights(groups, 8, np.random.default_rng(3)))
