"""Designs of swarms: on the simplex, around their centre, filling it, the same for a prefix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import LawError
from mixtures.designs import DESIGNS, Design, design_mixtures, on_simplex, rounded

NATURAL = {"web": 0.6, "code": 0.3, "math": 0.1}


def table(design: Design, runs: int, natural: dict[str, float] = NATURAL) -> np.ndarray:
    return np.array([[mix[name] for name in sorted(natural)] for mix in design_mixtures(natural, design, runs)])


@pytest.mark.parametrize("kind", DESIGNS)
@given(runs=st.integers(1, 40), seed=st.integers(1, 50), concentration=st.sampled_from([0.05, 1.0, 30.0]))
def test_mixtures_are_millionths_that_sum_to_one(kind: str, runs: int, seed: int, concentration: float) -> None:
    design = Design(kind=kind, seed=seed, concentration=concentration)
    for mix in design_mixtures(NATURAL, design, runs):
        assert sum(round(weight * 1e6) for weight in mix.values()) == 1_000_000
        assert min(mix.values()) >= 0


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_longer_swarm_begins_with_the_shorter_one(kind: str) -> None:
    design = Design(kind=kind, seed=3)
    assert design_mixtures(NATURAL, design, 30)[:11] == design_mixtures(NATURAL, design, 11)
    assert design_mixtures(NATURAL, design, 5) != design_mixtures(NATURAL, Design(kind=kind, seed=4), 5)


@pytest.mark.parametrize("concentration", [0.5, 1.0, 8.0])
def test_dirichlet_has_the_moments_of_its_formula(concentration: float) -> None:
    """Mean p, variance p (1 - p) / (c K + 1)."""
    found = table(Design(concentration=concentration), 6_000)
    centre = np.array([0.3, 0.1, 0.6])  # code, math, web
    spread = np.sqrt(centre * (1 - centre) / (3 * concentration + 1))
    assert np.allclose(found.mean(axis=0), centre, atol=4 * spread.max() / math.sqrt(6_000))
    assert np.allclose(found.std(axis=0), spread, rtol=0.06)


def test_the_map_to_the_simplex_keeps_volume() -> None:
    """Uniform on the simplex of K = 4: each weight has mean 1/4, and P(w > 1/2) = (1 - 1/2)^3 = 1/8."""
    found = table(Design(kind="space-filling"), 4_096, dict.fromkeys("abcd", 1.0))
    assert np.allclose(found.mean(axis=0), 0.25, atol=2e-3)
    assert np.allclose((found > 0.5).mean(axis=0), 0.125, atol=3e-3)


def test_the_map_by_hand() -> None:
    """u = (3/4, 1/2) gives 1 - sqrt(1/4) = 1/2, then half of the rest."""
    assert np.allclose(on_simplex(np.array([[0.75, 0.5], [0.0, 0.0]])), [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])


def test_space_filling_leaves_smaller_holes_than_chance() -> None:
    """The largest distance from any mixture to the nearest tried one, for 32 runs over 3 slices."""
    grid = table(Design(kind="dirichlet", seed=99), 3_000, dict.fromkeys("abc", 1.0))
    holes = [
        max(np.sqrt(((grid[:, None] - table(Design(kind=kind, seed=seed), 32, dict.fromkeys("abc", 1.0))) ** 2).sum(-1))
            .min(axis=1)) for kind in ("space-filling", "dirichlet") for seed in range(1, 7)
    ]  # fmt: skip
    assert np.mean(holes[:6]) < 0.9 * np.mean(holes[6:])


def test_thirds_are_rounded_to_a_whole() -> None:
    assert rounded([1, 1, 1]) == [0.333334, 0.333333, 0.333333]


@pytest.mark.parametrize(
    ("natural", "design", "runs", "said"),
    [
        ({"web": 1.0}, Design(), 3, "expected at least 2"),
        ({"web": 1.0, "code": 0.0}, Design(), 3, "slice `code` has no text"),
        (NATURAL, Design(kind="dirichle"), 3, "did you mean `dirichlet`"),
        (NATURAL, Design(concentration=0.0), 3, "--concentration: 0"),
        (NATURAL, Design(), 0, "--runs: 0"),
    ],
)
def test_what_cannot_be_a_design_is_named(natural: dict[str, float], design: Design, runs: int, said: str) -> None:
    with pytest.raises(LawError, match=said):
        design_mixtures(natural, design, runs)
