"""Scaling-law fits against a loop of scipy: processor seconds, objectives and parameters on the same table.

Ours: approach 3 from all 4,500 starts of its authors, and 1,000 bootstrap refits. Peer: `scipy.optimize.minimize`
(L-BFGS-B with the same exact gradient, centred logarithms and the same objective) from the same starts one by one, a
share of them where asked, and the same for resamples. Both get one thread.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import minimize as scipy_minimize

from curation.descent import Loss, Problem
from curation.fitting import minimise, refit, resample_weights
from leaderboard.laws.chinchilla import CHINCHILLA
from leaderboard.laws.law import Data, Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", help="CSV with N, D, loss; without it 240 simulated runs")
    parser.add_argument("--drop", metavar="COLUMN", help="leave out rows where this column is True")
    parser.add_argument("--peer-starts", type=int, default=450, help="starts of the scipy loop, evenly chosen")
    parser.add_argument("--peer-resamples", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    data = read(asked.table, asked.drop) if asked.table else simulated()
    settings = Settings()
    change = CHINCHILLA.coordinates(data)
    problem = centred(data, change)
    starts = CHINCHILLA.starts(data, settings) @ np.linalg.inv(change).T
    print(f"{data.n} runs, {len(starts)} starts")

    before = time.process_time()
    ours = minimise(problem, starts)
    report("ours, all starts", before, len(starts), ours.objective, change @ ours.theta)

    chosen = np.unique(np.linspace(0, len(starts) - 1, asked.peer_starts).astype(int))
    before = time.process_time()
    ends = [scipy_fit(problem, start) for start in starts[chosen]]
    theta, value = min(ends, key=lambda end: end[1])
    report("scipy, one by one", before, len(chosen), value, change @ theta)

    weights = resample_weights(data.groups, asked.draws, np.random.default_rng(0))
    before = time.process_time()
    draws = np.concatenate(list(refit(problem, ours.theta, weights))) @ change.T
    spread = np.std(draws[:, 3:], axis=0)
    print(
        f"ours, {len(draws)} refits: {time.process_time() - before:.2f} CPU-s; "
        f"sd alpha {spread[0]:.4f}, beta {spread[1]:.4f}"
    )

    before = time.process_time()
    some = [scipy_fit(weighted(problem, row), ours.theta)[0] @ change.T for row in weights[: asked.peer_resamples]]
    seconds = time.process_time() - before
    apart = np.max(np.abs(np.stack(some)[:, 3:] - draws[: len(some), 3:]))
    print(
        f"scipy, {len(some)} refits: {seconds:.2f} CPU-s = {1000 * seconds / len(some):.1f} ms each; "
        f"exponents differ from ours by at most {apart:.2e}"
    )


def read(path: Path, drop: str | None) -> Data:
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if not drop or row[drop] != "True"]
    columns = {
        name: np.array([float(row[column]) for row in rows]) for name, column in (("N", "N"), ("D", "D"), ("L", "loss"))
    }
    return Data(columns=columns, groups=np.arange(len(rows)))


def simulated() -> Data:
    rng = np.random.default_rng(0)
    sizes, tokens = 10 ** rng.uniform(7.5, 10, 240), 10 ** rng.uniform(9, 11.5, 240)
    loss = (1.82 + 478 / sizes**0.347 + 2143 / tokens**0.367) * np.exp(0.005 * rng.standard_t(3, 240))
    return Data(columns={"N": sizes, "D": tokens, "L": loss}, groups=np.arange(240))


def centred(data: Data, change: np.ndarray) -> Problem:
    model = CHINCHILLA.model(data.columns)

    def moved(rows: np.ndarray) -> tuple[np.ndarray, object]:
        values, pullback = model(rows @ change.T)
        return values, lambda weights: pullback(weights) @ change

    return Problem(model=moved, targets=np.log(data.columns["L"]), loss=Loss())


def weighted(problem: Problem, row: np.ndarray) -> Problem:
    return Problem(model=problem.model, targets=problem.targets, loss=problem.loss, weights=row)


def scipy_fit(problem: Problem, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimise the same sum over delta, as a careful user of scipy would."""
    delta = problem.loss.delta
    weights = 1.0 if problem.weights is None else problem.weights

    def value_and_slope(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            predictions, pullback = problem.model(theta[None])
            residuals = predictions - problem.targets
            value = np.sum(weights * problem.loss.value(residuals)) / delta
            return float(value), pullback(weights * np.clip(residuals, -delta, delta))[0] / delta

    tight = {"ftol": 1e-14, "gtol": 1e-10, "maxiter": 2000, "maxfun": 4000}
    found = scipy_minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=tight)
    return found.x, float(found.fun) * delta


def report(name: str, before: float, num_starts: int, objective: float, theta: np.ndarray) -> None:
    seconds = time.process_time() - before
    scales = ", ".join(f"{value:.4g}" for value in np.exp(theta[:3]))
    print(
        f"{name}: {seconds:.2f} CPU-s for {num_starts} starts = {1000 * seconds / num_starts:.2f} ms a start; "
        f"objective {objective:.9g}; A, B, E {scales}; alpha {theta[3]:.5f}, beta {theta[4]:.5f}"
    )


if __name__ == "__main__":
    main()
