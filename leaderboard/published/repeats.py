"""Run noise of published runs that repeat themselves: same data set, tier and training recipe, trained again.

A published board has no noise pack, so rule 9 lets nothing be decided on it. What there is: pairs of runs that differ
in the seed, or in nothing that was published. They are pooled over tiers, `s² = Σ (n − 1) s_i² / Σ (n − 1)`, which
assumes one noise at every tier; with so few degrees of freedom the interval of s is wide and is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curation.files import Json
from curation.numerics import Variance, pooled_variance
from leaderboard.noise.spread import spread_from
from leaderboard.published.names import NOT_PUBLISHED
from leaderboard.published.reconcile import same_scores_key
from leaderboard.published.run import PublishedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Runs of one data set, tier and training recipe."""

    dataset: str
    tier: str
    recipe: str
    runs: tuple[PublishedRun, ...]

    def values(self, metric: str) -> list[float]:
        """Return the metric of each run that has it."""
        found = [value_of(run, metric) for run in self.runs]
        return [value for value in found if value is not None]


def value_of(run: PublishedRun, metric: str) -> float | None:
    """Return an aggregate, a category or a task's score of a run; None when it is not available."""
    aggregates = run.aggregates
    return aggregates[metric] if metric in aggregates else run.scores.get(metric)


def trained_runs(runs: Sequence[PublishedRun]) -> list[PublishedRun]:
    """Return the runs that are trainings of their own, of a known data set and recipe, by name.

    Of checkpoints of one training the last by name stays, of runs with the very same scores the first.
    """
    by_uuid: dict[str, PublishedRun] = {}
    for run in sorted(runs, key=lambda one: (one.name, one.key)):
        if run.dataset and run.params and run.tokens and NOT_PUBLISHED not in run.recipe:
            by_uuid[run.uuid or run.key] = run
    by_scores: dict[str, PublishedRun] = {}
    for run in by_uuid.values():
        by_scores.setdefault(f"{run.tier} {same_scores_key(run)}", run)
    return list(by_scores.values())


def repeats(runs: Sequence[PublishedRun]) -> list[Repeat]:
    """Return the data sets that were trained more than once with one recipe, by name."""
    cells: dict[tuple[str, str, str], list[PublishedRun]] = {}
    for run in trained_runs(runs):
        cells.setdefault((run.dataset, run.tier, run.recipe), []).append(run)
    return [
        Repeat(dataset=dataset, tier=tier, recipe=recipe, runs=tuple(own))
        for (dataset, tier, recipe), own in sorted(cells.items())
        if len(own) > 1
    ]


def run_noise(found: Sequence[Repeat], metric: str) -> Variance | None:
    """Return the variance of one run's metric; None without a repeat that has it."""
    return pooled_variance([one.values(metric) for one in found])


def noise_json(found: Sequence[Repeat], metric: str) -> dict[str, Json]:
    """Return the noise with its interval and the runs behind it."""
    variance = run_noise(found, metric)
    value: dict[str, Json] = {
        "sigma": None,
        "degrees": 0.0,
        "low": None,
        "high": None,
        "n_groups": len(found),
        "n_runs": sum(len(one.values(metric)) for one in found),
        "status": "assumed: no noise pack (rule 9), pooled over tiers",
        "repeats": [
            {
                "dataset": one.dataset,
                "tier": one.tier,
                "recipe": one.recipe,
                "seeds": [run.seed for run in one.runs],
                "values": list(one.values(metric)),
            }
            for one in found
        ],
    }
    if variance is None:
        return value
    spread = spread_from(float(np.sqrt(variance.value)), variance.degrees)
    return value | {"sigma": spread.sigma, "degrees": spread.degrees, "low": spread.low, "high": spread.high}


def sigmas(found: Sequence[Repeat], metrics: Sequence[str]) -> Mapping[str, Variance]:
    """Return the noise of every metric that some repeat has."""
    known = {metric: run_noise(found, metric) for metric in metrics}
    return {metric: one for metric, one in known.items() if one is not None}
