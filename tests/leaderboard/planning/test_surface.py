"""The surface of a plan: published worked examples and arithmetic."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from curation.errors import LawError
from leaderboard.planning.surface import PUBLISHED, load_surface

BEST = PUBLISHED["besiroglu"]


def test_1e23_flops_buy_29b_parameters_and_580b_tokens() -> None:
    """The worked example: C = 6 N 20 N, so N = sqrt(C / 120)."""
    params = math.sqrt(1e23 / 120)
    assert (round(params / 1e9), round(20 * round(params / 1e9))) == (29, 580)
    best = BEST.optimum(1e23)
    assert round(best.params / 1e9) == 29
    assert best.tokens == pytest.approx(580e9, rel=0.03)


def test_the_optimum_is_lower_than_its_neighbours_on_the_same_compute() -> None:
    best = BEST.optimum(1e21)
    near = [BEST.loss(best.params * factor, best.tokens / factor) for factor in (0.97, 1.03)]
    assert best.loss < min(near)
    assert best.flops == pytest.approx(1e21)


def test_chinchillas_equation_gives_the_size_of_its_table_at_a_67b_budget() -> None:
    """Hoffmann et al., table 3 (approach 3): 67B is optimal at 1.71e24 FLOPs, and an exponent of 0.45 (0.46)."""
    assert PUBLISHED["sardana"].exponent == pytest.approx(0.457, abs=0.005)
    assert PUBLISHED["sardana"].optimum(1.71e24).params == pytest.approx(67e9, rel=0.07)


@pytest.mark.parametrize("flops", [1e18, 1e23])
def test_flops_for_a_loss_inverts_the_optimum(flops: float) -> None:
    assert BEST.flops_for(BEST.optimum(flops).loss) == pytest.approx(flops, rel=1e-9)


def test_no_compute_reaches_the_floor() -> None:
    assert BEST.flops_for(BEST.floor) == math.inf
    assert BEST.tokens_for(1e9, BEST.floor) == math.inf


def written(tmp_path: Path, **value: object) -> str:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(value))
    return str(path)


def test_a_fit_of_ones_own_is_read(tmp_path: Path) -> None:
    params = {"A": 500.0, "B": 2000.0, "E": 1.8, "alpha": 0.35, "beta": 0.37, "a": 0.51, "G": None}
    found = load_surface(written(tmp_path, law="chinchilla", params=params))
    assert (found.scale_params, found.beta, found.source[:7]) == (500.0, 0.37, "own fit")


def test_gadres_law_is_the_same_surface(tmp_path: Path) -> None:
    """L = E + (a M^eta + b M^-eta) C^-eta at N = 1e9, D = 1e11 in both writings."""
    a, b, eta, floor = 212.0, 367.0, 0.136, 1.84
    found = load_surface(written(tmp_path, law="overtraining", params={"a": a, "b": b, "eta": eta, "E": floor}))
    flops, ratio = 6e20, 100.0
    expected = floor + (a * ratio**eta + b * ratio**-eta) * flops**-eta
    assert found.loss(1e9, 1e11) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("law", "params", "said"),
    [
        ("isoflop", {"N_exponent": 0.5}, "gives no loss"),
        ("chinchilla", {"A": 1.0, "B": 1.0, "E": 1.0, "alpha": -0.1, "beta": 0.3}, "alpha is -0.1"),
        ("chinchilla", {"A": 1.0}, "B is nan"),
    ],
)
def test_a_fit_without_a_usable_surface_is_refused(tmp_path: Path, law: str, params: object, said: str) -> None:
    with pytest.raises(LawError, match=said):
        load_surface(written(tmp_path, law=law, params=params))


def test_an_unknown_law_offers_the_nearest() -> None:
    with pytest.raises(LawError, match="hoffmann"):
        load_surface("hofmann")


def test_a_file_that_is_no_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[]")
    with pytest.raises(LawError, match="not a fit"):
        load_surface(str(path))


def test_the_written_exponent_and_balance_give_the_optimum() -> None:
    """N* = G (C/6)^a."""
    told: Any = BEST.as_json()
    assert told["G"] * (1e22 / 6) ** told["a"] == pytest.approx(BEST.optimum(1e22).params)
    assert told["a"] == pytest.approx(0.3658 / (0.3478 + 0.3658))
