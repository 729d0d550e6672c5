"""Leave-one-out arms of a mixture study: what an arm raises, less one slice, so that a gain can be attributed.

An arm that moves share points from some slices to two or more others is `both`; in `without-SLICE` that slice stays at
the base's share, the other raised ones get exactly what they get in the arm, and what is given for them shrinks in
proportion. So `both - without-math` is what raising math adds to the rest, at equal tokens in all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from curation.errors import nearest
from curation.recipe import MixSpec, as_json

PREFIX = "without-"
LEAST = 1e-9
"""A share point is moved from here on; differences of decimal fractions are off by less."""


def left_out_mixes(base: MixSpec, arm: MixSpec, which: object) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the `mix` without each raised slice, by slice, and what is wrong; `which` is `true` or a list of them."""
    points = moved_points(base, arm)
    if points is None:
        return {}, [
            "what is raised cannot be told from the base's shares; expected `mix: {shift: {code: 0.05, web: -0.05}}`, "
            "or weights by slice in base and arm"
        ]
    raised = {name: one for name, one in points.items() if one > LEAST}
    if len(raised) < 2:
        told = ", ".join(raised) or "nothing"
        return {}, [f"the arm raises {told}, expected two slices or more, of which one is left out; drop the key"]
    chosen = list(raised) if which is True else [str(name) for name in which] if isinstance(which, list) else []
    faults = [f"the arm does not raise `{name}`; {nearest(name, raised)}" for name in chosen if name not in raised]
    if not chosen:
        faults = [f"{which!r}, expected `true`, or a list of raised slices ({', '.join(raised)})"]
    if faults:
        return {}, faults
    return {name: _mix(base, arm, _without(points, name)) for name in chosen}, []


def moved_points(base: MixSpec, arm: MixSpec) -> dict[str, float] | None:
    """Return the share points by which an arm's slices differ from the base's; None where that needs the pool."""
    if _plain(base) == _plain(arm):
        names = {*base.shift, *arm.shift}
        return _moved({name: arm.shift.get(name, 0.0) - base.shift.get(name, 0.0) for name in names})
    if not (isinstance(base.weights, dict) and isinstance(arm.weights, dict)):
        return None
    if {**_plain(base), "weights": 0, "normalize": 0} != {**_plain(arm), "weights": 0, "normalize": 0}:
        return None
    old, new = _shares(base), _shares(arm)
    return _moved({name: new.get(name, 0.0) - old.get(name, 0.0) for name in {*old, *new}})


def arm_name(arm: str, slice_name: str, *, alone: bool) -> str:
    """Return what the arm without a slice is called: after its arm, unless that is the study's only one."""
    told = PREFIX + re.sub(r"[^a-z0-9._-]+", "-", slice_name.lower())
    return told if alone else f"{arm}.{told}"


def shift_text(points: Mapping[str, float]) -> str:
    """Return share points in words: `code +5, math +5, web -10 points`."""
    ranked = sorted(points.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {100 * one:+.4g}" for name, one in ranked) + " points"


def _without(points: Mapping[str, float], left_out: str) -> dict[str, float]:
    gained = math.fsum(one for one in points.values() if one > 0)
    part = (gained - points[left_out]) / gained
    kept = {name: one if one > 0 else one * part for name, one in points.items() if name != left_out}
    return {name: round(one, 12) for name, one in kept.items()}


def _mix(base: MixSpec, arm: MixSpec, points: Mapping[str, float]) -> dict[str, Any]:
    """Return the arm's `mix` with other points moved from the base's shares."""
    value: dict[str, Any] = dict(as_json(arm))
    if _plain(base) == _plain(arm):
        shift = {name: base.shift.get(name, 0.0) + points.get(name, 0.0) for name in {*base.shift, *points}}
        return {**value, "shift": _moved(shift)}
    old = _shares(base)
    weights = {name: round(old.get(name, 0.0) + points.get(name, 0.0), 12) for name in sorted({*old, *points})}
    return {**value, "weights": weights, "normalize": False}


def _shares(mix: MixSpec) -> dict[str, float]:
    """Return given weights with what is shifted, over their sum."""
    assert isinstance(mix.weights, dict)
    total = math.fsum(mix.weights.values())
    names = {*mix.weights, *mix.shift}
    return {name: mix.weights.get(name, 0.0) / total + mix.shift.get(name, 0.0) for name in names}


def _plain(mix: MixSpec) -> dict[str, Any]:
    """Return a mix without what it shifts."""
    return {key: item for key, item in as_json(mix).items() if key != "shift"}


def _moved(points: Mapping[str, float]) -> dict[str, float]:
    return {name: round(one, 12) for name, one in sorted(points.items()) if abs(one) > LEAST}
