"""`fit_spec`: the pictures that suit a law, above the checks that suit every law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.laws.law import Fit, Prediction
from leaderboard.laws.plots import parts
from leaderboard.laws.plots.checks import actual_panel, exponents_panel, residuals_panel
from leaderboard.laws.plots.curves import line_panel, optimum_panel, scale_panel
from leaderboard.laws.plots.joined import joined_panel
from leaderboard.laws.plots.parts import Spec
from leaderboard.laws.plots.valleys import optima, valleys_panel

JOINED = (("step", "curve"), ("B", "N"))
"""Laws of curves (loss over steps, steps over batch size): what lies across, and what a curve is of."""


def fit_spec(fitted: Fit, predictions: Sequence[Prediction] = (), *, exponents: bool = True) -> Spec:
    """Return the whole picture of a fit: the law with its runs, residuals, predicted against actual, intervals."""
    rows: list[Spec | Sequence[Spec]] = [*law_panels(fitted, predictions)]
    rows.append([residuals_panel(fitted), actual_panel(fitted)])
    intervals = exponents_panel(fitted) if exponents else None
    return parts.whole([*rows, intervals] if intervals is not None else rows)


def law_panels(fitted: Fit, predictions: Sequence[Prediction] = ()) -> list[Spec]:
    """Return what shows the law itself: valleys and optima, curves against compute, or a curve over its only input."""
    card, columns = fitted.law.card, fitted.data.columns
    if card.name in ("isoflop", "envelope"):
        found = []
        for quantity in (name for name in ("N", "D") if name in columns):
            known = card.name == "isoflop"
            if known:
                found.append(valleys_panel(fitted, quantity))
            shown = predictions if quantity == "N" else ()
            found.append(optimum_panel(fitted, quantity, optima(fitted, quantity) if known else [], shown))
        return found
    for name, group in JOINED:
        if {name, group, card.target} <= set(columns) and len(fitted.observed) == fitted.data.n:
            return [joined_panel(fitted, name, group)]
    if card.predicts or card.target not in columns:
        return []
    inputs = [name for name in columns if name != card.target and len(np.unique(columns[name])) > 1]
    if {"N", "D"} <= set(inputs) and len(fitted.observed) == fitted.data.n:
        return [scale_panel(fitted, predictions)]
    if len(inputs) == 1 and fitted.data.labels.get(inputs[0]) is None and len(columns) == 2:
        return [line_panel(fitted, inputs[0], predictions)]
    return []
