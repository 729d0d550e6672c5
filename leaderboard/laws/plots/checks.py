"""Checks of any fit: residuals against scale, predicted against actual, intervals of exponents."""

from __future__ import annotations

import numpy as np

from curation.files import Json
from leaderboard.laws.law import Data, Fit, Floats
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.parts import Record, Spec

FITTED, HELD_OUT = "fitted", "held out"
SIGMAS = 3.0
SMALL_WIDTH, SMALL_HEIGHT = 280, 260
DRAWN_ROWS = 600
"""Points of one check: two checks, two series and a main picture stay below Altair's limit together."""
UNITS = {"C": "training compute C (FLOPs)", "N": "parameters N", "D": "tokens D", "L": "loss L", "B": "batch size B"}


def residuals_panel(fitted: Fit) -> Spec:
    """Return residuals (in % where values are positive) against scale, with lines at three standard deviations."""
    positive = _positive(fitted)
    unit = "residual: ln(actual / fitted) (%)" if positive else "residual: actual − fitted"
    factor = 100.0 if positive else 1.0
    name, values = scale_of(fitted, fitted.data, fitted.observed, fitted.expected)
    points = parts.series(x=thin(values), residual=thin(factor * fitted.residuals), series=FITTED)
    held = _held(fitted)
    if held is not None:
        observed, expected, data = held
        misses = np.log(observed) - np.log(expected) if positive and np.all(observed > 0) else observed - expected
        places = scale_of(fitted, data, observed, expected)[1]
        points += parts.series(x=thin(places), residual=thin(factor * misses), series=HELD_OUT)
    spread = factor * float(np.std(fitted.residuals)) * SIGMAS
    x = axis_of(name, "x", [parts.number(row["x"]) for row in points])
    y = parts.plain_axis("residual", unit, [parts.number(row["residual"]) for row in points] + [spread, -spread])
    lines: list[Record] = [{"residual": spread}, {"residual": -spread}]
    layers = [
        parts.rule(0.0, "residual"),
        parts.layer(
            lines,
            {"type": "rule", "color": parts.GREY, "strokeDash": [4, 4]},
            y={"field": "residual", "type": "quantitative"},
        ),
        parts.layer(points, _POINT, x=x, y=y, **_channels(held is not None)),
    ]
    return parts.panel(
        "Residuals", layers, subtitle=["dashed: three standard deviations"], width=SMALL_WIDTH, height=SMALL_HEIGHT
    )


def actual_panel(fitted: Fit) -> Spec:
    """Return fitted against actual values around the line of equality, held-out rows apart."""
    points = parts.series(actual=thin(fitted.observed), fitted=thin(fitted.expected), series=FITTED)
    held = _held(fitted)
    if held is not None:
        points += parts.series(actual=thin(held[0]), fitted=thin(held[1]), series=HELD_OUT)
    what = fitted.law.card.predicts or fitted.law.card.target
    values = [parts.number(row[name]) for row in points for name in ("actual", "fitted")]
    is_log = bool(values) and min(values) > 0
    axis = parts.loss_axis if is_log else parts.plain_axis
    x, y = axis("actual", f"actual {what}", values), axis("fitted", f"fitted {what}", values)
    ends: list[Record] = [{"actual": end, "fitted": end} for end in (min(values), max(values))] if values else []
    layers = [
        parts.layer(ends, {"type": "line", "color": parts.BLACK, "strokeWidth": 1}, x=x, y=y),
        parts.layer(points, _POINT, x=x, y=y, **_channels(held is not None)),
    ]
    error = fitted.holdout.mean_relative_error
    told = f"; held-out error {100 * error:.2f} % (n {fitted.holdout.n})" if error is not None else ""
    head = [f"r2 {fitted.r2:.4f}{told}"]
    return parts.panel("Predicted against actual", layers, subtitle=head, width=SMALL_WIDTH, height=SMALL_HEIGHT)


def exponents_panel(fitted: Fit) -> Spec | None:
    """Return 95 % intervals of the exponents (small parameters, not scales or floors); None without."""
    rows: list[Record] = []
    for name, (low, high) in fitted.ci95.items():
        value = fitted.params[name]
        is_scale = name[0].isupper() and not name.endswith("_exponent")
        if not is_scale and np.isfinite([value, low, high]).all() and low >= 0 and high <= 2:
            rows.append({"name": name, "value": value, "low": low, "high": high})
    if not rows:
        return None
    x = parts.plain_axis(
        "value", "value and 95 % interval", [parts.number(row[k]) for row in rows for k in ("low", "high")]
    )
    y: dict[str, Json] = {"field": "name", "type": "nominal", "sort": None, "axis": {"title": None}}
    layers = [
        parts.layer(rows, {"type": "rule", "color": parts.BLUE}, x={**x, "field": "low"}, x2={"field": "high"}, y=y),
        parts.layer(rows, {"type": "point", "filled": True, "color": parts.BLUE, "size": 60, "opacity": 1}, x=x, y=y),
    ]
    told = [f"bootstrap of {len(fitted.draws_SP):,} draws"]
    return parts.panel("Exponents", layers, subtitle=told, height=24 * len(rows) + 20)


def scale_of(fitted: Fit, data: Data, observed: Floats, expected: Floats) -> tuple[str, Floats]:
    """Return what residuals are drawn against: compute, else the first varying input, else the fitted value."""
    columns = data.columns
    if len(observed) == data.n:
        if "C" in columns:
            return "C", columns["C"]
        if {"N", "D"} <= set(columns):
            return "C", 6 * columns["N"] * columns["D"]
        for variable in fitted.law.card.variables:
            name = variable.name
            if name in columns and name != fitted.law.card.target and len(np.unique(fitted.data.columns[name])) > 1:
                return name, columns[name]
    return fitted.law.card.predicts or fitted.law.card.target, expected


def axis_of(name: str, field: str, values: list[float]) -> dict[str, Json]:
    """Return an axis of a variable with its unit: logarithmic where its values are positive and spread."""
    title = UNITS.get(name, name)
    if values and min(values) > 0 and max(values) > 3 * min(values):
        return parts.log_axis(field, title, values)
    return parts.plain_axis(field, title, values)


def thin(values: Floats) -> Floats:
    """Return at most 600 values, evenly spaced."""
    if len(values) <= DRAWN_ROWS:
        return values
    return np.asarray(values[np.unique(np.linspace(0, len(values) - 1, DRAWN_ROWS).astype(int))])


_POINT: dict[str, Json] = {"type": "point", "filled": True, "size": 36, "opacity": 0.8}


def _channels(both: bool) -> dict[str, Json]:
    kinds = [FITTED, HELD_OUT]
    title = "rows" if both else None
    return {
        "color": parts.colours(kinds, title, (parts.BLUE, parts.ORANGE)),
        "shape": {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": list(kinds), "range": ["circle", "diamond"]},
            "legend": None if title is None else {"title": title},
        },
    }


def _held(fitted: Fit) -> tuple[Floats, Floats, Data] | None:
    if fitted.held_out is None or not fitted.held_out.n:
        return None
    observed, expected = fitted.law.fitted(fitted.theta, fitted.held_out, fitted.settings)
    return observed, expected, fitted.held_out


def _positive(fitted: Fit) -> bool:
    return bool(np.all(fitted.observed > 0) and np.all(fitted.expected > 0))
