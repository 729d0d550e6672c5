"""Whether a law fitted to each recipe ranks the target better than the scores at the largest small tier do.

Each recipe gets its own curve over the tiers below the target (by FLOPs): `k C^a` for positive scores where lower is
better, else a straight line in log10 C. Two parameters, so three tiers with the target suffice; DataDecide found none
of eight such fits better than ranking at one small size, so the plain ranking stands beside it, over the same recipes.
The interval of the difference is over recipes, and the forecast pays for every tier that it fits.
Source: DataDecide (Magnusson et al. 2025); rule 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from curation.numerics import DRAWS, Interval, percentile_interval
from curation.randomness import generator
from leaderboard.laws.families import family_of
from leaderboard.laws.power import at, power_law
from leaderboard.stability.intervals import MAX_EXACT, MIN_RECIPES
from leaderboard.stability.measures import regret
from leaderboard.stability.pairs import Floats, pair_counts
from leaderboard.stability.scores import Scores

MIN_SMALL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How well one way of ranking does at the target, and its training FLOPs."""

    decision_accuracy: float
    regret: float
    flops: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Ranking by a fitted law beside ranking by the largest small tier."""

    law: str
    tiers: tuple[str, ...]
    """That the law is fitted to, ascending in FLOPs; the plain ranking is by the last."""
    num_recipes: int
    fitted: Ranking
    plain: Ranking
    difference: Interval | None
    """Decision accuracy of the law less that of the plain ranking."""

    @property
    def beats(self) -> bool | None:
        """Whether the law ranks better; None where the interval holds zero, or there is none."""
        if self.difference is None or self.difference.low <= 0 <= self.difference.high:
            return None
        return self.difference.low > 0


def forecast(scores: Scores, flops: Mapping[str, float]) -> Forecast | str:
    """Return the comparison, or why there is none."""
    target = scores.target
    if target not in flops:
        return f"FLOPs of `{target}` are not known: give --flops"
    small = sorted((flops[tier], tier) for tier in scores.tiers if flops.get(tier, np.inf) < flops[target])
    if len({cost for cost, _ in small}) < MIN_SMALL:
        return f"{len(small)} tiers with fewer FLOPs than `{target}`, a curve needs {MIN_SMALL}"
    families = {family for _, tier in small if (family := family_of(tier))} | ({family_of(target)} - {None})
    if len(families) > 1:
        return f"tiers of {len(families)} families share no curve (rule 6)"
    columns = [scores.column(tier) for _, tier in small]
    table = scores.means[:, columns]
    final = scores.means[:, scores.column(target)]
    usable = np.isfinite(table).sum(axis=1) >= MIN_SMALL
    usable &= np.isfinite(final) & np.isfinite(table[:, -1])
    if usable.sum() < MIN_RECIPES:
        return f"{int(usable.sum())} recipes with two small tiers and the target, a comparison needs {MIN_RECIPES}"
    costs = np.array([cost for cost, _ in small])
    is_loss = scores.lower_is_better and bool(np.nanmin(table[usable]) > 0)
    sign = -1.0 if scores.lower_is_better else 1.0
    guess = sign * _extrapolated(table[usable], costs, flops[target], is_loss=is_loss)
    plain, truth = sign * table[usable, -1], sign * final[usable]
    runs = scores.num_seeds[usable][:, columns]
    return Forecast(
        law="k C^a" if is_loss else "a + b log10 C",
        tiers=tuple(tier for _, tier in small),
        num_recipes=int(usable.sum()),
        fitted=_ranking(guess, truth, float((runs * costs).sum())),
        plain=_ranking(plain, truth, float((runs[:, -1] * costs[-1]).sum())),
        difference=_difference(guess, plain, truth),
    )


def _extrapolated(table: Floats, costs: Floats, target: float, *, is_loss: bool) -> Floats:
    """Return every recipe's score at `target` FLOPs by its own curve."""
    present = np.isfinite(table).astype(np.float64)
    if is_loss:
        return at(power_law(costs, np.where(present > 0, table, 1.0), present), np.array([target]))[:, 0]
    x, y = np.log10(costs)[None, :], np.where(present > 0, table, 0.0)
    total = present.sum(axis=1)
    centre, mean = (present * x).sum(axis=1) / total, y.sum(axis=1) / total
    moved = (x - centre[:, None]) * present
    slope = (moved * y).sum(axis=1) / (moved**2).sum(axis=1)
    found: Floats = mean + slope * (np.log10(target) - centre)
    return found


def _ranking(guess: Floats, truth: Floats, flops: float) -> Ranking:
    accuracy = pair_counts(guess, truth).accuracy
    assert accuracy is not None  # four recipes or more
    return Ranking(decision_accuracy=accuracy, regret=regret(guess, truth), flops=flops)


def _difference(guess: Floats, plain: Floats, truth: Floats) -> Interval | None:
    num = len(truth)
    if num > MAX_EXACT:
        return None
    order = np.sign(truth[:, None] - truth[None, :])
    credit = (np.sign(guess[:, None] - guess[None, :]) - np.sign(plain[:, None] - plain[None, :])) * order / 2
    weights = generator(0, "stability", "forecast", num).multinomial(num, np.full(num, 1 / num), size=DRAWS)
    pairs = num**2 - (weights**2).sum(axis=1)
    found = ((weights @ credit) * weights).sum(axis=1)[pairs > 0] / pairs[pairs > 0]
    return percentile_interval(found)
