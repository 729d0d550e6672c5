"""Spikes, lasting changes of level, divergence."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest

from train.spikes import LOCAL_WINDOW, WARM, LossLevel, RollingMoments, SpikeMonitor


def noisy(count: int, level: float = 3.0, sigma: float = 0.01, seed: int = 1) -> list[float]:
    return (level + sigma * np.random.default_rng(seed).standard_normal(count)).tolist()


def seen(monitor: SpikeMonitor, losses: list[float], start: int = 0) -> list[tuple[int, float]]:
    found = []
    for step, loss in enumerate(losses, start):
        for spike in monitor.see(step, loss, 1.0, True).spikes:
            found.append((spike.step, spike.sigmas))
    return found


def test_sigmas_are_those_of_the_last_window_alone() -> None:
    values = noisy(300)
    rolling = RollingMoments(LOCAL_WINDOW)
    for value in values:
        rolling.add(value)
    last = values[-LOCAL_WINDOW:]
    expected = (3.2 - statistics.fmean(last)) / statistics.pstdev(last)
    assert rolling.sigmas_above(3.2) == pytest.approx(expected, rel=1e-6)


def test_fewer_than_64_values_or_equal_values_make_no_spike() -> None:
    few, equal = RollingMoments(LOCAL_WINDOW), RollingMoments(LOCAL_WINDOW)
    for value in noisy(WARM - 1):
        few.add(value)
    for _ in range(WARM):
        equal.add(2.0)
    assert few.sigmas_above(100.0) is None
    assert equal.sigmas_above(100.0) is None


def test_noise_without_spikes_scores_zero() -> None:
    monitor = SpikeMonitor()
    assert seen(monitor, noisy(2_000)) == []
    assert monitor.scores() == {"loss": 0.0, "grad_norm": 0.0}


def test_a_value_8_sigma_up_is_a_spike_and_6_sigma_is_none() -> None:
    monitor = SpikeMonitor()
    steady = [2.99, 3.01] * 500  # mean 3, σ 0.01 exactly
    assert seen(monitor, [*steady, 3.06]) == []
    ((step, sigmas),) = seen(monitor, [3.08], start=1_001)
    assert step == 1_001
    assert sigmas == pytest.approx(7.0, abs=1.0)


def test_the_score_is_the_share_of_the_last_1000_steps() -> None:
    monitor = SpikeMonitor()
    seen(monitor, [2.99, 3.01] * 600)
    seen(monitor, [4.0], start=1_200)
    assert monitor.scores()["loss"] == pytest.approx(1 / 1_000)
    seen(monitor, [2.99, 3.01] * 500, start=1_201)
    assert monitor.scores()["loss"] == 0.0
    assert monitor.count == 1
    assert [spike.step for spike in monitor.history] == [1_200]


def test_a_loss_0_2_above_its_median_for_50_steps_is_sustained_and_0_1_is_not() -> None:
    for excess, expected in ((0.2, True), (0.1, False)):
        level = LossLevel()
        for loss in [3.0] * 200 + [3.0 + excess] * 80:
            level.see(loss, True)
        assert level.sustained is expected
        assert not level.diverged


def test_0_6_nats_for_200_steps_or_three_nonfinite_steps_are_divergence() -> None:
    far, broken = LossLevel(), LossLevel()
    for loss in [3.0] * 900 + [3.6] * 230:
        far.see(loss, True)
    for loss in [3.0, math.nan, math.nan]:
        broken.see(loss, False)
    assert far.diverged
    assert not broken.diverged
    broken.see(math.inf, False)
    assert broken.diverged


def test_the_first_step_of_a_sustained_spike_is_named() -> None:
    monitor = SpikeMonitor()
    seen(monitor, [3.0] * 200)
    observed = [monitor.see(step, 4.0, 1.0, True) for step in range(200, 251)]
    assert observed[48].sustained_since is None
    assert observed[50].sustained_since == 201  # the mean of ten steps is 0.15 up one step later


def test_a_step_that_is_not_finite_counts_in_the_score() -> None:
    monitor = SpikeMonitor()
    seen(monitor, [3.0] * 9)
    monitor.see(9, math.nan, math.inf, False)
    assert monitor.scores() == {"loss": 0.1, "grad_norm": 0.1}


@pytest.mark.parametrize("cut", [1, 63, 500, 1_500])
def test_restored_after_any_step_the_monitor_sees_the_same(cut: int) -> None:
    values = noisy(1_600)
    for place in range(100, 1_600, 170):
        values[place] += 1.0
    whole, first = SpikeMonitor(), SpikeMonitor()
    seen(whole, values)
    seen(first, values[:cut])
    second = SpikeMonitor()
    second.restore(json.loads(json.dumps(first.state())))
    seen(second, values[cut:], start=cut)
    assert json.dumps(second.state()) == json.dumps(whole.state())
