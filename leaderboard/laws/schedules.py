"""The learning rate of every step, rebuilt from the rows a training logged.

A loss curve's table holds the rate at logged steps only, rounded to a few digits, yet the loss-curve law sums over all
steps. Between logged rows the rate follows the first of these shapes that meets every row within `TOLERANCE` of the
peak: constant; one jump (at the first row that shows the new rate); constant, then exponential, linear or cosine
decay. Otherwise it is interpolated linearly. Before the first logged row the rate warms up linearly from 0.
Source: shapes as in the loss curves of Luo et al. 2025 (2503.12811); the recognition is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 0.004
"""Of the peak: rates are often logged to two or three digits (to 1e-6 of 3e-4: half of 0.0033 each way)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Rate of steps 0 ... T - 1, and the shape that was recognised."""

    rates: Floats
    shape: str


def rebuild(steps: Ints, rates: Floats, *, warmup: int) -> Schedule:
    """Return the schedule through the logged rows (`steps` ascend).

    Up to `warmup` the rate rises linearly from 0; where rows show it rising for longer, through those rows.
    """
    num_steps = int(steps[-1]) + 1
    grid = np.arange(num_steps, dtype=np.float64)
    top = int(np.argmax(rates >= rates.max() * (1 - TOLERANCE)))
    risen = max(warmup, int(steps[top]) if top else 0)
    after = steps >= risen
    if not np.any(after):
        after[-1] = True
    shape, curve = _recognised(steps[after].astype(np.float64), rates[after], grid, risen)
    if top:
        early = np.concatenate([[0.0], steps[: top + 1].astype(np.float64)])
        rising = np.interp(grid[:risen], early, np.concatenate([[0.0], rates[: top + 1]]))
    else:
        rising = np.linspace(0.0, float(curve[min(risen, num_steps - 1)]), risen)
    curve[:risen] = rising[:num_steps]
    return Schedule(rates=curve, shape=shape)


def described(
    num_steps: int,
    peak: float,
    *,
    warmup: int = 0,
    decay_from: int | None = None,
    end: float | None = None,
    linear: bool = False,
) -> Floats:
    """Return the rates of steps 0 ... num_steps: linear warm-up, then constant, cosine or warm-up-stable-decay.

    `end` alone: cosine from the warm-up to `end`. With `decay_from`: exponential decay from there to `end` at the last
    step, or `linear` (which may end at 0). Source: 2404.06395 (WSD), 2503.12811.
    """
    step = np.arange(num_steps + 1, dtype=np.float64)
    if decay_from is not None:
        share = np.clip((step - decay_from) / max(1, num_steps - decay_from), 0.0, 1.0)
        low = 0.0 if end is None else end
        rates = peak * (1 - share) + low * share if linear or low <= 0 else peak ** (1 - share) * low**share
    elif end is not None:
        phase = np.clip((step - warmup) / max(1, num_steps - warmup), 0.0, 1.0)
        rates = end + 0.5 * (peak - end) * (1 + np.cos(np.pi * phase))
    else:
        rates = np.full(num_steps + 1, peak)
    early = min(warmup, num_steps + 1)
    rates[:early] = np.linspace(0.0, peak, warmup)[:early]
    return rates


def _recognised(steps: Floats, rates: Floats, grid: Floats, warmup: int) -> tuple[str, Floats]:
    peak = float(rates.max())
    candidates = (
        ("constant", lambda: np.full(len(grid), peak)),
        ("jump", lambda: _jump(steps, rates, grid)),
        ("exponential decay", lambda: _decay(steps, rates, grid, logarithmic=True)),
        ("linear decay", lambda: _decay(steps, rates, grid, logarithmic=False)),
        ("cosine", lambda: _cosine(steps, rates, grid, warmup)),
    )
    for shape, build in candidates:
        curve = build()
        if curve is not None and np.all(np.abs(curve[steps.astype(np.int64)] - rates) <= TOLERANCE * peak):
            return shape, curve
    return "interpolated", np.interp(grid, steps, rates)


def _jump(steps: Floats, rates: Floats, grid: Floats) -> Floats | None:
    changes = np.flatnonzero(np.diff(rates)) + 1
    if len(changes) != 1:
        return None
    curve: Floats = np.where(grid >= steps[changes[0]], rates[changes[0]], rates[0])
    return curve


def _decay(steps: Floats, rates: Floats, grid: Floats, *, logarithmic: bool) -> Floats | None:
    """Return peak, then the straight line (of the rate or its logarithm) through the rows below it."""
    peak = float(rates.max())
    below = rates < peak * (1 - 1e-9)
    if np.sum(below) < 3 or not np.all(np.diff(below.astype(np.int64)) >= 0) or rates.min() <= 0:
        return None
    values = np.log(rates[below]) if logarithmic else rates[below]
    slope, level = np.polyfit(steps[below], values, 1)
    line = level + slope * grid
    curve: Floats = np.minimum(
        peak, np.exp(np.minimum(line, np.log(peak) + 1)) if logarithmic else np.maximum(line, 0.0)
    )
    return curve


def _cosine(steps: Floats, rates: Floats, grid: Floats, warmup: int) -> Floats | None:
    """Return end + (peak - end)/2 (1 + cos(pi (s - warmup)/(T - warmup))) with the T that meets the rows best."""
    if len(steps) < 4:
        return None
    best: tuple[float, Floats] | None = None
    last = float(steps[-1])
    span = max(last - warmup, 1.0)
    for total in _totals(last, span):
        phase = 0.5 * (1 + np.cos(np.pi * (steps - warmup) / (total - warmup)))
        design = np.stack([phase, np.ones(len(steps))], axis=1)
        (height, end), *_ = np.linalg.lstsq(design, rates, rcond=None)
        error = float(np.max(np.abs(design @ np.array([height, end]) - rates)))
        if best is None or error < best[0] * (1 - 1e-6):
            curve = end + height * 0.5 * (1 + np.cos(np.pi * (grid - warmup) / (total - warmup)))
            best = error, curve
    return best[1] if best else None


def _totals(last: float, span: float) -> Floats:
    """Return ends of the cosine worth trying: near the last row by steps, then up to twice the span."""
    near = last + np.arange(0, min(span, 512.0) + 1)
    far = last + np.geomspace(max(span * 0.02, 1.0), max(span, 2.0), 60)
    return np.unique(np.concatenate([near, np.round(far)]))
