"""What moves a plan off the compute optimum: serving, too few unique tokens, a wished ratio of tokens to parameters.

* Serving (`for_serving`): least 6 N D + 2 N D_inf at the loss of the compute optimum. Along equal loss
  D(N) = (B / (L - E - A / N^alpha))^(1 / beta); the cost has one minimum, at or below N*.
* Repetition (`with_repeats`): the loss with D' = U + U R*_D (1 - exp(-(D/U - 1) / R*_D)) in place of D, and likewise N'
  for parameters beyond those that U tokens justify, minimised along C = 6 N D.
* Over-training (`at_ratio`): N = (C / (6 M))^(1/2), D = M N; what that costs in loss, and in compute both ways.
Source: Sardana et al. 2024 (2401.00448) eq. 3; Muennighoff et al. 2023 (2305.16264) section 3.1; Gadre et al. 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from curation.files import Json
from leaderboard.laws.compute import FLOPS_PER_PARAM_TOKEN
from leaderboard.planning.surface import SERVING_FLOPS_PER_PARAM_TOKEN, Allocation, Surface

EPOCHS_SHOWN = (1, 2, 4, 8, 16, 40)
FREE_EPOCHS = 4.0
"""Up to here repeated tokens are worth almost as much as new ones (Muennighoff et al., section 5)."""
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The cheapest model over its lifetime at the loss of the compute optimum."""

    served_tokens: float
    allocation: Allocation
    optimum: Allocation

    def cost(self, of: Allocation) -> float:
        """Return training and serving FLOPs."""
        return of.flops + SERVING_FLOPS_PER_PARAM_TOKEN * of.params * self.served_tokens

    def as_json(self) -> dict[str, Json]:
        """Return the allocation and what it saves."""
        cost, base = self.cost(self.allocation), self.cost(self.optimum)
        return {
            "served_tokens": self.served_tokens,
            **self.allocation.as_json(),
            "lifetime_flops": cost,
            "lifetime_flops_of_compute_optimum": base,
            "saved_flops": base - cost,
            "saved_fraction": 1 - cost / base,
            "training_compute_multiplier": self.allocation.flops / self.optimum.flops,
        }


def for_serving(surface: Surface, flops: float, served_tokens: float) -> Serving:
    """Return the least lifetime FLOPs at the loss that `flops` reach when all go into training."""
    best = surface.optimum(flops)
    excess = best.loss - surface.floor
    least = math.log((surface.scale_params / excess) ** (1 / surface.alpha))  # where no number of tokens suffices

    def cost(ln_params: float) -> float:
        params = math.exp(ln_params)
        tokens = surface.tokens_for(params, best.loss)
        return params * (FLOPS_PER_PARAM_TOKEN * tokens + SERVING_FLOPS_PER_PARAM_TOKEN * served_tokens)

    params = math.exp(lowest(cost, least, math.log(best.params)))
    found = Allocation(params=params, tokens=surface.tokens_for(params, best.loss), loss=best.loss)
    return Serving(served_tokens=served_tokens, allocation=found, optimum=best)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The best allocation where only so many unique tokens exist."""

    unique_tokens: float
    allocation: Allocation
    worth_tokens: float
    """D': new tokens that would do the same."""
    optimum: Allocation
    """Had there been enough new tokens."""
    without_heed: Allocation
    """The compute optimum's N and D with the loss that repeats leave it."""
    table: tuple[tuple[float, Allocation, float], ...]
    """Epochs, allocation at the same compute, D'."""
    r_star_tokens: float
    """R*_D of the surface."""

    @property
    def epochs(self) -> float:
        """Times that the unique tokens are seen."""
        return self.allocation.tokens / self.unique_tokens

    @property
    def limited(self) -> bool:
        """Whether the unique tokens run out at all."""
        return self.unique_tokens < self.optimum.tokens

    @property
    def advice(self) -> str:
        """What to do with compute that the data cannot use."""
        if not self.limited:
            return "the unique tokens suffice: no token is repeated"
        wanted = self.optimum.tokens / self.unique_tokens
        if wanted <= FREE_EPOCHS:
            return (
                f"repeat: {wanted:.2g} epochs cost almost nothing, up to {FREE_EPOCHS:g} repeats are worth nearly new"
            )
        return (
            f"the compute optimum would take {wanted:.3g} epochs; beyond a few, repeats lose their worth (at most "
            f"{1 + self.r_star_tokens:.3g} x the unique tokens in all): find more text first, then add epochs and "
            "parameters together as listed"
        )

    def as_json(self) -> dict[str, Json]:
        """Return the allocation, the loss of heedlessness, and the table by epochs."""
        return {
            "unique_tokens": self.unique_tokens,
            **self.allocation.as_json(),
            "epochs": self.epochs,
            "effective_tokens": self.worth_tokens,
            "limited": self.limited,
            "loss_with_enough_data": self.optimum.loss,
            "compute_optimum_repeated": {
                **self.without_heed.as_json(),
                "epochs": max(1.0, self.without_heed.tokens / self.unique_tokens),
            },
            "advice": self.advice,
            "by_epochs": [
                {"epochs": epochs, **item.as_json(), "effective_tokens": worth} for epochs, item, worth in self.table
            ],
        }


def with_repeats(surface: Surface, flops: float, unique_tokens: float) -> Repeated:
    """Return the least loss at `flops` where `unique_tokens` exist."""

    def at(params: float) -> Allocation:
        tokens = flops / FLOPS_PER_PARAM_TOKEN / params
        return Allocation(params=params, tokens=tokens, loss=repeated_loss(surface, params, tokens, unique_tokens))

    best = surface.optimum(flops)
    middle = math.log(best.params)
    found = at(math.exp(lowest(lambda ln_params: at(math.exp(ln_params)).loss, middle - 8, middle + 8)))
    rows = []
    for epochs in EPOCHS_SHOWN:
        item = at(flops / FLOPS_PER_PARAM_TOKEN / (epochs * unique_tokens))
        rows.append((float(epochs), item, worth(item.tokens, unique_tokens, surface.r_star_tokens)))
    return Repeated(
        unique_tokens=unique_tokens,
        allocation=found,
        worth_tokens=worth(found.tokens, unique_tokens, surface.r_star_tokens),
        optimum=best,
        without_heed=at(best.params),
        table=tuple(rows),
        r_star_tokens=surface.r_star_tokens,
    )


def repeated_loss(surface: Surface, params: float, tokens: float, unique_tokens: float) -> float:
    """Return L at N and D of which `unique_tokens` are different."""
    unique = min(tokens, unique_tokens)
    justified = surface.alpha * surface.scale_params / (surface.beta * surface.scale_tokens) * unique**surface.beta
    own = min(params, justified ** (1 / surface.alpha))
    return surface.loss(worth(params, own, surface.r_star_params), worth(tokens, unique, surface.r_star_tokens))


def worth(amount: float, own: float, r_star: float) -> float:
    """Return what `amount` is worth when all beyond `own` repeats it: own (1 + R* (1 - exp(-R / R*)))."""
    if amount <= own:
        return amount
    return own * (1 - r_star * math.expm1(-(amount / own - 1) / r_star))


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRatio:
    """A budget spent at a given number of tokens per parameter."""

    ratio: float
    allocation: Allocation
    optimum: Allocation
    optimal_flops: float
    """Least FLOPs for the loss that is reached."""
    needed_flops: float
    """FLOPs at this ratio for the loss of the optimum; infinite never happens at a fixed ratio."""

    def as_json(self) -> dict[str, Json]:
        """Return the allocation, its penalty in loss and in compute."""
        return {
            **self.allocation.as_json(),
            "loss_penalty": self.allocation.loss - self.optimum.loss,
            "loss_penalty_fraction": self.allocation.loss / self.optimum.loss - 1,
            "compute_multiplier": self.allocation.flops / self.optimal_flops,
            "flops_for_loss_of_optimum": self.needed_flops,
            "flops_multiplier_for_loss_of_optimum": self.needed_flops / self.optimum.flops,
        }


def at_ratio(surface: Surface, flops: float, ratio: float) -> AtRatio:
    """Return `flops` spent at `ratio` tokens per parameter, and what that costs."""

    def spent(total: float) -> Allocation:
        params = math.sqrt(total / FLOPS_PER_PARAM_TOKEN / ratio)
        return surface.at(params, ratio * params)

    best, found = surface.optimum(flops), spent(flops)
    low, high = math.log(flops), math.log(flops) + 1
    while spent(math.exp(high)).loss > best.loss and high < 700:
        high += 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(math.exp(middle)).loss > best.loss else (low, middle)
    return AtRatio(
        ratio=ratio,
        allocation=found,
        optimum=best,
        optimal_flops=surface.flops_for(found.loss),
        needed_flops=math.exp(high),
    )


def lowest(cost: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one minimum between `low` and `high` is lowest, by a scan and golden section."""
    steps = 400
    places = [low + (high - low) * step / steps for step in range(steps + 1)]
    best = min(range(steps + 1), key=lambda place: cost(places[place]))
    low, high = places[max(0, best - 1)], places[min(steps, best + 1)]
    for _ in range(80):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    return (low + high) / 2
