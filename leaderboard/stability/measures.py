"""Measures of agreement between two tiers over the recipes that both have; scipy's conventions where it has one.

Scores enter oriented: higher is better. `weighted_tau` is `scipy.stats.weightedtau` with its defaults (`rank=True`, the
mean over the rankings by either tier; additive hyperbolic weights), so pairs with the best recipes weigh most.
`regret` is the target's best score less the target's score of the small tier's winner: never negative, in the score's
own unit; winners tied at the small tier are drawn with equal chance, so it is their mean.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.randomness import generator
from leaderboard.stability.pairs import Floats, PairCounts, pair_counts

CORRELATIONS = ("pearson", "spearman", "kendall_tau_b", "weighted_tau")
MEASURES = (*CORRELATIONS, "decision_accuracy", "decision_accuracy_strict", "regret")
NUM_BINS = 4
EXACT_RECIPES = 1_000
"""Above so many the bins are over drawn pairs, not all."""
DRAWN_PAIRS = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GapBin:
    """Pairs whose gap at the small tier lies in (`low`, `high`]; the first bin holds `low` too."""

    low: float
    high: float
    num_pairs: int
    decision_accuracy: float
    decision_accuracy_strict: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """All plain measures of one pair of tiers; None where a measure is undefined."""

    num_recipes: int
    values: dict[str, float | None]
    undefined: dict[str, str]
    """Why a measure is None."""
    counts: PairCounts
    winner_kept: float | None
    """Chance that a winner of the small tier, drawn among the tied, is also a best of the target."""


def agreement(small: Floats, target: Floats) -> Agreement:
    """Return the measures of two equally long lists of finite scores, higher is better."""
    counts = pair_counts(small, target)
    undefined: dict[str, str] = {}
    num = len(small)
    if num < 2:
        reason = f"{num} recipe{'' if num == 1 else 's'} at both tiers, a comparison needs 2"
        values: dict[str, float | None] = dict.fromkeys(MEASURES)
        return Agreement(
            num_recipes=num,
            values=values,
            undefined=dict.fromkeys(MEASURES, reason),
            counts=counts,
            winner_kept=None,
        )
    level = [name for name, scores in (("from", small), ("to", target)) if scores.min() == scores.max()]
    values = dict.fromkeys(MEASURES)
    for name in CORRELATIONS:
        if level:
            undefined[name] = f"all {num} scores are tied at `{'` and `'.join(level)}`: a correlation is undefined"
            continue
        values[name] = _correlation(name, small, target)
        if values[name] is None:
            undefined[name] = "the scores differ by rounding only"
    values["decision_accuracy"] = counts.accuracy
    values["decision_accuracy_strict"] = counts.strict_accuracy
    values["regret"] = regret(small, target)
    return Agreement(
        num_recipes=num, values=values, undefined=undefined, counts=counts, winner_kept=winner_kept(small, target)
    )


def _correlation(name: str, small: Floats, target: Floats) -> float | None:
    from scipy import stats

    compute: Callable[..., object] = {
        "pearson": stats.pearsonr,
        "spearman": stats.spearmanr,
        "kendall_tau_b": stats.kendalltau,
        "weighted_tau": stats.weightedtau,
    }[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = float(compute(small, target)[0])  # type: ignore[index]
    return value if math.isfinite(value) else None


def winners(scores: Floats) -> npt.NDArray[np.bool_]:
    """Return which recipes share the best score."""
    best: npt.NDArray[np.bool_] = scores == scores.max()
    return best


def regret(small: Floats, target: Floats) -> float:
    """Return what trusting the small tier costs at the target, in the unit of the score."""
    return float(target.max() - math.fsum(target[winners(small)]) / int(winners(small).sum()))


def winner_kept(small: Floats, target: Floats) -> float:
    """Return the share of the small tier's winners that are a best of the target."""
    return float(np.mean(winners(target)[winners(small)]))


def gap_bins(small: Floats, target: Floats) -> list[GapBin]:
    """Return decision accuracy by quarters of the gaps at the small tier; equal gaps share a bin.

    With more than `EXACT_RECIPES` recipes of `DRAWN_PAIRS` pairs that are drawn, always the same.
    """
    first, second = _some_pairs(len(small))
    if not len(first):
        return []
    gaps, signs = small[first] - small[second], np.sign(target[first] - target[second])
    credit, strict = (np.sign(gaps) * signs + 1) / 2, np.sign(gaps) * signs > 0
    sizes = np.abs(gaps)
    edges = np.quantile(sizes, np.linspace(0, 1, NUM_BINS + 1), method="higher")
    places = np.searchsorted(edges[1:-1], sizes, side="left")
    found = []
    for place in np.unique(places).tolist():
        mine = places == place
        found.append(
            GapBin(
                low=float(edges[place]),
                high=float(sizes[mine].max()),
                num_pairs=int(mine.sum()),
                decision_accuracy=float(credit[mine].mean()),
                decision_accuracy_strict=float(strict[mine].mean()),
            )
        )
    return found


def _some_pairs(num: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    if num <= EXACT_RECIPES:
        return np.triu_indices(num, 1)
    rng = generator(0, "stability", "pairs", num)
    first = rng.integers(0, num, DRAWN_PAIRS)
    return first, (first + rng.integers(1, num, DRAWN_PAIRS)) % num
