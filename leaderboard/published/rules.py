"""Which candidates go to the target tier, by three rules, and what came of it.

Every data set of a block is the baseline in turn, all others are candidates against it.

* `rank`: whoever is ahead of the baseline at the small tier goes on.
* `gate`: of those, who passes what the gates' file asks and a table of task scores can answer: the gain at one-sided
  `max_p` (`average-gain`), Benjamini and Hochberg's screening over the candidates (`screening`), enough families of
  tasks of the same sign and none significantly worse (`downstream-consistent`). The run noise is the assumed one.
* `all`: everybody goes on: what knowing costs.

A scale-up is false when the candidate is not ahead of the baseline at the target. Regret is the best score of all at
the target less the best among the baseline and those that went on. Intervals resample data sets, not pairs of them;
that of a share is Wilson's with the bootstrap variance as effective number, at most the scale-ups, and t of n − 1, so
that none of few is not certain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from curation.numerics import DRAWS, Floats, Interval, Variance, percentile_interval, t_critical
from curation.randomness import generator
from leaderboard.gates.statistics import quantile, screened, upper_tail
from leaderboard.published.blocks import Block, Side
from leaderboard.published.limits import GateLimits

MIN_RECIPES = 4
"""With fewer data sets there are too few different draws to speak of an interval (`leaderboard.stability`)."""
RULES = ("rank", "gate", "all")
CONDITIONS = ("average-gain", "screening", "downstream-consistent")
Choice = npt.NDArray[np.bool_]
"""Baselines by candidates: who goes on against whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a rule did, over all baselines of a block."""

    decisions: int
    """Candidates over all baselines: n (n − 1)."""
    scale_ups: int
    false_scale_ups: int
    missed: int
    """Candidates that are ahead at the target and did not go on."""
    false_fraction: float | None
    """Of scale-ups; None without one."""
    false_ci95: Interval | None
    regret: float
    """Mean over baselines, in the metric's own unit."""
    regret_ci95: Interval | None
    flops: float
    """Mean over baselines of what is trained at the target: one run a candidate that goes on."""
    choice: Choice
    blocked_by: Mapping[str, int] = field(default_factory=dict)
    """Of candidates that are ahead at the small tier and stay: how many each condition alone or with others stops."""


def outcomes(block: Block, noise: Mapping[str, Variance], metric: str, limits: GateLimits) -> dict[str, Outcome]:
    """Return what each rule of `RULES` did; `gate` needs noise of the metric and is left out without."""
    small = np.array([side.value for side in block.at_small])
    target = np.array([side.value for side in block.at_target])
    everyone = ~np.eye(len(small), dtype=np.bool_)
    chosen: dict[str, Choice] = {"rank": everyone & (small[None, :] > small[:, None]), "all": everyone}
    conditions = _conditions(block, noise, metric, limits) if metric in noise else {}
    if conditions:
        chosen["gate"] = np.logical_and.reduce(list(conditions.values()))
    per_run = float(np.mean([side.flops for side in block.at_target]))
    label = f"{block.small_recipe} {block.target_recipe}"
    found = {name: _outcome(chosen[name], target, per_run, label) for name in RULES if name in chosen}
    if conditions:
        stopped = {name: int((chosen["rank"] & ~passed).sum()) for name, passed in conditions.items()}
        found["gate"] = replace(found["gate"], blocked_by=stopped)
    return found


def _conditions(block: Block, noise: Mapping[str, Variance], metric: str, limits: GateLimits) -> dict[str, Choice]:
    """Return for each condition which candidate (column) passes it against which baseline (row)."""
    count = len(block.datasets)
    passed = {name: np.zeros((count, count), np.bool_) for name in CONDITIONS}
    for baseline in range(count):
        p_values = {str(one): _p(block.at_small[one], block.at_small[baseline], noise[metric]) for one in range(count)}
        del p_values[str(baseline)]
        marked = screened(p_values, q=limits.screening_level)
        for name, p in p_values.items():
            cell = (baseline, int(name))
            passed["average-gain"][cell] = p <= limits.max_p
            passed["screening"][cell] = marked[name]
            passed["downstream-consistent"][cell] = _families_hold(
                block.at_small[int(name)], block.at_small[baseline], noise, limits
            )
    return passed


def _p(candidate: Side, baseline: Side, noise: Variance) -> float:
    error = np.sqrt(noise.value * (1 / candidate.num_runs + 1 / baseline.num_runs))
    gain = candidate.value - baseline.value
    return upper_tail(float(gain / error) if error else float(np.copysign(np.inf, gain)), noise.degrees)


def _families_hold(candidate: Side, baseline: Side, noise: Mapping[str, Variance], limits: GateLimits) -> bool:
    """Whether enough families gain and at most the allowed number is significantly worse."""
    gains = {
        name: value - other
        for name, value in candidate.categories.items()
        if value is not None and (other := baseline.categories[name]) is not None
    }
    if len(gains) < limits.min_families:
        return False
    runs = 1 / candidate.num_runs + 1 / baseline.num_runs
    worse = [
        name
        for name, gain in gains.items()
        if name in noise and gain < -quantile(0.975, noise[name].degrees) * np.sqrt(noise[name].value * runs)
    ]
    same = sum(gain > 0 for gain in gains.values())
    return same >= limits.min_same_sign_fraction * len(gains) and len(worse) <= limits.max_negative_families


def _outcome(choice: Choice, target: Floats, per_run: float, label: str) -> Outcome:
    ahead = target[None, :] > target[:, None]
    count, scale_ups = len(target), int(choice.sum())
    false = int((choice & ~ahead).sum())
    variance, regrets = _resampled(choice, target, label) if count >= MIN_RECIPES else (None, None)
    return Outcome(
        decisions=count * (count - 1),
        scale_ups=scale_ups,
        false_scale_ups=false,
        missed=int((ahead & ~choice & ~np.eye(count, dtype=np.bool_)).sum()),
        false_fraction=false / scale_ups if scale_ups else None,
        false_ci95=share_interval(false, scale_ups, count, variance) if scale_ups and regrets is not None else None,
        regret=float(np.mean(_regrets(choice, target))),
        regret_ci95=percentile_interval(regrets) if regrets is not None else None,
        flops=per_run * scale_ups / count,
        choice=choice,
    )


def share_interval(hits: int, trials: int, num_recipes: int, variance: float | None) -> Interval:
    """Return the interval of a share of dependent trials over `num_recipes` recipes."""
    share = hits / trials
    effective = float(min(trials, num_recipes))
    if variance and 0 < share < 1:
        effective = max(1.0, min(float(trials), share * (1 - share) / variance))
    t = t_critical(num_recipes - 1)
    centre = (share + t**2 / (2 * effective)) / (1 + t**2 / effective)
    half = t * math.sqrt(share * (1 - share) / effective + t**2 / (4 * effective**2)) / (1 + t**2 / effective)
    return Interval(low=min(share, max(0.0, centre - half)), high=max(share, min(1.0, centre + half)))


def _regrets(choice: Choice, target: Floats) -> Floats:
    """Return the regret of each baseline; leading axes are worlds of their own."""
    trained = choice | np.eye(target.shape[-1], dtype=np.bool_)
    best = np.where(trained, target[..., None, :], -np.inf).max(axis=-1)
    found: Floats = target.max(axis=-1, keepdims=True) - best
    return found


def _resampled(choice: Choice, target: Floats, label: str) -> tuple[float | None, Floats]:
    """Return the variance of the false share and draws of the regret, over resampled data sets.

    Two copies of a data set are never compared with each other.
    """
    count = len(target)
    picks = generator(1, "replay", label).integers(0, count, (DRAWS, count))
    rows, columns = picks[:, :, None], picks[:, None, :]
    own = choice[rows, columns]
    false = own & ~(target[columns] > target[rows])
    scale_ups = own.sum(axis=(1, 2))
    shares = false.sum(axis=(1, 2))[scale_ups > 0] / scale_ups[scale_ups > 0]
    regrets: Floats = _regrets(own, target[picks]).mean(axis=1)
    return float(np.var(shares, ddof=1)) if len(shares) > 1 else None, regrets
