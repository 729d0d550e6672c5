"""Means over parts of a task's items: variances by hand, coverage, and what leaves them as numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from curation.numerics import shared_bootstrap_sums
from leaderboard.part_means import ClusteredItems, WeightedArm, WeightedPart, estimate, mean_estimate

ARMS = [WeightedArm((0, 1), 1.0), WeightedArm((2, 3), -1.0)]


def test_no_p_leaves_an_estimate_whose_run_noise_was_not_measured() -> None:
    values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    arms = (WeightedArm(columns=(0,), weight=1.0), WeightedArm(columns=(1,), weight=-1.0))
    units = ClusteredItems(values=values, clusters=np.arange(5))
    found = estimate(units, [WeightedPart(np.ones(5, np.bool_), 1.0)], arms, ("t",))
    assert found is not None
    assert found.as_json()["p_value"] is None
    assert replace(found, measured=True).as_json()["p_value"] is not None


def test_what_seeds_do_to_single_clusters_is_taken_off_once() -> None:
    """Influences of the first arm: (0, 0) and (1, -1). Squares 1 over 2 degrees, times 2/(2 - 1), times 1/2 + 1/2."""
    values = np.array([[0.0, 2.0, 0.0, 0.0], [0.0, -2.0, 0.0, 0.0]])
    units = ClusteredItems(values=values, clusters=np.arange(2))
    found = estimate(units, [WeightedPart(np.ones(2, bool), 1.0)], ARMS, ("t",))
    assert found is not None
    assert found.both == pytest.approx(1.0)
    mean = mean_estimate([found, found], ARMS)
    assert mean is not None
    assert mean.both == pytest.approx(0.5)


def test_items_that_seeds_move_each_by_itself_share_their_whole_variance() -> None:
    """Of a difference of two means of two runs over 300 items of variance 1: (1/2 + 1/2) / 300."""
    rng = np.random.default_rng(1)
    units = ClusteredItems(values=rng.normal(size=(300, 4)), clusters=np.arange(300))
    found = estimate(units, [WeightedPart(np.ones(300, bool), 1.0)], ARMS, ("t",))
    assert found is not None
    assert found.both == pytest.approx(1 / 300, rel=0.12)  # 600 degrees: a standard error of 6 %


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_gap_of_two_parts_covers_the_truth_in_93_to_97_of_100_worlds(
    monkeypatch: pytest.MonkeyPatch, num_seeds: int
) -> None:
    """60 suspicious and 120 clean items; noise of a seed, of an arm's effect on an item, of a seed on an item."""
    monkeypatch.setattr("leaderboard.part_means.shared_bootstrap_sums", partial(shared_bootstrap_sums, draws=400))
    suspicious, worlds, shares = np.arange(180) < 60, 600, []
    parts = [WeightedPart(suspicious, 1.0), WeightedPart(~suspicious, -1.0)]
    runs = tuple(range(2 * num_seeds))
    arms = [WeightedArm(runs[:num_seeds], 1.0), WeightedArm(runs[num_seeds:], -1.0)]
    for noise in ((0.2, 1.0, 0.0), (0.2, 0.5, 1.0), (0.3, 0.1, 0.5)):
        rng, covered = np.random.default_rng(num_seeds), 0
        for _ in range(worlds):
            own = rng.normal(size=(180, 1, 1)) + rng.normal(scale=noise[1], size=(180, 2, 1))
            own = own + rng.normal(scale=noise[2], size=(180, 2, num_seeds))
            for part in parts:  # a seed moves each part by itself
                own[part.mask] += rng.normal(scale=noise[0], size=(1, 2, num_seeds))
            own[suspicious, 0] += 0.3
            found = estimate(ClusteredItems(values=own.reshape(180, -1), clusters=np.arange(180)), parts, arms, ("t",))
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            covered += found.low <= 0.3 <= found.high
        shares.append(covered / worlds)
    error = math.sqrt(0.95 * 0.05 / worlds)
    assert 0.93 <= float(np.mean(shares)) <= 0.97, shares
    assert 0.93 - 2 * error <= min(shares) <= max(shares) <= 0.97 + 2 * error, shares
