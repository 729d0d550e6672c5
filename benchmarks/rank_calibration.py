"""How well P(rank = 1) is calibrated, and how often rank intervals hold: `python benchmarks/rank_calibration.py`.

Worlds: ten recipes whose true values scatter by a normal, n seeds each with a noise of 1, a noise pack of nine seeds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from curation.numerics import Variance
from curation.randomness import generator
from leaderboard.ranking.estimates import Measured, estimate
from leaderboard.ranking.first import FirstModel, first_probabilities

PACK_DEGREES = 8
RECIPES = 10
UNITS = 60


def calibration(num_seeds: int, spread: float, worlds: int) -> tuple[float, float, int, float, float]:
    """Return the leader's mean P and how often it was first, over all worlds and where P >= 0.9."""
    rng = generator(11, "benchmark", num_seeds, int(100 * spread))
    said, was = np.empty(worlds), np.empty(worlds)
    for world in range(worlds):
        truth = rng.normal(0, spread / np.sqrt(num_seeds), RECIPES)
        runs = truth[:, None] + rng.standard_normal((RECIPES, num_seeds))
        squares = rng.chisquare(PACK_DEGREES) + float(((runs - runs.mean(axis=1, keepdims=True)) ** 2).sum())
        degrees = PACK_DEGREES + RECIPES * (num_seeds - 1)
        model = FirstModel(
            means=runs.mean(axis=1),
            num_seeds=np.full(RECIPES, float(num_seeds)),
            seed_variance=squares / degrees,
            seed_degrees=degrees,
            unit_covariance=np.zeros((RECIPES, RECIPES)),
        )
        leader = int(model.means.argmin())
        said[world] = first_probabilities(model, "x", draws=2_000)[leader]
        was[world] = leader == int(truth.argmin())
    sure = said >= 0.9
    mean = (float(said[sure].mean()), float(was[sure].mean())) if sure.any() else (np.nan, np.nan)
    return float(said.mean()), float(was.mean()), int(sure.sum()), *mean


def coverage(num_seeds: int, worlds: int) -> float:
    """Return how often all rank intervals of six recipes hold together."""
    rng = generator(12, "benchmark", num_seeds)
    held = 0
    for _ in range(worlds):
        truth = rng.normal(0, 1.0, 6)
        seeds = rng.standard_normal((6, num_seeds))
        units = 0.3 * rng.standard_normal((UNITS, 6))
        degrees = PACK_DEGREES + 6 * (num_seeds - 1)
        squares = rng.chisquare(PACK_DEGREES) + float(((seeds - seeds.mean(axis=1, keepdims=True)) ** 2).sum())
        found = Measured(
            means=truth + seeds.mean(axis=1) + units.mean(axis=0),
            num_seeds=(num_seeds,) * 6,
            one_run=Variance(value=squares / degrees, degrees=degrees),
            both=0.0,
            draws=units[rng.integers(0, UNITS, (400, UNITS))].mean(axis=1),
            num_units=UNITS,
        )
        ranks = 1 + truth.argsort().argsort()
        rows = estimate(found, "x").rows
        held += all(row.rank_low <= rank <= row.rank_high for row, rank in zip(rows, ranks, strict=True))
    return held / worlds


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int, nargs="?", default=2_000, help="worlds a row")
    worlds = parser.parse_args().worlds
    began = time.process_time()
    print("| n | spread | mean P of the leader | leader truly first | worlds with P >= 0.9 | mean P | truly first |")
    print("|---|---|---|---|---|---|---|")
    for num_seeds in (2, 3, 5):
        for spread in (0.25, 0.5, 1.0, 2.0, 4.0):
            said, was, sure, high, held = calibration(num_seeds, spread, worlds)
            print(
                f"| {num_seeds} | {spread:g} | {said:.3f} | {was:.3f} | {sure} | {high:.3f} | {held:.3f} |", flush=True
            )
    for num_seeds in (2, 3, 5):
        print(f"rank intervals of six recipes, n = {num_seeds}: together in {coverage(num_seeds, worlds // 2):.3f}")
    print(f"{worlds} worlds a row, {time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
