"""What makes a fit doubtful: dropped rows, few sizes, parameters at bounds, ridges, extrapolation beyond 100x."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from leaderboard.laws.law import Data, Estimate, Law
from leaderboard.laws.levels import groups_of

MIN_SIZES = 3
MIN_UNITS = 5
"""Of a bootstrap: with three, one resample in nine is a single unit drawn three times."""
MAX_EXTRAPOLATION = 100.0
SAME_DIRECTION = 0.995


def all_warnings(
    law: Law, data: Data, *, estimate: Estimate, params: Mapping[str, float], held_out: Data | None
) -> tuple[str, ...]:
    """Return every warning of a fit, in the order a reader needs them."""
    found = [*data.notes]
    total = sum(data.dropped.values())
    if total:
        reasons = "; ".join(f"{count} where {reason}" for reason, count in data.dropped.items())
        found.append(f"dropped {total} rows: {reasons}")
    found += few_sizes(law, data)
    found += moving_together(law, data)
    found += estimate.warnings
    found += at_bounds(law, params)
    if held_out is not None:
        for name in (*law.card.sizes, "C"):
            if name in held_out.columns and name in data.columns:
                found += _beyond(data, name, float(held_out.columns[name].max()), what="held-out rows")
    return tuple(dict.fromkeys(found))


def few_sizes(law: Law, data: Data) -> list[str]:
    """Return a warning for each size variable with fewer than three distinct values."""
    found = []
    for name in law.card.sizes:
        if name in data.columns:
            num = num_sizes(data, name)
            if num < MIN_SIZES:
                found.append(
                    f"only {num} distinct values of {name}, expected at least {MIN_SIZES}: no trend can be told"
                )
    return found


def moving_together(law: Law, data: Data) -> list[str]:
    """Return a warning where the sizes of a law in N and D move as one, so that its two terms look alike."""
    names = [name for name in law.card.sizes if name in data.columns]
    if len(names) < 2 or names[:2] != ["N", "D"] or min(num_sizes(data, name) for name in names[:2]) < MIN_SIZES:
        return []
    correlation = float(np.corrcoef(np.log(data.columns["N"]), np.log(data.columns["D"]))[0, 1])
    if abs(correlation) < SAME_DIRECTION:
        return []
    return [
        f"flat ridge: N and D move together (correlation of logarithms {correlation:.4f}), so the terms of N and of D "
        "are not identified apart; vary the tokens per parameter"
    ]


def num_sizes(data: Data, name: str) -> int:
    """Return how many values of a variable differ by more than 2 %, counted upwards from the lowest."""
    return len(groups_of(np.unique(data.columns[name])))


def few_units(data: Data, draws: int) -> tuple[str, ...]:
    """Return a warning when the bootstrap draws fewer than five units: its intervals then mean little."""
    num = len(np.unique(data.groups))
    if not draws or num >= MIN_UNITS:
        return ()
    return (
        f"the bootstrap draws {num} units (`run`), expected at least {MIN_UNITS}: its intervals are not to be trusted; "
        "add runs, or use --bootstrap 0",
    )


def at_bounds(law: Law, params: Mapping[str, float]) -> list[str]:
    """Return a warning for each parameter at or beyond the range in which the law makes sense."""
    found = []
    for parameter in law.card.params:
        value = params.get(parameter.name)
        if value is not None and np.isnan(value):
            found.append(f"{parameter.name} is undefined: it needs exponents above 0")
        elif value is not None and not parameter.low < value < parameter.high:
            found.append(
                f"{parameter.name} = {value:.4g} is at a bound (sensible: {parameter.low:g} to {parameter.high:g}); "
                "do not extrapolate with this fit"
            )
    return found


def extrapolations(law: Law, data: Data, inputs: Mapping[str, float]) -> tuple[str, ...]:
    """Return a warning for each input more than 100 times beyond the fitted range."""
    found: list[str] = []
    for name, value in inputs.items():
        if name in data.columns:
            found += _beyond(data, name, value, what="prediction")
        elif name == "C" and {"N", "D"} <= set(data.columns):
            flops = 6 * data.columns["N"] * data.columns["D"]
            found += _text(name, value, low=float(flops.min()), high=float(flops.max()), what="prediction")
    return tuple(found)


def _beyond(data: Data, name: str, value: float, *, what: str) -> list[str]:
    values = data.columns[name]
    return _text(name, value, low=float(values.min()), high=float(values.max()), what=what)


def _text(name: str, value: float, *, low: float, high: float, what: str) -> list[str]:
    if low <= 0 or low / MAX_EXTRAPOLATION <= value <= high * MAX_EXTRAPOLATION:
        return []
    factor = value / high if value > high else low / value
    return [
        f"{what}: {name} = {value:.3g} is {factor:,.0f}x beyond the fitted range {low:.3g} to {high:.3g}; "
        f"beyond {MAX_EXTRAPOLATION:.0f}x no law has been checked"
    ]
