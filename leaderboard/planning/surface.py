"""The loss surface that a plan rests on: L = E + A / N^alpha + B / D^beta, published or a fit of one's own.

At C = 6 N D the least loss is at N* = G (C/6)^a, D* = (C/6) / N*, a = beta / (alpha + beta),
G = (alpha A / (beta B))^(1 / (alpha + beta)). `--law` takes a published name or what `curate fit LAW --json` wrote:
`chinchilla`, `data-constrained` (with its own R*), or `overtraining`, which is the same surface with
A = a 6^-eta, B = b 6^-eta and alpha = beta = 2 eta.
Source: Hoffmann et al. 2022 (2203.15556) section 3.3; Besiroglu et al. 2024 (2404.10102); Muennighoff et al. 2023
(2305.16264); Gadre et al. 2024 (2403.08540).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curation.errors import LawError, nearest
from curation.files import Json
from leaderboard.laws.compute import FLOPS_PER_PARAM_TOKEN
from leaderboard.laws.data_constrained import C4_FIT, PUBLISHED_R_STAR

SERVING_FLOPS_PER_PARAM_TOKEN = 2.0
"""Forward alone; training takes `leaderboard.laws.compute.FLOPS_PER_PARAM_TOKEN`."""
RULE_OF_THUMB = 20.0
"""Tokens per parameter."""
BEST_LAW = "besiroglu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A size and a number of tokens, and the loss the surface gives them."""

    params: float
    tokens: float
    loss: float

    @property
    def flops(self) -> float:
        """Training FLOPs, 6 N D."""
        return FLOPS_PER_PARAM_TOKEN * self.params * self.tokens

    def as_json(self) -> dict[str, Json]:
        """Return N, D, D / N, C and the loss."""
        ratio = self.tokens / self.params
        return {"N": self.params, "D": self.tokens, "tokens_per_param": ratio, "C": self.flops, "loss": self.loss}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A loss surface with its source; all five numbers above 0 (E from 0 on)."""

    name: str
    source: str
    scale_params: float
    """A."""
    scale_tokens: float
    """B."""
    floor: float
    """E."""
    alpha: float
    beta: float
    r_star_tokens: float = PUBLISHED_R_STAR[0]
    """R*_D: repeats after which 1 - 1/e of the worth of repeated tokens is gone."""
    r_star_params: float = PUBLISHED_R_STAR[1]
    """R*_N: the same of surplus parameters."""
    own_r_star: bool = False
    """Whether R* were fitted with this surface; else the published ones stand in."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of the runs behind the fit, by variable; empty where unknown."""

    @property
    def exponent(self) -> float:
        """N* grows as C to this power."""
        return self.beta / (self.alpha + self.beta)

    @property
    def balance(self) -> float:
        """G of N* = G (C/6)^a."""
        ratio = self.alpha * self.scale_params / (self.beta * self.scale_tokens)
        return float(ratio ** (1 / (self.alpha + self.beta)))

    def loss(self, params: float, tokens: float) -> float:
        """Return L at N and D of new tokens."""
        of_data = self.scale_tokens * tokens**-self.beta
        return float(self.floor + self.scale_params * params**-self.alpha + of_data)

    def at(self, params: float, tokens: float) -> Allocation:
        """Return a size and tokens with their loss."""
        return Allocation(params=params, tokens=tokens, loss=self.loss(params, tokens))

    def optimum(self, flops: float) -> Allocation:
        """Return the compute-optimal size and tokens."""
        budget = flops / FLOPS_PER_PARAM_TOKEN
        params = self.balance * budget**self.exponent
        return self.at(params, budget / params)

    def flops_for(self, loss: float) -> float:
        """Return the least training FLOPs that reach a loss; infinite at or below the floor.

        On the path of optima L - E = K (C/6)^(-alpha beta / (alpha + beta)).
        """
        if loss <= self.floor:
            return math.inf
        at_six = self.optimum(FLOPS_PER_PARAM_TOKEN).loss - self.floor
        rate = self.alpha * self.beta / (self.alpha + self.beta)
        return float(FLOPS_PER_PARAM_TOKEN * ((loss - self.floor) / at_six) ** (-1 / rate))

    def tokens_for(self, params: float, loss: float) -> float:
        """Return the tokens at which a size reaches a loss; infinite when it never does."""
        left = loss - self.floor - self.scale_params * params**-self.alpha
        return float((self.scale_tokens / left) ** (1 / self.beta)) if left > 0 else math.inf

    def as_json(self) -> dict[str, Json]:
        """Return name, source and numbers."""
        return {
            "name": self.name,
            "source": self.source,
            "params": {
                "A": self.scale_params,
                "B": self.scale_tokens,
                "E": self.floor,
                "alpha": self.alpha,
                "beta": self.beta,
            },
            "a": self.exponent,
            "G": self.balance,
        }


CHINCHILLA_RUNS = {"N": (5.7e7, 1.6e10), "D": (8.2e8, 3.2e11), "C": (1.4e18, 1.3e22)}
"""Range of the 240 runs that were read from Chinchilla's figure (Besiroglu et al.)."""
C4_RUNS = {"N": (7e6, 8.7e9), "D": (1e8, 9e11)}


def _published(name: str, source: str, *numbers: float) -> Surface:
    a, b, floor, alpha, beta = numbers
    return Surface(
        name=name, source=source, scale_params=a, scale_tokens=b, floor=floor, alpha=alpha, beta=beta,
        own_r_star=name == "muennighoff", ranges=C4_RUNS if name == "muennighoff" else CHINCHILLA_RUNS,
    )  # fmt: skip


PUBLISHED: Mapping[str, Surface] = {
    surface.name: surface
    for surface in (
        _published(
            "besiroglu", "Besiroglu et al. 2024 (2404.10102): Chinchilla's runs, refitted",
            482.01, 2085.43, 1.8172, 0.3478, 0.3658,
        ),
        _published(
            "hoffmann", "Hoffmann et al. 2022 (2203.15556) eq. 10, as printed; at odds with its approaches 1 and 2",
            406.4, 410.7, 1.69, 0.34, 0.28,
        ),
        _published(
            "sardana", "Hoffmann's fit with the digits that Sardana et al. 2024 (2401.00448) use",
            406.4, 410.7, 1.69, 0.336, 0.283,
        ),
        _published(
            "muennighoff", "Muennighoff et al. 2023 (2305.16264), C4 fit of their code, with R* 15.4 and 5.3",
            *C4_FIT.values(),
        ),
    )
}  # fmt: skip


def load_surface(name: str) -> Surface:
    """Return a published surface by name, or the one that a JSON file of `curate fit ... --json` holds.

    Raises: LawError for an unknown name, a file that is no fit, a law without such a surface, or numbers that are none.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    path = Path(name)
    if not path.is_file():
        hint = nearest(name, PUBLISHED)
        raise LawError(
            f"--law: `{name}` is no published law ({', '.join(PUBLISHED)}) and no file; {hint}; a fit of your own is "
            "written by `curate fit chinchilla TABLE --map ... --json > FILE.json`"
        )
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        law, params = (
            value["law"],
            {key: float(number) for key, number in value["params"].items() if number is not None},
        )
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise LawError(
            f"{path}: not a fit ({error!r}); expected what `curate fit chinchilla ... --json` prints"
        ) from None
    return _of_fit(str(path), law, params)


def _of_fit(path: str, law: str, params: Mapping[str, float]) -> Surface:
    names: tuple[str, ...]
    if law == "overtraining":
        names = ("a", "b", "E", "eta")
    elif law in ("chinchilla", "data-constrained"):
        names = ("A", "B", "E", "alpha", "beta")
    else:
        raise LawError(
            f"{path}: holds the law `{law}`, which gives no loss in N and D; expected chinchilla, data-constrained or "
            "overtraining; fit one of them to the same runs"
        )
    numbers = []
    for name in names:
        value = params.get(name, math.nan)
        if not (0 < value < math.inf or (name == "E" and value == 0)):
            raise LawError(
                f"{path}: {name} is {value:g}, expected a number above 0; a fit at a bound is no plan: refit"
            )
        numbers.append(value)
    own = "R*_D" in params and "R*_N" in params
    scale_a, scale_b, floor, alpha = numbers[:4]
    factor = 6.0**-alpha if law == "overtraining" else 1.0
    return Surface(
        name=law,
        source=f"own fit, {path}",
        scale_params=scale_a * factor,
        scale_tokens=scale_b * factor,
        floor=floor,
        alpha=2 * alpha if law == "overtraining" else alpha,
        beta=2 * alpha if law == "overtraining" else numbers[4],
        r_star_tokens=params["R*_D"] if own else PUBLISHED_R_STAR[0],
        r_star_params=params["R*_N"] if own else PUBLISHED_R_STAR[1],
        own_r_star=own,
    )
