"""Compiled parts of `mixtures.draws`: the interleave of slices and the keyed permutation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compiled import kernel

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@kernel()
def _mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of splitmix64); a copy of its own, so that the order of data never changes."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel()
def _feistel(value: np.uint64, key: np.uint64, half: np.uint64) -> np.uint64:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left = value >> half
    right = value & mask
    for turn in range(6):
        scrambled = _mix(right ^ _mix(key + np.uint64(turn))) & mask
        left, right = right, left ^ scrambled
    return (left << half) | right


@kernel("void(int64[::1], int64, int64[::1], int64[::1])")
def interleave(units: Ints, start: int, slices: Ints, places: Ints) -> None:
    """Fill, for each draw from `start` on, its slice and how many draws of that slice came before it.

    `units` are positive and sum to W. With n draws made, slice s has deficit units[s] * n - drawn[s] * W; it stays
    strictly inside (-W, W).
    """
    num_slices = len(units)
    whole = np.int64(0)
    for s in range(num_slices):
        whole += units[s]
    parts = max(2 * num_slices - 2, 1)
    deficit = np.zeros(num_slices, np.int64)
    drawn = np.zeros(num_slices, np.int64)
    for n in range(start + len(slices)):
        best = -1
        soonest = np.inf
        for s in range(num_slices):
            deficit[s] += units[s]
            if deficit[s] * parts >= whole:
                deadline = (whole * (parts - 1) - deficit[s] * parts) / units[s]
                if deadline < soonest:
                    soonest = deadline
                    best = s
        if n >= start:
            slices[n - start] = best
            places[n - start] = drawn[best]
        deficit[best] -= whole
        drawn[best] += 1


@kernel()
def _deadline(need: float, s: int, phase: int, n: int, units: Ints, ends: Ints) -> float:
    """Return the draw at which slice `s` will have gained `need` more after draw `n` of `phase`; infinite if never."""
    at = np.float64(n)
    last = len(ends) - 1
    for p in range(phase, last + 1):
        gain = np.float64(units[p, s])
        if gain > 0.0 and (p == last or need <= gain * (ends[p] - at)):
            return at + need / gain
        if p < last:
            need -= gain * (ends[p] - at)
            at = np.float64(ends[p])
    return np.inf


@kernel("void(int64[:, ::1], int64[::1], int64, int64[::1], int64[::1])")
def interleave_phases(units: Ints, ends: Ints, start: int, slices: Ints, places: Ints) -> None:
    """Fill what `interleave` does for weights that change: phase p holds up to draw `ends[p]`, the last for ever.

    Every row of `units` sums to the same W; a slice may have 0 in some phases. Deficits and counts go on from phase to
    phase, and deadlines look into the phases to come, so the bound of one draw holds across them.
    """
    num_slices = units.shape[1]
    last = len(ends) - 1
    whole = np.int64(0)
    for s in range(num_slices):
        whole += units[0, s]
    parts = max(2 * num_slices - 2, 1)
    deficit = np.zeros(num_slices, np.int64)
    drawn = np.zeros(num_slices, np.int64)
    phase = 0
    for n in range(start + len(slices)):
        while phase < last and n >= ends[phase]:
            phase += 1
        best = -1
        soonest = np.inf
        for s in range(num_slices):
            deficit[s] += units[phase, s]
            if deficit[s] * parts >= whole:
                need = (whole * (parts - 1) - deficit[s] * parts) / parts
                deadline = _deadline(need, s, phase, n + 1, units, ends)
                if best < 0 or deadline < soonest:
                    soonest = deadline
                    best = s
        if n >= start:
            slices[n - start] = best
            places[n - start] = drawn[best]
        deficit[best] -= whole
        drawn[best] += 1


@kernel("void(uint64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def permuted(keys: Keys, epochs: Ints, places: Ints, sizes: Ints, out: Ints) -> None:
    """Fill `out[i]` with the image of `places[i]` under the permutation of `sizes[i]` that key and epoch name.

    A six-round Feistel network on the smallest even number of bits that holds the size; images beyond the size are
    sent through again until one is inside (cycle walking), which keeps it a bijection.
    """
    for i in range(len(places)):
        key = _mix(keys[i] ^ _mix(np.uint64(epochs[i]) + np.uint64(1)))
        half = np.uint64(1)
        while (np.uint64(1) << (half + half)) < np.uint64(sizes[i]):
            half += np.uint64(1)
        value = np.uint64(places[i])
        while True:
            value = _feistel(value, key, half)
            if value < np.uint64(sizes[i]):
                break
        out[i] = np.int64(value)
