"""A plan from what was asked: the sections that apply, each from its own module, and what is doubtful about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation.errors import LawError
from curation.files import Json
from curation.tables import amount_of
from leaderboard.laws.compute import FLOPS_PER_PARAM_TOKEN
from leaderboard.laws.warn import MAX_EXTRAPOLATION
from leaderboard.planning import costs, experiments, ratio
from leaderboard.planning.surface import (
    BEST_LAW,
    PUBLISHED,
    RULE_OF_THUMB,
    Allocation,
    Surface,
    load_surface,
)
from leaderboard.planning.trade_offs import at_ratio, for_serving, with_repeats

MAX_AMOUNT = 1e40
"""Of FLOPs and tokens; nothing planned comes near, and squares stay in float64."""
HOURS_SHOWN = ("h100", "h200")
HIGH_RATIO = 500.0
"""Tokens per parameter above which a law of usual ratios is doubted."""
FLAT_BAND = 1.0025
"""Loss, relative to the optimum's, within which sizes are called as good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a plan is asked for; None where not asked."""

    flops: float | None = None
    law: str = BEST_LAW
    served_tokens: float | None = None
    unique_tokens: float | None = None
    ratio: float | None = None
    latency_ms: float | None = None
    card: str = "h200"
    cards: int = 1
    vocab_size: int = 32_768
    budget: str | None = None
    arms: int = 2
    seeds: int = 3
    gain: str | None = None
    explain: bool = False
    store: Path | None = None


def amount(text: str | None, option: str) -> float | None:
    """Return the number that `1e23`, `580B` or `2T` means, None for None.

    Raises: LawError for what is no number above 0, or overflows.
    """
    if text is None:
        return None
    value = amount_of(text.strip())
    if not 0 < value <= MAX_AMOUNT:
        why = "overflows: at most 1e40 can be planned" if value > MAX_AMOUNT else "is no number above 0"
        raise LawError(f"{option}: `{text}` {why}; give e.g. {option} 1e23 or {option} 580B")
    return value


def make_plan(wanted: Wanted) -> dict[str, Json]:
    """Return every section that was asked for, the law behind them, and warnings.

    Raises: LawError for options that cannot be met, or when nothing was asked.
    """
    costs.card_of(wanted.card)
    if not (wanted.flops or wanted.budget or wanted.gain or wanted.explain or wanted.latency_ms):
        raise LawError(
            "fit plan: nothing to plan; give --flops 1e23, --latency-ms 20, --budget 120gpuh, --gain 0.3% or "
            "--explain-ratio"
        )
    for option, value in (
        ("--inference-tokens", wanted.served_tokens),
        ("--unique-tokens", wanted.unique_tokens),
        ("--tokens-per-param", wanted.ratio),
    ):
        if value and not wanted.flops:
            raise LawError(f"{option}: needs a training budget beside it; add --flops 1e23")
    surface = load_surface(wanted.law)
    plan: dict[str, Json] = {"flops": wanted.flops, "law": surface.as_json()}
    if wanted.flops:
        plan.update(_sizes(surface, wanted.flops, wanted))
    if wanted.latency_ms:
        plan["latency"] = _latency(surface, wanted)
    if wanted.budget:
        found = experiments.matrix(
            experiments.read_budget(wanted.budget), card=wanted.card, arms=wanted.arms, seeds=wanted.seeds
        )
        plan["experiments"] = found.as_json()
    if wanted.gain:
        gain = experiments.read_gain(wanted.gain)
        rows = experiments.gains(gain, seeds=wanted.seeds, card=wanted.card, store=wanted.store)
        plan["detect"] = {
            "gain": gain,
            "seeds": wanted.seeds,
            "sigma_needed": experiments.sigma_needed(gain, wanted.seeds),
            "tiers": [row.as_json() for row in rows],
        }
    if wanted.explain:
        plan["ratio"] = ratio.explain(surface, wanted.flops)
    plan["warnings"] = [*_warnings(surface, wanted), *_extreme_ratios(plan)]
    return plan


def _sizes(surface: Surface, flops: float, wanted: Wanted) -> dict[str, Json]:
    best = surface.optimum(flops)
    thumb = math.sqrt(flops / FLOPS_PER_PARAM_TOKEN / RULE_OF_THUMB)
    low, high = as_good(surface, flops)
    plan: dict[str, Json] = {
        "optimum": {**best.as_json(), "as_good": {"loss_within": FLAT_BAND - 1, "N": [low, high]}},
        "rule_of_20": surface.at(thumb, RULE_OF_THUMB * thumb).as_json(),
        "published": [
            {"law": one.name, "source": one.source, **one.optimum(flops).as_json()}
            for one in PUBLISHED.values()
            if one.name != surface.name
        ],
        "hours": hours(best, wanted.card),
        "model": _shape(best.params, wanted.vocab_size),
    }
    if wanted.served_tokens:
        serving = for_serving(surface, flops, wanted.served_tokens)
        plan["serving"] = {**serving.as_json(), "hours": hours(serving.allocation, wanted.card)}
    if wanted.unique_tokens:
        repeated = with_repeats(surface, flops, wanted.unique_tokens)
        plan["repetition"] = {
            **repeated.as_json(),
            "r_star": [surface.r_star_tokens, surface.r_star_params],
            "r_star_source": "own fit"
            if surface.own_r_star
            else "Muennighoff et al. 2023, fitted with their C4 surface",
        }
    if wanted.ratio:
        plan["overtraining"] = at_ratio(surface, flops, wanted.ratio).as_json()
    return plan


def hours(of: Allocation, card: str) -> list[Json]:
    """Return the hours of an allocation on an H100, an H200 and the card that was named."""
    names = list(dict.fromkeys((*HOURS_SHOWN, card)))
    return [costs.card_hours(of.flops, of.params, name).as_json() for name in names]


def as_good(surface: Surface, flops: float) -> tuple[float, float]:
    """Return the least and the largest N at this compute whose loss is within 0.25 % of the optimum's."""
    best = surface.optimum(flops)

    def edge(direction: int) -> float:
        near, far = 0.0, 12.0
        for _ in range(60):
            middle = (near + far) / 2
            factor = math.exp(direction * middle)
            within = surface.loss(best.params * factor, best.tokens / factor) <= FLAT_BAND * best.loss
            near, far = (middle, far) if within else (near, middle)
        return best.params * math.exp(direction * near)

    return edge(-1), edge(1)


def _shape(params: float, vocab_size: int) -> Json:
    try:
        shape = costs.shape_for(params, vocab_size=vocab_size)
    except LawError as error:
        return {"none": str(error)}
    return costs.shape_json(shape)


def _latency(surface: Surface, wanted: Wanted) -> dict[str, Json]:
    assert wanted.latency_ms is not None
    found = costs.decodable(wanted.latency_ms, wanted.card, wanted.cards)
    shape = costs.shape_for(found.params, vocab_size=wanted.vocab_size)
    plan: dict[str, Json] = {
        **found.as_json(),
        "model": costs.shape_json(shape),
        "latency_ms_of_model": costs.decode_ms(shape.matmul_params, wanted.card, wanted.cards),
    }
    if wanted.flops:
        best = surface.optimum(wanted.flops)
        params = float(min(shape.matmul_params, best.params))
        chosen = surface.at(params, wanted.flops / FLOPS_PER_PARAM_TOKEN / params)
        plan["optimum_latency_ms"] = costs.decode_ms(best.params, wanted.card, wanted.cards)
        plan["trained_with_flops"] = {
            **chosen.as_json(),
            "loss_penalty": chosen.loss - best.loss,
            "compute_multiplier": chosen.flops / surface.flops_for(chosen.loss),
        }
    return plan


def _warnings(surface: Surface, wanted: Wanted) -> list[str]:
    found = []
    for name, value in _inputs(surface, wanted).items():
        low, high = surface.ranges.get(name, (0.0, math.inf))
        if value > high * MAX_EXTRAPOLATION or value < low / MAX_EXTRAPOLATION:
            factor = value / high if value > high else low / value
            found.append(
                f"{name} = {value:.3g} is {factor:,.0f}x beyond the runs of `{surface.name}` ({low:.2g} to {high:.2g})"
                f"; beyond {MAX_EXTRAPOLATION:.0f}x no law has been checked"
            )
    if not surface.ranges:
        found.append(f"{surface.source}: does not say over which runs it was fitted; compare with their range yourself")
    if wanted.unique_tokens and not surface.own_r_star:
        found.append(
            f"repetition uses the published R* with the surface `{surface.name}`: they were fitted with another and "
            "are known only to a factor (flat ridge); --law muennighoff is of one piece"
        )
    return found


def _extreme_ratios(plan: Mapping[str, Json]) -> list[str]:
    """Return a warning for a section whose tokens per parameter no usual law was fitted at."""
    found = []
    for name in ("serving", "overtraining"):
        part = plan.get(name)
        ratio = part.get("tokens_per_param") if isinstance(part, Mapping) else None
        if isinstance(ratio, float) and ratio > HIGH_RATIO:
            found.append(
                f"{name}: {ratio:,.0f} tokens per parameter; laws fitted at usual ratios overstate what so many tokens "
                "buy (Sardana et al. 2024): train a run at such a ratio before relying on it"
            )
    return found


def _inputs(surface: Surface, wanted: Wanted) -> Mapping[str, float]:
    if not wanted.flops:
        return {}
    best = surface.optimum(wanted.flops)
    return {"C": wanted.flops, "N": best.params, "D": best.tokens}
