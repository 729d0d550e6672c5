"""Pairs of recipes at two tiers: how many agree, how many turn round, how many are tied; exact, in n log n.

With C pairs in the same order, D in opposite order, T tied at either tier (or at both) and P = n (n - 1) / 2:

    decision accuracy         (C + T / 2) / P        a tie is a coin toss
    decision accuracy, strict  C / P                 a tie is no decision, which is wrong

DataDecide's own code counts a pair that the target leaves tied as decided rightly; here it counts one half.
Source: DataDecide (Magnusson et al. 2025) for the share of pairs; the ties are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Unordered pairs of recipes by what two tiers say of them; the five kinds add up to `total`."""

    agreeing: int
    opposite: int
    tied_from: int
    """Tied at the first tier alone."""
    tied_to: int
    """Tied at the second tier alone."""
    tied_both: int

    @property
    def total(self) -> int:
        """All pairs: n (n - 1) / 2."""
        return self.agreeing + self.opposite + self.tied

    @property
    def tied(self) -> int:
        """Pairs tied at either tier or at both."""
        return self.tied_from + self.tied_to + self.tied_both

    @property
    def accuracy(self) -> float | None:
        """Decision accuracy with ties as one half; None without a pair."""
        return (self.agreeing + self.tied / 2) / self.total if self.total else None

    @property
    def strict_accuracy(self) -> float | None:
        """Decision accuracy with ties as wrong; None without a pair."""
        return self.agreeing / self.total if self.total else None


def pair_counts(small: Floats, target: Floats) -> PairCounts:
    """Count the pairs of two equally long lists of finite scores; which direction is better does not matter."""
    _, first = np.unique(small, return_inverse=True)
    _, second = np.unique(target, return_inverse=True)
    order = np.lexsort((second, first))
    opposite = _inversions(second[order])
    both = _pairs_within(first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second)
    tied_from, tied_to = _pairs_within(first) - both, _pairs_within(second) - both
    total = len(small) * (len(small) - 1) // 2
    return PairCounts(
        agreeing=total - opposite - tied_from - tied_to - both,
        opposite=opposite,
        tied_from=tied_from,
        tied_to=tied_to,
        tied_both=both,
    )


def tied_pairs(values: Floats) -> int:
    """Count the pairs of equal values."""
    return _pairs_within(np.unique(values, return_inverse=True)[1])


def _pairs_within(codes: npt.NDArray[np.integer]) -> int:
    counts = np.unique(codes, return_counts=True)[1].astype(object)  # Python integers: no overflow
    return int(sum(count * (count - 1) // 2 for count in counts))


def _inversions(ranks: npt.NDArray[np.integer]) -> int:
    """Count places i < j with ranks[i] > ranks[j], bit by bit from the highest; equal ranks are none.

    Values that share their higher bits stand together in their first order; where they part at a bit, every 1 that
    stands before a 0 is an inversion.
    """
    values = np.asarray(ranks, np.int64)
    found = 0
    for bit in range(int(values.max(initial=0)).bit_length() - 1, -1, -1):
        prefix, ones = values >> (bit + 1), (values >> bit) & 1
        before = np.cumsum(ones) - ones
        starts = np.flatnonzero(np.diff(prefix, prepend=-1))
        group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
        found += int(np.sum((before - before[starts][group])[ones == 0]))
        values = values[np.argsort(values >> bit, kind="stable")]
    return found
