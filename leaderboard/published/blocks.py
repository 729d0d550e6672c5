"""Data sets that two tiers share under one training recipe each: what may be compared across scales (rules 6 and 17).

A data set is paired by name. At either tier all its runs in a block have one training recipe, so a difference between
data sets is not one of learning rates; between the tiers the recipe may differ. Data sets whose published ids differ
between the tiers are kept and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.errors import RunError, nearest
from leaderboard.published.names import short_tier
from leaderboard.published.repeats import trained_runs, value_of
from leaderboard.published.run import PublishedRun

MIN_SHARED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One data set at one tier: the mean of its runs with the block's recipe."""

    value: float
    categories: dict[str, float | None]
    num_runs: int
    flops: float
    uuids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Data sets with runs at both tiers."""

    small: str
    target: str
    small_recipe: str
    target_recipe: str
    datasets: tuple[str, ...]
    at_small: tuple[Side, ...]
    at_target: tuple[Side, ...]

    @property
    def other_ids(self) -> tuple[str, ...]:
        """Data sets whose published ids differ between the tiers: the name is all that says they are the same."""
        return tuple(
            name
            for name, one, two in zip(self.datasets, self.at_small, self.at_target, strict=True)
            if one.uuids and two.uuids and not one.uuids & two.uuids
        )


def blocks_of(
    runs: Sequence[PublishedRun], tiers: tuple[str, str], metric: str, categories: Sequence[str]
) -> list[Block]:
    """Return the blocks of three data sets or more, the largest first.

    Raises: RunError for a tier that the board has not.
    """
    known = sorted({run.tier for run in runs})
    small, target = (_tier(name, known) for name in tiers)
    cells: dict[tuple[str, str], dict[str, list[PublishedRun]]] = {}
    for run in trained_runs(runs):
        if run.tier in (small, target) and value_of(run, metric) is not None:
            cells.setdefault((run.tier, run.recipe), {}).setdefault(run.dataset, []).append(run)
    found = []
    for (tier, small_recipe), at_small in sorted(cells.items()):
        for (other, target_recipe), at_target in sorted(cells.items()):
            shared = tuple(sorted(at_small.keys() & at_target.keys()))
            if (tier, other) == (small, target) and small != target and len(shared) >= MIN_SHARED:
                found.append(
                    Block(
                        small=small,
                        target=target,
                        small_recipe=small_recipe,
                        target_recipe=target_recipe,
                        datasets=shared,
                        at_small=tuple(_side(at_small[name], metric, categories) for name in shared),
                        at_target=tuple(_side(at_target[name], metric, categories) for name in shared),
                    )
                )
    return sorted(found, key=lambda one: (-len(one.datasets), one.small_recipe, one.target_recipe))


def _tier(name: str, known: Sequence[str]) -> str:
    """Return the tier that a name or a size (`400m`, `7b-2x`) means."""
    by_short = {short_tier(tier): tier for tier in known}
    for wanted in (name, f"{name}-1x"):
        if wanted in known:
            return wanted
        if wanted in by_short:
            return by_short[wanted]
    raise RunError(f"{name}: the board has no runs of this tier; expected another; {nearest(name, list(by_short))}")


def _side(runs: Sequence[PublishedRun], metric: str, categories: Sequence[str]) -> Side:
    return Side(
        value=float(np.mean([value_of(run, metric) for run in runs])),
        categories={name: _mean(runs, name) for name in categories},
        num_runs=len(runs),
        flops=6.0 * float(runs[0].params or 0) * float(runs[0].tokens or 0),
        uuids=frozenset(run.dataset_uuid for run in runs if run.dataset_uuid),
    )


def _mean(runs: Sequence[PublishedRun], metric: str) -> float | None:
    values = [value_of(run, metric) for run in runs]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
