"""Straight lines on logarithms: ln y = ln k + a ln x by (weighted) least squares, many lines at once."""

from __future__ import annotations

import numpy as np

from leaderboard.laws.law import Floats


def power_law(x: Floats, y_SN: Floats, weights_SN: Floats) -> Floats:
    """Return ln k and a of y = k x^a for every row, shape S2; cells of weight 0 do not count (their y may be NaN).

    NaN for rows in which fewer than two different x count.
    """
    with np.errstate(all="ignore"):
        logs, values = np.log(x)[None, :], np.where(weights_SN > 0, np.log(y_SN), 0.0)
        total = weights_SN.sum(axis=1, keepdims=True)
        centre = np.sum(weights_SN * logs, axis=1, keepdims=True) / total
        moved = logs - centre
        spread = np.sum(weights_SN * moved**2, axis=1)
        mean = np.sum(weights_SN * values, axis=1) / total[:, 0]
        slope = np.sum(weights_SN * moved * values, axis=1) / spread
        enough = spread > 1e-12 * total[:, 0]
    slope = np.where(enough, slope, np.nan)
    return np.stack([mean - slope * centre[:, 0], slope], axis=1)


def at(theta_SP: Floats, x: Floats) -> Floats:
    """Return k x^a for every row of (ln k, a) and every x, shape SN."""
    with np.errstate(over="ignore"):
        grown: Floats = np.exp(theta_SP[:, 0:1] + theta_SP[:, 1:2] * np.log(x)[None, :])
    return grown
