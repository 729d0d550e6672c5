"""Kaplan's laws: each form recovered from data made with it, and the choice between them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from curation.errors import LawError
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.kaplan import CARD
from leaderboard.laws.kaplan_curves import PowerCurve
from leaderboard.laws.law import Settings

NO_DRAWS = Settings(draws=0)
SIZES, TOKENS = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e7, 3e9, 6), np.geomspace(5e8, 5e10, 5)))


def joint(floor: float) -> np.ndarray:
    """The paper's exponents and scales: 0.076, 0.103, 8.8e13, 5.4e13 (Kaplan et al. 2020, table 5 and equation 1.5)."""
    if floor:
        return floor + ((2e7 / SIZES) ** (0.35 / 0.4) + 3e9 / TOKENS) ** 0.4
    return ((8.8e13 / SIZES) ** (0.076 / 0.103) + 5.4e13 / TOKENS) ** 0.103


@pytest.mark.parametrize(
    ("variables", "theta"),
    [
        (("N", "D"), [2.4, 3.2, 0.076, 0.103, 0.3]),
        (("N",), [2.4, 0.076, 0.3]),
    ],
)
def test_the_gradients_are_those_of_the_curves(variables: tuple[str, ...], theta: list[float]) -> None:
    model = PowerCurve(card=CARD, variables=variables, has_floor=True).model({"N": SIZES, "D": TOKENS})
    pick = np.zeros((1, len(SIZES)))
    pick[0, 7] = 1.0
    error = check_grad(lambda t: model(t[None])[0][0, 7], lambda t: model(t[None])[1](pick)[0], np.array(theta))
    assert error < 1e-5


@pytest.mark.parametrize("name", ["N", "D", "C"])
def test_one_variable_is_a_regression_of_logarithms(name: str) -> None:
    rng = np.random.default_rng(3)
    values, noise = np.geomspace(1e8, 1e12, 15), np.exp(0.01 * rng.standard_normal(15))
    losses = (5.4e13 / values) ** 0.095 * noise
    found = fit("kaplan", {name: values, "L": losses}, Settings(draws=0, options={"variant": "original"}))
    slope, level = np.polyfit(np.log(values), np.log(losses), 1)
    assert found.params[f"alpha_{name}"] == pytest.approx(-slope, rel=1e-7)
    assert found.params[f"{name}c"] == pytest.approx(np.exp(-level / slope), rel=1e-6)


def test_the_joint_law_of_the_paper_is_recovered_and_chosen() -> None:
    found = fit("kaplan", {"N": SIZES, "D": TOKENS, "L": joint(0)}, NO_DRAWS)
    expected = {"alpha_N": 0.076, "alpha_D": 0.103, "Nc": 8.8e13, "Dc": 5.4e13}
    assert {name: found.params[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert "E" not in found.params
    assert any(warning.startswith("chosen: the original form") for warning in found.warnings)


def test_the_joint_law_with_a_floor_is_recovered_and_chosen() -> None:
    found = fit("kaplan", {"N": SIZES, "D": TOKENS, "L": joint(1.7)}, NO_DRAWS)
    expected = {"E": 1.7, "A": 2e7, "B": 3e9, "alpha": 0.35, "beta": 0.4}
    assert {name: found.params[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert any(warning.startswith("chosen: the form with E") for warning in found.warnings)


@pytest.mark.parametrize("num", [6, 10, 20])
def test_a_pure_power_law_of_one_variable_gets_no_floor(num: int) -> None:
    sizes = np.geomspace(1e7, 1e10, num)
    for seed in range(40):
        noise = np.exp(0.01 * np.random.default_rng(seed).standard_normal(num))
        found = fit("kaplan", {"N": sizes, "L": (8.8e13 / sizes) ** 0.076 * noise}, NO_DRAWS)
        assert "E" not in found.params
        assert not any("E looks real" in text for text in found.warnings)


def test_a_clear_floor_of_one_variable_is_advised() -> None:
    sizes = np.geomspace(1e7, 1e10, 12)
    noise = np.exp(0.001 * np.random.default_rng(0).standard_normal(12))
    found = fit("kaplan", {"N": sizes, "L": (1.7 + (1e8 / sizes) ** 0.4) * noise}, NO_DRAWS)
    assert any("E looks real, compare with --variant irreducible" in text for text in found.warnings)


def test_a_floor_forced_on_a_pure_power_law_is_not_identified() -> None:
    sizes = np.geomspace(1e7, 1e9, 12)
    noisy = (8.8e13 / sizes) ** 0.076 * np.exp(0.003 * np.random.default_rng(0).standard_normal(12))
    found = fit("kaplan", {"N": sizes, "L": noisy}, Settings(draws=0, options={"variant": "irreducible"}))
    assert any("E" in warning and "not identified" in warning for warning in found.warnings)


def test_tokens_follow_from_compute() -> None:
    found = fit("kaplan", {"N": SIZES, "C": 6 * SIZES * TOKENS, "L": joint(1.7)}, NO_DRAWS)
    assert found.params["beta"] == pytest.approx(0.4, rel=1e-4)
    at_tokens, at_compute = (predict(found, {"N": 1e9, **other})[0].value for other in ({"D": 1e10}, {"C": 6e19}))
    assert at_tokens == pytest.approx(at_compute)


def test_without_any_variable_the_law_says_what_it_needs() -> None:
    with pytest.raises(LawError, match="needs N, D or C"):
        fit("kaplan", {"L": [1.0, 2.0, 3.0]}, NO_DRAWS)
