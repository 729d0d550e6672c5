"""Approach 3: recovery of known laws, the published refit, warnings on what cannot be told."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from curation.descent import Loss
from curation.errors import InsufficientError
from leaderboard.laws.chinchilla import CHINCHILLA
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Fit, Settings

TRUTH = {"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
"""Hoffmann et al. 2022, equation 10."""
NO_DRAWS = Settings(draws=0)


def runs(noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    sizes, tokens = (grid.ravel() for grid in np.meshgrid(np.geomspace(5e7, 1e10, 8), np.geomspace(1e9, 3e11, 7)))
    loss = TRUTH["E"] + TRUTH["A"] / sizes ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    return {"N": sizes, "D": tokens, "L": loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(loss)))}


@pytest.fixture(scope="module")
def exact() -> Fit:
    return fit("chinchilla", runs(), NO_DRAWS)


@pytest.fixture(scope="module")
def published() -> Fit:
    return fit("chinchilla", published_runs())


def published_runs() -> dict[str, list[float]]:
    path = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results" / "chinchilla_epoch" / "runs.csv"
    if not path.is_file():
        pytest.skip(f"no {path}; set CURATE_SHARED")
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["outlier_top5_loss"] == "False"]
    return {name: [float(row[column]) for row in rows] for name, column in (("N", "N"), ("C", "C"), ("L", "loss"))}


def test_the_gradient_is_that_of_the_curve() -> None:
    table = runs()
    model = CHINCHILLA.model(table)
    pick = np.zeros((1, len(table["N"])))
    pick[0, 5] = 1.0
    theta = np.array([6.0, 6.0, 0.5, 0.34, 0.28])
    error = check_grad(lambda t: model(t[None])[0][0, 5], lambda t: model(t[None])[1](pick)[0], theta)
    assert error < 1e-5


def test_an_exact_law_is_recovered_from_the_full_grid(exact: Fit) -> None:
    assert len(CHINCHILLA.starts(exact.data, NO_DRAWS)) == 4500
    assert {name: exact.params[name] for name in TRUTH} == pytest.approx(TRUTH, rel=1e-5)
    assert exact.params["a"] == pytest.approx(0.28 / 0.62)
    assert exact.objective < 1e-20
    assert exact.r2 == pytest.approx(1)


def test_intervals_of_noisy_runs_hold_the_truth() -> None:
    found = fit("chinchilla", runs(noise=0.003), Settings(draws=300))
    for name in ("E", "alpha", "beta"):
        low, high = found.ci95[name]
        assert low < TRUTH[name] < high


def test_the_optimum_at_a_budget_is_the_lowest_loss_on_it(exact: Fit) -> None:
    sizes = np.geomspace(1e9, 1e12, 20001)
    losses = CHINCHILLA.predict(exact.theta[None], {"N": sizes, "C": np.full(len(sizes), 1e23)})[0]
    best = CHINCHILLA.optimum(exact.theta[None], np.array([1e23]))[0][0, 0]
    assert best == pytest.approx(sizes[np.argmin(losses)], rel=1e-3)
    assert predict(exact, {"C": 1e23})[0].value == pytest.approx(losses.min(), rel=1e-8)


def test_tokens_follow_from_compute_and_the_fit_says_so() -> None:
    table = runs()
    by_compute = {"N": table["N"], "C": 6 * table["N"] * table["D"], "L": table["L"]}
    found = fit("chinchilla", by_compute, NO_DRAWS)
    assert found.params["beta"] == pytest.approx(0.28, rel=1e-4)
    assert "D is not mapped: taken as D = C / (6 N)" in found.warnings


def test_published_runs_give_the_published_refit(published: Fit) -> None:
    """Besiroglu et al. 2024; Huber with delta 1e-3 on the 240 runs without the five outliers."""
    assert published.data.n == 240
    assert published.params["alpha"] == pytest.approx(0.34731, abs=5e-4)
    assert published.params["beta"] == pytest.approx(0.36717, abs=5e-4)
    assert published.params["E"] == pytest.approx(1.81722, abs=5e-4)
    assert published.params["A"] == pytest.approx(477.83, rel=0.005)
    assert published.params["B"] == pytest.approx(2143.42, rel=0.01)
    assert published.params["a"] == pytest.approx(0.5139, abs=5e-4)
    assert published.objective == pytest.approx(0.001018274, rel=1e-6)


def test_the_bootstrap_spreads_as_published(published: Fit) -> None:
    draws = CHINCHILLA.parameters(published.draws_SP)
    expected = {"alpha": 0.0146, "beta": 0.0204, "E": 0.0249, "A": 117, "B": 1278, "a": 0.0193}
    for name, spread in expected.items():
        assert np.std(draws[name]) == pytest.approx(spread, rel=0.15)
    assert published.ci95["alpha"] == pytest.approx((0.319, 0.372), abs=0.004)
    assert published.ci95["beta"] == pytest.approx((0.331, 0.417), abs=0.006)


def test_absolute_deviations_give_the_numbers_besiroglu_printed() -> None:
    found = fit("chinchilla", published_runs(), Settings(draws=0, loss=Loss(kind="lad")))
    assert found.params["alpha"] == pytest.approx(0.34781, abs=3e-4)
    assert found.params["beta"] == pytest.approx(0.36585, abs=3e-4)
    assert found.params["E"] == pytest.approx(1.81686, abs=3e-4)


def test_one_ratio_of_tokens_to_parameters_is_named_a_ridge() -> None:
    sizes = np.geomspace(1e8, 1e10, 12)
    loss = 1.69 + 406.4 / sizes**0.34 + 410.7 / (20 * sizes) ** 0.28
    found = fit("chinchilla", {"N": sizes, "D": 20 * sizes, "L": loss}, NO_DRAWS)
    assert any("flat ridge: N and D move together" in warning for warning in found.warnings)


def test_one_budget_of_tokens_leaves_the_data_term_unidentified() -> None:
    sizes = np.geomspace(1e8, 1e10, 12)
    found = fit("chinchilla", {"N": sizes, "D": np.full(12, 1e10), "L": 1.69 + 406.4 / sizes**0.34}, NO_DRAWS)
    assert any("only 1 distinct values of D" in warning for warning in found.warnings)
    assert any("B" in warning and "beta" in warning and "ridge" in warning for warning in found.warnings)


def test_a_prediction_far_beyond_the_runs_is_warned_about(exact: Fit) -> None:
    assert not predict(exact, {"N": 9e11, "D": 1e12})[1]
    assert "101x beyond" in predict(exact, {"N": 1.01e12, "D": 1e12})[1][0]


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_fewer_rows_than_parameters_are_insufficient(rows: int) -> None:
    with pytest.raises(InsufficientError, match="insufficient"):
        fit("chinchilla", {name: values[:rows] for name, values in runs().items()}, NO_DRAWS)


def test_identical_rows_are_insufficient() -> None:
    with pytest.raises(InsufficientError, match="1 of them different"):
        fit("chinchilla", {"N": [1e8] * 20, "D": [1e9] * 20, "L": [3.0] * 20}, NO_DRAWS)
