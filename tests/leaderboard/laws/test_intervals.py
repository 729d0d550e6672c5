"""Intervals hold the truth as often as they say, also with few runs; what is not identified gets none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from curation.errors import InsufficientError
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.intervals import of_parameters
from leaderboard.laws.law import Settings

Table = dict[str, np.ndarray]
Made = tuple[Table, dict[str, float], float]


def kaplan_runs(rng: np.random.Generator) -> tuple[Table, dict[str, float], float]:
    """8 sizes of the published L(N) with 1 % noise, and one new run five times larger."""
    sizes = np.append(np.geomspace(1e7, 1e10, 8), 5e10)
    losses = (8.8e13 / sizes) ** 0.076 * np.exp(0.01 * rng.standard_normal(9))
    return {"N": sizes[:8], "L": losses[:8]}, {"N": 5e10}, float(losses[8])


def accuracy_runs(rng: np.random.Generator) -> tuple[Table, dict[str, float], float]:
    """8 budgets of -ln Q' = 500 C^-0.15 at chance 0.25 with noise 0.05 of the log, and a run ten times beyond."""
    flops = np.append(np.geomspace(1e18, 1e21, 8), 1e22)
    score = 0.25 + 0.75 * np.exp(-500 * flops**-0.15 * np.exp(0.05 * rng.standard_normal(9)))
    return {"C": flops[:8], "Q": score[:8]}, {"C": 1e22}, float(score[8])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "make", "name", "truth", "options"),
    [
        ("kaplan", kaplan_runs, "alpha_N", 0.076, {"variant": "original"}),
        ("direct-accuracy", accuracy_runs, "alpha", 0.15, {"chance": "0.25"}),
    ],
)
def test_with_eight_runs_95_percent_intervals_hold_95_percent(
    law: str, make: Callable[[np.random.Generator], Made], name: str, truth: float, options: dict[str, str]
) -> None:
    sims, of_param, of_run = 300, 0, 0
    for number in range(sims):
        table, at, value = make(np.random.default_rng(number))
        found = fit(law, table, Settings(draws=300, seed=number, options=options))
        low, high = found.ci95[name]
        of_param += low <= truth <= high
        interval = predict(found, at)[0].interval
        assert interval is not None
        of_run += interval[0] <= value <= interval[1]
    assert 0.925 <= of_param / sims <= 0.98
    assert 0.925 <= of_run / sims <= 0.98


def test_eight_rows_widen_the_bootstrap_by_residual_inflation_and_t() -> None:
    table, _, _ = kaplan_runs(np.random.default_rng(1))
    found = fit("kaplan", table, Settings(draws=300))
    assert found.stretch == pytest.approx((8 / 6) ** 0.5 * 2.446912 / 1.959964, rel=1e-5)  # t(0.975, 6) of the tables
    low, high = np.percentile(np.log(found.law.parameters(found.draws_SP)["alpha_N"]), [2.5, 97.5])
    width = np.log(found.ci95["alpha_N"][1] / found.ci95["alpha_N"][0])
    assert width == pytest.approx(found.stretch * (high - low), rel=1e-3)


def test_an_interval_of_accuracy_never_leaves_chance_to_one() -> None:
    table, _, _ = accuracy_runs(np.random.default_rng(4))
    found = fit("direct-accuracy", table, Settings(draws=200, options={"chance": "0.25"}))
    interval = predict(found, {"C": 1e26})[0].interval
    assert interval is not None
    assert 0.25 < interval[0] < interval[1] < 1


def test_two_sizes_give_no_interval_for_what_needs_three() -> None:
    rng = np.random.default_rng(0)
    sizes, tokens = (axis.ravel() for axis in np.meshgrid([1e8, 1e9], np.geomspace(1e9, 1e11, 8)))
    losses = (1.7 + 400 / sizes**0.34 + 410 / tokens**0.28) * np.exp(0.002 * rng.standard_normal(16))
    found = fit("chinchilla", {"N": sizes, "D": tokens, "L": losses}, Settings(draws=20))
    assert all(np.isnan(found.ci95[name]).all() for name in ("A", "alpha", "E", "a", "G"))
    assert np.isfinite(found.ci95["beta"]).all()


def test_one_ratio_gives_no_interval_for_the_exponents() -> None:
    sizes = np.geomspace(1e8, 1e10, 12)
    noise = np.exp(0.002 * np.random.default_rng(0).standard_normal(12))
    losses = (1.7 + 400 / sizes**0.34 + 410 / (20 * sizes) ** 0.28) * noise
    found = fit("chinchilla", {"N": sizes, "D": 20 * sizes, "L": losses}, Settings(draws=20))
    assert all(np.isnan(found.ci95[name]).all() for name in ("A", "B", "alpha", "beta", "a"))


def test_the_spread_of_the_bootstrap_is_told() -> None:
    table, _, _ = kaplan_runs(np.random.default_rng(1))
    found = fit("kaplan", table, Settings(draws=50))
    assert found.se["alpha_N"] == pytest.approx(np.std(found.law.parameters(found.draws_SP)["alpha_N"], ddof=1))


def test_constant_losses_are_insufficient() -> None:
    with pytest.raises(InsufficientError, match="L is 3 in all 6 rows"):
        fit("kaplan", {"N": np.geomspace(1e7, 1e9, 6), "L": np.full(6, 3.0)}, Settings(draws=0))


def test_a_parameter_without_finite_draws_has_no_interval() -> None:
    found = of_parameters({"x": np.full(3, np.nan)}, {"x": 1.0}, widen=1.0, unknown=())
    assert np.isnan(found["x"]).all()
