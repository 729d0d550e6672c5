"""The multi-power law of a loss curve: what every change of the learning rate leaves behind.

L(t) = L0 + A S(t)^-alpha + B sum over k <= t of (eta_k - eta_{k-1}) (1 - (1 + C eta_k^-gamma S_k(t))^-beta),
with S(t) the sum of the rates up to step t and S_k(t) that from step k on, warm-up included. Rates are those of the
optimiser (e.g. 3e-4), so A, B and C carry its unit.
Fitting sums the changes over blocks of steps, cut at logged rows (32 steps move a loss by up to 4e-4 in a steep decay,
4 steps by less than 1e-4); objectives and predictions sum over every step.
Source: Luo et al. 2025 (2503.12811).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NAMES = ("L0", "A", "alpha", "B", "C", "beta", "gamma")
BLOCK_STEPS = 32
ROW_CELLS = 4_000_000
"""Rows x changes held at once when a loss is predicted step by step: 32 MB of float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the law reads of one schedule: cumulative rate of R rows, and K changes of the rate."""

    total_R: Floats
    """S(t) of each row."""
    size_K: Floats
    """eta_k - eta_{k-1}, summed over a block."""
    rate_K: Floats
    before_K: Floats
    """S(k - 1): S_k(t) = S(t) - before."""
    num_seen_R: Ints
    """How many of the changes a row has behind it; they are in order."""


def changes_of(rates: Floats, steps: Ints, *, block_steps: int = 1) -> Changes:
    """Return the changes of the rates 0 ... T - 1 as rows at `steps` (ascending) see them."""
    total = np.cumsum(rates)
    at = np.flatnonzero(np.diff(rates)) + 1
    gaps = np.diff(rates)[at - 1]
    before = total[at - 1]
    block = np.searchsorted(steps, at, side="left") * (len(rates) // block_steps + 1) + at // block_steps
    _, first = np.unique(block, return_index=True)
    if not len(at):
        empty = np.zeros(0)
        seen = np.zeros(len(steps), np.int64)
        return Changes(total_R=total[steps], size_K=empty, rate_K=empty, before_K=empty, num_seen_R=seen)
    weight = np.abs(gaps)
    mass = np.add.reduceat(weight, first)
    return Changes(
        total_R=total[steps],
        size_K=np.add.reduceat(gaps, first),
        rate_K=np.add.reduceat(weight * rates[at], first) / mass,
        before_K=np.add.reduceat(weight * before, first) / mass,
        num_seen_R=np.searchsorted(at[first], steps, side="right").astype(np.int64),
    )


def losses(theta: Floats, seen: Changes) -> Floats:
    """Return the loss of each row; `theta` in the order of `NAMES`."""
    level, size, alpha, drop, scale, beta, gamma = theta
    base: Floats = level + size * seen.total_R**-alpha
    if not len(seen.size_K):
        return base
    reach = scale * seen.rate_K**-gamma
    lost = np.empty(len(base))
    rows = max(1, ROW_CELLS // len(seen.size_K))
    for start in range(0, len(base), rows):
        part = slice(start, start + rows)
        past = _past(seen, part)
        lost[part] = np.where(past >= 0, -np.expm1(-beta * np.log1p(reach * np.maximum(past, 0))), 0.0) @ seen.size_K
    summed: Floats = base + drop * lost
    return summed


def losses_and_slopes(theta: Floats, seen: Changes) -> tuple[Floats, Floats]:
    """Return the losses and their gradient in `theta`, shape R x 7."""
    level, size, alpha, drop, scale, beta, gamma = theta
    power = seen.total_R**-alpha
    slopes = np.zeros((len(power), 7))
    slopes[:, 0], slopes[:, 1], slopes[:, 2] = 1.0, power, -size * power * np.log(seen.total_R)
    base: Floats = level + size * power
    if not len(seen.size_K):
        return base, slopes
    past = _past(seen, slice(None))
    reach = scale * seen.rate_K**-gamma
    stretched = reach * np.maximum(past, 0)
    grown = np.log1p(stretched)
    kept = np.exp(-beta * grown)
    kept[past < 0] = 1.0
    steep = beta * kept * stretched / (1 + stretched)
    lost = (1 - kept) @ seen.size_K
    slopes[:, 3] = lost
    slopes[:, 4] = drop * (steep @ seen.size_K) / scale
    slopes[:, 5] = drop * ((kept * grown) @ seen.size_K)
    slopes[:, 6] = -drop * (steep @ (seen.size_K * np.log(seen.rate_K)))
    return base + drop * lost, slopes


def _past(seen: Changes, part: slice) -> Floats:
    """Return S_k(t) of rows x changes; negative where a change is still to come."""
    past = seen.total_R[part, None] - seen.before_K[None, :]
    past[np.arange(len(seen.size_K))[None, :] >= seen.num_seen_R[part, None]] = -1.0
    return past
