"""Rank stability of a table: columns found, rows chosen, tiers ordered, groups taken one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from curation.errors import ResultsError
from curation.expressions import select
from leaderboard.stability.compared import Stability, rank_stability
from leaderboard.stability.cost import flops_by_tier, given_flops, is_mapping
from leaderboard.stability.reading import TableColumns, read_table
from leaderboard.stability.rows import Columns, Rows, long_rows, wide_rows
from leaderboard.stability.scores import by_group, mean_over_groups, ordered_tiers, scores_of

if TYPE_CHECKING:
    from leaderboard.stability.command import Asked

MAX_NAMED = 5
LOSS = re.compile(r"(^|[^a-z])(loss|bpb|ppl|perplexity|error|nats|nll)($|[^a-z])", re.IGNORECASE)


def table_stability(asked: Asked) -> list[Stability]:
    """Return the whole table (or the mean over groups) first, then every group by name.

    Raises: ResultsError for columns, rows, scores and tiers that cannot be used.
    """
    path = asked.sources[0]
    table, where = read_table(path), str(path)
    if asked.where:
        chosen = select(asked.where, TableColumns(table), f"{path}: --where")
        if not chosen.any():
            raise ResultsError(f"{path}: --where `{asked.where}` chooses none of {table.num_rows} rows; loosen it")
        table, where = table.filter(chosen), f"{path} (rows chosen by --where)"
    rows = _wide(table, asked, where) if asked.wide else _long(table, asked, where)
    as_given = asked.wide
    tiers, target = ordered_tiers(_present(rows), asked.target, where, as_given=as_given)
    mapping = given_flops(asked.flops, tiers) if asked.flops and is_mapping(asked.flops) else {}
    flops = flops_by_tier(tiers, rows, mapping)

    def judged(part: Rows, group: str | None, notes: Sequence[str]) -> Stability:
        scores = scores_of(part, tiers, target, lower_is_better=asked.lower_is_better)
        return rank_stability(replace(scores, group=group, notes=tuple(notes)), flops)

    empty = [f"{rows.num_empty} rows or cells without a score: left out"] if rows.num_empty else []
    if rows.num_averaged:
        empty.append(f"{rows.num_averaged} repeated rows taken into means; their spread is not that of seeds")
    if not asked.lower_is_better and LOSS.search(asked.score or ""):
        empty.append(f"`{asked.score}` is taken as better when higher; if it is a loss, give --lower-is-better")
    if rows.groups is None:
        return [judged(rows, None, empty)]
    found = _means(rows, asked, judged, empty)
    return found + [judged(part, name, ()) for name, part in by_group(rows)]


def _means(rows: Rows, asked: Asked, judged: Any, notes: Sequence[str]) -> list[Stability]:
    """Return the mean over tasks, or over ln score of slices; nothing where there is none to take."""
    if asked.by and float(rows.scores.min()) <= 0:
        return []
    mean = mean_over_groups(rows, logarithm=bool(asked.by))
    if mean is None:
        return []
    what = "mean of ln score over slices (rule 5)" if asked.by else "mean over tasks"
    said = [*notes, f"{what}: of runs that have all"]
    if mean.lacking:
        more = f" and {len(mean.lacking) - MAX_NAMED} more" if len(mean.lacking) > MAX_NAMED else ""
        said.append(f"left out of the mean: {'; '.join(mean.lacking[:MAX_NAMED])}{more}")
    return [judged(mean.rows, None, said)]


def _present(rows: Rows) -> list[str]:
    """Return the tiers of which a run has a score, in the order of the file."""
    return [rows.tiers.names[code] for code in np.unique(rows.tiers.codes).tolist()]


def _wide(table: Any, asked: Asked, where: str) -> Rows:
    given = {"--tier": asked.tier, "--score": asked.score, "--task": asked.task, "--by": asked.by, "--last": asked.last}
    for option, value in given.items():
        if value is not None:
            raise ResultsError(
                f"{option}: belongs to a long table; with --wide every column after the recipe is a tier"
            )
    if asked.flops and not is_mapping(asked.flops):
        raise ResultsError(
            f"--flops: `{asked.flops}` is a column; with --wide give numbers: --flops TIER=1e20,TIER=1e21"
        )
    seed = asked.seed or ("seed" if "seed" in table.column_names[1:] else None)
    return wide_rows(table, asked.recipe, seed, where)


def _long(table: Any, asked: Asked, where: str) -> Rows:
    names = table.column_names
    wanted = {"recipe": asked.recipe, "tier": asked.tier, "score": asked.score}
    found = {name: value or (name if name in names else None) for name, value in wanted.items()}
    missing = [f"--{name} COL" for name, value in found.items() if value is None]
    if missing:
        raise ResultsError(
            f"{where}: {' and '.join(missing)} missing; name the columns, or give --wide for one column a tier; "
            f"columns: {', '.join(names[:30])}{', …' if len(names) > 30 else ''}"
        )
    if asked.task and asked.by:
        raise ResultsError("--task and --by are both given; give one, and choose within the other with --where")
    return long_rows(
        table,
        Columns(
            recipe=str(found["recipe"]),
            tier=str(found["tier"]),
            score=str(found["score"]),
            seed=asked.seed or ("seed" if "seed" in names else None),
            group=asked.task or asked.by,
            flops=None if is_mapping(asked.flops) else asked.flops,
            last=asked.last,
            average_repeats=asked.average_repeats,
        ),
        where,
    )
