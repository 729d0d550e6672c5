"""Intervals of agreement over recipes: what another set of as many recipes might have shown.

Recipes are resampled as whole rows of the table. Two copies of a recipe make no pair: a pair of a recipe with itself
would count as a tie at both tiers and pull every measure to one half. A draw is a vector of multiplicities w, so that a
measure over pairs is `Σ w_i w_j c_ij / Σ w_i w_j` over i ≠ j, for all draws at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from curation.numerics import DRAWS, Interval, percentile_interval, t_critical
from curation.randomness import generator
from leaderboard.stability.measures import CORRELATIONS, MEASURES
from leaderboard.stability.pairs import Floats

MIN_RECIPES = 4
"""With fewer there are too few different draws to speak of an interval."""
MIN_DRAWS = 100
"""Draws in which a measure is defined, of `DRAWS`."""
MAX_EXACT = 400
"""Above so many recipes, m out of n: draws of this many, their spread scaled by √(m/n)."""


def recipe_intervals(
    small: Floats, target: Floats, values: Mapping[str, float | None]
) -> tuple[dict[str, Interval | None], float | None]:
    """Return a 95 % interval a measure (None where it cannot be told) and the share of draws that keep the winner.

    Measures with bounds: Wilson's form on the scale from worst to best, with the bootstrap variance as effective number
    and Student's t of n - 1, so that perfect agreement of few recipes is not certain. Regret: percentiles.
    """
    num, nothing = len(small), dict.fromkeys(MEASURES)
    if num < MIN_RECIPES:
        return nothing, None
    size = min(num, MAX_EXACT)
    if size < num:
        chosen = np.sort(generator(0, "stability", "subset", num).choice(num, size, replace=False))
        small, target = small[chosen], target[chosen]
    draws = resampled(small, target)
    found: dict[str, Interval | None] = {}
    for name in MEASURES:
        value, sample = values[name], draws[name][np.isfinite(draws[name])]
        if value is None or len(sample) < MIN_DRAWS:
            found[name] = None
        elif name == "regret":
            found[name] = percentile_interval(sample) if size == num else None
        else:
            spread = float(np.var(sample, ddof=1)) * size / (size - 1) * size / num
            found[name] = bounded_interval(name, value, spread, num)
    return found, float(np.mean(draws["winner_kept"])) if size == num else None


def bounded_interval(name: str, value: float, variance: float, num: int) -> Interval:
    """Return Wilson's interval of a measure from its bootstrap variance; `num` recipes."""
    low, pairwise = (-1.0, name in ("kendall_tau_b", "weighted_tau")) if name in CORRELATIONS else (0.0, True)
    share = min(1.0, max(0.0, (value - low) / (1 - low)))
    # of one half where order is random: Var τ = 2 (2n + 5) / (9 n (n - 1)), Kendall 1938; Var r = 1 / (n - 1)
    trials = 9 * num * (num - 1) / (2 * (2 * num + 5)) if pairwise else num - 1.0
    if 0 < share < 1 and variance > 0:
        trials = max(1.0, share * (1 - share) * (1 - low) ** 2 / variance)
    z = t_critical(num - 1)
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    ends = (max(0.0, centre - half), min(1.0, centre + half))
    return Interval(low=low + (1 - low) * min(ends[0], share), high=low + (1 - low) * max(ends[1], share))


def resampled(small: Floats, target: Floats, draws: int = DRAWS) -> dict[str, Floats]:
    """Return every measure over resampled recipes; NaN in draws where it is undefined."""
    num = len(small)
    rng = generator(0, "stability", "recipes", num)
    weights = rng.multinomial(num, np.full(num, 1 / num), size=draws).astype(np.float64)
    found = _over_pairs(weights, small, target)
    found["pearson"] = _pearson(weights, *(np.broadcast_to(one, weights.shape) for one in (small, target)))
    found["spearman"] = _pearson(weights, _midranks(weights, small), _midranks(weights, target))
    found["regret"], found["winner_kept"] = _of_winners(weights, small, target)
    return found


def _over_pairs(weights: Floats, small: Floats, target: Floats) -> dict[str, Floats]:
    first = np.sign(small[:, None] - small[None, :])
    second = np.sign(target[:, None] - target[None, :])
    score, other = first * second, 1.0 - np.eye(len(small))

    def ratio(over: Floats, under: Floats) -> Floats:
        found: Floats = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
        return found

    def total(matrix: Floats, per_recipe: Floats | float = 1.0) -> Floats:
        found: Floats = ((weights @ matrix) * weights * per_recipe).sum(axis=1)
        return found

    pairs, differ = total(other), total(score)
    taus = []
    for order in (np.lexsort((target, small))[::-1], np.lexsort((small, target))[::-1]):
        near = _hyperbolic(weights, order)
        shares = total(np.abs(first), near) * total(np.abs(second), near)
        taus.append(ratio(total(score, near), np.sqrt(shares)))
    return {
        "decision_accuracy": (ratio(differ, pairs) + 1) / 2,
        "decision_accuracy_strict": ratio(total((score > 0).astype(np.float64)), pairs),
        "kendall_tau_b": ratio(differ, np.sqrt(total(np.abs(first)) * total(np.abs(second)))),
        "weighted_tau": (taus[0] + taus[1]) / 2,
    }


def _hyperbolic(weights: Floats, order: npt.NDArray[np.intp]) -> Floats:
    """Return the mean of 1 / (rank + 1) over the copies of each recipe, ranked from 0 in `order` within each draw."""
    in_order = weights[:, order].astype(np.int64)
    ends = np.cumsum(in_order, axis=1)
    sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, weights.shape[1] + 1))])
    shares = (sums[ends] - sums[ends - in_order]) / np.maximum(in_order, 1)
    found: Floats = np.empty_like(shares)
    found[:, order] = shares
    return found


def _midranks(weights: Floats, values: Floats) -> Floats:
    below = (values[:, None] > values[None, :]).astype(np.float64)
    equal = (values[:, None] == values[None, :]).astype(np.float64)
    ranks: Floats = weights @ below.T + (weights @ equal.T + 1) / 2
    return ranks


def _pearson(weights: Floats, first: Floats, second: Floats) -> Floats:
    num = weights.sum(axis=1)
    x = first - ((weights * first).sum(axis=1) / num)[:, None]
    y = second - ((weights * second).sum(axis=1) / num)[:, None]
    cross, xx, yy = ((weights * left * right).sum(axis=1) for left, right in ((x, y), (x, x), (y, y)))
    scale = np.sqrt(xx * yy)
    defined = scale > 1e-12 * float(scale.max(initial=0))
    found: Floats = np.divide(cross, scale, out=np.full(len(scale), np.nan), where=defined)
    return np.asarray(np.clip(found, -1, 1), np.float64)


def _of_winners(weights: Floats, small: Floats, target: Floats) -> tuple[Floats, Floats]:
    present = weights > 0
    own, goal = np.where(present, small, -np.inf), np.where(present, target, -np.inf)
    chosen, best = own == own.max(axis=1, keepdims=True), goal == goal.max(axis=1, keepdims=True)
    num = chosen.sum(axis=1)
    reached = np.where(chosen, target, 0.0).sum(axis=1) / num
    return np.maximum(goal.max(axis=1) - reached, 0.0), (chosen & best).sum(axis=1) / num
