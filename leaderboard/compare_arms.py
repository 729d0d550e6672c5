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
    NoisePrior,
    Variance,
    added,
    bootstrap_sums,
    difference_variance,
    pooled_variance,
    sample_variance,
    t_interval,
)
from curation.randomness import generator
from curation.slices import NOISY_SLICES
from leaderboard.results import Comparison, Delta, SliceDelta
from leaderboard.scores import Floats, SliceScores, TierScores

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
    left, right = scores.columns(arm), scores.columns(against)
    seeds = tuple(sorted(left.keys() & right.keys()))
    if not seeds:
        raise RunError(
            f"comparison of {arm} with {against} at {scores.tier}: no seed in common "
            f"({sorted(left)} and {sorted(right)}); expected seeds 1..n of both (rule 10); train the missing ones"
        )
    pairs = [(left[seed], right[seed]) for seed in seeds]
    slices = tuple(_slice_delta(scores, one, pairs, rules) for one in scores.slices.values())
    averaged, judged = headline_slices(scores, rules.selected_for)
    headline = _headline(scores, [scores.slices[name] for name in averaged], pairs, rules) if averaged else None
    return Comparison(
        tier=scores.tier,
        arm=arm,
        against=against,
        seeds=seeds,
        headline=headline,
        headline_slices=averaged,
        headline_judged=judged,
        slices=slices,
        invalid=why_invalid(rules.interventions, arm, against, seeds),
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
    if name in selected_for:
        return "selected-for: a classifier or search drew on it (rule 2)"
    if name in NOISY_SLICES:
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
    small = tuple(name for name, reason in why.items() if "rule 2" not in reason and name not in NOISY_SLICES)
    return small, False


def _slice_delta(scores: TierScores, one: SliceScores, pairs: Sequence[tuple[int, int]], rules: Rules) -> SliceDelta:
    ratios = _log_ratios(one.nats.sum(axis=0)[None, :], pairs)
    one_run = pooled_variance(_by_arm(scores, np.log(one.bpb)), rules.noise.get(one.slice))
    families = None
    if len(one.families) > 1:
        sums = bootstrap_sums(one.nats, generator(SEED, "families", one.slice))
        families = sample_variance(_log_ratios(sums, pairs), len(one.families) - 1)
    bpb = one.bpb
    return SliceDelta(
        slice=one.slice,
        delta=_delta(float(ratios[0]), one_run, families, len(pairs)),
        bpb=float(np.mean([bpb[left] for left, _ in pairs])),
        other_bpb=float(np.mean([bpb[right] for _, right in pairs])),
        num_docs=one.num_docs,
        num_families=len(one.families),
        num_bytes=int(one.num_bytes.sum()),
        not_judged=why_not_judged(one, rules.selected_for),
    )


def _headline(
    scores: TierScores, slices: Sequence[SliceScores], pairs: Sequence[tuple[int, int]], rules: Rules
) -> Delta:
    """Average log ratios over slices; families are drawn once for all slices they appear in."""
    means = np.mean([np.log(one.bpb) for one in slices], axis=0)
    one_run = pooled_variance(_by_arm(scores, means), rules.noise.get(HEADLINE))
    ratio = float(np.mean([means[left] - means[right] for left, right in pairs]))
    names = sorted({family for one in slices for family in one.families})
    families = None
    if len(names) > 1:
        place = {name: row for row, name in enumerate(names)}
        num_runs = len(scores.runs)
        stacked = np.zeros((len(names), num_runs * len(slices)))
        for number, one in enumerate(slices):
            rows = [place[family] for family in one.families]
            stacked[rows, number * num_runs : (number + 1) * num_runs] = one.nats
        sums = bootstrap_sums(stacked, generator(SEED, "families", HEADLINE)).reshape(-1, len(slices), num_runs)
        filled = sums[(sums > 0).all(axis=(1, 2))]
        if len(filled) > 1:
            draws = np.mean([_log_ratios(filled[:, number], pairs) for number in range(len(slices))], axis=0)
            families = sample_variance(draws, min(len(one.families) for one in slices) - 1)
    return _delta(ratio, one_run, families, len(pairs))


def _log_ratios(sums: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Return the mean over pairs of the log ratio of two columns, one number a row; bytes cancel in it."""
    logs = np.log(sums)
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios: Floats = (logs[:, left] - logs[:, right]).mean(axis=1)
    return ratios


def _by_arm(scores: TierScores, values: Floats) -> list[list[float]]:
    arms: dict[str, list[float]] = {}
    for (arm, _), value in zip(scores.runs, values.tolist(), strict=True):
        arms.setdefault(arm, []).append(value)
    return list(arms.values())


def _delta(ratio: float, one_run: Variance | None, families: Variance | None, num_seeds: int) -> Delta:
    seeds = difference_variance(one_run, num_seeds, num_seeds) if one_run else None
    parts = [part for part in (seeds, families) if part is not None]
    total = added(*parts) if parts else None
    interval = t_interval(ratio, total) if total and families else None
    return Delta(
        log_ratio=ratio,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        se_seeds=math.sqrt(seeds.value) if seeds else None,
        se_families=math.sqrt(families.value) if families else None,
        degrees=total.degrees if total and math.isfinite(total.degrees) else None,
        num_seeds=num_seeds,
    )
