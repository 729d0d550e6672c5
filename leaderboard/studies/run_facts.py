"""Facts of a finished run from its own log and manifest, and what arms' logs say of each other on the way.

The log (`metrics.jsonl`) holds the loss and gradient norm of every step and, at about ten points, bits per byte of the
panel's subset by slice (`train.validation`): the points of two runs of one tier are after equally many tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from curation.store import Artifact
from leaderboard.studies.facts import CheckpointDelta, Cost, RunFacts
from train.run_clock import timing_path
from train.tiers import Tier, load_tier

METRICS = "metrics.jsonl"


def run_facts(run: Artifact) -> RunFacts | None:
    """Return how a training went; None for a run that kept no log of its steps."""
    summary = cast("Mapping[str, Any]", run.summary)
    if "spike_score" not in summary:
        return None
    rows = log_rows(run.path)
    losses = [value for row in rows for value in row.get("step_losses", ())]
    norms = [value for row in rows for value in row.get("step_grad_norms", ())]
    final = _number(summary.get("final_train_loss"))
    known = [value for value in norms if value is not None and math.isfinite(value)]
    whole = [row.get("loss") for row in rows] + losses + norms + [final]
    return RunFacts(
        finite=all(value is not None and math.isfinite(value) for value in whole),
        diverged=any(bool(row.get("diverged")) for row in rows),
        initial_loss=_number(losses[0]) if losses else _number(rows[0].get("loss")) if rows else None,
        final_loss=final,
        grad_norm_p99=float(np.percentile(known, 99)) if known else None,
        spike_score=float(summary["spike_score"]),
        spike_score_grad_norm=float(summary.get("spike_score_grad_norm", 0.0)),
        num_spikes=int(summary.get("num_spikes", 0)),
        skipped_fraction=len(summary.get("skipped_steps", ())) / max(1, int(summary["steps"])),
        num_interventions=len(summary.get("interventions", ())),
        resumed_exactly=bool(summary.get("resumed_exactly", True)),
        sample_hash=str(summary.get("sample_hash", "")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def log_rows(run: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's log; none if it has none, and without a last line that was torn."""
    path = run / METRICS
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(cast("dict[str, Any]", json.loads(line)))
        except ValueError:
            continue
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A run's scores on the way."""

    arm: str
    tier: str
    seed: int
    validations: Mapping[int, Mapping[str, float]]
    """Tokens -> bits per byte of the panel's subset by slice."""
    steps: Mapping[int, int]
    """Tokens -> step."""
    subset: str
    """Digest of the subset."""


def logged(run: Artifact, arm: str, tier: str) -> Logged:
    """Return the validations of a run's log; `tier` is the study's, whatever variant of it the arm trains."""
    found: dict[int, Mapping[str, float]] = {}
    steps: dict[int, int] = {}
    subset = ""
    for row in log_rows(run.path):
        one = row.get("validation")
        if isinstance(one, Mapping):
            tokens = int(one["tokens"])
            found[tokens] = {name: value for name, value in one["bpb"].items() if value}
            steps[tokens], subset = int(one["step"]), str(one.get("set", ""))
    summary = run.summary
    return Logged(
        arm=arm,
        tier=tier,
        seed=int(cast("int", summary["seed"])),
        validations=found,
        steps=steps,
        subset=subset,
    )


def checkpoint_deltas(runs: Sequence[Logged], arm: str, against: str, slices: Sequence[str]) -> list[CheckpointDelta]:
    """Return `arm` against `against` at one tier after equally many tokens, mean over `slices` and the shared seeds.

    Slices that the subset does not hold are left out; points that not all shared seeds have, too.
    """
    left, right = ({run.seed: run for run in runs if run.arm == name} for name in (arm, against))
    seeds = [seed for seed in sorted(left.keys() & right.keys()) if left[seed].subset == right[seed].subset]
    if not seeds:
        return []
    tier = load_tier(left[seeds[0]].tier)
    shared = set.intersection(*(set(side[seed].validations) for side in (left, right) for seed in seeds))
    return list(_deltas(left, right, seeds, sorted(shared), tier, (arm, against), slices))


def _deltas(
    left: Mapping[int, Logged],
    right: Mapping[int, Logged],
    seeds: Sequence[int],
    points: Sequence[int],
    tier: Tier,
    names: tuple[str, str],
    slices: Sequence[str],
) -> Iterator[CheckpointDelta]:
    for tokens in points:
        ratios = [
            float(np.mean([math.log(ours[name] / theirs[name]) for name in held]))
            for seed in seeds
            if (ours := left[seed].validations[tokens]) is not None
            and (theirs := right[seed].validations[tokens]) is not None
            and (held := [name for name in slices if name in ours and name in theirs])
        ]
        if len(ratios) == len(seeds):
            yield CheckpointDelta(
                tier=left[seeds[0]].tier,
                arm=names[0],
                against=names[1],
                tokens=tokens,
                phase=_phase(left[seeds[0]].steps[tokens], tier),
                source="validation",
                log_ratio=float(np.mean(ratios)),
                seeds=tuple(seeds),
            )


def _phase(step: int, tier: Tier) -> str:
    """Return where the rate of the tier is after `step` steps; schedules without a plateau only fall."""
    if step >= tier.num_steps:
        return "end"
    if step < tier.rates.warmup_steps:
        return "warmup"
    return "plateau" if tier.schedule == "wsd" and step <= tier.rates.decay_start else "decay"


def run_cost(arm: str, tier_name: str, runs: Sequence[Artifact], store: Path, kept: float | None) -> Cost:
    """Return what an arm's runs at a tier took, as their own clocks said; None in it where a run has no clock."""
    tier = load_tier(tier_name)
    seconds = [_seconds(store, run) for run in runs]
    wall = sum(sum(one.values()) for one in seconds) if all("train" in one for one in seconds) else None
    execution = cast("Mapping[str, Any]", runs[0].summary.get("execution") or {})
    device = str(execution.get("device", "cpu"))
    processes = int(execution.get("world_size", 1))
    hours = None if wall is None else wall * (tier.threads if device == "cpu" else 1) * processes / 3_600
    seen = [cast("float", run.summary["tokens_seen"]) for run in runs]  # a variant's are its own
    speeds = [tokens / one["train"] for tokens, one in zip(seen, seconds, strict=True) if one.get("train")]
    return Cost(
        arm=arm,
        tier=tier_name,
        num_runs=len(runs),
        wall_seconds=wall,
        cpu_hours=hours if device == "cpu" else 0.0,
        gpu_hours=0.0 if device == "cpu" else hours,
        tokens_per_second=float(np.median(speeds)) if speeds else None,
        device=device,
        flops=float(sum(cast("float", run.summary["flops"]) for run in runs)),
        kept_token_fraction=kept,
    )


def _seconds(store: Path, run: Artifact) -> dict[str, float]:
    try:
        value = json.loads(timing_path(store, run.fingerprint).read_bytes())
        return {str(name): float(one) for name, one in value["seconds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
