"""Rows of a table of scores, coded: which recipe, tier, seed and group each score is of; duplicates are refused.

The first row after the header is row 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import ResultsError, raise_faults
from curation.expressions import compute
from leaderboard.stability.pairs import Floats, Ints
from leaderboard.stability.reading import MAX_NAMED, TableColumns, as_names, as_scores, column

DIGITS = 12
"""Of a mean over runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A column of names as numbers: `names[code]`."""

    codes: Ints
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One row a run (and group); rows without a score are left out and counted."""

    recipes: Coded
    tiers: Coded
    seeds: Coded | None
    groups: Coded | None
    scores: Floats
    flops: Floats | None
    """Of the run; NaN where it is not given."""
    num_empty: int
    source: str
    num_averaged: int = 0
    """Rows beyond the first of their run that `--average-repeats` took into its mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns of a long table."""

    recipe: str
    tier: str
    score: str
    seed: str | None = None
    group: str | None = None
    flops: str | None = None
    last: str | None = None
    """Of the rows of one run, the one with the largest value here: its last checkpoint."""
    average_repeats: bool = False


def long_rows(table: Any, columns: Columns, where: str) -> Rows:
    """Return the rows of a table with one row a run.

    Raises: ResultsError for missing columns, scores that are no finite numbers, and a run that appears twice.
    """
    recipe = as_names(column(table, columns.recipe, f"{where}: --recipe"), columns.recipe, where)
    tier = tier_names(table, columns.tier, where)
    raw = column(table, columns.score, f"{where}: --score")
    seed = as_names(column(table, columns.seed, f"{where}: --seed"), columns.seed, where) if columns.seed else None
    group = None
    if columns.group:
        group = as_names(column(table, columns.group, f"{where}: --task"), columns.group, where)
    labels = [one for one in (recipe, tier, seed, group) if one is not None]
    scores = as_scores(raw, labels, columns.score, where)
    flops = None
    if columns.flops:
        flops = run_flops(table, columns.flops, labels, where)
    rows = Rows(
        recipes=coded(recipe),
        tiers=coded(tier),
        seeds=coded(seed) if seed is not None else None,
        groups=coded(group) if group is not None else None,
        scores=scores,
        flops=flops,
        num_empty=0,
        source=where,
    )
    if columns.last:
        rows = last_of(rows, as_scores(column(table, columns.last, f"{where}: --last"), labels, columns.last, where))
    if columns.average_repeats:
        return averaged(without_empty(rows))
    check_once(rows)
    return without_empty(rows)


def tier_names(table: Any, spec: str, where: str) -> Any:
    """Return the tier of every row: one column, or several with commas as `params/tokens`."""
    import pyarrow.compute as pc

    names = [spec] if spec in table.column_names or "," not in spec else [part.strip() for part in spec.split(",")]
    parts = [as_names(column(table, name, f"{where}: --tier"), name, where) for name in names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "/")


def run_flops(table: Any, spec: str, labels: Sequence[Any], where: str) -> Floats:
    """Return the FLOPs of every row's run: a column, or an expression over columns such as `6 * params * tokens`.

    Raises: ResultsError and LawError for what is neither.
    """
    if spec in table.column_names or spec.isidentifier():
        found: Floats = as_scores(column(table, spec, f"{where}: --flops"), labels, spec, where)
        return found
    return np.asarray(compute(spec, TableColumns(table), f"{where}: --flops"), np.float64)


def last_of(rows: Rows, places: Floats) -> Rows:
    """Return the rows that come last in `places` among those of their run (recipe, tier, seed and group)."""
    key = run_codes((rows.recipes, rows.tiers, rows.seeds, rows.groups))
    codes = np.unique(key, return_inverse=True)[1]
    most = np.full(int(codes.max(initial=0)) + 1, -np.inf)
    np.maximum.at(most, codes, np.nan_to_num(places, nan=-np.inf))
    return only(rows, np.flatnonzero(places == most[codes]))


def averaged(rows: Rows) -> Rows:
    """Return one row a run (recipe, tier, seed and group): the mean of its rows, whose spread is not that of seeds."""
    key = run_codes((rows.recipes, rows.tiers, rows.seeds, rows.groups))
    order = np.lexsort((rows.scores, key))
    _, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    found = only(rows, order[starts])
    if rows.flops is not None:
        known = np.nan_to_num(rows.flops[order])
        found = replace(found, flops=np.add.reduceat(known, starts) / counts)
    return replace(
        found,
        scores=rounded(np.add.reduceat(rows.scores[order], starts) / counts),
        num_averaged=int(counts.sum() - len(counts)),
    )


def rounded(values: Floats) -> Floats:
    """Return values with `DIGITS` significant digits."""
    sizes = np.where(values == 0, 1.0, np.abs(values))
    with np.errstate(over="ignore", under="ignore"):
        steps = 10.0 ** (DIGITS - 1 - np.floor(np.log10(sizes)))
        usable = np.isfinite(steps) & (steps > 0) & np.isfinite(values * steps)
    steps = np.where(usable, steps, 1.0)
    return np.where(usable, np.round(values * steps) / steps, values)


def wide_rows(table: Any, recipe: str | None, seed: str | None, where: str) -> Rows:
    """Return the rows of a table with one row a recipe (or recipe and seed) and one column a tier, in their order.

    Raises: ResultsError as for a long table, and for a table without a column that is a tier.
    """
    first = recipe or table.column_names[0]
    names = as_names(column(table, first, f"{where}: --recipe"), first, where)
    seeds = as_names(column(table, seed, f"{where}: --seed"), seed, where) if seed else None
    tiers = [name for name in table.column_names if name not in (first, seed)]
    if not tiers:
        raise ResultsError(f"{where}: one column, expected the recipe first and then one column a tier")
    labels = [names] if seeds is None else [names, seeds]
    scores = [as_scores(table[name].combine_chunks(), labels, f"column `{name}`", where) for name in tiers]
    own, num = coded(names), table.num_rows
    seed_codes = coded(seeds) if seeds is not None else None
    rows = Rows(
        recipes=Coded(codes=np.tile(own.codes, len(tiers)), names=own.names),
        tiers=Coded(codes=np.repeat(np.arange(len(tiers)), num), names=tuple(name.strip() for name in tiers)),
        seeds=Coded(codes=np.tile(seed_codes.codes, len(tiers)), names=seed_codes.names) if seed_codes else None,
        groups=None,
        scores=np.concatenate(scores),
        flops=None,
        num_empty=0,
        source=where,
    )
    check_once(rows, rows_of_table=num)
    return without_empty(rows)


def coded(values: Any) -> Coded:
    """Return names as numbers in the order in which they first appear."""
    encoded = values.dictionary_encode()
    return Coded(
        codes=np.asarray(encoded.indices).astype(np.int64),
        names=tuple(str(one) for one in encoded.dictionary.to_pylist()),
    )


def run_codes(parts: Sequence[Coded | None]) -> Ints:
    """Return one number a combination of several codes; equal combinations have equal numbers."""
    key = np.zeros(0, np.int64)
    for part in (one for one in parts if one is not None):
        key = part.codes if not len(key) else key * len(part.names) + part.codes
        if len(key) and int(key.max()) > 1 << 40:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return key


def check_once(rows: Rows, rows_of_table: int | None = None) -> None:
    """Refuse a recipe, tier, seed and group that appear twice.

    Raises: ResultsError that names the rows and the option that would mend it.
    """
    key = run_codes((rows.recipes, rows.tiers, rows.seeds, rows.groups))
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(np.diff(key[order]) == 0)
    if not len(again):
        return
    num = rows_of_table or len(key)
    faults, named = [], set()
    for place in again.tolist():
        earlier, later = int(order[place]), int(order[place + 1])
        if rows_of_table and (earlier % num, later % num) in named:
            continue
        named.add((earlier % num, later % num))
        faults.append(
            f"rows {earlier % num + 1} and {later % num + 1} are both {_named(rows, later, wide=num < len(key))}"
        )
    more = [f"{len(faults) - MAX_NAMED} more pairs of rows"] if len(faults) > MAX_NAMED else []
    faults = [*faults[:MAX_NAMED], *more]
    hint = (
        "remove one of each"
        if rows.seeds
        else "remove one of each, or name the column that tells them apart: --seed COL"
    )
    if not rows_of_table:
        hint += ", --task COL; choose with --where EXPR or --last COL; or take their mean with --average-repeats"
    raise_faults(ResultsError, rows.source, [*faults[:-1], f"{faults[-1]}; {hint}"])


def _named(rows: Rows, row: int, *, wide: bool) -> str:
    words = {"recipe": rows.recipes, "tier": None if wide else rows.tiers, "seed": rows.seeds, "group": rows.groups}
    return ", ".join(f"{what} `{one.names[one.codes[row]]}`" for what, one in words.items() if one is not None)


def without_empty(rows: Rows) -> Rows:
    """Return the rows that have a score.

    Raises: ResultsError when none has.
    """
    kept = np.isfinite(rows.scores)
    if not kept.any():
        raise ResultsError(f"{rows.source}: no row has a score; expected at least one number")
    if kept.all():
        return rows
    return replace(only(rows, np.flatnonzero(kept)), num_empty=rows.num_empty + int(np.sum(~kept)))


def only(rows: Rows, places: npt.NDArray[np.intp]) -> Rows:
    """Return the rows at `places`."""

    def part(one: Coded | None) -> Coded | None:
        return None if one is None else Coded(codes=one.codes[places], names=one.names)

    recipes, tiers = part(rows.recipes), part(rows.tiers)
    assert recipes is not None
    assert tiers is not None
    return replace(
        rows,
        recipes=recipes,
        tiers=tiers,
        seeds=part(rows.seeds),
        groups=part(rows.groups),
        scores=rows.scores[places],
        flops=None if rows.flops is None else rows.flops[places],
    )
