"""L1, fourth part: the arithmetic of runs and the shape of their curves; nothing is faster than physics.

Steps, tokens and FLOPs of a tier are a table's (docs/training.md): FLOPs a token are 6 N_mm + 12 L d T. Epochs are
tokens seen over unique tokens. A curve goes forward, ends where the run does, and its last tenth is the final loss.
What a device did in a second cannot exceed what its kind can: peak dense throughput, with a factor of two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from curation.errors import CurateError
from leaderboard.entries.checks import Check, Subject, absent, verdict
from leaderboard.entries.manifest import RunRecord
from train.tiers import Tier, load_tier, tier_digest

AGAIN = "the run's record was changed: `curate study run STUDY.yaml`, then submit again"
CURVE_TOLERANCE = 0.2
"""Between the final loss and the mean of the curve's last tenth, which is thinned to 200 points."""
PEAK_FLOPS = {"cpu": 5e13, "cuda": 5e15, "mps": 1e14}
"""A second and device: twice what the fastest of its kind reaches densely in the precision that tiers use."""
UNKNOWN_PEAK = 5e15
LARGEST_LOSS = 50.0


def run_checks(subject: Subject) -> list[Check]:
    """Return all checks of this part."""
    if all(run.role == "published" for run in subject.manifest.runs):
        text = "published numbers: no records of training"
        return [absent("arithmetic", text, "published numbers stay at level 0; submit a study of your own")]
    return [
        verdict("arithmetic", _arithmetic(subject), "steps, tokens and FLOPs are the tiers'", remedy=AGAIN),
        verdict("curves", _curves(subject), "curves go forward and end at the final loss", remedy=AGAIN),
        verdict("speed", _speed(subject), "no device was faster than its kind", remedy=AGAIN),
    ]


def _arithmetic(subject: Subject) -> Iterator[str]:
    for run in subject.manifest.runs:
        needed = (run.tokens_seen, run.unique_tokens, run.epochs, run.steps, run.flops)
        if any(value is None for value in needed) or not run.steps or not run.unique_tokens:
            yield f"{run.label}: tokens, epochs, steps or FLOPs are missing"
            continue
        yield from (f"{run.label}: {fault}" for fault in _own_faults(run))
        tier = _tier(run)
        if tier is None:
            if not run.variant:  # one of another's tokenizer cannot be made here
                yield f"{run.label}: unknown tier"
        elif tier_digest(tier) == run.tier_digest:
            yield from (f"{run.label}: {fault}" for fault in _table_faults(run, tier))
        elif str(tier.recipe_version) == run.recipe_version:
            shown = run.tier_digest[:16] or "none"
            yield f"{run.label}: tier digest {shown}, expected {tier_digest(tier)[:16]} of version {run.recipe_version}"


def _own_faults(run: RunRecord) -> Iterator[str]:
    """Yield what contradicts itself in a record."""
    seen, unique, epochs, steps = run.tokens_seen or 0, run.unique_tokens or 1, run.epochs or 0.0, run.steps or 1
    if not math.isclose(epochs, seen / unique, rel_tol=1e-6):
        yield f"{epochs:.4f} epochs, expected {seen / unique:.4f}: {seen:,} tokens seen of {unique:,}"
    if seen % steps:
        yield f"{seen:,} tokens in {steps:,} steps, expected whole batches"
    if run.stable != (run.skipped_steps <= 0.001 * steps):
        yield f"stable: {run.stable} with {run.skipped_steps} of {steps} steps skipped"
    matmul = run.params.get("matmul")
    if matmul and (run.flops or 0.0) < 6 * matmul * seen:
        yield f"{run.flops:.3g} FLOPs, at least {6 * matmul * seen:.3g} are needed (6 N_mm a token)"


def _table_faults(run: RunRecord, tier: Tier) -> Iterator[str]:
    """Yield where a record is not what the tier's table says."""
    wanted = (
        ("steps", run.steps, tier.num_steps),
        ("tokens seen", run.tokens_seen, tier.num_tokens),
        ("FLOPs", run.flops, float(tier.num_tokens * tier.shape.flops_per_token)),
        ("parameters", run.params.get("total", tier.shape.total_params), tier.shape.total_params),
        ("evaluation context", run.context, tier.eval_context_tokens),
        ("tokenizer", run.tokenizer, tier.tokenizer),
    )
    for name, found, expected in wanted:
        if found != expected:
            yield f"{name} {found}, expected {expected} of {tier.name}"


def _tier(run: RunRecord) -> Tier | None:
    try:
        return load_tier(run.trained)
    except CurateError:
        return None


def _curves(subject: Subject) -> Iterator[str]:
    for run in subject.manifest.runs:
        if len(run.curve) < 2 or run.final_train_loss is None:
            yield f"{run.label}: no training curve"
            continue
        yield from (f"{run.label}: {fault}" for fault in _curve_faults(run))


def _curve_faults(run: RunRecord) -> Iterator[str]:
    tokens = [point.tokens for point in run.curve]
    losses = [point.loss for point in run.curve]
    final = run.final_train_loss or 0.0
    if any(later <= earlier for earlier, later in itertools.pairwise(tokens)):
        yield "its curve goes back"
    if tokens[-1] > (run.tokens_seen or 0):
        yield f"its curve ends at {tokens[-1]:,} tokens, the run at {run.tokens_seen or 0:,}"
    if not all(0 < loss < LARGEST_LOSS for loss in (*losses, final)):
        yield f"a loss outside 0 to {LARGEST_LOSS:g} nats a token"
        return
    tail = losses[-max(1, len(losses) // 10) :]
    mean = math.fsum(tail) / len(tail)
    if abs(mean - final) > CURVE_TOLERANCE * final:
        yield f"final loss {final:.3f}, its curve ends at {mean:.3f}"


def _speed(subject: Subject) -> Iterator[str]:
    flops = {(run.arm, run.tier): run for run in subject.manifest.runs}
    for cost in subject.result.get("facts", {}).get("costs", []):
        run = flops.get((cost["arm"], cost["tier"]))
        rate = cost.get("tokens_per_second")
        if run is None or not rate or not run.tokens_seen or not run.flops:
            continue
        device = run.execution.get("device", "").partition(":")[0]
        size = run.execution.get("world_size", "1")
        world = int(size) if size.isdigit() else 1
        peak = PEAK_FLOPS.get(device, UNKNOWN_PEAK) * max(1, world)
        done = rate * run.flops / run.tokens_seen
        if done > peak:
            where = f"{run.arm} {run.tier}"
            yield f"{where}: {done:.3g} FLOPs a second on {world} {device or 'unknown'}, at most {peak:.3g}"
