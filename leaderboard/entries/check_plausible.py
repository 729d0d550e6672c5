"""L1, last part: is it too good? Not an inconsistency: a flag that asks for an audit (level 2 takes it away).

Reference runs of a tier on a panel are the noise pack's and the baselines of other entries of the track. A baseline on
the same corpus must not be better than they are: one-sided two-sample t-test, p = 0.05, as MLPerf's reference
convergence points. An arm may be better, that is what studies are for, but no known change of data takes off more than
a tenth of all bits: the flag is raised when even the upper bound of its log ratio lies below ln 0.9.
Source: MLPerf training rules, reference convergence points; ecosystem reference 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from curation.numerics import t_critical
from leaderboard.entries.checks import Check, Subject
from leaderboard.entries.manifest import Manifest, RunRecord
from leaderboard.noise.find import known_packs
from leaderboard.noise.pack import seed_values

ONE_SIDED = 0.90
"""Two-sided confidence whose upper tail is 5 %."""
PLAUSIBLE = math.log(0.9)
"""Largest known gain of a data change at equal tokens, as a log ratio of bits per byte."""
MIN_LOSS = 0.2
"""Bits per byte that no model reaches on text it has not seen; large ones have about 0.5."""


def plausible_check(subject: Subject) -> Check:
    """Flag results that are better than reference runs make likely."""
    found = [*_baselines(subject), *_arms(subject), *_memory(subject)]
    if found:
        remedy = "audit it: `curate leaderboard verify ENTRY --level 2 --store STORE`, or challenge it"
        return Check(name="plausible", level=1, state="flag", text="too good: " + "; ".join(found[:5]), remedy=remedy)
    return Check(name="plausible", level=1, state="pass", text="inside the band of reference runs")


def better_than(mine: Sequence[float], reference: Sequence[float]) -> tuple[float, float] | None:
    """Return t and its one-sided 5 % bound if `mine` (lower is better) can be tested against `reference`; else None."""
    degrees = len(mine) + len(reference) - 2
    if not mine or not reference or degrees < 1:
        return None
    squares = sum(float(np.var(side) * len(side)) for side in (mine, reference))
    spread = math.sqrt(squares / degrees * (1 / len(mine) + 1 / len(reference)))
    gap = float(np.mean(reference) - np.mean(mine))
    if spread == 0:
        return (math.inf if gap > 0 else 0.0), t_critical(degrees, ONE_SIDED)
    return gap / spread, t_critical(degrees, ONE_SIDED)


def headline(run: RunRecord) -> float:
    """Return the mean of ln bits per byte over a run's slices."""
    return float(np.mean([math.log(value) for value in run.bpb.values()])) if run.bpb else math.nan


def _baselines(subject: Subject) -> Iterator[str]:
    for tier in subject.manifest.study.tiers:
        own = [run for run in subject.of(tier) if run.role == "baseline"]
        reference = _reference(subject, tier, own)
        tested = better_than([headline(run) for run in own], reference)
        if tested and tested[0] > tested[1]:
            gap = float(np.mean(reference) - np.mean([headline(run) for run in own]))
            yield (
                f"baseline at {tier} is {gap:.4f} better in ln bits per byte than {len(reference)} reference runs "
                f"of the same corpus (t = {tested[0]:.1f}, 5 % one-sided {tested[1]:.2f})"
            )


def _reference(subject: Subject, tier: str, own: Sequence[RunRecord]) -> list[float]:
    """Return ln bits per byte of reference runs that are not the entry's own."""
    if not own:
        return []
    first, mine = own[0], {run.fingerprint for run in own}
    found: dict[str, float] = {}
    for manifest, _ in subject.references:
        for run in manifest.run_records(tier=tier):
            if run.role == "baseline" and _alike(run, first) and run.fingerprint not in mine:
                found[run.fingerprint] = headline(run)
    return [*found.values(), *_pack_values(first, mine)]


def _alike(run: RunRecord, other: RunRecord) -> bool:
    keys = ("panel", "tokenizer", "context", "tier_digest", "corpus")
    return all(getattr(run, key) == getattr(other, key) for key in keys) and run.bpb.keys() == other.bpb.keys()


def _pack_values(run: RunRecord, without: set[str]) -> list[float]:
    """Return the runs of shipped noise packs of the same tier, panel and corpus."""
    for _, pack in known_packs():
        same = (pack.tier, pack.tier_digest, pack.provenance.panel, pack.provenance.corpus)
        if same != (run.tier, run.tier_digest, run.panel, run.corpus):
            continue
        measures = [pack.measure("slice", name, "bits_per_byte") for name in run.bpb]
        if all(measure is not None for measure in measures):
            columns = [seed_values(pack, measure, frozenset(without)) for measure in measures if measure is not None]
            if len({len(column) for column in columns}) == 1:
                return [float(value) for value in np.mean(columns, axis=0)]
    return []


def _arms(subject: Subject) -> Iterator[str]:
    manifest: Manifest = subject.manifest
    for tier in manifest.study.tiers:
        base = {run.seed: headline(run) for run in subject.of(tier) if run.role == "baseline"}
        for arm in sorted({run.arm for run in subject.of(tier) if run.role == "arm"}):
            ratios = [
                headline(run) - base[run.seed] for run in manifest.run_records(tier=tier, arm=arm) if run.seed in base
            ]
            if not ratios:
                continue
            spread = float(np.std(ratios, ddof=1) / math.sqrt(len(ratios))) if len(ratios) > 1 else 0.0
            upper = float(np.mean(ratios)) + (t_critical(len(ratios) - 1, ONE_SIDED) * spread if spread else 0.0)
            if upper < PLAUSIBLE:
                share = 1 - math.exp(float(np.mean(ratios)))
                yield f"{arm} at {tier} takes {share:.0%} off the baseline's bits, no known change of data over 10 %"


def _memory(subject: Subject) -> Iterator[str]:
    for run in subject.manifest.runs:
        low = sorted(name for name, value in run.bpb.items() if value < MIN_LOSS)
        if low:
            yield f"{run.label}: {run.bpb[low[0]]:.3f} bits per byte on slice {low[0]}, as if it had been trained on it"
