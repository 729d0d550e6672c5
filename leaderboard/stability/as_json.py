"""Rank stability as plain JSON: `pairs`, `crossings`, `ties`; every absent number is null, with a reason beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from curation.files import Json
from curation.numerics import Interval
from leaderboard.stability.compared import MIN_FOR_TAU, Stability, TierPair
from leaderboard.stability.forecast import Forecast
from leaderboard.stability.measures import MEASURES
from leaderboard.stability.noise import Inversion, Resolved
from leaderboard.stability.pairs import tied_pairs

RULES: dict[str, Json] = {
    "decision_accuracy": "a pair tied at either tier, or at both, counts 1/2",
    "decision_accuracy_strict": "a pair tied at either tier, or at both, counts as wrong",
    "kendall_tau_b": "tau-b of scipy: ties leave the denominator of their tier",
    "spearman": "tied scores share their mean rank",
    "weighted_tau": "scipy.stats.weightedtau, rank=True: mean over rankings by either tier, best recipes weigh most",
    "regret": "recipes tied first at the small tier are chosen with equal chance",
    "crossings": "a pair tied at a tier does not change places there",
}
MAX_NAMED = 50


def stability_json(found: Sequence[Stability]) -> dict[str, Json]:
    """Return the object of `--json`: pairs of the whole table or mean over groups first, then `groups`."""
    whole = next((one for one in found if one.scores.group is None), None)
    groups = [one for one in found if one.scores.group is not None]
    value: dict[str, Json] = one_json(whole) if whole else {"pairs": [], "crossings": [], "ties": {"rules": RULES}}
    if groups:
        value["groups"] = [{"group": one.scores.group, **one_json(one)} for one in groups]
        if whole is None:
            value["flops_source"] = groups[0].flops.source
            value["pairs"] = [
                {"group": one.scores.group, **pair_json(pair, one)} for one in groups for pair in one.pairs
            ]
    return value


def one_json(found: Stability) -> dict[str, Json]:
    """Return one table as JSON."""
    scores = found.scores
    value: dict[str, Json] = {
        "target": scores.target,
        "tiers": [_tier_json(found, place) for place in range(len(scores.tiers))],
        "recipes": list(scores.recipes) if len(scores.recipes) <= MAX_NAMED * 20 else len(scores.recipes),
        "lower_is_better": scores.lower_is_better,
        "flops_source": found.flops.source,
        "pairs": [pair_json(pair, found) for pair in found.pairs],
        "crossings": _crossings_json(found),
        "crossings_total": found.crossings.total,
        "slopes": [
            {"recipe": name, **_plain(asdict(slope)), "per": found.scale}
            for name, slope in zip(scores.recipes[: MAX_NAMED * 20], found.slopes, strict=False)
        ],
        "ties": {
            "rules": RULES,
            "by_tier": [_ties_at(found, place) for place in range(len(scores.tiers))],
        },
        "notes": list(scores.notes),
        "forecast": _forecast_json(found.forecast),
    }
    return value


def pair_json(pair: TierPair, found: Stability) -> dict[str, Json]:
    """Return one pair of tiers as JSON."""
    agreed, counts = pair.agreement, pair.agreement.counts
    names = pair.recipes
    value: dict[str, Json] = {
        "from": pair.small,
        "to": pair.target,
        "n": agreed.num_recipes,
        **agreed.values,
        "ci95": {name: _ends(pair.intervals.get(name)) for name in MEASURES},
        "ci95_seeds": {name: _ends(one) for name, one in pair.noise.intervals.items()} if pair.noise else None,
        "undefined": dict(agreed.undefined),
        "tau_shown": agreed.num_recipes >= MIN_FOR_TAU,
        "plain_ranking": {"tier": pair.small, "decision_accuracy": agreed.values["decision_accuracy"]},
        "pairs": {**_plain(asdict(counts)), "total": counts.total},
        "ties": {"from": counts.tied_from, "to": counts.tied_to, "both": counts.tied_both},
        "gap_bins": [_plain(asdict(one)) for one in pair.bins],
        "winner": {"from": _some(pair.winners_from), "to": _some(pair.winners_to)},
        "winner_kept": {
            "observed": agreed.winner_kept,
            "probability": pair.noise.winner_kept if pair.noise else None,
            "over_recipes": pair.kept_over_recipes,
        },
        "absent": {"from": _some(pair.absent_from), "to": _some(pair.absent_to)},
        "flops": None,
        "verdict": pair.verdict,
        "reasons": list(pair.reasons),
    }
    if isinstance(pair.resolved, Resolved):
        value["resolved"] = {
            "from": pair.resolved.at_from,
            "to": pair.resolved.at_to,
            "both": pair.resolved.at_both,
            "agreeing": pair.resolved.agreeing,
            "inverted": pair.resolved.num_inverted,
        }
        value["inversions"] = [_inversion_json(one, names) for one in pair.resolved.inversions]
    else:
        value |= {"resolved": None, "inversions": None, "resolved_reason": pair.resolved}
    if pair.cost:
        value["flops"] = {**_plain(asdict(pair.cost)), "share": pair.cost.share}
    return value


def _inversion_json(one: Inversion, names: Sequence[str]) -> dict[str, Json]:
    return {
        "better_from": names[one.ahead],
        "better_to": names[one.behind],
        "gap_from": one.gap_from,
        "gap_to": one.gap_to,
    }


def _crossings_json(found: Stability) -> list[Json]:
    names, tiers = found.scores.recipes, found.scores.tiers
    return [
        {
            "recipes": [names[one.ahead], names[one.behind]],
            "from": tiers[one.at[0]],
            "to": tiers[one.to],
            "at": [tiers[place] for place in one.at],
            "better_from": names[one.behind],
            "better_to": names[one.ahead],
            "gaps": {tiers[place]: gap for place, gap in one.gaps.items()},
            "slope": one.slope,
            "per": found.scale,
        }
        for one in found.crossings.found
    ]


def _forecast_json(found: Forecast | str) -> dict[str, Json]:
    if isinstance(found, str):
        return {"law": None, "reason": found}
    return {
        "law": found.law,
        "tiers": list(found.tiers),
        "n": found.num_recipes,
        "fitted": _plain(asdict(found.fitted)),
        "plain_ranking": {"tier": found.tiers[-1], **_plain(asdict(found.plain))},
        "difference_ci95": _ends(found.difference),
        "beats_plain_ranking": found.beats,
    }


def _tier_json(found: Stability, place: int) -> dict[str, Json]:
    scores = found.scores
    noise, tier = scores.noise[place], scores.tiers[place]
    counts = scores.num_seeds[:, place]
    return {
        "tier": tier,
        "n": int(np.sum(counts > 0)),
        "runs": int(counts.sum()),
        "seed_sd": float(np.sqrt(noise.value)) if noise else None,
        "seed_degrees": noise.degrees if noise else None,
        "flops": found.flops.by_tier.get(tier),
        "flops_source": found.flops.sources.get(tier),
    }


def _ties_at(found: Stability, place: int) -> dict[str, Json]:
    values = found.scores.means[:, place]
    present = np.flatnonzero(np.isfinite(values))
    distinct, codes, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    groups: list[Json] = [
        {
            "score": float(distinct[code]),
            "recipes": _some([found.scores.recipes[row] for row in present[codes == code]]),
        }
        for code in np.flatnonzero(counts > 1)[:MAX_NAMED].tolist()
    ]
    return {"tier": found.scores.tiers[place], "pairs": tied_pairs(values[present]), "groups": groups}


def _ends(interval: Interval | None) -> Json:
    return [interval.low, interval.high] if interval else None


def _some(names: Sequence[str]) -> list[Json]:
    return [*names[:MAX_NAMED], *([f"… ({len(names)} in all)"] if len(names) > MAX_NAMED else [])]


def _plain(value: dict[str, Any]) -> dict[str, Json]:
    return value
