"""How often the gates are wrong, by their own functions: `benchmarks/gates_simulation.py` prints the whole table.

That intervals of comparisons cover the truth is simulated where they are made: `test_paired`, `test_compare_arms`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gates_simulation.py"
SIGMAS = (0.0015, 0.002, 0.003)
NOISE = ("effect-beats-noise",)


@pytest.fixture(scope="module")
def simulation() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("gates_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gates_simulation"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[300, pytest.param(3_500, marks=pytest.mark.slow)])
def worlds(request: pytest.FixtureRequest) -> int:
    """So many worlds of each kind: a taste, and ten thousand over the three sigmas."""
    count: int = request.param
    return count


@pytest.mark.parametrize("sigma", SIGMAS)
def test_g2_passes_nothing_in_at_most_6_of_100_worlds_and_finds_0_006_nats_in_85(
    simulation: Any, worlds: int, sigma: float
) -> None:
    gates = simulation.load_gates()
    for prior, at_least in (("0.002", 0.85), ("pack", 0.85 if sigma <= 0.002 else 0.6)):
        nothing = simulation.Setting(sigma=sigma, effect=0.0, prior=prior)
        passed = simulation.share_passed(gates, "G2", nothing, worlds, NOISE)
        assert passed <= 0.06 + 2 * simulation.error(0.06, worlds)
        gain = simulation.Setting(sigma=sigma, effect=0.006, prior=prior)
        found = simulation.share_passed(gates, "G2", gain, worlds, NOISE)
        assert found >= at_least - 2 * simulation.error(at_least, worlds)


def test_a_gate_that_asked_for_less_would_be_caught(simulation: Any) -> None:
    from dataclasses import replace

    gates = simulation.load_gates()
    lax = replace(
        gates, looks=replace(gates.looks, critical={2: 1.0, 3: 1.0, 5: 1.0}, level=0.16, level_without_prior=0.4)
    )
    nothing = simulation.Setting(sigma=0.003, effect=0.0, prior="0.002")
    assert simulation.share_passed(lax, "G2", nothing, 300, NOISE) > 0.1


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_intervals_that_gates_read_cover_the_truth_in_93_to_97_of_100_worlds(
    simulation: Any, worlds: int, num_seeds: int
) -> None:
    held = simulation.coverage(simulation.Setting(sigma=0.002, effect=0.006), num_seeds, worlds)
    margin = 2 * simulation.error(0.05, worlds)
    assert 0.93 - margin <= held <= 0.97 + margin


@pytest.mark.parametrize(("candidates", "studies"), [(20, 40), pytest.param(50, 300, marks=pytest.mark.slow)])
def test_luck_among_many_arms_rarely_passes_the_screening_and_less_the_boards_seed(
    simulation: Any, candidates: int, studies: int
) -> None:
    luck = simulation.lucky(simulation.load_gates(), candidates, studies)
    assert luck.screened <= 0.10 + 2 * simulation.error(0.10, studies)
    assert luck.confirmed <= luck.held_out <= luck.screened < luck.best_p
