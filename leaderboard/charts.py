"""Geometry of the page's charts: places in per cent of the plot's width and height; the template draws them.

Interval strips use per-cent coordinates, so they keep their marks' shape at any width and need no script.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.studies.results import Comparison, CurvePoint, Delta

MARGIN = 3.0
MAX_POINTS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One difference on a strip; x in per cent of the width; `low` and `high` None without an interval."""

    x: float
    low: float | None
    high: float | None
    series: str
    side: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One row of an interval plot."""

    label: str
    muted: bool
    is_headline: bool
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalPlot:
    """Differences by slice, in per cent, around a zero line."""

    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line: `points` as an SVG polyline's, in per cent of width and height."""

    label: str
    number: int
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePlot:
    """Training losses against tokens seen."""

    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def interval_plot(total: Comparison, quality: Comparison | None) -> IntervalPlot:
    """Return the plot of an arm against the baseline and against `random-matched`, the headline first."""
    series = [("baseline", total)] + ([("control", quality)] if quality else [])
    rows: list[tuple[str, bool, bool, list[tuple[str, Delta]]]] = []
    heads = [(name, item.headline) for name, item in series]
    known = [(name, delta) for name, delta in heads if delta is not None]
    if known:
        rows.append(("mean over slices", not total.headline_judged, True, known))
    for number, one in enumerate(total.slices):
        deltas = [(name, item.slices[number].delta) for name, item in series]
        rows.append((one.slice, bool(one.not_judged), False, deltas))
    low, high = _range([delta for *_, deltas in rows for _, delta in deltas])
    scale = _Scale(low=low, high=high)
    strips = [
        Strip(
            label=label,
            muted=muted,
            is_headline=is_headline,
            marks=tuple(_mark(name, delta, scale) for name, delta in deltas),
        )
        for label, muted, is_headline, deltas in rows
    ]
    ticks = tuple(Tick(at=scale.place(value), label=_tick_label(value)) for value in nice_ticks(low, high, 5))
    return IntervalPlot(strips=tuple(strips), ticks=ticks, zero=scale.place(0.0))


def curve_plot(curves: Sequence[tuple[str, Sequence[CurvePoint]]]) -> CurvePlot | None:
    """Return the plot of loss curves, colours by place; None without a curve of two points."""
    usable = [(label, points) for label, points in curves if len(points) > 1]
    if not usable:
        return None
    losses = [point.loss for _, points in usable for point in points]
    tokens = [point.tokens for _, points in usable for point in points]
    x_scale = _Scale(low=0.0, high=max(tokens), margin=0.0)
    y_scale = _Scale(low=min(losses), high=max(losses))
    drawn = []
    for number, (label, points) in enumerate(usable):
        step = max(1, -(-len(points) // MAX_POINTS))
        chosen = [*points[:-1:step], points[-1]]
        places = " ".join(f"{x_scale.place(p.tokens):.2f},{100 - y_scale.place(p.loss):.2f}" for p in chosen)
        drawn.append(Curve(label=label, number=number, points=places))
    y_values = nice_ticks(y_scale.low, y_scale.high, 4)
    return CurvePlot(
        curves=tuple(drawn),
        x_ticks=tuple(
            Tick(at=x_scale.place(value), label=_tokens_label(value)) for value in nice_ticks(0, max(tokens), 4)
        ),
        y_ticks=tuple(Tick(at=100 - y_scale.place(value), label=f"{value:.3g}") for value in y_values),
    )


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers inside [low, high], ascending."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if number == 0 else number * step for number in range(first, last + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    low: float
    high: float
    margin: float = MARGIN

    def place(self, value: float) -> float:
        """Per cent of the width; values outside stick to the edge."""
        span = self.high - self.low or 1.0
        inside = min(1.0, max(0.0, (value - self.low) / span))
        return round(self.margin + (100 - 2 * self.margin) * inside, 3)


def _range(deltas: Sequence[Delta]) -> tuple[float, float]:
    """Return a range in per cent that holds zero and every point; very wide intervals are cut at the edge."""
    points = [delta.share * 100 for delta in deltas]
    reach = max((abs(value) for value in points), default=0.0)
    bound = max(3 * reach, 0.1)
    ends = [math.expm1(end) * 100 for delta in deltas for end in (delta.low, delta.high) if end is not None]
    values = [0.0, *points, *(min(bound, max(-bound, end)) for end in ends)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (-1.0, 1.0)


def _mark(series: str, delta: Delta, scale: _Scale) -> Mark:
    from leaderboard.words import interval, log_percent, side

    known = delta.low is not None and delta.high is not None
    return Mark(
        x=scale.place(delta.share * 100),
        low=scale.place(math.expm1(delta.low) * 100) if known and delta.low is not None else None,
        high=scale.place(math.expm1(delta.high) * 100) if known and delta.high is not None else None,
        series=series,
        side=side(delta),
        title=f"{log_percent(delta.log_ratio)} ({interval(delta)}) against "
        + ("the baseline" if series == "baseline" else "random-matched"),
    )


def _tick_label(value: float) -> str:
    return "0" if value == 0 else f"{value:+g}%".replace("-", "−")


def _tokens_label(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e5 else f"{value:g}"
