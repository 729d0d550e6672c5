"""Which window of which slice comes when: a pure function of shares, window counts, seed and position.

Slices are interleaved so that after every prefix each has been drawn its share of times to within one draw
(Tijdeman's chairman assignment: among slices whose deficit is at least 1/(2k-2), the one whose deficit would first
reach its bound 1 - 1/(2k-2); ties by name). Taking simply the largest deficit can lag by more than one draw when
there are many slices. Inside (slice, epoch) a keyed permutation of O(1) memory visits every window once.

Nothing depends on model size, world size, workers or how often a run was resumed; a longer run only appends draws.
Source: R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32 (1980).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.errors import RunError
from curation.randomness import stable_hash

SHARE_UNITS = 1 << 30
"""Shares are rounded to this many parts, so that deficits are exact integers."""
MAX_DRAWS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Consecutive draws; all arrays have one entry a draw."""

    names: tuple[str, ...]
    slices: npt.NDArray[np.int64]
    """Index into `names`."""
    windows: npt.NDArray[np.int64]
    """Index of the window in its slice's token stream."""
    epochs: npt.NDArray[np.int64]
    """How often that slice had been read through before."""

    def __len__(self) -> int:
        return len(self.slices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Shares that hold up to a draw."""

    shares: Mapping[str, float]
    end: int | None
    """First draw of the next stretch; None for the last."""


def draw(shares: Mapping[str, float], num_windows: Mapping[str, int], *, seed: int, start: int, count: int) -> Draws:
    """Return draws `start` to `start + count - 1`; `shares` are of windows and need not sum to 1.

    Slices without share or without a whole window are never drawn; the others take over in proportion.
    Raises: RunError when no slice can be drawn or the position is beyond 2^31 draws.
    """
    return draw_stretches((Stretch(shares=shares, end=None),), num_windows, seed=seed, start=start, count=count)


def draw_stretches(
    stretches: Sequence[Stretch], num_windows: Mapping[str, int], *, seed: int, start: int, count: int
) -> Draws:
    """Return what `draw` does under shares that change: counts, epochs and the bound of a draw go on across changes.

    Raises: RunError as `draw`, of any stretch.
    """
    for stretch in stretches:
        if not any(share > 0 and num_windows.get(name, 0) > 0 for name, share in stretch.shares.items()):
            raise RunError(
                f"draws: no slice has a share and a whole window, got {dict(num_windows)}; use a larger corpus"
            )
    names = tuple(
        sorted({n for one in stretches for n, share in one.shares.items() if share > 0 and num_windows.get(n, 0) > 0})
    )
    if start < 0 or count < 0 or start + count > MAX_DRAWS:
        raise RunError(f"draws: {start} + {count} is outside 0 to {MAX_DRAWS}; shorten the run")
    from mixtures.draws_kernels import interleave, interleave_phases, permuted

    units = np.array([_units([one.shares.get(name, 0.0) for name in names]) for one in stretches], np.int64)
    sizes = np.array([num_windows[name] for name in names], np.int64)
    keys = np.array([stable_hash(seed, "order", name) for name in names], np.uint64)
    slices = np.empty(count, np.int64)
    places = np.empty(count, np.int64)
    if len(stretches) == 1:
        interleave(units[0], start, slices, places)
    else:
        ends = np.array([MAX_DRAWS if one.end is None else one.end for one in stretches], np.int64)
        interleave_phases(units, ends, start, slices, places)
    epochs = places // sizes[slices]
    windows = np.empty(count, np.int64)
    permuted(keys[slices], epochs, places % sizes[slices], sizes[slices], windows)
    return Draws(names=names, slices=slices, windows=windows, epochs=epochs)


def worst_share_error(num_slices: int, draws: int) -> float:
    """Return how far any slice's realised share can be from its target after so many draws: 1 - 1/(2k-2) draws."""
    return 0.0 if num_slices < 2 else (1.0 - 1.0 / (2 * num_slices - 2)) / max(draws, 1)


def draws_within(num_slices: int, error: float) -> int:
    """Return after how many draws, and from then on, every realised share is within `error` of its target."""
    return max(1, math.ceil(worst_share_error(num_slices, 1) / error - 1e-9))


def _units(shares: list[float]) -> npt.NDArray[np.int64]:
    """Return the units of shares of which some are 0."""
    units = np.zeros(len(shares), np.int64)
    drawn = [i for i, share in enumerate(shares) if share > 0]
    units[drawn] = share_units([shares[i] for i in drawn])
    return units


def share_units(shares: list[float]) -> npt.NDArray[np.int64]:
    """Return integers, at least 1 each, in proportion to `shares`; the largest takes the rest of `SHARE_UNITS`."""
    values = np.array(shares, np.float64)
    units: npt.NDArray[np.int64] = np.maximum(1, np.floor(values / values.sum() * SHARE_UNITS)).astype(np.int64)
    units[int(np.argmax(units))] += SHARE_UNITS - int(units.sum())
    return units
