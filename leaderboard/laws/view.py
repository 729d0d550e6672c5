"""A fit for people (tables) and for programs (one JSON object)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.files import Json
from leaderboard.laws.law import Card, Fit, Prediction

if TYPE_CHECKING:
    from rich.console import Console


def fit_json(fitted: Fit, predictions: Sequence[Prediction], notes: Sequence[str]) -> dict[str, Json]:
    """Return the fit as JSON; numbers that do not exist are null. `dropped` counts rows, `warnings` says why.

    `details` holds what this law tells beyond the others, and `se`: the bootstrap's standard deviations.
    The interval of a parameter that is not identified is [null, null].
    """
    extra: dict[str, Json] = {**fitted.details, **({"se": dict(fitted.se)} if fitted.se else {})}
    details = {"details": _sound(extra)} if extra else {}
    return {
        "law": fitted.law.card.name,
        "n": fitted.data.n,
        "dropped": sum(fitted.data.dropped.values()),
        "params": {name: number_json(value) for name, value in fitted.params.items()},
        "ci95": {name: [number_json(low), number_json(high)] for name, (low, high) in fitted.ci95.items()},
        "objective": number_json(fitted.objective),
        "r2": number_json(fitted.r2),
        "warnings": [*fitted.warnings, *notes],
        "predictions": [
            {
                "inputs": dict(item.inputs),
                "value": number_json(item.value),
                "interval": [number_json(end) for end in item.interval] if item.interval else None,
                **({"of": item.of} if item.of else {}),
            }
            for item in predictions
        ],
        "holdout": {
            "n": fitted.holdout.n,
            "mean_relative_error": number_json(fitted.holdout.mean_relative_error),
        },
        **details,
    }


def card_json(card: Card) -> dict[str, Json]:
    """Return what a law is as JSON."""
    return {
        "name": card.name,
        "title": card.title,
        "formula": card.formula,
        "source": card.source,
        "target": card.target,
        "variables": [
            {"name": v.name, "unit": v.unit, "meaning": v.meaning, "required": v.required} for v in card.variables
        ],
        "params": [{"name": p.name, "meaning": p.meaning} for p in card.params],
        "losses": list(card.losses),
        "delta": card.delta,
        "options": [{"name": o.name, "meaning": o.meaning, "choices": list(o.choices)} for o in card.options],
    }


def draw_fit(console: Console, fitted: Fit, *, predictions: Sequence[Prediction], notes: Sequence[str]) -> None:
    """Draw parameters with intervals, quality, predictions and warnings."""
    from rich.markup import escape
    from rich.table import Table

    card = fitted.law.card
    console.print(f"{card.name}: {card.formula}", style="bold", markup=False)
    meanings = {parameter.name: parameter.meaning for parameter in card.params}
    table = Table("parameter", "value", "95 % interval", "meaning")
    for name, value in fitted.params.items():
        interval = fitted.ci95.get(name)
        if fitted.details and interval is None and name not in meanings:
            continue  # told among the details
        shown = _span(interval) if interval else ""
        table.add_row(escape(name), _text(value), shown, meanings.get(name, ""))
    console.print(table)
    dropped = sum(fitted.data.dropped.values())
    quality = f"{fitted.data.n} rows ({dropped} dropped)"
    if fitted.law.is_regression:
        quality += f", objective {fitted.objective:.6g}, r2 {fitted.r2:.4f}"
    console.print(quality, markup=False)
    if fitted.holdout.mean_relative_error is not None:
        error = 100 * fitted.holdout.mean_relative_error
        console.print(f"held-out error: {error:.2f} % of the value, mean over {fitted.holdout.n} rows", markup=False)
    if predictions:
        _draw_predictions(console, card, predictions)
    for name, part in fitted.details.items():
        _draw_detail(console, name, part)
    for warning in (*fitted.warnings, *notes):
        console.print(f"warning: {warning}", style="yellow", markup=False)


def _draw_predictions(console: Console, card: Card, predictions: Sequence[Prediction]) -> None:
    from rich.table import Table

    table = Table("at", f"predicted {card.predicts or card.target}", "95 % interval")
    for item in predictions:
        at = ", ".join(f"{name} = {value:.4g}" for name, value in item.inputs.items())
        interval = _span(item.interval) if item.interval else "not asked"
        table.add_row(at, f"{item.of} = {_text(item.value)}" if item.of else _text(item.value), interval)
    console.print(table)


def _span(interval: tuple[float, float]) -> str:
    return f"{_text(interval[0])} to {_text(interval[1])}" if not math.isnan(interval[0]) else "not identified"


def draw_cards(console: Console, cards: Sequence[Card]) -> None:
    """Draw what each law is and needs."""
    for card in cards:
        console.print(f"{card.name}: {card.title}", style="bold", markup=False)
        console.print(f"  {card.formula}", markup=False)
        for variable in card.variables:
            optional = "" if variable.required else " (optional)"
            console.print(f"  {variable.name}{optional}: {variable.meaning}, in {variable.unit}", markup=False)
        gives = "; ".join(f"{p.name} ({p.meaning})" for p in card.params)
        console.print(f"  gives: {gives}", markup=False)
        if card.losses:
            console.print(f"  loss functions: {', '.join(card.losses)} (delta {card.delta:g})", markup=False)
        for option in card.options:
            choices = f": {' | '.join(option.choices)}" if option.choices else f": {option.default}"
            console.print(f"  option {option.name}{choices}; {option.meaning}", markup=False)
        console.print(f"  source: {card.source}\n", markup=False)
    console.print("next: curate fit LAW FILE.csv --map N=column,D=column,L=column", style="dim", markup=False)


def _draw_detail(console: Console, name: str, part: Json) -> None:
    """Draw records of equal keys as a table, anything else as one line."""
    from rich.markup import escape
    from rich.table import Table

    rows = part.items() if isinstance(part, dict) else enumerate(part, 1) if isinstance(part, list) else ()
    records = {str(key): row for key, row in rows if isinstance(row, dict)}
    if not records or len(records) < len(list(part)):  # type: ignore[arg-type]
        console.print(f"{name}: {_words(part)}", markup=False)
        return
    keys = list(dict.fromkeys(key for row in records.values() for key in row))
    table = Table(name.replace("_", " "), *(key.replace("_", " ") for key in keys))
    for key, row in records.items():
        table.add_row(escape(key), *(escape(_words(row.get(column))) for column in keys))
    console.print(table)


def _words(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        is_range = len(value) == 2 and all(isinstance(part, float) for part in value)
        return (" to " if is_range else ", ").join(_words(part) for part in value)
    return _text(value) if isinstance(value, float) else "" if value is None else str(value)


def _sound(value: Json) -> Json:
    """Return JSON without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _sound(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_sound(part) for part in value]
    return number_json(value) if isinstance(value, float) else value


def number_json(value: float | None) -> float | None:
    """Return a number for JSON: null for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _text(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:.4g}"
