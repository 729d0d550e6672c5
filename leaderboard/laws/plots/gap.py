"""Pictures of a comparison: the gap against scale (which of the three pictures it is), and both recipes' losses."""

from __future__ import annotations

import numpy as np

from curation.files import Json
from leaderboard.laws.difference.compare import Difference
from leaderboard.laws.difference.paired import Pairs, Points
from leaderboard.laws.law import Floats
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import UNITS
from leaderboard.laws.plots.parts import Record, Spec

COLOURS = {
    "keeps-winning": parts.GREEN,
    "needs-evidence": parts.YELLOW,
    "insufficient": parts.YELLOW,
    "small-model-trap": parts.ORANGE,
    "keeps-losing": parts.ORANGE,
}
"""The seeds' colours: green keeps winning, yellow needs evidence, red is the trap."""
STEPS = 80


def difference_spec(found: Difference) -> Spec:
    """Return the gap against scale above the losses of both recipes."""
    rows = [gap_panel(found)]
    if found.fitted.law is not None:
        rows.append(losses_panel(found))
    return parts.whole(rows)


def gap_panel(found: Difference) -> Spec:
    """Return measured gaps with intervals, held-out ones, the fitted gap with its band, and the forecast."""
    percent = 100.0 if found.pairs.scale == "log" else 1.0
    unit = "% of the loss" if found.pairs.scale == "log" else "loss"
    curve, band = _curve(found, percent)
    measured = _measured(found.pairs, percent, "measured") + (
        _measured(found.held_out, percent, "held out") if found.held_out is not None else []
    )
    target = _target(found, percent)
    everything = [*curve, *measured, target]
    x = parts.log_axis("C", UNITS["C"], [parts.number(row["C"]) for row in everything])
    reach = [parts.number(row[name]) for row in (*measured, target) for name in ("gap", "low", "high") if name in row]
    y = parts.plain_axis("gap", f"gap: baseline − candidate ({unit})", [0.0, *reach, *_shown(curve, reach)])
    span: dict[str, Json] = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "x": x}
    colour = COLOURS[found.verdict]
    layers = []
    if band:
        layers.append(parts.layer(band, {"type": "area", "color": colour, "opacity": 0.2, "clip": True}, **span))
    layers += [
        parts.rule(0.0, "gap"),
        parts.layer(curve, {"type": "line", "color": colour, "strokeWidth": 2.5, "clip": True}, x=x, y=y),
        parts.layer([row for row in measured if "low" in row], {"type": "rule", "color": "#555555"}, **span),
    ]
    shapes = _shapes()
    points: dict[str, Json] = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    if "low" in target:
        layers.append(parts.layer([target], {"type": "rule", "color": colour, "strokeWidth": 2}, **span))
    layers.append(parts.layer([*measured, target], points, x=x, y=y, **shapes))
    subtitle = [f"verdict: {found.verdict}; above 0 the candidate is better; line: average of the models, band: 95 %"]
    if found.gate.error is not None:
        error, allowed = found.gate.error * percent, found.gate.allowed * percent
        subtitle.append(f"held-out error of the difference {error:.3g}, allowed {allowed:.3g} (half the claimed gap)")
    return parts.panel(
        f"Gap against scale: {found.asked.candidate} against {found.asked.baseline}", layers, subtitle=subtitle
    )


def losses_panel(found: Difference) -> Spec:
    """Return the losses of both recipes against compute, with the shared law along the forecast's ratio."""
    law = found.fitted.law
    assert law is not None
    names = [found.asked.baseline, found.asked.candidate]
    ray = _ray(found)
    base = np.exp(law.log_loss(law.theta[None], ray)[0])
    change = found.fitted.value(ray)
    cand = base * np.exp(change) if found.pairs.scale == "log" else base + change
    lines = [*parts.series(C=ray.flops, L=base, series=names[0]), *parts.series(C=ray.flops, L=cand, series=names[1])]
    points: list[Record] = []
    for pairs, kind in ((found.pairs, "measured"), (found.held_out, "held out")):
        if pairs is not None:
            for values, name in ((pairs.baseline, names[0]), (pairs.candidate, names[1])):
                loss = np.exp(values) if pairs.scale == "log" else values
                points += parts.series(C=pairs.points.flops, L=loss, series=name, kind=kind)
    x = parts.log_axis("C", UNITS["C"], [parts.number(row["C"]) for row in (*lines, *points)])
    y = parts.loss_axis("L", "loss L", [parts.number(row["L"]) for row in (*lines, *points)])
    colour = parts.colours(names, "recipe")
    kinds: dict[str, Json] = {"domain": ["measured", "held out"], "range": ["circle", "diamond"]}
    shape = {**_shapes()["shape"], "scale": kinds, "legend": {"title": "runs"}}
    layers = [
        parts.layer(lines, {"type": "line", "strokeWidth": 2}, x=x, y=y, color=colour),
        parts.layer(points, {"type": "point", "size": 50, "filled": True}, x=x, y=y, color=colour, shape=shape),
    ]
    subtitle = ["lines: shared law at the target's tokens per parameter; other ratios lie above it"]
    if np.isnan(found.target.sizes).any():
        subtitle = ["lines: shared law of both recipes"]
    return parts.panel("Loss against compute", layers, subtitle=subtitle)


def _shapes() -> dict[str, dict[str, Json]]:
    kinds: list[Json] = ["measured", "held out", "forecast"]
    legend: Json = {"title": "runs"}
    return {
        "shape": {
            "field": "kind",
            "type": "nominal",
            "scale": {"domain": kinds, "range": ["circle", "diamond", "triangle-up"]},
            "legend": legend,
        },
        "color": {
            "field": "kind",
            "type": "nominal",
            "scale": {"domain": kinds, "range": [parts.BLUE, parts.PINK, parts.BLACK]},
            "legend": legend,
        },
    }


def _ray(found: Difference) -> Points:
    """Return places from the smallest pair to the target (or largest pair), at the target's tokens per parameter."""
    flops = [*found.pairs.points.flops, float(np.squeeze(found.target.flops))]
    grid = np.geomspace(min(flops), max(flops), STEPS)
    share = np.sqrt(grid / found.target.flops)
    return Points(sizes=found.target.sizes * share, tokens=found.target.tokens * share, flops=grid)


def _curve(found: Difference, percent: float) -> tuple[list[Record], list[Record]]:
    ray = _ray(found)
    gap, band = -percent * found.fitted.value(ray), found.fitted.interval(ray)
    curve = parts.series(C=ray.flops, gap=gap)
    if band is None:
        return curve, []
    return curve, parts.series(C=ray.flops, low=-percent * band[1], high=-percent * band[0])


def _measured(pairs: Pairs, percent: float, kind: str) -> list[Record]:
    from curation.numerics import t_critical

    columns: dict[str, Floats | str] = {"C": pairs.points.flops, "gap": -percent * pairs.delta, "kind": kind}
    if pairs.noise is not None and pairs.noise.value > 0:
        half = percent * t_critical(pairs.noise.degrees) * np.sqrt(pairs.noise.value * pairs.share)
        columns |= {"low": -percent * pairs.delta - half, "high": -percent * pairs.delta + half}
    return parts.series(**columns)


def _target(found: Difference, percent: float) -> Record:
    record: Record = {
        "C": float(np.squeeze(found.target.flops)),
        "gap": -percent * found.delta.value,
        "kind": "forecast",
    }
    if found.delta.interval is not None:
        record |= {"low": -percent * found.delta.interval[1], "high": -percent * found.delta.interval[0]}
    return record


def _shown(curve: list[Record], reach: list[float]) -> list[float]:
    """Return the ends of the curve that do not dwarf the measured gaps."""
    span = max(reach) - min(reach) or 1.0
    values = [parts.number(row["gap"]) for row in curve]
    return [value for value in values if min(reach) - span <= value <= max(reach) + span]
