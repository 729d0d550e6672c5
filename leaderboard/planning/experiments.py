"""Which experiments a budget buys, and which of them would show a gain.

A cell is a tier of the ladder at a budget multiple, trained in every arm with every seed. Cells enter in this order as
long as they fit: every tier at 1x from the smallest up (scales come first: three make a law), then 0.5x, then 2x, from
the smallest up. Laptop tiers are no evidence and are left out (rule 18); a filter claim needs two multiples (rule 16).
Whether a tier shows a gain is told by its measured noise pack alone; without one it is `insufficient` (rule 9).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import LawError
from curation.files import Json
from leaderboard.planning.costs import card_of
from train.tier_plan import estimate_hours
from train.tiers import TIERS, Tier, load_tier

MULTIPLES = (1.0, 0.5, 2.0)
SCALES_FOR_A_LAW = 3
_BUDGET = re.compile(r"(?P<value>[0-9.]+(?:e[+-]?\d+)?)\s*(?P<unit>gpu-?h(?:ours?)?|card-?h(?:ours?)?|h|flops?)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent, in hours of one card or in FLOPs."""

    amount: float
    unit: str
    """`gpuh` or `flops`."""


def read_budget(text: str) -> Budget:
    """Return the budget that `120gpuh`, `120 gpu-hours` or `3e20flops` means.

    Raises: LawError for anything else.
    """
    found = _BUDGET.fullmatch(text.strip())
    amount = float("nan")
    if found:
        try:
            amount = float(found["value"])
        except ValueError:
            amount = float("nan")
    if not (found and 0 < amount < math.inf):
        raise LawError(f"--budget: `{text}`, expected card-hours or FLOPs above 0, e.g. 120gpuh or 3e20flops")
    return Budget(amount=amount, unit="flops" if found["unit"].lower().startswith("flop") else "gpuh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One tier at one multiple, in all arms and seeds."""

    tier: Tier
    runs: int
    hours_a_run: float
    mfu_source: str
    chosen: bool

    @property
    def hours(self) -> float:
        """Card-hours of all its runs."""
        return self.runs * self.hours_a_run

    @property
    def flops(self) -> float:
        """FLOPs of all its runs."""
        return float(self.runs * self.tier.num_flops)

    def as_json(self) -> dict[str, Json]:
        """Return the cell."""
        return {
            "tier": self.tier.name,
            "N": self.tier.shape.matmul_params,
            "D": self.tier.num_tokens,
            "runs": self.runs,
            "gpu_hours_a_run": self.hours_a_run,
            "gpu_hours": self.hours,
            "flops": self.flops,
            "mfu_source": self.mfu_source,
            "chosen": self.chosen,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The experiments of a budget."""

    budget: Budget
    card: str
    arms: int
    seeds: int
    cells: tuple[Cell, ...]

    @property
    def chosen(self) -> list[Cell]:
        """Cells that fit."""
        return [cell for cell in self.cells if cell.chosen]

    @property
    def notes(self) -> list[str]:
        """What the chosen cells cannot show."""
        scales = {cell.tier.model for cell in self.chosen}
        told = []
        if not self.chosen:
            least = min(self.cells, key=lambda cell: cell.flops)
            told.append(
                f"insufficient: not even {least.tier.name} fits ({least.hours:.2g} card-hours for {least.runs} runs); "
                "raise the budget, or take fewer seeds"
            )
        elif len(scales) < SCALES_FOR_A_LAW:
            told.append(
                f"{len(scales)} scale(s): a law needs {SCALES_FOR_A_LAW}; a forecast from these is insufficient"
            )
        if self.chosen and len({cell.tier.multiple for cell in self.chosen}) < 2:
            told.append("one budget multiple: a claim about a filter needs two (rule 16)")
        if self.seeds < 2:
            told.append("one seed: without a measured noise pack nothing can be decided (rule 9)")
        return told

    def as_json(self) -> dict[str, Json]:
        """Return the matrix."""
        return {
            "budget": {"amount": self.budget.amount, "unit": self.budget.unit},
            "card": self.card,
            "arms": self.arms,
            "seeds": self.seeds,
            "cells": [cell.as_json() for cell in self.cells],
            "gpu_hours": sum(cell.hours for cell in self.chosen),
            "flops": sum(cell.flops for cell in self.chosen),
            "notes": list(self.notes),
        }


def matrix(budget: Budget, *, card: str, arms: int, seeds: int) -> Matrix:
    """Return every cell of the ladder with its cost, chosen by the module's rule while the budget lasts."""
    known = card_of(card)
    left = budget.amount
    cells = []
    for multiple in MULTIPLES:
        for model, base in TIERS.items():
            if base.family != "ladder":
                continue
            tier = load_tier(f"{model}-{multiple:g}x")
            estimate = estimate_hours(tier, known)
            cost = arms * seeds * (tier.num_flops if budget.unit == "flops" else estimate.hours)
            chosen = cost <= left
            left -= cost if chosen else 0
            cells.append(
                Cell(
                    tier=tier,
                    runs=arms * seeds,
                    hours_a_run=estimate.hours,
                    mfu_source=estimate.source,
                    chosen=chosen,
                )
            )
    return Matrix(budget=budget, card=card, arms=arms, seeds=seeds, cells=tuple(cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """Whether a tier shows a gain, and with how many seeds an arm."""

    tier: str
    status: str
    """`measured`, or `insufficient`."""
    seeds: int | None
    seeds_by_looks: int | None
    sigma: float | None
    detectable: float | None
    """Smallest relative gain found with 80 % at the planned seeds."""
    hours: float | None
    """Card-hours of one baseline and one candidate with those seeds."""
    why: str

    def as_json(self) -> dict[str, Json]:
        """Return the row."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_gain(text: str) -> float:
    """Return `0.3%` or `0.003` as a share in (0, 1).

    Raises: LawError for anything else.
    """
    value = text.strip()
    try:
        number = float(value.rstrip("%").strip()) / (100 if value.endswith("%") else 1)
    except ValueError:
        number = float("nan")
    if not 0 < number < 1:
        raise LawError(f"--gain: `{text}`, expected a relative gain between 0 and 1, e.g. 0.3% or 0.003")
    return number


def sigma_needed(gain: float, seeds: int) -> float | None:
    """Return the largest relative run noise, measured as well as the rule asks, at which `seeds` an arm show a gain."""
    from leaderboard.noise.power import Noise, detectable
    from leaderboard.noise.spread import PRIOR_DEGREES

    unit = detectable(Noise(sigma=1.0, degrees=PRIOR_DEGREES), seeds)
    return None if unit is None else gain / unit


def gains(gain: float, *, seeds: int, card: str, store: Path | None) -> list[Shows]:
    """Return for every tier that could be evidence, or has a pack, whether it shows a relative gain of the loss."""
    from leaderboard.noise.find import known_packs

    packs = known_packs(store)
    models = [model for model, tier in TIERS.items() if tier.family == "ladder"]
    names = [load_tier(model).name for model in models]
    measured = {pack.tier for _, pack in packs}
    names = [*sorted(measured - set(names), key=_size), *names]
    return [_shows(name, gain, seeds, card, packs) for name in sorted(names, key=_size)]


def _size(name: str) -> float:
    return float(load_tier(name).num_flops)


def _shows(name: str, gain: float, seeds: int, card: str, packs: Sequence[tuple[Path, object]]) -> Shows:
    from leaderboard.noise.pack import NoisePack
    from leaderboard.noise.power import detectable, noise_of
    from leaderboard.noise.rows import rows_of
    from leaderboard.noise.spread import Spread

    known = card_of(card)
    tier = load_tier(name)
    own = [pack for _, pack in packs if isinstance(pack, NoisePack) and pack.tier == name]
    good = [pack for pack in own if pack.status == "measured" and pack.recipe_version == tier.recipe_version]
    if not good:
        why = "no noise pack: run noise was never measured"
        if own:
            why = f"its noise pack is {own[0].status}: {'; '.join(own[0].why) or 'of another recipe version'}"
        return Shows(
            tier=name, status="insufficient", seeds=None, seeds_by_looks=None, sigma=None, detectable=None, hours=None,
            why=f"{why}; curate noise plan CORPUS --tier {name}",
        )  # fmt: skip
    pack = max(good, key=lambda one: len(one.runs))
    row = rows_of(pack, None, {"gain": gain})[0]
    count = row.seeds["gain"]
    noise = noise_of(Spread(sigma=row.sigma, degrees=row.degrees, low=row.low, high=row.high))
    hours = None if tier.family == "laptop" or count is None else 2 * count * estimate_hours(tier, known).hours
    return Shows(
        tier=name,
        status="measured" if pack.evidence else "insufficient",
        seeds=count,
        seeds_by_looks=row.seeds_by_looks["gain"],
        sigma=row.sigma,
        detectable=detectable(noise, seeds),
        hours=hours,
        why=f"{row.name}, sigma {row.sigma:.2%}"
        + ("" if pack.evidence else "; a laptop tier decides nothing (rule 18)"),
    )
