"""The gates replayed on published runs: false scale-ups, regret and GPU-hours of each rule, and what crosses.

Nothing here is a verdict: published runs have one seed and no noise pack (rule 9), so the gates themselves say
`insufficient` to all of them, which is shown first. The replay asks what their statistics would have done with the run
noise that a few repeated trainings suggest, against ranking at the small tier alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from curation.errors import RunError
from curation.files import Json
from curation.numerics import Interval, Variance
from curation.suites.dclm import dclm_tasks
from leaderboard.published.blocks import MIN_SHARED, Block, blocks_of
from leaderboard.published.limits import GateLimits, gate_limits, literal_verdicts
from leaderboard.published.repeats import Repeat, noise_json, repeats, sigmas
from leaderboard.published.rules import Outcome, outcomes, share_interval
from leaderboard.published.run import PublishedRun
from leaderboard.stability.as_json import one_json
from leaderboard.stability.compared import Stability, rank_stability
from leaderboard.stability.cost import Flops
from leaderboard.stability.scores import Scores

PEAK_FLOPS = 989e12
"""Of one H100 in bf16, dense. Source: NVIDIA's data sheet."""
MFU = 0.40
"""Share of it that a training reaches; an assumption, stated with every number of hours."""
SENSITIVITY = (0.5, 2.0)
"""Factors of the assumed run noise that the gate is tried with too."""
CANNOT = (
    "one seed a run: no gate decides on it (rules 8 and 9); the run noise here is a guess from few repeats",
    "no items: nothing is known of item noise, nor of its correlation between models",
    "no controls, panels or epochs: reweighting, repetition and panel leaks cannot be told from quality (rules 1 to 4)",
    "who published chose what to train at the target: recipes that looked bad small are missing, so false scale-ups "
    "and regret are those of a selected few",
    "CORE is what the data were made for: it may favour the same recipes at both tiers",
    "training settings differ between the tiers, and data sets are paired by name",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One block with what each rule did and what noise says of the order."""

    block: Block
    by_rule: Mapping[str, Outcome]
    at_other_noise: Mapping[float, Outcome]
    stability: Stability


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Everything between two tiers."""

    metric: str
    limits: GateLimits
    repeats: tuple[Repeat, ...]
    blocks: tuple[Replayed, ...]
    literal: Mapping[str, Json]


def replay(runs: Sequence[PublishedRun], tiers: tuple[str, str], metric: str) -> Replay:
    """Return the gates replayed from one tier to another.

    Raises: RunError for an unknown tier, or when no two tiers' recipes share three data sets.
    """
    categories = tuple(dict.fromkeys(task.category for task in dclm_tasks().values()))
    blocks = blocks_of(runs, tiers, metric, categories)
    if not blocks:
        raise RunError(
            f"{tiers[0]} to {tiers[1]}: no training recipe of either shares {MIN_SHARED} data sets with a score of "
            f"{metric}; expected tiers with common data sets; see `curate leaderboard show BOARD --tier TIER`"
        )
    found, limits = tuple(repeats(runs)), gate_limits()
    noise = sigmas(found, (metric, *categories))
    return Replay(
        metric=metric,
        limits=limits,
        repeats=found,
        blocks=tuple(_replayed(block, noise, metric, limits) for block in blocks),
        literal=literal_verdicts(blocks[0]),
    )


def _replayed(block: Block, noise: Mapping[str, Variance], metric: str, limits: GateLimits) -> Replayed:
    by_factor: dict[float, Outcome] = {}
    for factor in SENSITIVITY:
        scaled = {name: Variance(value=one.value * factor**2, degrees=one.degrees) for name, one in noise.items()}
        found = outcomes(block, scaled, metric, limits)
        if "gate" in found:
            by_factor[factor] = found["gate"]
    return Replayed(
        block=block,
        by_rule=outcomes(block, noise, metric, limits),
        at_other_noise=by_factor,
        stability=rank_stability(_scores(block, noise.get(metric)), _flops(block)),
    )


def _scores(block: Block, noise: Variance | None) -> Scores:
    sides = (block.at_small, block.at_target)
    return Scores(
        recipes=block.datasets,
        tiers=(block.small, block.target),
        target=block.target,
        means=np.array([[side.value for side in one] for one in sides]).T,
        num_seeds=np.array([[side.num_runs for side in one] for one in sides], np.int64).T,
        noise=(noise, noise),
        has_seeds=False,
        lower_is_better=False,
        notes=("run noise is assumed, from repeated trainings of other data sets",),
    )


def _flops(block: Block) -> Flops:
    known = {block.small: block.at_small[0].flops, block.target: block.at_target[0].flops}
    return Flops(by_tier=known, sources=dict.fromkeys(known, "column"))


def gpu_hours(flops: float) -> float:
    """Return hours of one H100 at the stated utilisation."""
    return flops / (PEAK_FLOPS * MFU) / 3600


def replay_json(found: Replay) -> dict[str, Json]:
    """Return the object of `--json`."""
    first = found.blocks[0].block
    return {
        "from": first.small,
        "to": first.target,
        "metric": found.metric,
        "gates": asdict(found.limits),
        "literal_gate": dict(found.literal),
        "noise": noise_json(found.repeats, found.metric),
        "hours": {"device": "H100 bf16 dense", "peak_flops": PEAK_FLOPS, "mfu": MFU},
        "pooled": pooled_json(found),
        "blocks": [_block_json(one) for one in found.blocks],
        "limits": list(CANNOT),
    }


def _block_json(found: Replayed) -> dict[str, Json]:
    block = found.block
    every = found.by_rule["all"].flops
    stability = one_json(found.stability)
    return {
        "n": len(block.datasets),
        "training_recipe": {"from": block.small_recipe, "to": block.target_recipe},
        "datasets": [
            {"dataset": name, "from": one.value, "to": two.value, "runs": [one.num_runs, two.num_runs]}
            for name, one, two in zip(block.datasets, block.at_small, block.at_target, strict=True)
        ],
        "published_ids_differ": list(block.other_ids),
        "rules": {name: outcome_json(one, every) for name, one in found.by_rule.items()},
        "gate_at_other_noise": [
            {"factor": factor, **outcome_json(one, every)} for factor, one in found.at_other_noise.items()
        ],
        "stability": stability["pairs"],
        "crossings": stability["crossings"],
    }


def outcome_json(one: Outcome, every: float) -> dict[str, Json]:
    """Return a rule's outcome; `every` are the FLOPs of training everybody at the target."""
    return {
        "decisions": one.decisions,
        "scale_ups": one.scale_ups,
        "false_scale_ups": one.false_scale_ups,
        "missed": one.missed,
        "false_fraction": one.false_fraction,
        "false_fraction_ci95": _ends(one.false_ci95),
        "regret": one.regret,
        "regret_ci95": _ends(one.regret_ci95),
        "target_flops": one.flops,
        "target_gpu_hours": gpu_hours(one.flops),
        "gpu_hours_saved": gpu_hours(every - one.flops),
        "blocked_by": dict(one.blocked_by),
    }


def pooled_json(found: Replay) -> dict[str, Json]:
    """Return each rule's counts over all blocks: a pair of data sets counts once, in the largest block that has it.

    Blocks share data sets and models, so the interval takes data sets, not decisions, as what was sampled.
    """
    value: dict[str, Json] = {}
    for rule in ("rank", "gate"):
        seen: set[tuple[str, str]] = set()
        scale_ups = false = missed = 0
        for one in found.blocks:
            if rule not in one.by_rule:
                continue
            names, choice = one.block.datasets, one.by_rule[rule].choice
            target = [side.value for side in one.block.at_target]
            for row, baseline in enumerate(names):
                for column, candidate in enumerate(names):
                    if row == column or (baseline, candidate) in seen:
                        continue
                    seen.add((baseline, candidate))
                    ahead = target[column] > target[row]
                    scale_ups += int(choice[row, column])
                    false += int(choice[row, column] and not ahead)
                    missed += int(ahead and not choice[row, column])
        count = len({name for pair in seen for name in pair})
        interval = share_interval(false, scale_ups, count, None) if scale_ups else None
        value[rule] = {
            "n": count,
            "decisions": len(seen),
            "scale_ups": scale_ups,
            "false_scale_ups": false,
            "missed": missed,
            "false_fraction": false / scale_ups if scale_ups else None,
            "false_fraction_ci95": _ends(interval),
        }
    return value


def _ends(interval: Interval | None) -> Json:
    return [interval.low, interval.high] if interval else None
