"""Mean scores of recipes at tiers: seeds averaged, tiers in order of size, noise pooled; one table a group.

A mean over seeds is rounded to 12 digits, so that recipes whose runs have equal scores in another order are tied.
Recipes are sorted by name: no number depends on the order of rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.errors import ResultsError, RunError, nearest
from curation.numerics import Variance
from leaderboard.stability.pairs import Floats, Ints
from leaderboard.stability.rows import Rows, only, rounded, run_codes

SIZE = re.compile(r"^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmbgt]?)(?:-(\d+(?:\.\d+)?)x)?$", re.IGNORECASE)
FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means by recipe and tier, NaN where a recipe has no run; tiers ascend in size."""

    recipes: tuple[str, ...]
    tiers: tuple[str, ...]
    target: str
    means: Floats
    num_seeds: Ints
    noise: tuple[Variance | None, ...]
    """Of one run at each tier, pooled over recipes."""
    has_seeds: bool
    lower_is_better: bool
    group: str | None = None
    """Task or slice; None when there are none, or for the mean over them."""
    notes: tuple[str, ...] = ()

    def column(self, tier: str) -> int:
        """Return the place of a tier."""
        return self.tiers.index(tier)


def scores_of(rows: Rows, tiers: Sequence[str], target: str, *, lower_is_better: bool) -> Scores:
    """Return the table of rows of one group; recipes without a run in it have no row."""
    present = np.unique(rows.recipes.codes)
    names = sorted(rows.recipes.names[code] for code in present.tolist())
    place_of = {name: place for place, name in enumerate(names)}
    recipe = np.array([place_of.get(name, -1) for name in rows.recipes.names], np.int64)[rows.recipes.codes]
    tier_of = {name: place for place, name in enumerate(tiers)}
    tier = np.array([tier_of.get(name, -1) for name in rows.tiers.names], np.int64)[rows.tiers.codes]
    cell = recipe * len(tiers) + tier
    order = np.lexsort((rows.scores, cell))
    cells, starts, counts = np.unique(cell[order], return_index=True, return_counts=True)
    sums, values = np.add.reduceat(rows.scores[order], starts), rows.scores[order]
    many = np.flatnonzero(counts > 1)
    averaged = sums / counts
    averaged[many] = rounded(averaged[many])
    spread = values - np.repeat(sums / counts, counts)
    squares = np.bincount(np.repeat(cells % len(tiers), counts), spread**2, len(tiers))
    degrees = np.bincount(cells % len(tiers), counts - 1, len(tiers))
    means, num = np.full(len(names) * len(tiers), np.nan), np.zeros(len(names) * len(tiers), np.int64)
    means[cells], num[cells] = averaged, counts
    noise = tuple(
        Variance(value=float(total / free), degrees=float(free)) if free > 0 else None
        for total, free in zip(squares, degrees, strict=True)
    )
    return Scores(
        recipes=tuple(names),
        tiers=tuple(tiers),
        target=target,
        means=means.reshape(len(names), len(tiers)),
        num_seeds=num.reshape(len(names), len(tiers)),
        noise=noise,
        has_seeds=rows.seeds is not None,
        lower_is_better=lower_is_better,
    )


def by_group(rows: Rows) -> list[tuple[str, Rows]]:
    """Return the rows of each group, by name."""
    assert rows.groups is not None
    order = np.argsort(rows.groups.codes, kind="stable")
    codes, starts = np.unique(rows.groups.codes[order], return_index=True)
    pieces = np.split(order, starts[1:])
    named = sorted(zip((rows.groups.names[code] for code in codes.tolist()), pieces, strict=True))
    return [(name, only(rows, piece)) for name, piece in named]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMean:
    """Rows of the mean over groups, and the runs that lack one of them."""

    rows: Rows
    lacking: tuple[str, ...]


def mean_over_groups(rows: Rows, *, logarithm: bool) -> GroupMean | None:
    """Return one row a recipe, tier and seed that has every group; None when no run has.

    With `logarithm` the mean is over ln score, as bits per byte are averaged over slices (rule 5).
    """
    assert rows.groups is not None
    key = run_codes((rows.recipes, rows.tiers, rows.seeds))
    order = np.lexsort((rows.groups.codes, key))
    _, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    num_groups = len(np.unique(rows.groups.codes))
    values = np.log(rows.scores[order]) if logarithm else rows.scores[order]
    means = rounded(np.add.reduceat(values, starts) / counts)
    whole = counts == num_groups
    lacking = [
        f"{_words(rows, int(order[start]))} has {count} of {num_groups}"
        for start, count in zip(starts[~whole], counts[~whole], strict=True)
    ]
    if not whole.any():
        return None
    picked = only(rows, order[starts[whole]])
    return GroupMean(rows=replace(picked, groups=None, scores=means[whole]), lacking=tuple(sorted(lacking)))


def _words(rows: Rows, row: int) -> str:
    parts = [rows.recipes.names[rows.recipes.codes[row]], rows.tiers.names[rows.tiers.codes[row]]]
    if rows.seeds is not None:
        parts.append(f"seed {rows.seeds.names[rows.seeds.codes[row]]}")
    return ", ".join(parts)


def ordered_tiers(
    names: Sequence[str], target: str | None, where: str, *, as_given: bool
) -> tuple[tuple[str, ...], str]:
    """Return tiers by size, and the target: names that are sizes, then tiers of ours by FLOPs, else as they come.

    Where names have no size, the target comes last: every other tier is taken as smaller.
    Raises: ResultsError for a target that no row has, or fewer than two tiers.
    """
    if target is None and not as_given:
        raise ResultsError(f"{where}: --target is missing; give the tier whose order counts: {', '.join(names)}")
    chosen = names[-1] if target is None else _target_of(names, target, where)
    if len(names) < 2:
        raise ResultsError(f"{where}: one tier (`{names[0]}`), expected two or more; add runs of a smaller tier")
    if as_given:
        return tuple(names), chosen
    for size in (size_of, tier_flops, product_of):
        sizes = {name: size(name) for name in names}
        if all(one is not None for one in sizes.values()):
            return tuple(sorted(names, key=lambda name: (sizes[name] or 0.0, name))), chosen
    return (*(name for name in names if name != chosen), chosen), chosen


def size_of(name: str) -> float | None:
    """Return parameters (times the budget's multiple) that a name says: `400m`, `1B-2x`, `411616256`; else None."""
    said = SIZE.match(name.strip())
    return float(said[1]) * FACTORS[said[2].lower()] * float(said[3] or 1) if said else None


def product_of(name: str) -> float | None:
    """Return the product of the sizes in a name of several columns, `411616256/8232325120`; else None."""
    sizes = [size_of(part) for part in name.split("/")]
    return math.prod(size for size in sizes if size is not None) if None not in sizes else None


def tier_flops(name: str) -> float | None:
    """Return the training FLOPs of one run of a tier of ours; None for another name."""
    from train.tiers import load_tier

    try:
        tier = load_tier(name)
    except RunError:
        return None
    return float(tier.num_flops)


def _target_of(names: Sequence[str], target: str, where: str) -> str:
    if target in names:
        return target
    same = [name for name in names if _number(name) is not None and _number(name) == _number(target)]
    if len(same) == 1:
        return same[0]
    raise ResultsError(
        f"{where}: --target: no row has the tier `{target}`; {nearest(target, names)} tiers: {', '.join(names)}"
    )


def _number(name: str) -> float | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
