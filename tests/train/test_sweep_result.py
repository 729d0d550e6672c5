"""Learning-rate sweeps: the verdict, the noise beside it, and what makes a stored one stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.errors import RunError
from curation.files import write_json
from train import tier_data
from train.sweep_result import Sweep, recipe_identity, sweep_from_json, sweep_of
from train.tiers import TIERS, load_tier


def sweep(*losses: tuple[float, ...], tier: str = "nano-0.1x") -> Sweep:
    loaded = load_tier(tier)
    return Sweep(
        tier=loaded.name, recipe=recipe_identity(loaded), learning_rate=loaded.learning_rate,
        multipliers=(0.5, 1.0, 2.0), seeds=tuple(range(1, len(losses[0]) + 1)), losses=losses,
        corpus="c", panel="p", device="cpu", date="2026-01-02",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "best", "penalty", "frozen"),
    [
        (((3.010,), (3.000,), (3.020,)), 1.0, 0.0, True),
        (((2.996,), (3.000,), (3.020,)), 0.5, 0.004, True),
        (((3.010,), (3.000,), (2.990,)), 2.0, 0.010, False),
    ],
)
def test_a_rate_is_frozen_only_within_5_mnat_of_the_best(
    losses: tuple[tuple[float, ...], ...], best: float, penalty: float, frozen: bool
) -> None:
    found = sweep(*losses)
    assert (found.best, found.frozen) == (best, frozen)
    assert found.penalty == pytest.approx(penalty)


def test_seed_noise_is_pooled_over_multipliers() -> None:
    found = sweep((3.0, 3.2), (3.0, 3.0), (4.0, 4.0))
    assert found.seed_deviation == pytest.approx((2 * 0.1**2 / 3) ** 0.5)
    assert sweep((3.0,), (3.0,), (3.0,)).seed_deviation is None


def test_a_stored_sweep_comes_back_and_a_changed_tier_makes_it_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sweep((3.01, 3.02), (3.00, 3.01), (3.05, 3.06))
    write_json(tmp_path / "nano.json", found.as_json())
    monkeypatch.setattr(tier_data, "LR_SWEEPS", tmp_path)
    assert sweep_from_json(found.as_json(), "x") == found
    nano = TIERS["nano"]
    assert sweep_of(load_tier("nano-2x"))["stale"] is False
    assert str(sweep_of(replace(nano, z_loss=1e-4))["said"]).startswith("stale")
    assert sweep_of(TIERS["7b"]) == {"said": "not swept"}


def test_the_identity_leaves_out_budget_and_multiplier_alone() -> None:
    same = {recipe_identity(load_tier(name)) for name in ("nano", "nano-0.1x", "nano@lr2", "nano-4x@lr0.5")}
    assert len(same) == 1
    assert recipe_identity(replace(TIERS["nano"], weight_decay=0.2)) not in same


@pytest.mark.parametrize("broken", [{}, {"losses": [[1.0]]}, {"multipliers": [0.5, 0.7, 2.0]}, {"seeds": ["a"]}])
def test_a_broken_file_is_named(broken: dict[str, Any]) -> None:
    stored = {**sweep((3.0,), (3.0,), (3.0,)).as_json(), **broken} if broken else {}
    with pytest.raises(RunError, match=r"sweeps/nano\.json: "):
        sweep_from_json(stored, "sweeps/nano.json")


SHIPPED = sorted(path.stem for path in tier_data.LR_SWEEPS.glob("*.json"))


@pytest.mark.parametrize("model", SHIPPED)
def test_a_shipped_sweep_belongs_to_the_tier_as_it_is(model: str) -> None:
    stored = sweep_of(TIERS[model])
    assert stored["stale"] is False
    assert load_tier(str(stored["tier"])).model == model
    assert stored["learning_rate"] == TIERS[model].learning_rate


def test_the_smallest_tier_was_swept() -> None:
    assert "pico" in SHIPPED
