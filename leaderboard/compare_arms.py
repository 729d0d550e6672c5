"""Comparison of arms at one tier on one panel: differences by slice, their intervals, and the headline (rules 5, 8).

A slice's difference is the mean over shared seeds of `ln(bpb_arm / bpb_other)`; the headline is the mean of these
over slices with equal weights, never a mean of raw bits per byte. Seed variance is pooled over all arms of the tier
(`curation.numerics`), families are bootstrapped, the variances add. A family that spans slices is drawn whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from curation.errors import RunError
from curation.numerics import (
    MIN_DEGREES,
    NoisePrior,
    Variance,
    bootstrap_sums,
    difference_variance,
    pooled_variance,
)
from curation.randomness import generator
from curation.slices import domain_of
from leaderboard.comparison.paired import Design, Paired, Units, paired, shared_noise
from leaderboard.scores import Floats, SliceScores, TierScores
from leaderboard.studies.results import Comparison, Delta, SliceDelta

MIN_FAMILIES = 50
MIN_BYTES = 1_000_000
SEED = 1
"""Seed of the bootstrap's draws; fixed, so that a comparison is a function of its runs."""
HEADLINE = "*"
"""Key of the headline among noise priors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a comparison needs to know beside the scores."""

    selected_for: frozenset[str] = frozenset()
    """Slices that something was fitted to; shown, not averaged (rule 2)."""
    noise: Mapping[str, NoisePrior] = field(default_factory=dict)
    """Measured run noise of this tier by slice, and of the headline under `HEADLINE`; empty: none was measured."""
    interventions: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """(arm, seed) -> digest of what recovery did to the run, of those it did anything to."""


def compare_arms(scores: TierScores, arm: str, against: str, rules: Rules) -> Comparison:
    """Return `arm` against `against` over the seeds both have.

    Raises: RunError if they share no seed.
    """
    return as_comparison(slice_pairs(scores, arm, against, rules), scores, rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePairs:
    """Paired differences of two arms by slice, and of their mean."""

    arm: str
    against: str
    seeds: tuple[int, ...]
    design: Design
    slices: Mapping[str, Paired]
    not_judged: Mapping[str, str]
    headline: Paired | None
    headline_slices: tuple[str, ...]
    headline_judged: bool
    joint_draws: Floats | None
    """Draws of the headline's slices side by side: a family that spans slices is drawn whole."""


def slice_pairs(scores: TierScores, arm: str, against: str, rules: Rules) -> SlicePairs:
    """Return the differences of `arm` and `against` over the seeds both have.

    Raises: RunError if they share no seed.
    """
    design, seeds = shared_seeds(scores.runs, arm, against, scores.tier)
    slices = {
        name: paired(slice_units(one), design, generator(SEED, "families", name), rules.noise.get(name))
        for name, one in scores.slices.items()
    }
    not_judged = {name: why_not_judged(one, rules.selected_for) for name, one in scores.slices.items()}
    averaged, judged = headline_slices(scores, rules.selected_for)
    headline, joint = None, None
    if averaged:
        headline, joint = _headline([scores.slices[name] for name in averaged], design, rules.noise.get(HEADLINE))
    return SlicePairs(
        arm=arm,
        against=against,
        seeds=seeds,
        design=design,
        slices=slices,
        not_judged=not_judged,
        headline=headline,
        headline_slices=averaged,
        headline_judged=judged,
        joint_draws=joint,
    )


def shared_seeds(runs: Sequence[tuple[str, int]], arm: str, against: str, where: str) -> tuple[Design, tuple[int, ...]]:
    """Return the pairs of two arms by seed among columns of (arm, seed), and the seeds.

    Raises: RunError if they share no seed.
    """
    sides = [{seed: column for column, (name, seed) in enumerate(runs) if name == side} for side in (arm, against)]
    left, right = sides
    seeds = tuple(sorted(left.keys() & right.keys()))
    if not seeds:
        raise RunError(
            f"comparison of {arm} with {against} at {where}: no seed in common "
            f"({sorted(left)} and {sorted(right)}); expected seeds 1..n of both (rule 10); train the missing ones"
        )
    pairs = tuple((left[seed], right[seed]) for seed in seeds)
    return Design(arms=tuple(name for name, _ in runs), pairs=pairs), seeds


def as_comparison(found: SlicePairs, scores: TierScores, rules: Rules) -> Comparison:
    """Return the differences as the record that results keep."""
    slices = []
    for name, one in scores.slices.items():
        bpb = one.bpb
        slices.append(
            SliceDelta(
                slice=name,
                delta=delta_of(found.slices[name]),
                bpb=float(np.mean(bpb[found.design.left])),
                other_bpb=float(np.mean(bpb[found.design.right])),
                num_docs=one.num_docs,
                num_families=len(one.families),
                num_bytes=int(one.num_bytes.sum()),
                not_judged=found.not_judged[name],
            )
        )
    return Comparison(
        tier=scores.tier,
        arm=found.arm,
        against=found.against,
        seeds=found.seeds,
        headline=delta_of(found.headline) if found.headline else None,
        headline_slices=found.headline_slices,
        headline_judged=found.headline_judged,
        slices=tuple(slices),
        invalid=why_invalid(rules.interventions, found.arm, found.against, found.seeds),
    )


def why_invalid(interventions: Mapping[tuple[str, int], str], arm: str, against: str, seeds: Sequence[int]) -> str:
    """Return why two arms do not compare over `seeds`: a training of one was intervened in and not the same in both.

    Empty when no run was, or what was done to one was replayed in its pair.
    """
    unequal = [
        f"{name} seed {seed}"
        for seed in seeds
        for name in (arm, against)
        if interventions.get((name, seed)) and interventions.get((arm, seed)) != interventions.get((against, seed))
    ]
    if not unequal:
        return ""
    return (
        f"intervened in {', '.join(unequal)} and not the same in both: what recovery did is part of the difference; "
        "train both without it, or the other with --replay-interventions"
    )


def why_not_judged(slice_scores: SliceScores, selected_for: frozenset[str]) -> str:
    """Return why a slice is shown but not judged (rules 2 and 5); empty when it is judged."""
    name, num_families = slice_scores.slice, len(slice_scores.families)
    num_bytes = float(slice_scores.num_bytes.sum())
    if {name, name.partition("/")[0]} & selected_for:  # a language's slice is part of one
        return "selected-for: a classifier or search drew on it (rule 2)"
    if domain_of(name) == "noisy-web":
        return "noisy web is never gated (rule 5)"
    if num_families < MIN_FAMILIES:
        return f"{num_families} families, under {MIN_FAMILIES} (rule 5)"
    if num_bytes < MIN_BYTES:
        return f"{num_bytes / 1e6:.2f} MB, under 1 MB (rule 5)"
    return ""


def headline_slices(scores: TierScores, selected_for: frozenset[str]) -> tuple[tuple[str, ...], bool]:
    """Return the slices that the headline averages, and whether these are judged (rules 2 and 5)."""
    why = {name: why_not_judged(one, selected_for) for name, one in scores.slices.items()}
    judged = tuple(name for name, reason in why.items() if not reason)
    if judged:
        return judged, True
    small = tuple(name for name, reason in why.items() if "rule 2" not in reason and domain_of(name) != "noisy-web")
    return small, False


def slice_units(one: SliceScores) -> Units:
    """Return the families of a slice as what is drawn, compared by the logarithm of bits per byte."""
    return Units(names=one.families, sums=one.nats / math.log(2), sizes=one.num_bytes, log=True)


def _headline(slices: Sequence[SliceScores], design: Design, prior: NoisePrior | None) -> tuple[Paired, Floats | None]:
    """Average log ratios over slices; families are drawn once for all slices they appear in."""
    values = np.asarray(np.mean([np.log(one.bpb) for one in slices], axis=0), np.float64)
    one_run = pooled_variance(design.by_arm(values), prior)
    names = sorted({family for one in slices for family in one.families})
    stacked = stacked_families(slices, names)
    spread, draws, joint = None, None, None
    if len(names) > 1:
        sums = bootstrap_sums(stacked, generator(SEED, "families", HEADLINE)).reshape(-1, len(slices), len(values))
        filled = sums[(sums > 0).all(axis=(1, 2))]
        if len(filled) > 1:
            joint = design.difference(np.log(filled))
            draws = np.asarray(joint.mean(axis=1), np.float64)
            fewest = min(len(one.families) for one in slices)
            larger = len(names) / (len(names) - 1)
            spread = Variance(value=float(np.var(draws, ddof=1)) * larger, degrees=max(MIN_DEGREES, fewest - 1))
    seeds = difference_variance(one_run, len(design.pairs), len(design.pairs)) if one_run else None
    influence = (stacked / stacked.sum(axis=0)).reshape(len(names), len(slices), -1).mean(axis=1)
    headline = Paired(
        delta=float(design.difference(values)),
        values=values,
        seeds=seeds,
        units=spread,
        both=shared_noise(influence, design.columns.values()) * 2 / len(design.pairs) if seeds else 0.0,
        draws=draws,
        num_units=len(names),
        num_pairs=len(design.pairs),
        measured=prior is not None,
    )
    return headline, joint


def stacked_families(slices: Sequence[SliceScores], names: Sequence[str]) -> Floats:
    """Return nats by family, columns slice by slice the runs."""
    place = {name: row for row, name in enumerate(names)}
    num_runs = slices[0].nats.shape[1]
    stacked = np.zeros((len(names), num_runs * len(slices)))
    for number, one in enumerate(slices):
        rows = [place[family] for family in one.families]
        stacked[rows, number * num_runs : (number + 1) * num_runs] = one.nats
    return stacked


def delta_of(found: Paired) -> Delta:
    """Return a difference as results keep it."""
    total, interval = found.total, found.interval
    return Delta(
        log_ratio=found.delta,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        se_seeds=math.sqrt(found.seeds.value) if found.seeds else None,
        se_families=math.sqrt(found.units.value) if found.units else None,
        degrees=total.degrees if total and math.isfinite(total.degrees) else None,
        num_seeds=found.num_pairs,
    )
