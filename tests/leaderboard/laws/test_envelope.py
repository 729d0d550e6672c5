"""Envelope: the optimum of known curves, the hull, and tables without curves."""

from __future__ import annotations

import numpy as np
import pytest

from curation.errors import InsufficientError
from leaderboard.laws.fit import fit
from leaderboard.laws.law import Settings


def curves() -> dict[str, np.ndarray]:
    """Twenty sizes trained from 1e6 to 1e13 tokens; N* = (C/6)^0.5 G with G = (406.4 / 410.7)^(1/0.68)."""
    sizes, tokens = (
        g.ravel() for g in np.meshgrid(np.geomspace(1e7, 3e10, 20), np.geomspace(1e6, 1e13, 100), indexing="ij")
    )
    loss = 1.69 + 406.4 / sizes**0.34 + 410.7 / tokens**0.34
    return {"N": sizes, "D": tokens, "C": 6 * sizes * tokens, "L": loss, "run": sizes}


@pytest.mark.parametrize("variant", ["interpolate", "hull"])
def test_the_exponent_of_known_curves_is_recovered(variant: str) -> None:
    found = fit("envelope", curves(), Settings(draws=0, options={"variant": variant}))
    assert found.params["N_exponent"] == pytest.approx(0.5, abs=0.01)
    assert found.params["D_exponent"] == pytest.approx(0.5, abs=0.01)
    optimum = found.law.predict(found.theta[None], {"C": np.array([1e20])})[0, 0]
    assert optimum == pytest.approx((1e20 / 6) ** 0.5 * (406.4 / 410.7) ** (1 / 0.68), rel=0.06)


def test_the_interval_is_over_curves() -> None:
    found = fit("envelope", curves(), Settings(draws=100))
    low, high = found.ci95["N_exponent"]
    assert low < 0.5 < high
    assert high - low < 0.3


def test_without_curves_the_hull_of_the_points_is_used_and_said() -> None:
    table = curves()
    del table["run"]
    found = fit("envelope", table, Settings(draws=0))
    assert found.params["N_exponent"] == pytest.approx(0.5, abs=0.03)
    assert any("one row a run: the hull" in warning for warning in found.warnings)


def test_curves_that_do_not_overlap_are_insufficient() -> None:
    table = {"N": [1e7, 1e7, 1e8, 1e8], "C": [1e15, 1e16, 1e18, 1e19], "L": [5.0, 4.0, 3.0, 2.5], "run": [0, 0, 1, 1]}
    with pytest.raises(InsufficientError, match="overlap"):
        fit("envelope", table, Settings(draws=0))
