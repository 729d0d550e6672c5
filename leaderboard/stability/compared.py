"""Every pair of tiers of one table compared: agreement, intervals, what noise resolves, cost; and what crosses.

First the pairs that end at the target, smallest tier first, then all others. Rule 11 decides: `agrees` when no pair
that both tiers resolve is inverted and P(winner kept) >= 0.9; without seeds at both tiers it is `insufficient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curation.numerics import Interval
from leaderboard.laws.families import family_of
from leaderboard.stability.cost import Cost, Flops, cost_of
from leaderboard.stability.crossings import Crossings, Slope, crossings, slopes
from leaderboard.stability.forecast import Forecast, forecast
from leaderboard.stability.intervals import MIN_RECIPES, recipe_intervals
from leaderboard.stability.measures import Agreement, GapBin, agreement, gap_bins
from leaderboard.stability.noise import WINNER_KEPT, AtTier, NoiseDraws, Resolved, noise_draws, resolved_pairs
from leaderboard.stability.pairs import Floats
from leaderboard.stability.scores import Scores, tier_flops
from leaderboard.studies.verdict import is_laptop_tier

MIN_FOR_TAU = 8
"""Rule 11: tau >= 0.6 happens by chance 17 % of the time with four recipes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPair:
    """What the order of recipes at one tier says of that at another."""

    small: str
    target: str
    recipes: tuple[str, ...]
    """That both tiers have."""
    absent_from: tuple[str, ...]
    absent_to: tuple[str, ...]
    agreement: Agreement
    intervals: Mapping[str, Interval | None]
    kept_over_recipes: float | None
    bins: tuple[GapBin, ...]
    resolved: Resolved | str
    """Or why it is not known."""
    noise: NoiseDraws | None
    winners_from: tuple[str, ...]
    winners_to: tuple[str, ...]
    cost: Cost | None
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """All pairs of tiers of one table."""

    scores: Scores
    pairs: tuple[TierPair, ...]
    crossings: Crossings
    slopes: tuple[Slope, ...]
    scale: str
    """Of slopes: `decade of FLOPs`, the same `(assumed)`, or `tier`."""
    flops: Flops
    forecast: Forecast | str
    """Or why there is none."""


def rank_stability(scores: Scores, flops: Flops) -> Stability:
    """Return all that one table of scores says about the order of its recipes."""
    oriented = -scores.means if scores.lower_is_better else scores.means
    known = [flops.by_tier.get(tier) for tier in scores.tiers]
    if all(value is not None for value in known) and len(set(known)) > 1:
        unit = "decade of FLOPs (assumed)" if flops.assumed else "decade of FLOPs"
        scale = np.log10(np.array(known, np.float64))
    else:
        scale, unit = np.arange(len(known), dtype=np.float64), "tier"
    families = {family for tier in scores.tiers if (family := family_of(tier)) is not None}
    if len(families) > 1:
        scale = np.full(len(known), np.nan)
        told = f"no slopes: tiers of {len(families)} families ({', '.join(sorted(families))}) share no curve (rule 6)"
        scores = replace(scores, notes=(*scores.notes, told))
    if flops.told:
        scores = replace(scores, notes=(*scores.notes, flops.told))
    target = scores.column(scores.target)
    return Stability(
        scores=scores,
        pairs=tuple(_pair(scores, oriented, pair, flops) for pair in tier_pairs(scores)),
        crossings=crossings(oriented, target, scale),
        slopes=tuple(slopes(oriented, scale)),
        scale=unit,
        flops=flops,
        forecast=forecast(scores, flops.by_tier),
    )


def tier_pairs(scores: Scores) -> list[tuple[int, int]]:
    """Return places of tiers: every other tier to the target, then (not in groups) the rest, smaller to larger."""
    target, num = scores.column(scores.target), len(scores.tiers)
    first = [(place, target) for place in range(num) if place != target]
    if scores.group is not None:
        return first
    rest = [(small, large) for small in range(num) for large in range(small + 1, num) if target not in (small, large)]
    return first + rest


def _pair(scores: Scores, oriented: Floats, places: tuple[int, int], flops: Flops) -> TierPair:
    present = np.isfinite(oriented[:, list(places)])
    both: npt.NDArray[np.bool_] = np.all(present, axis=1)
    small, target = (_at(scores, oriented, place, both) for place in places)
    found = agreement(small.means, target.means)
    intervals, kept = recipe_intervals(small.means, target.means, found.values)
    resolved, noise = resolved_pairs(small, target), noise_draws(small, target)
    names = np.array(scores.recipes, object)
    verdict, reasons = _verdict(found, (small.tier, target.tier), resolved, noise)

    def best(one: AtTier) -> tuple[str, ...]:
        return tuple(names[both][one.means == one.means.max()].tolist()) if both.any() else ()

    return TierPair(
        small=small.tier,
        target=target.tier,
        recipes=tuple(names[both].tolist()),
        absent_from=tuple(names[~present[:, 0]].tolist()),
        absent_to=tuple(names[~present[:, 1]].tolist()),
        agreement=found,
        intervals=intervals,
        kept_over_recipes=kept,
        bins=tuple(gap_bins(small.means, target.means)),
        resolved=resolved,
        noise=noise,
        winners_from=best(small),
        winners_to=best(target),
        cost=cost_of(flops, (small.tier, target.tier), (int(small.num_seeds.sum()), int(target.num_seeds.sum()))),
        verdict=verdict,
        reasons=reasons,
    )


def _at(scores: Scores, oriented: Floats, place: int, rows: npt.NDArray[np.bool_]) -> AtTier:
    return AtTier(
        tier=scores.tiers[place],
        means=oriented[rows, place],
        num_seeds=scores.num_seeds[rows, place],
        noise=scores.noise[place],
    )


def is_laptop(tier: str) -> bool:
    """Return whether a tier of ours tests plumbing only."""
    return tier_flops(tier) is not None and is_laptop_tier(tier)


def _verdict(
    found: Agreement, tiers: tuple[str, str], resolved: Resolved | str, noise: NoiseDraws | None
) -> tuple[str, tuple[str, ...]]:
    """Return `agrees`, `disagrees` or `insufficient`, and why (rule 11)."""
    lacks = []
    if found.num_recipes < 2:
        lacks.append(found.undefined["decision_accuracy"])
    elif found.num_recipes < MIN_RECIPES:
        lacks.append(f"{found.num_recipes} recipes: an interval over recipes needs {MIN_RECIPES}")
    if isinstance(resolved, str):
        lacks.append(resolved)
    elif found.num_recipes >= 2 and not resolved.at_both:
        lacks.append("no pair is resolved at both tiers: more seeds, or recipes that differ more")
    lacks += [f"`{name}` is a laptop tier: plumbing, no evidence (rule 18)" for name in tiers if is_laptop(name)]
    if found.num_recipes >= 2 and found.undefined:
        lacks.append(next(iter(found.undefined.values())))
    if isinstance(resolved, Resolved) and resolved.inversions:
        many = "" if resolved.num_inverted == 1 else "s"
        return "disagrees", (f"{resolved.num_inverted} significant inversion{many}", *lacks)
    if lacks or noise is None:
        return "insufficient", tuple(lacks)
    if noise.winner_kept < WINNER_KEPT:
        return "disagrees", (f"P(winner kept) {noise.winner_kept:.2f} is below {WINNER_KEPT}",)
    return "agrees", ("no significant inversion among resolved pairs, P(winner kept) >= 0.9",)
