"""What the noise of seeds lets one say: resolved pairs, significant inversions, P(winner kept) (rules 8, 11).

The variance of one run is pooled over all recipes of a tier, `s² = Σ (n_a - 1) s_a² / Σ (n_a - 1)`. A pair is resolved
at a tier when its gap exceeds `t(0.975, ν) s √(1/n_a + 1/n_b)`; an inversion is significant when the pair is resolved
at both tiers, in opposite order. P(winner kept) is the chance that the same recipe is truly first at both tiers: true
scores are drawn around the measured means, `s² ν / χ²_ν` for the variance, normal for the means. Seeds are never
resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.numerics import DRAWS, Interval, Variance, percentile_interval, t_critical
from curation.randomness import generator
from leaderboard.stability.pairs import Floats, Ints

MAX_RECIPES = 1_000
"""Every pair is looked at: above so many there is no list of resolved pairs."""
MAX_LISTED = 1_000
MAX_DRAWN = 200
"""Intervals by noise of measures over pairs take draws × n²: above so many recipes there are none."""
MAX_CELLS = 4_000_000
"""Draws × recipes: fewer draws for thousands of recipes, down to `MIN_DRAWS`."""
MIN_DRAWS = 200
WINNER_KEPT = 0.9
"""Rule 11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTier:
    """Mean scores of recipes at one tier, higher is better, and what is known of their noise."""

    tier: str
    means: Floats
    num_seeds: Ints
    noise: Variance | None
    """Of one run; None when no recipe has two seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversion:
    """A pair resolved at both tiers in opposite order: places of the better recipe at the small tier and the other."""

    ahead: int
    behind: int
    gap_from: float
    gap_to: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Pairs that the noise of seeds resolves."""

    at_from: int
    at_to: int
    at_both: int
    agreeing: int
    num_inverted: int
    inversions: tuple[Inversion, ...]
    """Largest gap at the target first; at most `MAX_LISTED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseDraws:
    """Measures over draws of the true scores of these same recipes."""

    winner_kept: float
    intervals: dict[str, Interval]


def resolved_pairs(small: AtTier, target: AtTier) -> Resolved | str:
    """Return which pairs are resolved at both tiers, or why that cannot be said."""
    for one in (small, target):
        if one.noise is None:
            return f"no recipe has two seeds at `{one.tier}`: its noise is unknown"
        if one.noise.value == 0:
            return f"every seed at `{one.tier}` has the score of the others: copies of one run say nothing of noise"
    num = len(small.means)
    if num > MAX_RECIPES:
        return f"{num} recipes: pairs are looked at one by one for up to {MAX_RECIPES}"
    here, there = _signs(small), _signs(target)
    both = here * there
    pairs = np.triu(both, 1)
    return Resolved(
        at_from=int(np.sum(np.triu(here, 1) != 0)),
        at_to=int(np.sum(np.triu(there, 1) != 0)),
        at_both=int(np.sum(pairs != 0)),
        agreeing=int(np.sum(pairs > 0)),
        num_inverted=int(np.sum(pairs < 0)),
        inversions=tuple(_inversions(small, target, pairs)),
    )


def _inversions(small: AtTier, target: AtTier, pairs: npt.NDArray[np.int8]) -> list[Inversion]:
    first, second = np.nonzero(pairs < 0)
    gaps_from, gaps_to = (one.means[first] - one.means[second] for one in (small, target))
    swap = gaps_from < 0
    ahead, behind = np.where(swap, second, first), np.where(swap, first, second)
    gaps_from, gaps_to = np.abs(gaps_from), -np.abs(gaps_to)
    return [
        Inversion(
            ahead=int(ahead[place]),
            behind=int(behind[place]),
            gap_from=float(gaps_from[place]),
            gap_to=float(gaps_to[place]),
        )
        for place in np.lexsort((behind, ahead, gaps_to))[:MAX_LISTED].tolist()
    ]


def _signs(one: AtTier) -> npt.NDArray[np.int8]:
    """Return +1 where the row's recipe is better than the column's beyond noise, -1 where it is worse, else 0."""
    assert one.noise is not None
    gaps = one.means[:, None] - one.means[None, :]
    shares = 1 / one.num_seeds[:, None] + 1 / one.num_seeds[None, :]
    bound = t_critical(one.noise.degrees) * np.sqrt(one.noise.value * shares)
    signs: npt.NDArray[np.int8] = np.where(np.abs(gaps) > bound, np.sign(gaps), 0).astype(np.int8)
    return signs


def noise_draws(small: AtTier, target: AtTier, draws: int = DRAWS) -> NoiseDraws | None:
    """Return P(winner kept) and intervals of decision accuracy and regret; None when a tier's noise is unknown."""
    num = len(small.means)
    if num < 2 or not all(one.noise is not None and one.noise.value > 0 for one in (small, target)):
        return None
    rng = generator(0, "stability", "noise", num)
    draws = min(draws, max(MIN_DRAWS, MAX_CELLS // num))
    winner = small.means == small.means.max()
    kept, accuracies, regrets = [], [], []
    for start in range(0, draws, step := max(1, MAX_CELLS // num**2 if num <= MAX_DRAWN else MIN_DRAWS)):
        count = min(step, draws - start)
        x, y = _true_scores(small, rng, count), _true_scores(target, rng, count)
        kept.append(x.argmax(axis=1) == y.argmax(axis=1))
        if num <= MAX_DRAWN:
            agree = np.sign(x[:, :, None] - x[:, None, :]) * np.sign(y[:, :, None] - y[:, None, :])
            accuracies.append((agree.sum(axis=(1, 2)) / (num * (num - 1)) + 1) / 2)
        # the winner is the measured one: what trusting it costs, given what the seeds leave open about the target
        regrets.append(y.max(axis=1) - y[:, winner].mean(axis=1))
    intervals = {"regret": percentile_interval(np.concatenate(regrets))}
    if accuracies:
        intervals["decision_accuracy"] = percentile_interval(np.concatenate(accuracies))
    return NoiseDraws(winner_kept=float(np.mean(np.concatenate(kept))), intervals=intervals)


def _true_scores(one: AtTier, rng: np.random.Generator, draws: int) -> Floats:
    """Return draws × recipes."""
    assert one.noise is not None
    variance = one.noise.value * one.noise.degrees / rng.chisquare(one.noise.degrees, draws)
    return one.means + np.sqrt(variance[:, None] / one.num_seeds) * rng.standard_normal((draws, len(one.means)))
