"""The fitted law with its band beside the runs: against compute with a curve a size, or against its only input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curation.files import Json
from leaderboard.laws.law import Data, Fit, Floats, Prediction
from leaderboard.laws.levels import levels
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import UNITS, axis_of, thin
from leaderboard.laws.plots.parts import Record, Spec

MAX_CURVES = 8
STEPS = 40
PLAIN = {"N", "D", "C", "M", "run"}
"""Inputs that a curve a size can be drawn over; others (unique tokens, groups) differ from run to run."""


def scale_panel(fitted: Fit, predictions: Sequence[Prediction] = ()) -> Spec:
    """Return observed values against compute, with a curve and band a size, held-out rows and predictions."""
    target = fitted.law.card.target
    rows = _runs(fitted.data, target, "runs") + (
        _runs(fitted.held_out, target, "held out") if fitted.held_out is not None else []
    )
    is_plain = set(fitted.data.columns) - {target} <= PLAIN
    lines, bands = _curves(fitted) if is_plain else ([], [])
    ratio, ray = _ray(fitted, predictions) if is_plain else (0.0, [])
    expected = [] if lines else _fitted_marks(fitted)
    future = [row for item in predictions if (row := _predicted(item)) is not None]
    values = [parts.number(row["C"]) for row in (*rows, *lines, *ray, *future)]
    x = parts.log_axis("C", UNITS["C"], values)
    heights = [parts.number(row["y"]) for row in (*rows, *future)]
    axis = parts.loss_axis if min(heights) > 0 else parts.plain_axis
    y = axis("y", UNITS.get(target, target), heights)
    colour = parts.sizes_colour([parts.number(row["size"]) for row in rows], "parameters N")
    detail: dict[str, Json] = {"field": "level", "type": "nominal"}
    layers = []
    if bands:
        span: dict[str, Json] = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        area: dict[str, Json] = {"type": "area", "opacity": 0.18, "clip": True}
        layers.append(parts.layer(bands, area, color=colour, detail=detail, **span))
    if lines:
        layers.append(parts.layer(lines, {"type": "line", "clip": True}, x=x, y=y, color=colour, detail=detail))
    if ray:
        black: dict[str, Json] = {"type": "line", "color": parts.BLACK, "strokeDash": [6, 4], "clip": True}
        span = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        if "low" in ray[0]:
            layers.append(
                parts.layer(ray, {"type": "area", "opacity": 0.12, "color": parts.BLACK, "clip": True}, **span)
            )
        layers.append(parts.layer(ray, black, x=x, y=y))
    layers.append(parts.layer(rows, _POINT, x=x, y=y, color=colour, **_shape(fitted)))
    if expected:
        cross: dict[str, Json] = {"type": "point", "shape": "cross", "color": parts.BLACK, "size": 16, "opacity": 0.55}
        layers.append(parts.layer(expected, cross, x=x, y=y))
    layers += _future(future, x, y)
    told = (
        "curves: the law at each size (at most 8), bands: 95 % of the curve" if is_plain else "crosses: fitted values"
    )
    told += f"; dashed: {ratio:.3g} tokens a parameter" if ray else ""
    return _titled(fitted, layers, told)


def line_panel(fitted: Fit, name: str, predictions: Sequence[Prediction] = ()) -> Spec:
    """Return observed values against the law's only input, with the curve and its band to the farthest prediction."""
    target = fitted.law.card.target
    columns = fitted.data.columns
    ends = [*columns[name], *(item.inputs[name] for item in predictions if name in item.inputs)]
    if fitted.held_out is not None:
        ends += fitted.held_out.columns[name].tolist()
    low, high = min(ends), max(ends)
    spread = low > 0 and high > 3 * low
    grid = np.geomspace(low, high, 2 * STEPS) if spread else np.linspace(low, high, 2 * STEPS)
    value, lower, upper = fitted.curve({name: grid})
    line = parts.series(x=grid, y=value)
    band = parts.series(x=grid, low=lower, high=upper)
    rows = parts.series(x=thin(columns[name]), y=thin(columns[target]), kind="runs")
    if fitted.held_out is not None:
        rows += parts.series(x=fitted.held_out.columns[name], y=fitted.held_out.columns[target], kind="held out")
    future = [
        _with_interval({"x": item.inputs[name], "y": item.value}, item) for item in predictions if name in item.inputs
    ]
    x = axis_of(name, "x", [parts.number(row["x"]) for row in line])
    heights = [parts.number(row["y"]) for row in (*rows, *line, *future)]
    axis = parts.loss_axis if min(heights) > 0 and max(heights) > 1.5 * min(heights) else parts.plain_axis
    y = axis("y", UNITS.get(target, target), heights)
    layers = []
    if band:
        span: dict[str, Json] = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        area: dict[str, Json] = {"type": "area", "opacity": 0.2, "color": parts.BLUE, "clip": True}
        layers.append(parts.layer(band, area, **span))
    layers.append(parts.layer(line, {"type": "line", "color": parts.BLUE}, x=x, y=y))
    layers.append(parts.layer(rows, {**_POINT, "color": parts.BLACK}, x=x, y=y, **_shape(fitted)))
    layers += _future(future, x, y)
    return _titled(fitted, layers, "band: 95 % of the curve")


def optimum_panel(fitted: Fit, quantity: str, optima: Sequence[Record], predictions: Sequence[Prediction] = ()) -> Spec:
    """Return an optimum (N* or D*) against compute: the law's line with its band, and the optimum of each budget."""
    flops = [*fitted.data.columns["C"], *(item.inputs["C"] for item in predictions if "C" in item.inputs)]
    grid = np.geomspace(min(flops), max(flops), STEPS)

    def line_of(theta_SP: Floats) -> Floats:
        found = fitted.law.parameters(theta_SP)
        exponent, coefficient = found[f"{quantity}_exponent"], found[f"{quantity}_coefficient"]
        return np.asarray(coefficient[:, None] * grid[None] ** exponent[:, None])

    line = parts.series(x=grid, y=line_of(fitted.theta[None])[0])
    band: list[Record] = []
    if len(fitted.draws_SP):
        low, high = np.nanpercentile(line_of(fitted.draws_SP), [2.5, 97.5], axis=0)
        band = parts.series(x=grid, low=low, high=high)
    values = [parts.number(row["y"]) for row in (*line, *optima)]
    x, y = parts.log_axis("x", UNITS["C"], grid), parts.log_axis("y", f"optimal {UNITS[quantity]}", values)
    layers = []
    if band:
        span: dict[str, Json] = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        area: dict[str, Json] = {"type": "area", "opacity": 0.2, "color": parts.BLUE, "clip": True}
        layers.append(parts.layer(band, area, **span))
    layers.append(parts.layer(line, {"type": "line", "color": parts.BLUE}, x=x, y=y))
    if optima:
        layers.append(parts.layer(optima, {**_POINT, "color": parts.BLACK}, x=x, y=y))
    exponent = fitted.params[f"{quantity}_exponent"]
    told = [f"{quantity}* grows as C^{exponent:.3f}"]
    return parts.panel(f"{fitted.law.card.name}: optimal {UNITS[quantity]}", layers, subtitle=told)


def _titled(fitted: Fit, layers: Sequence[Spec], told: str) -> Spec:
    card = fitted.law.card
    return parts.panel(f"{card.name}: {card.title}", layers, subtitle=[card.formula, told])


_POINT: dict[str, Json] = {"type": "point", "filled": True, "size": 48, "opacity": 0.9}


def _shape(fitted: Fit) -> dict[str, Json]:
    """Return the channel that tells held-out rows apart; none without such rows."""
    if fitted.held_out is None:
        return {}
    kinds: dict[str, Json] = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["runs", "held out"], "range": ["circle", "diamond"]},
        "legend": {"title": "rows"},
    }
    return {"shape": kinds}


def _flops(data: Data) -> Floats:
    return data.columns["C"] if "C" in data.columns else 6 * data.columns["N"] * data.columns["D"]


def _runs(data: Data, target: str, kind: str) -> list[Record]:
    columns = data.columns
    return parts.series(C=thin(_flops(data)), y=thin(columns[target]), size=thin(columns["N"]), kind=kind)


def _fitted_marks(fitted: Fit) -> list[Record]:
    if len(fitted.expected) != fitted.data.n:
        return []
    return parts.series(C=thin(_flops(fitted.data)), y=thin(fitted.expected))


def _curves(fitted: Fit) -> tuple[list[Record], list[Record]]:
    """Return the law over the tokens of each size that was trained with several."""
    sizes, tokens = fitted.data.columns["N"], fitted.data.columns["D"]
    codes = levels(sizes)
    spans = []
    for code in range(codes.max() + 1):
        mine = codes == code
        low, high = float(tokens[mine].min()), float(tokens[mine].max())
        if high > 1.05 * low:
            spans.append((float(np.exp(np.mean(np.log(sizes[mine])))), low, high))
    if len(spans) > MAX_CURVES:
        spans = [spans[place] for place in np.linspace(0, len(spans) - 1, MAX_CURVES).astype(int)]
    paths = [(np.full(STEPS, size), np.geomspace(low, high, STEPS)) for size, low, high in spans]
    lines: list[Record] = []
    bands: list[Record] = []
    for number, (n, d) in enumerate(paths):
        value, low_N, high_N = fitted.curve({"N": n, "D": d})
        flops, level = 6 * n * d, str(number)
        lines += parts.series(C=flops, size=n, level=level, y=value)
        bands += parts.series(C=flops, size=n, level=level, low=low_N, high=high_N)
    return lines, bands


def _ray(fitted: Fit, predictions: Sequence[Prediction]) -> tuple[float, list[Record]]:
    """Return the law along one ratio of tokens to parameters: the first prediction's, else the commonest of few sizes.

    Empty where most sizes have a curve of their own and nothing is predicted.
    """
    sizes, tokens = fitted.data.columns["N"], fitted.data.columns["D"]
    targets = [item.inputs for item in predictions if {"N", "D"} <= set(item.inputs)]
    codes = levels(sizes)
    single = sum(
        bool(np.ptp(tokens[codes == code]) <= 0.05 * tokens[codes == code].min()) for code in set(codes.tolist())
    )
    if not targets and 2 * single < codes.max() + 1:
        return 0.0, []
    ratio = targets[0]["D"] / targets[0]["N"] if targets else float(np.exp(np.median(np.log(tokens / sizes))))
    held = fitted.held_out.columns["N"].tolist() if fitted.held_out is not None else []
    ends = [float(sizes.min()), float(sizes.max()), *held, *(one["N"] for one in targets)]
    n = np.geomspace(min(ends), max(ends), STEPS)
    value, low, high = fitted.curve({"N": n, "D": ratio * n})
    if not len(fitted.draws_SP):
        return ratio, parts.series(C=6 * ratio * n**2, y=value)
    return ratio, parts.series(C=6 * ratio * n**2, y=value, low=low, high=high)


def _predicted(item: Prediction) -> Record | None:
    given = dict(item.inputs)
    if "C" not in given and {"N", "D"} <= set(given):
        given["C"] = 6 * given["N"] * given["D"]
    return _with_interval({"C": given["C"], "y": item.value}, item) if "C" in given else None


def _with_interval(record: Record, item: Prediction) -> Record:
    if item.interval is None:
        return record
    return {**record, "low": item.interval[0], "high": item.interval[1]}


def _future(rows: Sequence[Record], x: dict[str, Json], y: dict[str, Json]) -> list[Spec]:
    """Return predictions as triangles with their intervals."""
    if not rows:
        return []
    span: dict[str, Json] = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    known = [row for row in rows if "low" in row]
    mark: dict[str, Json] = {"type": "point", "shape": "triangle-up", "filled": True, "size": 90, "color": parts.ORANGE}
    layers = [parts.layer(known, {"type": "rule", "color": parts.ORANGE, "strokeWidth": 2}, **span)] if known else []
    return [*layers, parts.layer(rows, mark, x=x, y=y)]
