"""Runs of two recipes as pairs: the difference at every size that both have, and its noise.

A size is one (N, D), or one C where only compute is known; values within 2 % are the same size. The difference is of
ln L (a share of the loss) or of L itself, candidate minus baseline: negative is better. Seeds: when both recipes have
the same seeds everywhere they are paired (rule 10), else the two means are compared; their variance is pooled over all
sizes, with a prior where the noise of a run was measured (rule 8). Without repeated seeds and without a prior the noise
is unknown (None): the scatter around the fitted difference has to tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation.numerics import NoisePrior, Variance, pooled_variance
from leaderboard.laws.law import Floats, Ints
from leaderboard.laws.levels import levels

Scale = Literal["log", "raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Runs of both recipes; `tokens` and `sizes` are NaN where only compute is known."""

    sizes: Floats
    tokens: Floats
    flops: Floats
    loss: Floats
    is_candidate: Floats
    seeds: tuple[str, ...]
    cells: Ints
    """Number of the size that a run belongs to, in order of compute."""

    def only(self, kept: np.ndarray) -> Rows:  # type: ignore[type-arg]
        """Return the rows where `kept`; their cells keep their numbers."""
        return Rows(
            sizes=self.sizes[kept],
            tokens=self.tokens[kept],
            flops=self.flops[kept],
            loss=self.loss[kept],
            is_candidate=self.is_candidate[kept],
            seeds=tuple(seed for seed, keep in zip(self.seeds, kept.tolist(), strict=True) if keep),
            cells=self.cells[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Places on the axes of scale."""

    sizes: Floats
    tokens: Floats
    flops: Floats

    def at(self, index: np.ndarray | slice) -> Points:  # type: ignore[type-arg]
        """Return some of the places."""
        return Points(sizes=self.sizes[index], tokens=self.tokens[index], flops=self.flops[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Sizes that both recipes have, in order of compute."""

    points: Points
    cells: Ints
    baseline: Floats
    """Mean of the baseline's ln L (or L) at each size."""
    candidate: Floats
    num_baseline: Ints
    num_candidate: Ints
    share: Floats
    """Variance of each difference in units of `noise`: 1/n_b + 1/n_c, or 1/n for pairs of seeds."""
    noise: Variance | None
    """Of one run (of one pair of runs, where seeds are paired); None when nothing tells it."""
    is_paired: bool
    scale: Scale

    @property
    def delta(self) -> Floats:
        """Candidate minus baseline: negative where the candidate is better."""
        return self.candidate - self.baseline

    @property
    def n(self) -> int:
        """Number of sizes with both recipes."""
        return len(self.cells)

    def only(self, kept: np.ndarray) -> Pairs:  # type: ignore[type-arg]
        """Return some pairs; the noise stays that of all."""
        return Pairs(
            points=self.points.at(kept),
            cells=self.cells[kept],
            baseline=self.baseline[kept],
            candidate=self.candidate[kept],
            num_baseline=self.num_baseline[kept],
            num_candidate=self.num_candidate[kept],
            share=self.share[kept],
            noise=self.noise,
            is_paired=self.is_paired,
            scale=self.scale,
        )


def cells_of(sizes: Floats, tokens: Floats, flops: Floats) -> Ints:
    """Return the number of each run's size, in order of compute."""
    keys = levels(flops)[:, None] if np.isnan(sizes).any() else np.stack([levels(sizes), levels(tokens)], axis=1)
    _, codes = np.unique(keys, axis=0, return_inverse=True)
    codes = codes.ravel()
    centres = np.array([flops[codes == code].mean() for code in range(codes.max() + 1)])
    rank = np.empty(len(centres), np.int64)
    rank[np.lexsort((np.arange(len(centres)), centres))] = np.arange(len(centres))
    return rank[codes]


def pairs_of(rows: Rows, *, scale: Scale, prior: NoisePrior | None = None) -> tuple[Pairs, tuple[int, int]]:
    """Return the pairs, and how many sizes only the baseline and only the candidate have."""
    values = np.log(rows.loss) if scale == "log" else rows.loss
    is_candidate = rows.is_candidate > 0
    both, lonely = [], [0, 0]
    for cell in np.unique(rows.cells).tolist():
        mine = rows.cells == cell
        if (mine & is_candidate).any() and (mine & ~is_candidate).any():
            both.append(cell)
        else:
            lonely[int((mine & is_candidate).any())] += 1
    sides = [[(rows.cells == cell) & (is_candidate == side) for cell in both] for side in (False, True)]
    seeds = [[_by_seed(rows, values, mask) for mask in side] for side in sides]
    is_paired = prior is None and bool(both) and all(_paired(a, b) for a, b in zip(*seeds, strict=True))
    counts = [np.array([int(mask.sum()) for mask in side], np.int64) for side in sides]
    if is_paired:
        groups: list[Sequence[float]] = [[b[s] - a[s] for s in a] for a, b in zip(*seeds, strict=True)]
        share = 1.0 / counts[0]
    else:
        groups = [values[mask].tolist() for side in sides for mask in side]
        share = 1.0 / np.maximum(counts[0], 1) + 1.0 / np.maximum(counts[1], 1)
    means = [np.array([values[mask].mean() for mask in side]) for side in sides]
    found = Pairs(
        points=_centres(rows, both),
        cells=np.array(both, np.int64),
        baseline=means[0],
        candidate=means[1],
        num_baseline=counts[0],
        num_candidate=counts[1],
        share=share,
        noise=pooled_variance(groups, prior),
        is_paired=is_paired,
        scale=scale,
    )
    return found, (lonely[0], lonely[1])


def _by_seed(rows: Rows, values: Floats, mask: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    return {rows.seeds[row]: float(values[row]) for row in np.flatnonzero(mask).tolist() if rows.seeds[row]}


def _paired(left: dict[str, float], right: dict[str, float]) -> bool:
    return bool(left) and left.keys() == right.keys()


def _centres(rows: Rows, cells: list[int]) -> Points:
    masks = [rows.cells == cell for cell in cells]
    columns = [np.array([values[mask].mean() for mask in masks]) for values in (rows.sizes, rows.tokens, rows.flops)]
    return Points(sizes=columns[0], tokens=columns[1], flops=columns[2])
