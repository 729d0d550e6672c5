"""Measurements that tokenizer and optimizer studies share: bits per byte, curves, speed, memory, downstream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaderboard.protocols.study_runs import MeasuredRun, middle, of_arm
from leaderboard.studies.facts import Measurement
from leaderboard.studies.results import Delta, StudyResult
from leaderboard.studies.study import BASELINE
from train.optimizer_names import optimizer_state_bytes

MIN_CURVE_POINTS = 2


def trained_arms(runs: Sequence[MeasuredRun], tier: str) -> list[str]:
    """Return the arms with runs at a tier, the baseline first, else in the study's order."""
    names = dict.fromkeys(run.result.arm for run in runs if run.result.tier == tier)
    return sorted(names, key=lambda name: name != BASELINE)


def panel_rows(name: str, result: StudyResult, runs: Sequence[MeasuredRun]) -> Iterator[Measurement]:
    """Yield bits per byte of every arm and slice, and every arm's differences from the baseline."""
    for tier in result.tiers:
        for arm in trained_arms(runs, tier):
            own = of_arm(runs, arm, tier)
            for part in sorted(own[0].result.bpb):
                mean = sum(run.result.bpb[part] for run in own) / len(own)
                yield Measurement(name=name, arm=arm, value=mean, unit="bits per byte", tier=tier, of=f"slice {part}")
    for judged in result.assessments:
        total = judged.total
        deltas: list[tuple[str, Delta]] = [(f"slice {one.slice}", one.delta) for one in total.slices]
        deltas += [("headline", total.headline)] if total.headline else []
        for of, delta in deltas:
            yield Measurement(name=name, arm=total.arm, value=delta.log_ratio, unit="log ratio to baseline",
                              tier=total.tier, of=of, low=delta.low, high=delta.high)  # fmt: skip


def curve_rows(result: StudyResult, runs: Sequence[MeasuredRun]) -> Iterator[Measurement]:
    """Yield how many points each run's curve has, for curves of two and more points."""
    for run in runs:
        points = len(run.result.curve)
        if points >= MIN_CURVE_POINTS:
            yield Measurement(name="curves", arm=run.result.arm, value=points, unit="points", tier=run.result.tier,
                              seed=run.result.seed, artifact=run.artifact.fingerprint)  # fmt: skip


def speed_rows(name: str, result: StudyResult, runs: Sequence[MeasuredRun]) -> Iterator[Measurement]:
    """Yield tokens and bytes a second and seconds a step of every arm, median over its runs."""
    for tier in result.tiers:
        for arm in trained_arms(runs, tier):
            own = of_arm(runs, arm, tier)
            tokens, step = (middle(run.tokens_per_second for run in own), middle(run.step_seconds for run in own))
            if tokens is None or step is None:
                continue
            found = {
                "tokens per second": tokens,
                "bytes per second": tokens * own[0].bytes_a_token,
                "seconds per step": step,
            }
            for unit, value in found.items():
                yield Measurement(name=name, arm=arm, value=value, unit=unit, tier=tier)


def memory_rows(result: StudyResult, runs: Sequence[MeasuredRun]) -> Iterator[Measurement]:
    """Yield parameters, bytes of optimizer state and peak bytes of every arm; without a peak, none of an arm."""
    for tier in result.tiers:
        for arm in trained_arms(runs, tier):
            own = of_arm(runs, arm, tier)
            trained, peak = own[0].trained, middle(run.peak_bytes for run in own)
            if peak is None:
                continue
            found = {
                "parameters": trained.shape.total_params,
                "parameters without embedding and head": trained.shape.non_embedding_params,
                "bytes of optimizer state": optimizer_state_bytes(trained),
                "peak bytes": peak,
            }
            for unit, value in found.items():
                yield Measurement(name="memory", arm=arm, value=value, unit=unit, tier=tier)


def downstream_rows(result: StudyResult) -> Iterator[Measurement]:
    """Yield what the suites say of arms against the baseline, by family."""
    for one in result.facts.families:
        yield Measurement(name="downstream", arm=one.arm, value=one.points, unit="percentage points to baseline",
                          tier=one.tier, of=f"{one.suite}: {one.family}", low=one.low, high=one.high)  # fmt: skip
        yield Measurement(name="downstream", arm=one.against, value=0.0, unit="percentage points to baseline",
                          tier=one.tier, of=f"{one.suite}: {one.family}")  # fmt: skip
