"""Rows of loss curves: which curve they belong to, blocks for the bootstrap, errors of each curve."""

from __future__ import annotations

import numpy as np

from leaderboard.laws.law import Data, Floats, Ints

BLOCKS_PER_CURVE = 10
"""Parts of a curve that the bootstrap draws as a whole."""


def errors(observed: Floats, expected: Floats) -> dict[str, float]:
    """Return R2, MAE, RMSE and the mean and worst relative error of a curve."""
    gap = observed - expected
    spread = float(np.sum((observed - observed.mean()) ** 2))
    relative = np.abs(gap) / observed
    return {
        "r2": 1 - float(np.sum(gap**2)) / spread if spread > 0 else float("nan"),
        "mae": float(np.mean(np.abs(gap))),
        "rmse": float(np.sqrt(np.mean(gap**2))),
        "mean_relative_error": float(np.mean(relative)),
        "worst_relative_error": float(np.max(relative)),
    }


def by_curve(data: Data) -> list[tuple[str, Floats, Floats]]:
    """Return name, steps and rates of every curve, in order."""
    labels = data.labels.get("curve", ("curve",))
    found = []
    for code in np.unique(data.columns["curve"]):
        rows = data.columns["curve"] == code
        found.append((labels[int(code)], data.columns["step"][rows], data.columns["lr"][rows]))
    return found


def blocks(data: Data) -> Ints:
    """Return which block of its curve a row is in, numbered over all curves."""
    found = np.zeros(data.n, np.int64)
    for number, code in enumerate(np.unique(data.columns["curve"])):
        rows = np.flatnonzero(data.columns["curve"] == code)
        found[rows] = number * BLOCKS_PER_CURVE + np.arange(len(rows)) * BLOCKS_PER_CURVE // len(rows)
    return found
