"""Intervals over recipes: draws are scipy's measures of the drawn recipes, and intervals cover as documented."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leaderboard.stability.intervals import bounded_interval, recipe_intervals, resampled
from leaderboard.stability.measures import agreement


def worlds(num: int, correlation: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(seed).standard_normal((2, num))
    return first, correlation * first + np.sqrt(1 - correlation**2) * second


def slow_draw(small: np.ndarray, target: np.ndarray, picks: np.ndarray) -> dict[str, float]:
    """Measures of drawn recipes, pairs of two copies of one recipe left out."""
    credits, taus = [], []
    for i, a in enumerate(picks):
        for b in picks[:i]:
            if a != b:
                credits.append((np.sign((small[a] - small[b]) * (target[a] - target[b])) + 1) / 2)
                taus.append(credits[-1] * 2 - 1)
    return {
        "decision_accuracy": float(np.mean(credits)),
        "kendall_tau_b": float(np.mean(taus)),
        "spearman": float(stats.spearmanr(small[picks], target[picks]).statistic),
        "pearson": float(stats.pearsonr(small[picks], target[picks]).statistic),
        "weighted_tau": float("nan"),
        "regret": float(target[picks].max() - target[picks][np.argmax(small[picks])]),
    }


def test_draws_are_the_measures_of_the_drawn_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    small, target = worlds(7, 0.6, 1)
    counts = np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=20)

    class Fixed:
        def multinomial(self, *_: object, **__: object) -> np.ndarray:
            return counts

    monkeypatch.setattr("leaderboard.stability.intervals.generator", lambda *_: Fixed())
    found = resampled(small, target, 20)
    for row in range(20):
        slow = slow_draw(small, target, np.repeat(np.arange(7), counts[row]))
        for name in ("decision_accuracy", "kendall_tau_b", "spearman", "pearson", "regret"):
            assert found[name][row] == pytest.approx(slow[name], abs=1e-9), name


def test_a_draw_of_every_recipe_once_has_scipys_weighted_tau(monkeypatch: pytest.MonkeyPatch) -> None:
    class Once:
        def multinomial(self, *_: object, **__: object) -> np.ndarray:
            return np.ones((1, 9), np.int64)

    monkeypatch.setattr("leaderboard.stability.intervals.generator", lambda *_: Once())
    small, target = worlds(9, 0.3, 2)
    assert resampled(small, target, 1)["weighted_tau"][0] == pytest.approx(stats.weightedtau(small, target).statistic)


def test_perfect_agreement_of_few_recipes_is_not_certain() -> None:
    intervals, kept = recipe_intervals(np.arange(5.0), np.arange(5.0), agreement(np.arange(5.0), np.arange(5.0)).values)
    accuracy = intervals["decision_accuracy"]
    assert accuracy is not None
    assert (accuracy.low < 0.5, accuracy.high, kept) == (True, 1.0, 1.0)


def test_fewer_than_four_recipes_have_no_interval() -> None:
    intervals, kept = recipe_intervals(np.arange(3.0), np.arange(3.0), agreement(np.arange(3.0), np.arange(3.0)).values)
    assert (set(intervals.values()), kept) == ({None}, None)


def test_an_interval_holds_its_estimate_and_stays_within_the_scale() -> None:
    for share in (0.0, 0.01, 0.5, 0.99, 1.0):
        found = bounded_interval("decision_accuracy", share, 0.01, 6)
        assert 0 <= found.low <= share <= found.high <= 1


@pytest.mark.parametrize(
    ("name", "low"),
    [
        # Wilson of a share of 1 is 1 / (1 + t²/T), t = 2.5706 at 5 degrees, t² = 6.6079; of pairs T = 9·6·5 / (2·17)
        ("decision_accuracy", 0.54582),  # T = 7.9412: 1 / 1.83211
        ("kendall_tau_b", 0.09164),  # the same share of [-1, 1]
        ("spearman", -0.13851),  # T = 6 - 1: 2 / 2.32158 - 1
    ],
)
def test_six_recipes_in_full_agreement_have_the_interval_of_a_share_of_one(name: str, low: float) -> None:
    found = bounded_interval(name, 1.0, 0.0, 6)
    assert (found.low, found.high) == (pytest.approx(low, abs=2e-5), 1.0)


@pytest.mark.parametrize(("name", "high"), [("decision_accuracy", 0.45418), ("kendall_tau_b", -0.09164)])
def test_six_recipes_in_full_disagreement_have_the_mirror_of_it(name: str, high: float) -> None:
    lowest = 0.0 if name == "decision_accuracy" else -1.0
    found = bounded_interval(name, lowest, 0.0, 6)
    assert (found.low, found.high) == (lowest, pytest.approx(high, abs=2e-5))


def test_many_recipes_have_intervals_from_draws_of_fewer() -> None:
    small, target = worlds(3_000, 0.9, 3)
    values = agreement(small, target).values
    intervals, _ = recipe_intervals(small, target, values)
    found = intervals["pearson"]
    assert found is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * (1 - 0.9**2) / np.sqrt(3_000), rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("num", [5, 8, 15, 25])
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_intervals_cover_at_least_as_documented(num: int, correlation: float) -> None:
    """Normal scores: tau = 2/pi asin(r), Spearman's rho = 6/pi asin(r/2) at any n to a bias of its own."""
    tau = 2 / np.pi * np.arcsin(correlation)
    truth = {"decision_accuracy": (1 + tau) / 2, "kendall_tau_b": tau, "pearson": correlation}
    hits = dict.fromkeys(truth, 0)
    for world in range(300):
        small, target = worlds(num, correlation, 10_000 * num + world)
        intervals, _ = recipe_intervals(small, target, agreement(small, target).values)
        for name, value in truth.items():
            found = intervals[name]
            hits[name] += found is not None and found.low <= value <= found.high
    assert min(hits.values()) / 300 >= 0.91
