"""Experiments for a budget, and which tiers would show a gain."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import LawError
from leaderboard.noise.power import Noise, detectable
from leaderboard.planning.experiments import Budget, gains, matrix, read_budget, read_gain, sigma_needed
from train.tiers import load_tier


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [("120gpuh", 120.0, "gpuh"), ("1.5 gpu-hours", 1.5, "gpuh"), ("3e20flops", 3e20, "flops"), ("7h", 7.0, "gpuh")],
)
def test_budgets_are_read(text: str, amount: float, unit: str) -> None:
    assert read_budget(text) == Budget(amount=amount, unit=unit)


@pytest.mark.parametrize("text", ["", "120", "-3gpuh", "0gpuh", "1e999flops", "1.2.3h", "manygpuh"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(LawError, match="--budget"):
        read_budget(text)


@pytest.mark.parametrize(("text", "value"), [("0.3%", 0.003), ("0.003", 0.003), ("1 %", 0.01)])
def test_gains_are_read(text: str, value: float) -> None:
    assert read_gain(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "0", "-1%", "200%", "much"])
def test_other_gains_are_refused(text: str) -> None:
    with pytest.raises(LawError, match="--gain"):
        read_gain(text)


def test_what_is_chosen_fits_the_budget_and_starts_with_scales() -> None:
    found = matrix(Budget(amount=20, unit="gpuh"), card="h200", arms=2, seeds=3)
    assert sum(cell.hours for cell in found.chosen) <= 20
    assert [cell.tier.name for cell in found.chosen][:4] == ["micro-1x", "smoke-1x", "small-1x", "100m-1x"]
    assert {cell.runs for cell in found.cells} == {6}


def test_a_budget_in_flops_is_spent_in_flops() -> None:
    found = matrix(Budget(amount=6 * load_tier("micro-1x").num_flops, unit="flops"), card="h200", arms=2, seeds=3)
    assert [cell.tier.name for cell in found.chosen] == ["micro-1x"]
    assert any("scale(s)" in note for note in found.notes)


def test_a_budget_below_the_smallest_tier_is_insufficient() -> None:
    found = matrix(Budget(amount=1e-6, unit="gpuh"), card="h200", arms=2, seeds=3)
    assert found.chosen == []
    assert found.notes[0].startswith("insufficient")


def test_tiers_without_a_measured_pack_are_insufficient(tmp_path: Path) -> None:
    rows = {row.tier: row for row in gains(0.003, seeds=3, card="h200", store=tmp_path)}
    assert rows["1b-1x"].status == "insufficient"
    assert rows["1b-1x"].seeds is None
    assert "unstable" in rows["micro-0.25x"].why


def test_a_measured_laptop_tier_still_decides_nothing(tmp_path: Path) -> None:
    row = next(row for row in gains(0.05, seeds=3, card="h200", store=tmp_path) if row.tier == "pico-1x")
    assert row.status == "insufficient"
    assert row.sigma is not None
    assert row.seeds is not None


def test_the_noise_that_a_gain_needs_is_just_enough() -> None:
    sigma = sigma_needed(0.003, 3)
    assert sigma is not None
    assert detectable(Noise(sigma=sigma, degrees=8), 3) == pytest.approx(0.003)
