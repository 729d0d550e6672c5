"""Parts of Vega-Lite specs: axes with units and readable ticks, colours that differ for everyone, points, lines, bands.

A spec is a plain JSON object (Vega-Lite 6): it needs no library, is the same for the same numbers, and holds its data.
`altair.Chart.from_dict(spec)` makes an Altair chart of it (`chart`, extra `report`).
Colours: Okabe and Ito 2008.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import RunError
from curation.files import Json
from leaderboard.charts import nice_ticks

Spec = dict[str, Json]
Record = dict[str, Json]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW, BLACK, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#888888",
)
WIDTH, HEIGHT = 620, 360
MAX_POINTS = 2_000
"""Points of one series; a chart stays below the 5,000 rows that Altair refuses."""


def series(**columns: npt.NDArray[Any] | Sequence[Any] | str | float) -> list[Record]:
    """Return one record a place from columns of equal length (single values are repeated), without NaN.

    Of more than `MAX_POINTS` evenly spaced ones are kept, first and last among them.
    """
    lengths = {len(values) for values in columns.values() if not isinstance(values, (str, float, int))}
    num = lengths.pop() if lengths else 1
    rows = range(num) if num <= MAX_POINTS else np.unique(np.linspace(0, num - 1, MAX_POINTS).astype(int)).tolist()
    found = []
    for row in rows:
        record: Record = {}
        for name, values in columns.items():
            value = values if isinstance(values, (str, float, int)) else values[row]
            record[name] = value if isinstance(value, str) else float(value)
        if all(isinstance(value, str) or math.isfinite(float(value)) for value in record.values()):  # type: ignore[arg-type]
            found.append(record)
    return found


def log_axis(field: str, title: str, values: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, Json]:
    """Return a logarithmic axis that holds `values`, with ticks at decades (or 1, 2, 5 within two decades)."""
    low, high = _range(values)
    ticks: list[Json] = list(log_ticks(low, high))
    pad = (high / low) ** 0.04 if high > low else 1.2
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "domain": [low / pad, high * pad], "nice": False},
        "axis": {"title": title, "values": ticks, "labelExpr": _LABEL, "grid": True},
    }


def loss_axis(field: str, title: str, values: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, Json]:
    """Return a logarithmic axis of a loss: round values as ticks, since losses span less than a decade."""
    low, high = _range(values)
    if high > 20 * low:
        return log_axis(field, title, values)
    pad = (high / low) ** 0.06 if high > low else 1.05
    ticks: list[Json] = list(nice_ticks(low / pad, high * pad, 6))
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "domain": [low / pad, high * pad], "nice": False},
        "axis": {"title": title, "values": ticks, "format": "~g"},
    }


def plain_axis(field: str, title: str, values: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, Json]:
    """Return a linear axis that holds `values`."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [low - pad, high + pad], "nice": False, "zero": False},
        "axis": {"title": title, "tickCount": 8},
    }


_SIZE_LABEL = "datum.value < 1e15 ? replace(format(datum.value, '~s'), 'G', 'B') : format(datum.value, '~e')"
"""Sizes as 70M and 7B; budgets of FLOPs as powers of ten."""
_LABEL = "format(datum.value, datum.value < 1e-3 || datum.value >= 1e4 ? '~e' : '~g')"


def log_ticks(low: float, high: float) -> list[float]:
    """Return decades in [low, high], thinned to at most ten; 1, 2, 5 times them where there are fewer than three."""
    first, last = math.floor(math.log10(low) - 1e-9), math.ceil(math.log10(high) + 1e-9)
    decades = [10.0**power for power in range(first, last + 1) if low * 0.999 <= 10.0**power <= high * 1.001]
    if len(decades) >= 3:
        return decades[:: -(-len(decades) // 10)]
    return [f * 10.0**p for p in range(first, last + 1) for f in (1, 2, 5) if low * 0.93 <= f * 10.0**p <= high * 1.07]


def colours(names: Sequence[str], title: str | None, chosen: Sequence[str] | None = None) -> dict[str, Json]:
    """Return a colour channel of named series, each with its own colour, in this order."""
    palette = list(chosen or (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW, BLACK, GREY))
    values: list[Json] = [palette[place % len(palette)] for place in range(len(names))]
    legend: Json = None if title is None else {"title": title, "orient": "right", "labelLimit": 260}
    return {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(names), "range": values},
        "legend": legend,
    }


def sizes_colour(values: Sequence[float], title: str) -> dict[str, Json]:
    """Return a colour channel of a size on a logarithmic scale (viridis: order is seen without colours)."""
    low, high = _range(values)
    return {
        "field": "size",
        "type": "quantitative",
        "scale": {"type": "log", "scheme": "viridis", "domain": [low, high], "reverse": True},
        "legend": {"title": title, "labelExpr": _SIZE_LABEL, "values": list(log_ticks(low, high))[:8]},
    }


def number(value: Json) -> float:
    """Return a number of a record."""
    assert isinstance(value, (int, float))
    return float(value)


def layer(data: Sequence[Record], mark: Mapping[str, Json], **encoding: Json) -> Spec:
    """Return one layer: a mark over its own data."""
    return {"data": {"values": list(data)}, "mark": dict(mark), "encoding": dict(encoding)}


def rule(value: float, field: str, colour: str = BLACK) -> Spec:
    """Return a horizontal line at `value`, on the axis of `field`."""
    return layer(
        [{field: value}],
        {"type": "rule", "color": colour, "strokeWidth": 1},
        y={"field": field, "type": "quantitative"},
    )


def panel(
    title: str, layers: Sequence[Spec], *, subtitle: Sequence[str] = (), width: int = WIDTH, height: int = HEIGHT
) -> Spec:
    """Return a chart of several layers with a title."""
    head: dict[str, Json] = {"text": title, "anchor": "start", "fontSize": 15}
    if subtitle:
        head |= {"subtitle": list(subtitle), "subtitleColor": "#444444", "subtitleFontSize": 12}
    return {"title": head, "width": width, "height": height, "layer": list(layers)}


def whole(rows: Sequence[Spec | Sequence[Spec]]) -> Spec:
    """Return a complete spec: panels below one another, or side by side where a row holds several."""
    stacked: list[Json] = [{"hconcat": list(row)} if not isinstance(row, dict) else row for row in rows]
    body: Spec = stacked[0] if len(stacked) == 1 and isinstance(stacked[0], dict) else {"vconcat": stacked}
    return {
        "$schema": SCHEMA,
        "background": "white",
        "padding": 12,
        "config": {"font": "sans-serif", "axis": {"labelFontSize": 11, "titleFontSize": 12, "gridColor": "#e6e6e6"}},
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
        **body,
    }


def chart(spec: Spec) -> Any:
    """Return the spec as an Altair chart.

    Raises: RunError where Altair is not installed.
    """
    try:
        altair = import_module("altair")
    except ImportError:
        raise RunError(
            "plot: Altair is not installed; `pip install 'curate-ladder[report]'`, or use the spec as it is"
        ) from None
    return altair.Chart.from_dict(spec)


def _range(values: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, float]:
    array = np.asarray(values, np.float64)
    sound = array[np.isfinite(array) & (array > 0)]
    return (float(sound.min()), float(sound.max())) if len(sound) else (1.0, 10.0)
