"""IsoFLOP valleys: the loss of every budget against size, its parabola, and the lowest point."""

from __future__ import annotations

import numpy as np

from curation.files import Json
from leaderboard.laws.law import Fit, Floats
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import UNITS
from leaderboard.laws.plots.parts import Record, Spec
from leaderboard.laws.valleys import Budget, budgets

STEPS = 40
MAX_RUNS = 600
"""Points drawn of all budgets together."""


def valleys_panel(fitted: Fit, quantity: str) -> Spec:
    """Return the runs of each budget over N (or D), a parabola a budget, and the minima that the fit kept."""
    columns = fitted.data.columns
    groups = budgets(columns["C"], columns[quantity], columns["L"])
    rows: list[Record] = []
    lines: list[Record] = []
    for group in groups:
        places = np.unique(np.linspace(0, len(group.x) - 1, min(len(group.x), MAX_RUNS // len(groups) + 3)).astype(int))
        rows += parts.series(x=group.x[places], L=group.loss[places], size=group.flops)
        curve = _parabola(group)
        if curve is not None:
            lines += parts.series(x=curve[0], L=curve[1], size=group.flops, level=f"{group.flops:.6g}")
    minima = _minima(fitted, quantity)
    x = parts.log_axis("x", UNITS[quantity], [parts.number(row["x"]) for row in rows])
    y = parts.loss_axis("L", UNITS["L"], [parts.number(row["L"]) for row in rows])
    colour = parts.sizes_colour([group.flops for group in groups], "budget C (FLOPs)")
    detail: dict[str, Json] = {"field": "level", "type": "nominal"}
    star: dict[str, Json] = {"type": "point", "shape": "diamond", "filled": True, "size": 90, "color": parts.ORANGE}
    layers = [
        parts.layer(lines, {"type": "line", "clip": True}, x=x, y=y, color=colour, detail=detail),
        parts.layer(rows, {"type": "point", "filled": True, "size": 40, "opacity": 0.9}, x=x, y=y, color=colour),
        parts.layer(minima, {**star, "opacity": 1}, x=x, y=y),
    ]
    dropped = len(groups) - len(minima)
    told = (
        f"lines: parabolas; diamonds: lowest point of each budget's valley; {dropped} of {len(groups)} budgets left out"
    )
    return parts.panel(f"IsoFLOP valleys over {quantity}", layers, subtitle=[told])


def optima(fitted: Fit, quantity: str) -> list[Record]:
    """Return the kept optimum of each budget against its compute."""
    return [{"x": row["flops"], "y": row["x"]} for row in _minima(fitted, quantity)]


def _minima(fitted: Fit, quantity: str) -> list[Record]:
    told = fitted.details.get(quantity)
    found: list[Record] = []
    for item in told if isinstance(told, list) else []:
        if isinstance(item, dict) and not item["reason"] and item["lowest"] is not None and item["loss"] is not None:
            found.append({"x": item["lowest"], "L": item["loss"], "flops": item["flops"]})
    return found


def _parabola(group: Budget) -> tuple[Floats, Floats] | None:
    """Return the least-squares parabola in log10 X over the budget's runs; None for fewer than three sizes."""
    if len(np.unique(group.x)) < 3:
        return None
    logs = np.log10(group.x)
    curve = np.polynomial.Polynomial.fit(logs, group.loss, 2)
    grid = np.linspace(logs.min(), logs.max(), STEPS)
    return np.asarray(10**grid), np.asarray(curve(grid))
