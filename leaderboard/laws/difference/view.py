"""A comparison by law for people (tables) and for programs (one JSON object)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from curation.files import Json
from leaderboard.laws.difference.compare import Difference, Value
from leaderboard.laws.difference.paired import Pairs, Points
from leaderboard.laws.difference.table import Ranked

if TYPE_CHECKING:
    from rich.console import Console


def difference_json(found: Difference, ranking: Sequence[Ranked], notes: Sequence[str]) -> dict[str, Json]:
    """Return the comparison as JSON; what does not exist is null. A gain or gap above 0: the candidate wins."""
    gate = found.gate
    law = found.fitted.law
    return {
        "baseline": found.asked.baseline,
        "candidate": found.asked.candidate,
        "difference": found.asked.scale,
        "verdict": found.verdict,
        "picture": found.picture.name,
        "reasons": list(found.picture.reasons),
        "n": found.pairs.n,
        "unpaired": {"baseline": found.unpaired[0], "candidate": found.unpaired[1]},
        "pairs": [*_pairs_json(found.pairs, held_out=False), *_held_json(found)],
        "prediction": {
            "at": _place(found.target),
            "baseline": _value_json(found.baseline),
            "candidate": _value_json(found.candidate),
            "gain": _value_json(found.gain),
            "gap": _value_json(negated(found.delta)),
        },
        "holdout": {
            "how": gate.how,
            "n": gate.n,
            "mean_absolute_error": _number(gate.error),
            "claimed_gap": _number(-gate.claimed),
            "allowed_error": _number(gate.allowed),
            "passed": gate.passed,
        },
        "models": [
            {
                "name": one.model.name,
                "formula": one.model.formula,
                "params": {name: _number(float(v)) for name, v in zip(one.model.params, one.theta, strict=True)},
                "bic": _number(one.bic),
                "weight": _number(one.weight),
                "gap_at_target": _value_json(negated(model_value(found, one.model.name))),
            }
            for one in found.fitted.models
        ],
        "shared_law": None if law is None else {"form": law.form, **{k: _number(v) for k, v in law.params.items()}},
        "trend": None
        if found.trend is None
        else {
            "gap_per_decade": found.trend.per_decade,
            "interval": [_number(end) for end in found.trend.interval],
            "word": found.trend.word,
        },
        "crossing": None
        if found.crossing is None
        else {
            "C": _number(found.crossing.flops),
            "interval": [_number(found.crossing.low), _number(found.crossing.high)],
        },
        "compute_multiplier": {
            "of_all_sizes": _value_json(found.multiplier),
            "at_target": _value_json(found.multiplier_at_target),
        },
        "small_tier": _small_json(found, ranking),
        "warnings": [*found.warnings, *notes],
    }


def negated(value: Value) -> Value:
    """Return a difference as a gap."""
    return Value(
        value=-value.value, interval=None if value.interval is None else (-value.interval[1], -value.interval[0])
    )


def model_value(found: Difference, name: str) -> Value:
    """Return one model's difference at the target."""
    one = found.fitted.named(name)
    assert one is not None
    point = float(one.model.predict(found.fitted.point, found.target, one.theta[None])[0, 0])
    draws = found.fitted.draws_of(one, found.target)
    if not len(draws):
        return Value(value=point, interval=None)
    low, high = np.percentile(draws[:, 0], [2.5, 97.5])
    return Value(value=point, interval=(float(low), float(high)))


def draw_difference(console: Console, found: Difference, ranking: Sequence[Ranked], notes: Sequence[str]) -> None:
    """Draw the verdict, the forecast, the sizes, the models, and what to look at next."""
    asked, gate = found.asked, found.gate
    console.print(f"{asked.candidate} against {asked.baseline}: {found.verdict}", style="bold", markup=False)
    console.print(f"picture: {found.picture.name} ({'; '.join(found.picture.reasons)})", markup=False)
    place = ", ".join(f"{name} = {value:.4g}" for name, value in _place(found.target).items())
    if found.gain is not None and found.baseline is not None and found.candidate is not None:
        console.print(
            f"at {place}: baseline X = {_told(found.baseline)}, candidate Y = {_told(found.candidate)}", markup=False
        )
        half = found.gain.half
        plus = f" ± {half:.4f}" if half is not None else ""
        console.print(f"predicted gain X − Y = {found.gain.value:+.4f}{plus} ({_told(found.gain)})", markup=False)
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
            base, cand = (_unlogged(values[row], pairs) for values in (pairs.baseline, pairs.candidate))
            sizes, tokens, flops = (f"{values[row]:.4g}" for values in _columns(pairs.points))
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
        "the same winner as" if _small_winner(found) == _winner(-found.delta.value, found) else "another winner than"
    )
    return [f"plain ranking at the smallest size: {told}; {agree} the forecast"]


def _small_json(found: Difference, ranking: Sequence[Ranked]) -> dict[str, Json]:
    gaps = -found.pairs.delta
    return {
        "at": _place(found.pairs.points.at(slice(0, 1))),
        "ranking": [{"recipe": one.recipe, "loss": one.loss, "n": one.n} for one in ranking],
        "winner": _small_winner(found),
        "winner_at_largest": _winner(float(gaps[-1]), found),
        "winner_forecast": _winner(-found.delta.value, found),
    }


def _small_winner(found: Difference) -> str:
    return _winner(float(-found.pairs.delta[0]), found)


def _winner(gap: float, found: Difference) -> str:
    return found.asked.candidate if gap > 0 else found.asked.baseline


def _pairs_json(pairs: Pairs, *, held_out: bool) -> list[Json]:
    return [
        {
            **_place(pairs.points.at(slice(row, row + 1))),
            "baseline": _unlogged(pairs.baseline[row], pairs),
            "candidate": _unlogged(pairs.candidate[row], pairs),
            "gap": float(-pairs.delta[row]),
            "runs": [int(pairs.num_baseline[row]), int(pairs.num_candidate[row])],
            "held_out": held_out,
        }
        for row in range(pairs.n)
    ]


def _held_json(found: Difference) -> list[Json]:
    return [] if found.held_out is None else _pairs_json(found.held_out, held_out=True)


def _columns(points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return points.sizes, points.tokens, points.flops


def _place(points: Points) -> dict[str, Json]:
    found = zip("NDC", _columns(points), strict=True)
    return {name: float(np.squeeze(value)) for name, value in found if np.isfinite(np.squeeze(value))}


def _unlogged(value: float, pairs: Pairs) -> float:
    return math.exp(value) if pairs.scale == "log" else float(value)


def _value_json(value: Value | None) -> Json:
    if value is None:
        return None
    ends: Json = None if value.interval is None else [_number(end) for end in value.interval]
    return {"value": _number(value.value), "interval": ends, "plus_minus": _number(value.half)}


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _told(value: Value) -> str:
    ends = "" if value.interval is None else f" ({value.interval[0]:.4f} to {value.interval[1]:.4f})"
    return f"{value.value:.4f}{ends}"
