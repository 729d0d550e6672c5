"""Marks over many comparisons: Benjamini and Hochberg's procedure, max-T, and McNemar's exact test.

Within one table of one measure: slices among themselves, tasks among themselves. Holm's is in
`curation.significance`. Source: Benjamini and Hochberg 1995; Westfall and Young 1993 (max-T); McNemar 1947, exact form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.numerics import Floats
from leaderboard.comparison.paired import Paired

FALSE_DISCOVERY = 0.10
"""Level q of Benjamini and Hochberg's marks. Source: gate G1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordant:
    """Items that one of two models alone gets right."""

    left_only: int
    right_only: int
    p: float


def benjamini_hochberg(p_values: Sequence[float], q: float = FALSE_DISCOVERY) -> list[bool]:
    """Return which hypotheses fall at false discovery rate `q`, stepping up."""
    count = len(p_values)
    order = sorted(range(count), key=lambda place: p_values[place])
    last = max((step for step, number in enumerate(order, 1) if p_values[number] <= q * step / count), default=0)
    marks = [False] * count
    for number in order[:last]:
        marks[number] = True
    return marks


def max_t(parts: Sequence[Paired], rng: np.random.Generator) -> list[float | None]:
    """Return p adjusted by the largest statistic of all parts under no difference; None for parts without interval.

    Units vary as their bootstrap draws do, draw by draw, so what parts share stays shared. Seeds vary as normal noise
    of the pooled variance over a chi-square of its degrees, independent from part to part: on the safe side where a
    seed moves all parts alike.
    """
    able = [part for part in parts if part.total is not None and part.total.value > 0 and part.draws is not None]
    if not able:
        return [None] * len(parts)
    largest = np.zeros(len(able[0].draws if able[0].draws is not None else ()))
    for part in able:
        largest = np.maximum(largest, _null_statistics(part, rng))
    found: list[float | None] = []
    for part in parts:
        if part.total is None or part.total.value <= 0 or part.draws is None:
            found.append(None)
            continue
        seen = abs(part.delta) / math.sqrt(part.total.value)
        found.append((float(np.sum(largest >= seen)) + 1) / (len(largest) + 1))
    return found


def mcnemar(left: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> Discordant:
    """Return the exact two-sided test that two models get different items right, of items seen by both.

    It speaks of these two models on such items, not of the recipes that made them.
    """
    from scipy import special

    left_only, right_only = int(np.sum(left & ~right)), int(np.sum(right & ~left))
    total = left_only + right_only
    tail = float(special.bdtr(min(left_only, right_only), total, 0.5)) if total else 1.0
    return Discordant(left_only=left_only, right_only=right_only, p=min(1.0, 2 * tail))


def _null_statistics(part: Paired, rng: np.random.Generator) -> Floats:
    assert part.total is not None
    assert part.draws is not None
    noise = part.draws - part.draws.mean()
    count = len(noise)
    if part.units is not None and part.units.value > 0:
        unit_part = max(0.0, part.total.value - (part.seeds.value if part.seeds else 0.0))
        noise = noise * math.sqrt(unit_part / part.units.value)
    if part.seeds is not None:
        noise = noise + rng.normal(scale=math.sqrt(part.seeds.value), size=count)
    scale: Floats | float = 1.0
    degrees = part.total.degrees
    if math.isfinite(degrees):
        scale = np.sqrt(degrees / rng.chisquare(degrees, size=count))
    statistics: Floats = np.abs(noise) / math.sqrt(part.total.value) * scale
    return statistics
