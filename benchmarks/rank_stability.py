"""Rank stability: coverage of its intervals by number of recipes, and processor seconds on a million rows."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
NUMBERS = (5, 8, 15, 25)
CORRELATIONS = (0.0, 0.6, 0.9, 0.98)
MEASURES = ("decision_accuracy", "kendall_tau_b", "spearman", "pearson", "weighted_tau")
POPULATION = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=500, help="Worlds a setting (standard error 1 % at 500).")
    parser.add_argument("--skip-coverage", action="store_true")
    arguments = parser.parse_args()
    if not arguments.skip_coverage:
        coverage(arguments.worlds)
    speed()


def sample(num: int, correlation: float, heavy: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, second = rng.standard_t(3, (2, num)) if heavy else rng.standard_normal((2, num))
    return first, correlation * first + np.sqrt(1 - correlation**2) * second


def coverage(worlds: int) -> None:
    from leaderboard.stability.intervals import recipe_intervals
    from leaderboard.stability.measures import agreement

    print("| scores | correlation | recipes | " + " | ".join(f"{name} (width)" for name in MEASURES) + " |")
    for heavy in (False, True):
        for correlation in CORRELATIONS:
            rng = np.random.default_rng(1)
            truth = agreement(*sample(POPULATION, correlation, heavy, rng)).values
            for num in NUMBERS:
                rng = np.random.default_rng(num)
                values: dict[str, list[float]] = {name: [] for name in MEASURES}
                ends: dict[str, list[tuple[float, float]]] = {name: [] for name in MEASURES}
                for _ in range(worlds):
                    small, target = sample(num, correlation, heavy, rng)
                    measured = agreement(small, target).values
                    found, _ = recipe_intervals(small, target, measured)
                    for name in MEASURES:
                        interval, value = found[name], measured[name]
                        assert interval is not None
                        assert value is not None
                        values[name].append(value)
                        ends[name].append((interval.low, interval.high))
                cells = []
                for name in MEASURES:
                    # weights by rank make weighted tau a measure of n recipes: its own mean over worlds is the truth
                    right = np.mean(values[name]) if name == "weighted_tau" else truth[name]
                    low, high = np.array(ends[name]).T
                    cells.append(f"{100 * np.mean((low <= right) & (right <= high)):.0f} % ({np.mean(high - low):.2f})")
                kind = "t(3)" if heavy else "normal"
                print(f"| {kind} | {correlation} | {num} | " + " | ".join(cells) + " |", flush=True)


def speed() -> None:
    from leaderboard.stability.as_json import stability_json
    from leaderboard.stability.command import Asked, perform_stability

    for recipes, tiers, seeds in ((100, 5, 2000), (1000, 5, 200), (125_000, 4, 2)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            write_rows(path, recipes, tiers, seeds)
            options = dict.fromkeys(("recipe", "tier", "score", "seed", "task", "by", "flops", "where"))
            start = time.process_time()
            asked = Asked(
                sources=[path],
                target=str(10 ** (tiers + 5)),
                lower_is_better=False,
                wide=False,
                by_slice=False,
                **options,
            )
            stability_json(perform_stability(asked))
            spent = time.process_time() - start
        print(f"{recipes} recipes x {tiers} tiers x {seeds} seeds: {spent:.1f} CPU-s")


def write_rows(path: Path, recipes: int, tiers: int, seeds: int) -> None:
    rng = np.random.default_rng(0)
    level = rng.standard_normal(recipes)
    with path.open("w") as file:
        file.write("recipe,tier,seed,score\n")
        for tier in range(tiers):
            means = level + rng.standard_normal(recipes) * (tiers - tier) / tiers
            for seed in range(seeds):
                scores = means + 0.1 * rng.standard_normal(recipes)
                file.writelines(f"recipe-{k},{10 ** (tier + 6)},{seed},{scores[k]:.6f}\n" for k in range(recipes))


if __name__ == "__main__":
    main()
