"""What is ranked on a panel: a recipe's mean log bits per byte over slices and seeds, with the draws of its families.

The headline is the mean over judged slices of `ln bpb` (rule 5); less is better. A family that spans slices is drawn
whole, and every row sees the same draws (rule 8). `--metric SLICE` ranks by one slice instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.numerics import NoisePrior, bootstrap_sums, pooled_variance
from curation.randomness import generator
from leaderboard.compare_arms import HEADLINE, SEED, headline_slices, stacked_families, why_not_judged
from leaderboard.comparison.paired import columns_by_arm, shared_noise
from leaderboard.ranking.candidates import Candidate
from leaderboard.ranking.estimates import Measured
from leaderboard.scores import ScoredRun, SliceScores, TierScores, gather

HEADLINE_METRIC = "headline"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelRows:
    """Rows of one table with document scores, gathered."""

    scores: TierScores
    runs: tuple[ScoredRun, ...]
    labels: tuple[str, ...]
    """Of the rows, as `scores` knows them."""
    selected_for: frozenset[str]


def gathered(rows: Sequence[Candidate]) -> PanelRows:
    """Return the rows' scores side by side; they scored the same documents."""
    labels = tuple(f"{place:04d}" for place in range(len(rows)))
    runs = tuple(replace(run, arm=label) for label, row in zip(labels, rows, strict=True) for run in row.runs)
    selected = frozenset[str]().union(*(row.selected_for for row in rows))
    return PanelRows(scores=gather(runs), runs=runs, labels=labels, selected_for=selected)


def same_documents(one: Candidate, other: Candidate) -> bool:
    """Whether two rows' runs scored the same documents of their panel."""
    names = ["id", "slice", "family", "num_bytes"]
    first = one.runs[0].documents.select(names)
    return all(run.documents.select(names).equals(first) for run in (*one.runs, *other.runs))


def chosen_slices(rows: PanelRows, metric: str) -> tuple[tuple[SliceScores, ...], str]:
    """Return the slices that a metric averages, and why they decide nothing; no slice where it is none of the panel."""
    if metric == HEADLINE_METRIC:
        names, judged = headline_slices(rows.scores, rows.selected_for)
        why = "" if judged else "no slice of the panel may be judged (rule 5)"
        return tuple(rows.scores.slices[name] for name in names), why
    one = rows.scores.slices.get(metric)
    return ((one,), why_not_judged(one, rows.selected_for)) if one else ((), "")


def values_of(rows: PanelRows, slices: Sequence[SliceScores]) -> dict[str, list[float]]:
    """Return the mean log bits per byte of each row's runs, by label."""
    values = np.mean([np.log(one.bpb) for one in slices], axis=0)
    columns = columns_by_arm([arm for arm, _ in rows.scores.runs])
    return {label: [float(value) for value in values[columns[label]]] for label in rows.labels}


def measured(
    rows: PanelRows, slices: Sequence[SliceScores], metric: str, priors: Mapping[str, NoisePrior]
) -> Measured | None:
    """Return the rows' means with their noise; None with fewer than two families."""
    key = HEADLINE if metric == HEADLINE_METRIC else metric
    values = values_of(rows, slices)
    one_run = pooled_variance(list(values.values()), priors.get(key))
    names = sorted({family for one in slices for family in one.families})
    if one_run is None or len(names) < 2:
        return None
    columns = columns_by_arm([arm for arm, _ in rows.scores.runs])
    stacked = stacked_families(slices, names)
    num_runs = len(rows.scores.runs)
    sums = bootstrap_sums(stacked, generator(SEED, "families", key)).reshape(-1, len(slices), num_runs)
    by_run = np.log(sums[(sums > 0).all(axis=(1, 2))]).mean(axis=1)
    if len(by_run) < 2:
        return None
    influence = (stacked / stacked.sum(axis=0)).reshape(len(names), len(slices), -1).mean(axis=1)
    draws = np.stack([by_run[:, columns[label]].mean(axis=1) for label in rows.labels], axis=1)
    return Measured(
        means=np.array([float(np.mean(values[label])) for label in rows.labels]),
        num_seeds=tuple(len(values[label]) for label in rows.labels),
        one_run=one_run,
        both=shared_noise(influence, columns.values()),
        draws=draws,
        num_units=len(names),
    )
