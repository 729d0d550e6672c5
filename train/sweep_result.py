"""What a learning-rate sweep found, as it is stored with a tier: losses by multiplier and seed, and the verdict.

A tier's rate is frozen only if its own point (x1) is at most `MAX_PENALTY` nats a token above the best of the
multipliers, by mean over seeds. A rate that is off by two costs 10 to 40 mnat, more than many real effects of data;
half of a bin of such a sweep costs less than 5. The spread between seeds is shown beside it: a penalty inside it is
not resolved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from curation.errors import RunError
from curation.files import Json, digest_json
from train.tier_data import stored_sweep
from train.tiers import TIERS, Tier

MULTIPLIERS = (0.5, 1.0, 2.0)
MAX_PENALTY = 0.005
"""Nats a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Final validation losses of one tier at one budget; `losses[i]` belongs to `multipliers[i]`, one a seed."""

    tier: str
    recipe: str
    """`recipe_identity` of the tier that was swept."""
    learning_rate: float
    """At multiplier 1."""
    multipliers: tuple[float, ...]
    seeds: tuple[int, ...]
    losses: tuple[tuple[float, ...], ...]
    """Mean nats a token over the panel, after the last step."""
    corpus: str
    """Fingerprint of the corpus."""
    panel: str
    """Digest of the panel."""
    device: str
    date: str
    note: str = ""
    """What the corpus was, in words."""

    @property
    def means(self) -> dict[float, float]:
        """Mean loss over seeds by multiplier."""
        return {m: math.fsum(row) / len(row) for m, row in zip(self.multipliers, self.losses, strict=True)}

    @property
    def best(self) -> float:
        """The multiplier of the lowest mean loss."""
        return min(self.means, key=lambda multiplier: self.means[multiplier])

    @property
    def penalty(self) -> float:
        """How much the tier's own rate loses to the best, in nats a token; 0 if it is the best."""
        return self.means[1.0] - self.means[self.best]

    @property
    def frozen(self) -> bool:
        """Whether the rate may be frozen."""
        return self.penalty <= MAX_PENALTY

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation between seeds, pooled over the multipliers; None with one seed."""
        if len(self.seeds) < 2:
            return None
        squares = [
            (loss - self.means[m]) ** 2 for m, row in zip(self.multipliers, self.losses, strict=True) for loss in row
        ]
        return math.sqrt(math.fsum(squares) / (len(squares) - len(self.multipliers)))

    @property
    def said(self) -> str:
        """The sweep in one line."""
        points = ", ".join(f"x{m:g} {mean:.4f}" for m, mean in self.means.items())
        noise = "one seed" if self.seed_deviation is None else f"\u03c3 {1e3 * self.seed_deviation:.1f} mnat"
        verdict = "frozen" if self.frozen else "not to be frozen"
        return (
            f"{points} nats a token ({len(self.seeds)} seed(s), {noise}); x1 is {1e3 * self.penalty:.1f} mnat above "
            f"the best, x{self.best:g}: {verdict} (at most 5 mnat). {self.tier}, {self.date}, {self.device}"
        )

    def as_json(self) -> dict[str, Json]:
        """Return what is stored, with what follows from it."""
        return {
            **cast("dict[str, Json]", asdict(self)),
            "means": {f"{multiplier:g}": mean for multiplier, mean in self.means.items()},
            "seed_deviation": self.seed_deviation,
            "best": self.best,
            "penalty": self.penalty,
            "frozen": self.frozen,
        }


def recipe_identity(tier: Tier) -> str:
    """Return the digest of a tier's numbers without budget and multiplier: what a sweep is valid for."""
    plain = replace(
        tier,
        name=tier.model,
        multiple=1.0,
        lr_multiplier=1.0,
        learning_rate=TIERS[tier.model].learning_rate if tier.lr_multiplier != 1 else tier.learning_rate,
        evidence=TIERS[tier.model].evidence if tier.lr_multiplier != 1 else tier.evidence,
    )
    return digest_json(asdict(plain))


def sweep_from_json(stored: Mapping[str, Any], where: str) -> Sweep:
    """Return the sweep that `as_json` described.

    Raises: RunError if fields are missing or do not belong together.
    """
    try:
        rows = cast("Sequence[Sequence[float]]", stored["losses"])
        sweep = Sweep(
            multipliers=tuple(float(value) for value in stored["multipliers"]),
            seeds=tuple(int(value) for value in stored["seeds"]),
            losses=tuple(tuple(float(value) for value in row) for row in rows),
            **{key: stored[key] for key in ("tier", "recipe", "learning_rate", "corpus", "panel", "device", "date")},
            note=str(stored.get("note", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{where}: not a learning-rate sweep ({error!r}); expected what `curate lr-sweep` wrote"
        ) from None
    whole = len(sweep.losses) == len(sweep.multipliers) and {len(row) for row in sweep.losses} == {len(sweep.seeds)}
    if not whole or 1.0 not in sweep.multipliers:
        raise RunError(
            f"{where}: expected one loss a multiplier and seed, and multiplier 1; run `curate lr-sweep` again"
        )
    return sweep


def sweep_of(tier: Tier) -> dict[str, Json]:
    """Return the sweep stored with `tier`, with `said` in words; one made under other numbers is called stale."""
    stored = stored_sweep(tier.model)
    if stored is None:
        return {"said": "not swept"}
    sweep = sweep_from_json(stored, f"learning-rate sweep of {tier.model}")
    stale = sweep.recipe != recipe_identity(tier)
    said = f"stale, made under other numbers: {sweep.said}" if stale else sweep.said
    return {**sweep.as_json(), "stale": stale, "said": said}
