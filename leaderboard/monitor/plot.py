"""Picture of a monitor: losses against compute with each new run's band, distances in sigma, best sizes of budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curation.errors import InsufficientError
from curation.files import Json
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import UNITS
from leaderboard.laws.plots.parts import Record, Spec
from leaderboard.monitor.watch import Watched

NAMES = ("earlier run", "inside", "above", "below")
COLOURS = (parts.GREY, parts.GREEN, parts.ORANGE, parts.BLUE)


def monitor_spec(found: Watched) -> Spec:
    """Return what was found as one Vega-Lite spec.

    Raises: InsufficientError when nothing can be drawn.
    """
    panels = []
    if found.band is not None:
        panels += [_losses(found), _distances(found)]
    if found.valleys and any(one.lowest for one in found.valleys.budgets):
        panels.append(_valleys(found))
    if not panels:
        raise InsufficientError("--plot: insufficient: neither a band nor a valley to draw; see the warnings")
    return parts.whole(panels)


def _earlier(found: Watched) -> list[Record]:
    assert found.band is not None
    rows = found.rows.keep(~found.rows.is_new)
    sigmas = found.band.residuals.values / found.band.residuals.sigma
    return parts.series(C=rows.compute, loss=rows.columns["L"], sigmas=sigmas, series="earlier run")


def _new(found: Watched) -> list[Record]:
    points = found.judged.points if found.judged else ()
    return [
        {
            "C": point.compute,
            "loss": point.observed,
            "low": point.low,
            "high": point.high,
            "sigmas": point.sigmas,
            "series": point.state,
        }
        for point in points
    ]


def _losses(found: Watched) -> Spec:
    assert found.band is not None
    earlier, new = _earlier(found), _new(found)
    x = parts.log_axis("C", UNITS["C"], _values([*earlier, *new], "C"))
    y = parts.loss_axis(
        "loss", "loss", [*_values([*earlier, *new], "loss"), *_values(new, "low"), *_values(new, "high")]
    )
    span: dict[str, Json] = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    layers = [
        parts.layer(new, {"type": "rule", "color": parts.SKY, "strokeWidth": 6, "opacity": 0.5}, **span),
        _points([*earlier, *new], x, y),
    ]
    law = found.band.fitted.law.card.name
    return parts.panel(f"Loss against compute: {law}", layers, subtitle=_subtitle(found))


def _distances(found: Watched) -> Spec:
    assert found.band is not None
    earlier, new = _earlier(found), _new(found)
    critical = found.band.critical
    x = parts.log_axis("C", UNITS["C"], _values([*earlier, *new], "C"))
    y = parts.plain_axis(
        "sigmas", "distance from the law (sigma)", [-critical, critical, *_values([*earlier, *new], "sigmas")]
    )
    rules = [
        parts.rule(value, "sigmas", colour)
        for value, colour in ((-critical, parts.SKY), (0.0, parts.BLACK), (critical, parts.SKY))
    ]
    return parts.panel("Residuals, with the edges of the band", [*rules, _points([*earlier, *new], x, y)], height=200)


def _valleys(found: Watched) -> Spec:
    assert found.valleys is not None
    rows = [one for one in found.valleys.budgets if one.lowest is not None]
    best: list[Record] = [
        {"C": one.flops, "N": one.lowest, "series": "above" if one.state == "valley-moved" else "inside"}
        for one in rows
    ]
    path: list[Record] = [{"C": one.flops, "N": one.path} for one in rows if one.path is not None]
    x = parts.log_axis("C", UNITS["C"], _values(best, "C"))
    y = parts.log_axis("N", "best size N* (parameters)", [*_values(best, "N"), *_values(path, "N")])
    layers = [
        parts.layer(path, {"type": "line", "color": parts.BLACK, "strokeDash": [4, 3]}, x=x, y=y),
        _points(best, x, y),
    ]
    return parts.panel("IsoFLOP valleys and the path of the other budgets", layers, height=220)


def _points(rows: Sequence[Record], x: Json, y: Json) -> Spec:
    mark: dict[str, Json] = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    return parts.layer(rows, mark, x=x, y=y, color=parts.colours(NAMES, "run", COLOURS))


def _subtitle(found: Watched) -> list[str]:
    return [f"{flag.kind}: {flag.where}"[:110] for flag in found.flags][:4] or ["nothing is flagged"]


def _values(rows: Sequence[Record], name: str) -> list[float]:
    found = [row.get(name) for row in rows]
    return [float(value) for value in found if isinstance(value, (int, float)) and np.isfinite(value)]
