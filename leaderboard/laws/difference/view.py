"""A comparison by law for people: verdict, forecast, sizes, models, gate, multiplier, crossing, plain ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from leaderboard.laws.difference.as_json import (
    axes_of,
    loss_at,
    model_value,
    negated,
    place_of,
    small_winner,
    winner_at,
)
from leaderboard.laws.difference.compare import Difference, Value
from leaderboard.laws.difference.table import Ranked

if TYPE_CHECKING:
    from rich.console import Console


def draw_difference(console: Console, found: Difference, ranking: Sequence[Ranked], notes: Sequence[str]) -> None:
    """Draw the verdict, the forecast, the sizes, the models, and what to look at next."""
    asked, gate = found.asked, found.gate
    console.print(f"{asked.candidate} against {asked.baseline}: {found.verdict}", style="bold", markup=False)
    console.print(f"picture: {found.picture.name} ({'; '.join(found.picture.reasons)})", markup=False)
    place = ", ".join(f"{name} = {value:.4g}" for name, value in place_of(found.target).items())
    if found.gain is not None and found.baseline is not None and found.candidate is not None:
        console.print(
            f"at {place}: baseline X = {_told(found.baseline)}, candidate Y = {_told(found.candidate)}", markup=False
        )
        half, ends = found.gain.half, found.gain.interval
        plus = "" if half is None or ends is None else f" ± {half:.4f} (95 %: {ends[0]:+.4f} to {ends[1]:+.4f})"
        console.print(f"predicted gain X − Y = {found.gain.value:+.4f}{plus}", markup=False)
    else:
        console.print(f"at {place}: gap {_told(negated(found.delta))}", markup=False)
    _draw_pairs(console, found)
    _draw_models(console, found)
    if gate.error is None:
        console.print(
            f"held-out error of the difference: not measured ({gate.how}); the gate is not passed", markup=False
        )
    else:
        sign, word = ("<=", "passed") if gate.passed else (">", "not passed")
        console.print(
            f"held-out error of the difference ({gate.how}, {gate.n} sizes): {gate.error:.4f} {sign} half the "
            f"claimed gap {gate.allowed:.4f}: {word} (rule 12)",
            markup=False,
        )
    for line in (*_multiplier_lines(found), _crossing_line(found), *_ranking_lines(found, ranking)):
        console.print(line, markup=False)
    for warning in (*found.warnings, *notes):
        console.print(f"warning: {warning}", style="yellow", markup=False)
    console.print("next: look at it with --plot gap.svg; keep runs out with --holdout", style="dim", markup=False)


def _draw_pairs(console: Console, found: Difference) -> None:
    from rich.table import Table

    table = Table("N", "D", "C", "baseline", "candidate", "gap", "runs")
    for pairs, mark in ((found.pairs, ""), (found.held_out, " held out")):
        if pairs is None:
            continue
        for row in range(pairs.n):
            base, cand = (loss_at(values[row], pairs) for values in (pairs.baseline, pairs.candidate))
            sizes, tokens, flops = (
                "" if np.isnan(values[row]) else f"{values[row]:.4g}" for values in axes_of(pairs.points)
            )
            runs = f"{pairs.num_baseline[row]} + {pairs.num_candidate[row]}{mark}"
            table.add_row(sizes, tokens, flops, f"{base:.4f}", f"{cand:.4f}", f"{-pairs.delta[row]:+.4f}", runs)
    console.print(table)
    if found.trend is not None:
        low, high = found.trend.interval
        console.print(
            f"gap {found.trend.word}: {found.trend.per_decade:+.5f} a decade of compute ({low:+.5f} to {high:+.5f})",
            markup=False,
        )


def _draw_models(console: Console, found: Difference) -> None:
    from rich.table import Table

    table = Table("model of the difference", "formula", "BIC", "weight", "gap at the target")
    for one in found.fitted.models:
        gap = _told(negated(model_value(found, one.model.name)))
        table.add_row(one.model.name, one.model.formula, f"{one.bic:.1f}", f"{one.weight:.2f}", gap)
    console.print(table)


def _multiplier_lines(found: Difference) -> list[str]:
    lines = []
    for value, where in (
        (found.multiplier, "one multiplier at all sizes"),
        (found.multiplier_at_target, "at the target"),
    ):
        if value is not None and math.isfinite(value.value):
            ends = "" if value.interval is None else f" ({value.interval[0]:.2f}x to {value.interval[1]:.2f}x)"
            lines.append(f"{where}: the candidate reaches the baseline's loss with {value.value:.2f}x compute{ends}")
    return lines


def _crossing_line(found: Difference) -> str:
    if found.crossing is None or found.crossing.flops is None:
        return "the curves do not cross between the smallest size and the target"
    low = "below the smallest size" if found.crossing.low is None else f"{found.crossing.low:.3g}"
    high = "beyond the target" if found.crossing.high is None else f"{found.crossing.high:.3g}"
    return f"the curves cross at C = {found.crossing.flops:.3g} FLOPs (95 %: {low} to {high})"


def _ranking_lines(found: Difference, ranking: Sequence[Ranked]) -> list[str]:
    if not ranking:
        return []
    told = ", ".join(f"{place}. {one.recipe} {one.loss:.4f}" for place, one in enumerate(ranking, 1))
    agree = (
        "the same winner as" if small_winner(found) == winner_at(-found.delta.value, found) else "another winner than"
    )
    return [f"plain ranking at the smallest size: {told}; {agree} the forecast"]


def _told(value: Value) -> str:
    ends = "" if value.interval is None else f" ({value.interval[0]:.4f} to {value.interval[1]:.4f})"
    return f"{value.value:.4f}{ends}"
