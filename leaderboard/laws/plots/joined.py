"""Several measured curves with fitted values as lines: loss over steps by schedule, steps over batch size by size."""

from __future__ import annotations

import numpy as np

from curation.files import Json
from leaderboard.laws.law import Fit
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import UNITS, axis_of
from leaderboard.laws.plots.parts import Record, Spec

MAX_CURVES = 8
ROWS = 1_200
"""Points of all curves together, and of all lines."""


def joined_panel(fitted: Fit, name: str, group: str) -> Spec:
    """Return observed values and fitted lines over `name`, a colour for each value of `group` (at most 8 are shown)."""
    columns, target = fitted.data.columns, fitted.law.card.target
    values = np.unique(columns[group])
    shown = values[np.unique(np.linspace(0, len(values) - 1, min(MAX_CURVES, len(values))).astype(int))]
    labels = fitted.data.labels.get(group)
    points: list[Record] = []
    lines: list[Record] = []
    names = []
    for value in shown.tolist():
        label = labels[int(value)] if labels else f"{group} = {value:.3g}"
        names.append(label)
        mine = np.flatnonzero(columns[group] == value)
        mine = mine[np.argsort(columns[name][mine], kind="stable")]
        places = np.unique(np.linspace(0, len(mine) - 1, min(len(mine), ROWS // len(shown))).astype(int))
        rows = mine[places]
        points += parts.series(x=columns[name][rows], y=fitted.observed[rows], series=label)
        lines += parts.series(x=columns[name][rows], y=fitted.expected[rows], series=label)
    heights = [parts.number(row["y"]) for row in (*points, *lines)]
    x = axis_of(name, "x", [parts.number(row["x"]) for row in points])
    y = parts.loss_axis("y", UNITS.get(target, target), heights)
    colour = parts.colours(names, group)
    mark: dict[str, Json] = {"type": "point", "filled": True, "size": 24, "opacity": 0.6}
    layers = [
        parts.layer(points, mark, x=x, y=y, color=colour),
        parts.layer(lines, {"type": "line", "strokeWidth": 2}, x=x, y=y, color=colour),
    ]
    told = f"points: measured, lines: fitted; {len(shown)} of {len(values)} curves"
    return parts.panel(f"{fitted.law.card.name}: {fitted.law.card.title}", layers, subtitle=[told])
