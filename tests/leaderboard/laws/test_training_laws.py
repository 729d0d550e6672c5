"""Over-training, repeated data, critical batch, noise scale, rates and batches, groups: known truths come back."""

from __future__ import annotations

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from leaderboard.laws.data_constrained import C4_FIT, DataConstrained
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Settings

QUICK = Settings(draws=0)
N = np.repeat(np.geomspace(1e8, 4e9, 5), 4)
D = N * np.tile([10.0, 20.0, 80.0, 320.0], 5)


def test_over_training_comes_back_in_every_pair_of_variables() -> None:
    loss = 1.8 + (200 * (D / N) ** 0.14 + 350 * (N / D) ** 0.14) * (6 * N * D) ** -0.14
    by_pair = [
        fit("overtraining", {**pair, "L": loss}, QUICK).params
        for pair in ({"N": N, "D": D}, {"C": 6 * N * D, "M": D / N}, {"N": N, "M": D / N}, {"C": 6 * N * D, "N": N})
    ]
    for params in by_pair:
        expected = {"a": 200.0, "b": 350.0, "eta": 0.14, "E": 1.8}
        assert {name: params[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_over_training_predicts_alike_from_sizes_and_from_compute_and_ratio() -> None:
    loss = 1.8 + 200 * (6 * N**2) ** -0.14 + 350 * (6 * D**2) ** -0.14
    found = fit("overtraining", {"N": N, "D": D, "L": loss}, QUICK)
    first = predict(found, {"N": 7e9, "D": 1.4e11})[0].value
    assert predict(found, {"C": 6 * 7e9 * 1.4e11, "M": 20.0})[0].value == pytest.approx(first, rel=1e-12)


def repeated_loss(size: np.ndarray, tokens: np.ndarray, unique: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Muennighoff's formula with R*_D = 12 and R*_N = 4, written out once more, row by row."""
    found = []
    for n, d, u in zip(size.tolist(), tokens.tolist(), unique.tolist(), strict=True):
        a, b, alpha = C4_FIT["A"], C4_FIT["B"], C4_FIT["alpha"]
        best = (a * alpha * u**alpha / (b * alpha)) ** (1 / alpha)
        own = min(n, best)
        worth_d = u + u * 12 * (1 - np.exp(-(d / u - 1) / 12))
        worth_n = own + own * 4 * (1 - np.exp(-(n / own - 1) / 4))
        found.append(C4_FIT["E"] + a / worth_n**alpha + b / worth_d**alpha)
    return np.array(found)


@pytest.fixture(scope="module")
def repeats() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    sizes = np.repeat(np.geomspace(1e7, 4e9, 5), 8)
    tokens = np.tile(np.repeat([2e9, 2e10], 4), 5)
    unique = tokens / np.tile([1.0, 4.0, 16.0, 60.0], 10)
    return {"N": sizes, "D": tokens, "U": unique, "L": repeated_loss(sizes, tokens, unique)}


def test_both_decays_come_back(repeats: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    found = fit("data-constrained", repeats, QUICK)
    assert (found.params["R*_D"], found.params["R*_N"]) == (pytest.approx(12, rel=1e-3), pytest.approx(4, rel=1e-3))
    assert set(found.ci95) == set()


def test_a_sharp_minimum_is_no_flat_ridge() -> None:
    """130 rows with the published decays and 0.2 % noise: both decays come back, so nothing may be called flat."""
    sizes, tokens, epochs = (
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e8, 8e9, 5), [4e9, 4e10], np.geomspace(1, 80, 13))
    )
    at = {"N": sizes, "D": tokens, "U": tokens / epochs}
    law = fit("data-constrained", {**at, "L": repeated_loss(sizes, tokens, at["U"])}, QUICK)
    theta = np.append(law.theta[:5], np.log([15.387756, 5.309743]))
    loss = law.law.predict(theta[None], at)[0] * np.exp(0.002 * np.random.default_rng(0).standard_normal(130))
    found = fit("data-constrained", {**at, "L": loss}, QUICK)
    assert found.params["R*_D"] == pytest.approx(15.39, rel=0.1)
    assert not any("flat ridge" in text for text in found.warnings)
    ridge = found.details["ridge"]
    assert isinstance(ridge, dict)
    for name in ("R*_D", "R*_N"):
        low, high = ridge[name]  # type: ignore[misc]
        assert low <= found.params[name] * (1 + 1e-9)
        assert found.params[name] <= high * (1 + 1e-9)


def test_a_run_cannot_use_more_tokens_than_it_sees(repeats: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    more = {**repeats, "U": np.where(repeats["U"] == repeats["D"], 9e11, repeats["U"])}
    found = fit("data-constrained", more, QUICK)
    assert found.params["R*_D"] == pytest.approx(12, rel=1e-3)
    assert any("U above D" in text for text in found.warnings)


def test_gradients_of_the_repeated_data_law_are_those_of_small_steps(repeats: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    model = DataConstrained().model(repeats)
    theta = np.array([6.2, 7.3, 0.62, 0.34, 0.36, np.log(10), np.log(3)])
    weights = np.random.default_rng(0).normal(size=(1, len(repeats["L"])))
    steps = 1e-6 * np.eye(7)
    small = [((model((theta + s)[None])[0] - model((theta - s)[None])[0]) * weights).sum() / 2e-6 for s in steps]
    assert model(theta[None])[1](weights)[0] == pytest.approx(small, rel=1e-6)


def test_frozen_parameters_must_be_positive_numbers(repeats: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    with pytest.raises(LawError, match="option E is `-1`"):
        fit("data-constrained", repeats, Settings(draws=0, options={"E": "-1"}))


def steps_table() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    sizes, batches = np.repeat([1e8, 4e8, 1.6e9], 7), np.tile(2.0 ** np.arange(6, 13), 3)
    few = np.repeat([1000.0, 2000.0, 4000.0], 7)
    many = np.repeat([2e6, 8e6, 3.2e7], 7)
    return {"N": sizes, "B": batches, "steps": few + many / batches}


def test_the_critical_batch_is_where_samples_exceed_those_of_the_reference_by_the_overhead() -> None:
    found = fit("critical-batch", steps_table(), QUICK)
    batch = found.params["CBS(N=1e+08)"]
    samples = 1000 * batch + 2e6
    assert samples == pytest.approx(1.2 * (1000 * 256 + 2e6), rel=1e-5)
    assert predict(found, {"N": 1e8})[0].value == pytest.approx(
        found.params["coef"] * 100 ** found.params["exp"], rel=1e-9
    )


def test_a_held_out_size_is_compared_by_its_measured_critical_batch() -> None:
    table = steps_table()
    small = table["N"] < 1e9
    rows = [{name: values[chosen] for name, values in table.items()} for chosen in (small, ~small)]
    found = fit("critical-batch", rows[0], QUICK, holdout=rows[1])
    measured = 0.2 * 3.2e7 / 4000 + 1.2 * 256
    by_law = found.params["coef"] * 1600 ** found.params["exp"]
    assert found.holdout.n == 1
    assert found.holdout.mean_relative_error == pytest.approx(abs(by_law / measured - 1), rel=1e-4)
    assert any("held-out rows: N 1.6e+09 was not fitted" in text for text in found.warnings)


def test_a_held_out_size_of_two_batches_is_insufficient() -> None:
    table = steps_table()
    rows = [{name: values[chosen] for name, values in table.items()} for chosen in (slice(0, 14), slice(14, 16))]
    with pytest.raises(InsufficientError, match="held-out rows.*fewer than 3 batch sizes"):
        fit("critical-batch", rows[0], QUICK, holdout=rows[1])


def test_one_size_is_insufficient_for_a_trend_of_critical_batches() -> None:
    table = {name: values[:7] for name, values in steps_table().items()}
    with pytest.raises(InsufficientError, match="1 sizes"):
        fit("critical-batch", table, QUICK)


def test_batches_on_one_side_of_the_bend_are_told() -> None:
    table = steps_table()
    table["steps"] = np.repeat([2e6, 8e6, 3.2e7], 7) / table["B"]
    assert any("not identified" in text for text in fit("critical-batch", table, QUICK).warnings)


def test_the_noise_scale_of_500_comes_back_within_2_percent_from_2000_pairs() -> None:
    rng = np.random.default_rng(1)
    gradient, spread = np.full(400, 1 / 20), np.sqrt(500 / 400)  # |G|² = 1, S = 500
    first = rng.normal(size=(2000, 400)) * spread / np.sqrt(64)
    rest = rng.normal(size=(2000, 400)) * spread / np.sqrt(960)
    small = np.sum((gradient + first) ** 2, axis=1)
    big = np.sum((gradient + (64 * first + 960 * rest) / 1024) ** 2, axis=1)
    table = {"small_square": small, "big_square": big, "B_small": np.full(2000, 64.0), "B_big": np.full(2000, 1024.0)}
    found = fit("noise-scale", table, Settings(draws=200))
    assert found.params["B_simple"] == pytest.approx(500, rel=0.02)
    assert np.isnan(found.r2)
    assert np.isnan(found.objective)
    assert found.ci95["B_simple"][0] < found.params["B_simple"] < found.ci95["B_simple"][1]


def test_pairs_whose_big_batch_is_not_bigger_are_dropped() -> None:
    table = {"small_square": 2 + np.arange(12) / 100, "big_square": np.full(12, 1.0), "B_small": np.full(12, 8.0)}
    table["B_big"] = np.array([8.0, *np.full(11, 64.0)])
    assert fit("noise-scale", table, QUICK).data.dropped == {"B_small is not below B_big": 1}


def sweep() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    sizes, tokens = np.repeat(np.geomspace(6e7, 1e9, 4), 3), np.tile([2e9, 2e10, 1e11], 4)
    best = 1.79 * sizes**-0.713 * tokens**0.307  # Step Law, Li et al. 2025
    factor = np.tile([0.25, 0.5, 1.0, 2.0, 4.0], 12)
    loss = 3 + 0.05 * np.log(factor) ** 2
    return {"N": np.repeat(sizes, 5), "D": np.repeat(tokens, 5), "lr": np.repeat(best, 5) * factor, "L": loss}


def test_optimal_rates_come_back_from_valleys_of_a_sweep() -> None:
    found = fit("lr-batch", sweep(), QUICK)
    assert dict(found.params) == pytest.approx({"lr_coef": 1.79, "lr_N": -0.713, "lr_D": 0.307}, rel=1e-6)


def test_a_sweep_whose_best_is_at_its_edge_has_no_optimum() -> None:
    table = sweep()
    table["L"][:5] = [3.0, 3.1, 3.2, 3.3, 3.4]
    found = fit("lr-batch", table, QUICK)
    assert any("1 sizes have no valley" in text for text in found.warnings)
    assert found.params["lr_N"] == pytest.approx(-0.713, rel=1e-6)


def test_batches_that_are_optima_already_follow_a_power_law_of_tokens() -> None:
    tokens = np.geomspace(1e9, 1e12, 5)
    found = fit("lr-batch", {"D": tokens, "B": 0.58 * tokens**0.571}, QUICK)
    assert dict(found.params) == pytest.approx({"B_coef": 0.58, "B_D": 0.571}, rel=1e-6)


def grouped(alpha: float) -> dict[str, object]:
    rng = np.random.default_rng(0)
    sizes = np.tile(np.repeat(np.geomspace(5e7, 5e9, 6), 6), 2)
    tokens = np.tile(np.tile(np.geomspace(1e9, 1e11, 6), 6), 2)
    own = np.repeat([0.34, alpha], 36)
    loss = 1.8 + 400 * (4e8 / sizes) ** own / 4e8**0.34 + 2000 / tokens**0.37
    name = np.repeat(["raw", "filtered"], 36)
    return {"N": sizes, "D": tokens, "L": loss * np.exp(rng.normal(0, 0.001, 72)), "group": name}


@pytest.mark.parametrize(("alpha", "differs"), [(0.34, False), (0.42, True)])
def test_exponents_of_groups_differ_only_where_they_do(alpha: float, differs: bool) -> None:
    found = fit("by-group", grouped(alpha), Settings(draws=100))
    told = found.details["exponents_differ"]
    assert isinstance(told, dict)
    assert told == {"alpha[raw]-alpha[filtered]": differs, "beta[raw]-beta[filtered]": False}
    assert found.params["alpha[raw]-alpha[filtered]"] == pytest.approx(0.34 - alpha, abs=0.02)


def test_one_group_is_no_comparison() -> None:
    table = grouped(0.34)
    with pytest.raises(InsufficientError, match="one group"):
        fit("by-group", {**table, "group": ["raw"] * 72}, QUICK)
