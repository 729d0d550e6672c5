"""From task loss to accuracy: a logistic curve or a straight line, by bounded least squares.

Logistic: a / (1 + exp(-k (L - x0))) + b with a in [-1, 0], x0 and k at least 0, b in [0, 1], from the start
a = min(accuracy) - 1, x0 = 0.9, k = 3, b = 1. Source: Bhagia et al. 2024 (2412.04403), the authors' code.
"""

from __future__ import annotations

import numpy as np

from curation.errors import InsufficientError
from leaderboard.laws.law import Floats

LINKS = ("logistic", "linear")
LOW, HIGH = np.array([-1.0, 0.0, 0.0, 0.0]), np.array([0.0, np.inf, np.inf, 1.0])


def link_names(link: str) -> tuple[str, ...]:
    """Return the parameters of a link."""
    return ("a", "x0", "k", "b") if link == "logistic" else ("a", "b")


def linked(link: str, theta_SP: Floats, losses_SN: Floats) -> Floats:
    """Return the accuracy at losses."""
    if link == "linear":
        return np.asarray(theta_SP[:, 0:1] * losses_SN + theta_SP[:, 1:2])
    height, place, steep, base = (theta_SP[:, i : i + 1] for i in range(4))
    with np.errstate(over="ignore"):
        return np.asarray(height / (1 + np.exp(-steep * (losses_SN - place))) + base)


def fit_link(
    link: str,
    losses: Floats,
    accuracy: Floats,
    *,
    anchor: bool,
    weights: Floats | None = None,
    begin: Floats | None = None,
) -> tuple[Floats, tuple[str, ...]]:
    """Return the parameters of step 2 and remarks; NaN where a resample has too few distinct rows.

    Raises: InsufficientError for too few rows.
    """
    num = len(link_names(link))
    weights = np.ones(len(losses)) if weights is None else weights
    rows = weights > 0
    if anchor:
        losses, accuracy = np.append(losses[rows], 0.0), np.append(accuracy[rows], 1.0)
        weights = np.append(weights[rows], 1.0)
    else:
        losses, accuracy, weights = losses[rows], accuracy[rows], weights[rows]
    if len(np.unique(losses)) < num:
        if begin is not None:
            return np.full(num, np.nan), ()
        raise InsufficientError(
            f"two-stage: insufficient: step 2 has {len(np.unique(losses))} distinct losses for {num} parameters; "
            "add runs, or use option link=linear"
        )
    if link == "linear":
        design = np.stack([losses, np.ones_like(losses)], axis=1) * np.sqrt(weights)[:, None]
        found, *_ = np.linalg.lstsq(design, accuracy * np.sqrt(weights), rcond=None)
        return np.asarray(found, np.float64), ()
    return _logistic(losses, accuracy, weights, begin)


def _logistic(
    losses: Floats, accuracy: Floats, weights: Floats, begin: Floats | None
) -> tuple[Floats, tuple[str, ...]]:
    from scipy.optimize import least_squares

    root = np.sqrt(weights)

    def residuals(theta: Floats) -> Floats:
        return np.asarray((linked("logistic", theta[None], losses[None])[0] - accuracy) * root)

    def slopes(theta: Floats) -> Floats:
        height, place, steep, _ = theta
        share = 1 / (1 + np.exp(np.clip(-steep * (losses - place), -700, 700)))
        bell = height * share * (1 - share)
        return np.stack([share, -steep * bell, (losses - place) * bell, np.ones_like(losses)], axis=1) * root[:, None]

    middle = float(np.median(losses))
    first = np.array([accuracy.min() - 1, 0.9, 3.0, 1.0])
    begins = [first, np.array([accuracy.min() - 1, middle, 3.0, 1.0])] if begin is None else [begin]
    ends = [
        least_squares(
            residuals, np.clip(one, LOW, HIGH), slopes, bounds=(LOW - 1e-12, HIGH), x_scale="jac", max_nfev=2000
        )
        for one in begins
    ]
    best = min(ends, key=lambda end: float(end.cost))
    remarks = () if begin is not None else _remarks(best.x)
    return np.asarray(best.x), remarks


def _remarks(theta: Floats) -> tuple[str, ...]:
    height, _, steep, base = theta
    found = []
    if height > -1e-3 or steep < 1e-3:
        found.append("step 2 is flat: accuracy does not depend on the task's loss in these runs")
    if height < -1 + 1e-6 or base > 1 - 1e-9:
        found.append("step 2 is at a bound (a = -1 or b = 1): its ends are assumed, not measured")
    return tuple(found)
