"""Worlds of known truth as gates read them, for `gates_simulation.py`.

A world is a study of one filter arm, its two controls and the baseline at two scales, five seeds each, ten slices of
sixty families. Run noise of the headline is `sigma` nats at a loss of 3 nats, four fifths of its variance in common to
all slices; an arm also does something of its own to each family. Run noise is known from a pack of eight further seeds,
drawn anew in every world, or from a fixed prior of 0.002 nats.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.numerics import NoisePrior, Variance, difference_variance, pooled_variance
from leaderboard.comparison.paired import Paired
from leaderboard.gates.case import Case
from leaderboard.gates.definition import Gates
from leaderboard.gates.evidence import Cited, Effect, Evidence, Peer, Runs, SliceEffect, TierEvidence
from leaderboard.noise.spread import cautious_sigma, prior_of, spread_from
from leaderboard.studies.decision_facts import HalfDelta, NoiseUsed
from leaderboard.studies.results import Supply

Floats = npt.NDArray[np.float64]
LOSS = 3.0
"""Nats a token; noise and effects in nats are divided by it."""
SLICES, FAMILIES, FAMILY_SIGMA = 10, 60, 0.003
IN_COMMON = 0.8
"""Share of the headline's run variance that moves all slices alike."""
TIERS = (("micro-1x", 4_820_000), ("small-1x", 32_100_000))
LOOKS = (2, 3, 5)
PACK = 8
ARMS = ("baseline", "mine", "matched", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is true of a world; nats at a loss of 3."""

    sigma: float
    effect: float
    prior: str = "pack"
    """`pack`: eight seeds measured it; a number of nats: known beforehand with eight degrees."""
    reweighted: bool = False
    """Whether the effect is that of the slices' shares: `random-matched` has it too."""
    protected: bool = True
    """Whether one slice is protected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One tier of a world: log bits per byte by arm, seed and slice, the noise pack, and what families do."""

    tier: str
    params: int
    log_bpb: Floats
    """Arms x seeds x slices."""
    sigma: float
    sigma_upper: float
    degrees: float
    family_se: Floats
    """Pairs (mine, baseline), (mine, matched) x slices: as estimated from the families."""
    half_noise: float
    """What families do to the halves of the panel beside the whole."""


def scale_of(setting: Setting, tier: tuple[str, int], rng: np.random.Generator, num_seeds: int = 5) -> Scale:
    """Return one tier's truth with its noise."""
    sigma, effect = setting.sigma / LOSS, setting.effect / LOSS
    alike = rng.normal(size=(len(ARMS), num_seeds, 1)) * math.sqrt(IN_COMMON)
    own = rng.normal(size=(len(ARMS), num_seeds, SLICES)) * math.sqrt((1 - IN_COMMON) * SLICES)
    families = rng.normal(size=(len(ARMS), 1, SLICES)) * FAMILY_SIGMA / math.sqrt(FAMILIES)
    families[0] = 0.0
    shift = np.array([0.0, -effect, -effect * setting.reweighted, 0.0]).reshape(len(ARMS), 1, 1)
    if setting.prior == "pack":
        drawn = rng.normal(size=PACK).std(ddof=1) * sigma
        spread = spread_from(float(drawn), PACK - 1)
        known = prior_of(spread)
        upper = cautious_sigma(spread)
    else:
        known, upper = NoisePrior(sigma=float(setting.prior) / LOSS, degrees=8.0), float(setting.prior) / LOSS
    true_se = FAMILY_SIGMA / math.sqrt(FAMILIES) * np.array([1.0, math.sqrt(2)])[:, None]
    return Scale(
        tier=tier[0],
        params=tier[1],
        log_bpb=sigma * (alike + own) + families + shift,
        sigma=known.sigma,
        sigma_upper=upper,
        degrees=known.degrees,
        family_se=true_se * np.sqrt(rng.chisquare(FAMILIES - 1, size=(2, SLICES)) / (FAMILIES - 1)),
        half_noise=float(rng.normal()) * FAMILY_SIGMA / math.sqrt(FAMILIES * SLICES),
    )


def paired_of(values: Floats, num: int, *, prior: NoisePrior | None, family_se: float, pair: tuple[int, int]) -> Paired:
    """Return the difference of two arms as comparisons make it, from one number a run; columns are arm by arm."""
    one_run = pooled_variance([row.tolist() for row in values], prior)
    assert one_run is not None
    return Paired(
        delta=float(values[pair[0]].mean() - values[pair[1]].mean()),
        values=values.ravel(),
        seeds=difference_variance(one_run, num, num),
        units=Variance(value=family_se**2, degrees=FAMILIES - 1),
        both=0.0,
        draws=None,
        num_units=FAMILIES,
        num_pairs=num,
        measured=True,
    )


def effect_of(found: Paired, place: str) -> Effect:
    """Return a difference as evidence: the sign turned."""
    interval = found.interval
    assert interval is not None
    assert found.seeds is not None
    assert found.units is not None
    assert found.total is not None
    return Effect(
        id=place,
        gain=-found.delta,
        low=-interval.high,
        high=-interval.low,
        num_seeds=found.num_pairs,
        se_seeds=math.sqrt(found.seeds.value),
        se_families=math.sqrt(found.units.value),
        degrees=found.total.degrees,
    )


def tier_evidence(
    scale: Scale, num: int, *, protected: bool, by_slice: bool = True, controls: bool = True
) -> TierEvidence:
    """Return what the gates would read of a tier with `num` seeds an arm.

    Slices, and with `controls` the gain over `random-matched`, only where they are asked after.
    """
    values = scale.log_bpb[:, :num]
    heads = values.mean(axis=2)
    prior = NoisePrior(sigma=scale.sigma, degrees=scale.degrees)
    slice_prior = NoisePrior(sigma=scale.sigma * math.sqrt(IN_COMMON + (1 - IN_COMMON) * SLICES), degrees=scale.degrees)
    head_se = np.sqrt((scale.family_se**2).sum(axis=1)) / SLICES
    total, quality = (
        effect_of(paired_of(heads, num, prior=prior, family_se=float(head_se[k]), pair=(1, other)), f"w#{k}")
        if controls or other == 0
        else None
        for k, other in ((0, 0), (1, 2))
    )
    assert total is not None
    slices = tuple(
        SliceEffect(
            slice=f"s{one}",
            domain="prose",
            effect=effect_of(
                paired_of(
                    values[:, :, one], num, prior=slice_prior, family_se=float(scale.family_se[0, one]), pair=(1, 0)
                ),
                f"w#s{one}",
            ),
            judged=True,
            floor=0.005 if protected and one == 0 else 0.01,
            role="protect" if protected and one == 0 else "",
        )
        for one in range(SLICES if by_slice else 0)
    )
    runs = [
        Runs(arm=name, seeds=tuple(range(1, num + 1)), log_bpb=tuple(heads[place].tolist()), id=f"w#{name}")
        for place, name in enumerate(ARMS)
    ]
    noise = NoiseUsed(
        tier=scale.tier, sigma=scale.sigma, degrees=scale.degrees, pack="w", sigma_upper=scale.sigma_upper
    )
    supply = Supply(arm="mine", tier=scale.tier, unique_tokens=1, tokens_seen=1, epochs=1.0, flag="")
    halves = tuple(
        Cited(fact=HalfDelta(arm="mine", tier=scale.tier, half=name, log_ratio=value, low=None, high=None), id="w#h")
        for name, value in (
            ("selection", -total.gain + scale.half_noise),
            ("held-out", -total.gain - scale.half_noise),
        )
    )
    return TierEvidence(
        id="w", tier=scale.tier, model=scale.tier.split("-")[0], multiple=1.0, lr_multiplier=1.0, laptop=False,
        num_params=scale.params, num_tokens=1, flops=float(scale.params) ** 2, planned_seeds=num,
        baseline=runs[0], arm=runs[1], matched=runs[2], others=(runs[3],), total=total, quality=quality, rest=None,
        slices=slices,
        noise=Cited(fact=noise, id="w#n"), supply=Cited(fact=supply, id="w#s"),
        baseline_supply=Cited(fact=supply, id="w#s"), matched_supply=Cited(fact=supply, id="w#s"), halves=halves,
        peers=(Peer(arm="mine", effect=total),),
    )  # fmt: skip


def case_of(gates: Gates, tiers: Sequence[TierEvidence]) -> Case:
    """Return one arm at a gate that judges its largest tier."""
    evidence = Evidence(
        id="w", study="w" * 64, name="world", kind="filter", arm="mine", panel="p" * 64, multi_factor=False,
        runs_before_freeze=0, tiers=tuple(tiers),
    )  # fmt: skip
    return Case(
        evidence=evidence,
        tier=tiers[-1],
        looks=gates.looks,
        neutral_slice=gates.neutral_slice,
        neutral_points=gates.neutral_points,
        earlier=0,
    )


def main() -> None:
    """Say what this is; it makes no numbers of its own."""
    argparse.ArgumentParser(description="Worlds for gates_simulation.py, which is what to run.").parse_args()


if __name__ == "__main__":
    main()
