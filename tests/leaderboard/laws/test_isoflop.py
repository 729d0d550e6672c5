"""IsoFLOP: exact valleys, what is left out and why, the published exponents."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from leaderboard.laws.fit import fit, predict, predictions
from leaderboard.laws.law import Settings
from leaderboard.laws.valleys import Budget, budgets, interpolated, noise_sd, parabola

NO_DRAWS = Settings(draws=0)
BUDGETS = np.array([1e18, 1e19, 1e20, 1e21])


def valleys(exponent: float = 0.46, coefficient: float = 0.3, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Losses exactly quadratic in log10 N around N* = coefficient C^exponent; sampled `shift` decades off centre."""
    flops = np.repeat(BUDGETS, 9)
    optimum = coefficient * flops**exponent
    sizes = optimum * np.tile(np.logspace(-0.8, 0.8, 9), len(BUDGETS)) * 10**shift
    loss = 2 + 1e3 * flops**-0.16 + 0.2 * np.log10(sizes / optimum) ** 2
    return {"C": flops, "N": sizes, "D": flops / 6 / sizes, "L": loss}


@pytest.mark.parametrize("variant", ["parabola", "akima"])
def test_exponents_of_exact_valleys_are_recovered(variant: str) -> None:
    found = fit("isoflop", valleys(), Settings(draws=0, options={"variant": variant}))
    assert found.params["N_exponent"] == pytest.approx(0.46, abs=4e-3 if variant == "akima" else 1e-9)
    assert found.params["D_exponent"] == pytest.approx(0.54, abs=4e-3 if variant == "akima" else 1e-9)
    assert found.params["N_coefficient"] == pytest.approx(0.3, rel=0.08 if variant == "akima" else 1e-8)
    assert found.params["N*(1e+20)"] == pytest.approx(0.3 * 1e20**0.46, rel=0.03)


def test_what_is_not_mapped_follows_from_6nd() -> None:
    table = valleys()
    by_size = fit("isoflop", {name: table[name] for name in ("C", "N", "L")}, NO_DRAWS).params
    by_tokens = fit("isoflop", {name: table[name] for name in ("C", "D", "L")}, NO_DRAWS).params
    assert by_size["D_exponent"] == pytest.approx(by_tokens["D_exponent"])
    assert by_size["D_coefficient"] == pytest.approx(by_tokens["D_coefficient"], rel=1e-6)


def test_exponents_need_not_sum_to_one_where_compute_is_not_6nd() -> None:
    table = valleys()
    table["D"] = table["D"] * table["C"] ** -0.02
    params = fit("isoflop", table, NO_DRAWS).params
    assert params["N_exponent"] + params["D_exponent"] == pytest.approx(0.98)


def test_a_budget_that_opens_downward_or_ends_at_an_edge_is_left_out_with_its_reason() -> None:
    table, beside = valleys(), valleys(shift=1.5)
    downward, outside = table["C"] == 1e18, table["C"] == 1e19
    table["L"][downward] = 6 - table["L"][downward]
    for name in ("N", "D", "L"):
        table[name][outside] = beside[name][outside]
    found = fit("isoflop", table, NO_DRAWS)
    assert "N: budget 1e+18 left out: opens downward" in found.warnings
    assert "N: budget 1e+19 left out: lowest outside the sampled range" in found.warnings
    assert "N: only 2 valleys, expected at least 3: no trend can be told" in found.warnings
    assert found.params["N_exponent"] == pytest.approx(0.46)


def test_a_single_budget_is_insufficient() -> None:
    table = {name: values[:9] for name, values in valleys().items()}
    with pytest.raises(InsufficientError, match="1 of 1 budgets"):
        fit("isoflop", table, NO_DRAWS)


def test_a_valley_is_that_of_numpys_quadratic() -> None:
    rng = np.random.default_rng(0)
    sizes = np.sort(10 ** rng.uniform(7, 9, 12))
    loss = 3 + 0.3 * (np.log10(sizes) - 8.1) ** 2 + 0.01 * rng.standard_normal(12)
    bend, slope, _ = np.polyfit(np.log10(sizes), loss, 2)
    place, _, curvature = parabola(Budget(flops=1e18, x=sizes, loss=loss, rows=np.arange(12)))
    assert np.log10(place[0]) == pytest.approx(-slope / 2 / bend)
    assert curvature[0] == pytest.approx(2 * bend)


def test_a_resample_of_a_valley_is_the_fit_of_the_drawn_runs() -> None:
    rng = np.random.default_rng(1)
    sizes, loss = np.logspace(7, 9, 10), 3 + 0.3 * np.linspace(-1, 1, 10) ** 2 + 0.01 * rng.standard_normal(10)
    weights = rng.integers(0, 3, (1, 10)).astype(float)
    drawn = np.repeat(np.arange(10), weights[0].astype(int))
    bend, slope, _ = np.polyfit(np.log10(sizes[drawn]), loss[drawn], 2)
    place, _, _ = parabola(Budget(flops=1.0, x=sizes, loss=loss, rows=np.arange(10)), weights_BN=weights)
    assert np.log10(place[0]) == pytest.approx(-slope / 2 / bend)


def test_interpolation_ends_at_the_lowest_of_its_points_and_drops_edges() -> None:
    sizes = np.logspace(7, 9, 9)
    inner, edge = 3 + np.linspace(-1, 1, 9) ** 2, 3 + np.linspace(0, 1, 9)
    places, _, step = interpolated(sizes, np.stack([inner, edge], axis=1))
    assert abs(np.log(places[0] / 1e8)) <= step
    assert np.isnan(places[1])
    assert step == pytest.approx(np.log(100) / (25 * 8 - 1))


def test_seed_noise_grows_on_logarithms_from_3_to_6_nats() -> None:
    """Porian et al. 2024: 0.005 at 3, 0.1 at 6, log-linear between."""
    middle = np.sqrt(3 * 6)
    assert noise_sd(np.array([2.0, 3.0, middle, 6.0, 9.0])) == pytest.approx([0.005, 0.005, np.sqrt(0.0005), 0.1, 0.1])


def test_budgets_within_five_percent_are_one() -> None:
    groups = budgets(np.array([1.0, 1.04, 1.2, 1.21]), np.array([3.0, 1.0, 2.0, 1.0]), np.ones(4))
    assert [group.rows.tolist() for group in groups] == [[1, 0], [3, 2]]


@pytest.mark.parametrize(
    "options", [{}, {"variant": "akima"}, {"variant": "akima", "weights": "noise"}, {"weights": "noise"}]
)
def test_intervals_hold_the_truth_in_every_variant(options: dict[str, str]) -> None:
    table = valleys()
    table["L"] = table["L"] + 0.005 * np.random.default_rng(2).standard_normal(len(table["L"]))
    found = fit("isoflop", table, Settings(draws=200, options=options))
    low, high = found.ci95["N_exponent"]
    assert low < 0.46 < high


def test_a_prediction_is_the_optimum_at_a_budget() -> None:
    found = fit("isoflop", valleys(), NO_DRAWS)
    assert predict(found, {"C": 1e22})[0].value == pytest.approx(0.3 * 1e22**0.46, rel=1e-6)


def test_predictions_are_labelled_and_both_unless_one_is_asked_for() -> None:
    both, _ = predictions(fit("isoflop", valleys(), NO_DRAWS), {"C": 1e22})
    size = 0.3 * 1e22**0.46
    assert {item.of: item.value for item in both} == pytest.approx({"N*": size, "D*": 1e22 / 6 / size}, rel=1e-6)
    tokens, _ = predictions(fit("isoflop", valleys(), Settings(draws=0, options={"predict": "D"})), {"C": 1e22})
    assert [(item.of, item.value) for item in tokens] == [("D*", pytest.approx(1e22 / 6 / size, rel=1e-6))]


def test_size_and_tokens_both_missing_is_named() -> None:
    with pytest.raises(LawError, match="needs N or D"):
        fit("isoflop", {"C": BUDGETS, "L": BUDGETS}, NO_DRAWS)


def test_the_chinchilla_points_give_the_published_exponents() -> None:
    """Published 0.49 (0.462 to 0.534) and 0.51 (0.483 to 0.529): Hoffmann et al. 2022, table 2."""
    path = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results" / "isoflops" / "epochai_chinchilla.csv"
    if not path.is_file():
        pytest.skip(f"no {path}; set CURATE_SHARED")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    columns = {"N": "params", "D": "tokens", "C": "budget", "L": "loss"}
    table = {name: [float(row[column]) for row in rows] for name, column in columns.items()}
    params = fit("isoflop", table, NO_DRAWS).params
    assert params["N_exponent"] == pytest.approx(0.492, abs=0.002)
    assert params["D_exponent"] == pytest.approx(0.508, abs=0.002)
