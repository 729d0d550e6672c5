"""A comparison by law as one JSON object, and the numbers that its drawing shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from curation.files import Json
from leaderboard.laws.difference.compare import Difference, Value
from leaderboard.laws.difference.paired import Pairs, Points
from leaderboard.laws.difference.table import Ranked
from leaderboard.laws.law import Floats
from leaderboard.laws.view import number_json


def difference_json(found: Difference, ranking: Sequence[Ranked], notes: Sequence[str]) -> dict[str, Json]:
    """Return the comparison as JSON; what does not exist is null. A gain or gap above 0: the candidate wins."""
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
            "at": place_of(found.target),
            "baseline": _value_json(found.baseline),
            "candidate": _value_json(found.candidate),
            "gain": _value_json(found.gain),
            "gap": _value_json(negated(found.delta)),
        },
        "holdout": _gate_json(found),
        "models": _models_json(found),
        "shared_law": None if law is None else {"form": law.form, **{k: number_json(v) for k, v in law.params.items()}},
        "trend": _trend_json(found),
        "crossing": _crossing_json(found),
        "compute_multiplier": {
            "of_all_sizes": _value_json(found.multiplier),
            "at_target": _value_json(found.multiplier_at_target),
        },
        "small_tier": _small_json(found, ranking),
        "warnings": [*found.warnings, *notes],
    }


def _gate_json(found: Difference) -> Json:
    gate = found.gate
    return {
        "how": gate.how,
        "n": gate.n,
        "mean_absolute_error": number_json(gate.error),
        "claimed_gap": number_json(-gate.claimed),
        "allowed_error": number_json(gate.allowed),
        "passed": gate.passed,
    }


def _models_json(found: Difference) -> list[Json]:
    return [
        {
            "name": one.model.name,
            "formula": one.model.formula,
            "params": {name: number_json(float(v)) for name, v in zip(one.model.params, one.theta, strict=True)},
            "bic": number_json(one.bic),
            "weight": number_json(one.weight),
            "gap_at_target": _value_json(negated(model_value(found, one.model.name))),
        }
        for one in found.fitted.models
    ]


def _trend_json(found: Difference) -> Json:
    if found.trend is None:
        return None
    low, high = found.trend.interval
    return {
        "gap_per_decade": number_json(found.trend.per_decade),
        "interval": [number_json(low), number_json(high)],
        "word": found.trend.word,
    }


def _crossing_json(found: Difference) -> Json:
    if found.crossing is None:
        return None
    return {
        "C": number_json(found.crossing.flops),
        "interval": [number_json(found.crossing.low), number_json(found.crossing.high)],
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


def _small_json(found: Difference, ranking: Sequence[Ranked]) -> dict[str, Json]:
    gaps = -found.pairs.delta
    return {
        "at": place_of(found.pairs.points.at(slice(0, 1))),
        "ranking": [{"recipe": one.recipe, "loss": one.loss, "n": one.n} for one in ranking],
        "winner": small_winner(found),
        "winner_at_largest": winner_at(float(gaps[-1]), found),
        "winner_forecast": winner_at(-found.delta.value, found),
    }


def small_winner(found: Difference) -> str:
    """Return the better recipe at the smallest size."""
    return winner_at(float(-found.pairs.delta[0]), found)


def winner_at(gap: float, found: Difference) -> str:
    """Return the better recipe of a gap."""
    return found.asked.candidate if gap > 0 else found.asked.baseline


def _pairs_json(pairs: Pairs, *, held_out: bool) -> list[Json]:
    return [
        {
            **place_of(pairs.points.at(slice(row, row + 1))),
            "baseline": loss_at(pairs.baseline[row], pairs),
            "candidate": loss_at(pairs.candidate[row], pairs),
            "gap": float(-pairs.delta[row]),
            "runs": [int(pairs.num_baseline[row]), int(pairs.num_candidate[row])],
            "held_out": held_out,
        }
        for row in range(pairs.n)
    ]


def _held_json(found: Difference) -> list[Json]:
    return [] if found.held_out is None else _pairs_json(found.held_out, held_out=True)


def axes_of(points: Points) -> tuple[Floats, Floats, Floats]:
    """Return N, D and C of places."""
    return points.sizes, points.tokens, points.flops


def place_of(points: Points) -> dict[str, Json]:
    """Return one place by name, without what is unknown."""
    found = zip("NDC", axes_of(points), strict=True)
    return {name: float(np.squeeze(value)) for name, value in found if np.isfinite(np.squeeze(value))}


def loss_at(value: float, pairs: Pairs) -> float:
    """Return a mean of the comparison's scale as a loss."""
    return math.exp(value) if pairs.scale == "log" else float(value)


def _value_json(value: Value | None) -> Json:
    if value is None:
        return None
    ends: Json = None if value.interval is None else [number_json(end) for end in value.interval]
    return {"value": number_json(value.value), "interval": ends, "plus_minus": number_json(value.half)}
