"""Points of training: what a tokenizer arm and every side of an optimizer study are trained with.

An optimizer is fair only at a rate and a batch that suit it, so every side (the base and each arm) is trained at
several of both: all pairs of its multipliers. The centre of a side carries the side's name; the others are called after
what differs, `muon.lr0.5-b2`. The base has the batches of every arm that changes the optimizer itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.errors import nearest
from leaderboard.studies.kinds import Sweep
from leaderboard.studies.training_change import TrainingChange
from train.optimizer_names import OPTIMIZERS
from train.tier_changes import SETTINGS
from train.tier_names import number_text

RATES, BATCHES = "learning_rate_multiplier", "batch_multiplier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a side; None trains as the tier says."""

    name: str
    centre: bool
    training: TrainingChange | None


def sweep_faults(place: str, settings: Mapping[str, Any], sweep: Sweep | None) -> list[str]:
    """Return what is wrong with the settings of an optimizer arm."""
    faults = []
    least = {RATES: sweep.min_learning_rates, BATCHES: sweep.min_batches} if sweep else {}
    for key, value in settings.items():
        if key in (RATES, BATCHES):
            faults += _multiplier_faults(f"{place}.{key}", value, least.get(key, 1))
        elif key not in SETTINGS:
            hint = nearest(key, [RATES, BATCHES, *SETTINGS])
            faults.append(f"{place}.{key}: unknown setting of an optimizer; {hint}")
        elif not _is_number(value):
            faults.append(f"{place}.{key}: {value!r}, expected a number; write one")
    return faults


def _multiplier_faults(place: str, value: object, least: int) -> list[str]:
    values: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(_is_number(item) and item > 0 for item in values):
        return [f"{place}: {value!r}, expected numbers above 0, for example [0.5, 1, 2]"]
    if len(set(values)) < len(values):
        return [f"{place}: {value!r} names a number twice; name each once"]
    if len(values) < least:
        return [
            f"{place}: {len(values)} of them, expected at least {least} (protocol optimizer, `curate study kinds "
            f"optimizer`): one point may happen to suit one side; add some or leave the key out"
        ]
    return []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def arm_points(arm: str, change: Mapping[str, Any], sweep: Sweep, default_optimizer: str) -> list[Point]:
    """Return the points of one optimizer arm, its centre first; the tier's own optimizer is not named again."""
    named = str(change["optimizer"])
    settings = tuple(sorted((key, float(change[key])) for key in change if key in SETTINGS))
    return _grid(
        arm,
        _multipliers(change.get(RATES), sweep.learning_rate_multipliers),
        _multipliers(change.get(BATCHES), sweep.batch_multipliers),
        TrainingChange(optimizer=None if named == default_optimizer else named, settings=settings),
    )


def base_points(base: str, arms: Sequence[Mapping[str, Any]], sweep: Sweep, default_optimizer: str) -> list[Point]:
    """Return the points of the base: the protocol's rates, at its batches and at those of arms that it must meet."""
    batches = set(sweep.batch_multipliers)
    for change in arms:
        if str(change["optimizer"]) != default_optimizer or any(key in SETTINGS for key in change):
            batches |= set(_multipliers(change.get(BATCHES), sweep.batch_multipliers))
    return _grid(base, sweep.learning_rate_multipliers, tuple(sorted(batches)), TrainingChange())


def unknown_optimizer(place: str, change: Mapping[str, Any]) -> str | None:
    """Return the fault of an optimizer that is not registered."""
    name = str(change["optimizer"])
    if name in OPTIMIZERS:
        return None
    return f"{place}.optimizer: unknown `{name}`, expected one of {', '.join(OPTIMIZERS)}; {nearest(name, OPTIMIZERS)}"


def _multipliers(value: object, default: Sequence[float]) -> tuple[float, ...]:
    if value is None:
        return tuple(default)
    values: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    return tuple(sorted(float(item) for item in values))


def _grid(side: str, rates: Sequence[float], batches: Sequence[float], change: TrainingChange) -> list[Point]:
    from dataclasses import replace

    centre = (_centre(rates), _centre(batches))
    points = []
    for rate, batch in sorted(((rate, batch) for rate in rates for batch in batches), key=lambda one: one != centre):
        made = replace(change, learning_rate_multiplier=rate, batch_multiplier=batch)
        own = (rate, batch) == centre
        training = None if made == TrainingChange() else made
        points.append(Point(name=side if own else f"{side}.{_suffix(rate, batch)}", centre=own, training=training))
    return points


def _centre(values: Sequence[float]) -> float:
    """Return 1 where it is among them, else the middle one, the lower of two."""
    return 1.0 if 1.0 in values else sorted(values)[(len(values) - 1) // 2]


def _suffix(rate: float, batch: float) -> str:
    parts = [f"lr{number_text(rate)}"] if rate != 1 or batch == 1 else []
    return "-".join([*parts, *([f"b{number_text(batch)}"] if batch != 1 else [])])
