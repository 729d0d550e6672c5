"""Contamination in the scores: what a candidate gains on items that the corpus may hold, beside others.

Parts of a task's items to one detector: *suspicious* (found in the corpus), *clean* (looked for and not found),
*unknown* (cannot be found); *known* is suspicious and clean together. Of a metric, turned so that more is better:
* gain of a part: mean over its items of candidate − baseline, each the mean of its runs;
* gap (rule 14): gain on suspicious − gain on clean items. Suspicious items may be easier or harder; that cancels.
* estimated performance gain of a model: score on known − score on clean items (`leaderboard.contaminated.gain`).
* growth: gap at the largest tier − gap at the smallest, on the items that both have.
Intervals: seeds parametric, clusters of items bootstrapped (rule 8; `leaderboard.comparison.paired`), 95 % each. Flags
are of a whole table: wins, gaps and growth count after Holm over all its tasks and tiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.decontamination.item_lists import ItemLists
from curation.errors import ResultsError, ShardError
from leaderboard.contaminated.gain import PerformanceGain, performance_gains
from leaderboard.contaminated.items import ItemScores, TaskItems, items_of, list_name, thresholds_of
from leaderboard.contaminated.verdict import Among, Verdict, above_among, verdict_of
from leaderboard.part_means import MIN_CLUSTERS, Estimate, WeightedArm, WeightedPart, estimate, mean_estimate
from train.evals.results import Scored, refuse_unlike


class UnlistedError(ShardError):
    """The lists say nothing about any task of the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Runs of both sides at one tier, one a seed."""

    name: str
    candidates: tuple[Scored, ...]
    baselines: tuple[Scored, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScore:
    """One part of a task's items."""

    num_items: int
    num_clusters: int
    candidate: float | None
    """Mean score, as the metric counts."""
    baseline: float | None
    gain: Estimate | None
    """Candidate − baseline, more is better; None without items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContamination:
    """One task at one tier."""

    task: str
    tier: str
    metric: str
    suite: str
    """Name of its items in the lists."""
    parts: Mapping[str, PartScore]
    """`all`, `clean`, `suspicious`, `unknown`."""
    gap: Estimate | None
    gains: tuple[PerformanceGain, ...]
    verdict: Verdict


Piece = tuple[TaskContamination, TaskItems]
"""What is said of a task at one tier, and the items that say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the gap of a task changes from the smallest tier to the largest."""

    task: str
    tiers: tuple[str, ...]
    gaps: tuple[float | None, ...]
    change: Estimate | None
    grows: bool = False
    """Whether the change is above 0, after Holm over the tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """All tasks, tiers in the order given."""

    detector: str
    removed: str
    """What left the corpus of the documents in which the detector found items."""
    tasks: tuple[TaskContamination, ...]
    mean_gap: Mapping[str, Estimate | None]
    """By tier, the mean gap of its judged tasks that share a metric; None where there are no two such tasks."""
    growth: tuple[Growth, ...]
    unlisted: tuple[str, ...]
    """Tasks that the lists say nothing about."""

    @property
    def flagged(self) -> tuple[TaskContamination, ...]:
        """Tasks whose win lives in the suspicious part, or whose gap is above 0."""
        return tuple(task for task in self.tasks if task.verdict.flagged)


def contamination_of(
    tiers: Sequence[Tier],
    lists: ItemLists,
    *,
    detector: str | None = None,
    metric: str | None = None,
    thresholds: Sequence[float] = (),
) -> Contamination:
    """Return what the lists say about the scores; `metric` in place of each task's primary one.

    Raises: ResultsError for results that answer different questions or items that are others than the listed ones,
    ShardError for an unknown detector, UnlistedError for lists about none of the tasks.
    """
    chosen = detector or lists.default
    found: list[TaskContamination] = []
    pieces: dict[str, dict[str, Piece]] = {tier.name: {} for tier in tiers}
    unlisted: dict[str, None] = {}
    for tier in tiers:
        refuse_unlike([*tier.candidates, *tier.baselines])
        for name in _shared(tier):
            suite = list_name(tier.candidates[0].results, name, lists)
            if suite is None:
                unlisted[name] = None
                continue
            here = items_of(tier.candidates, tier.baselines, name, lists, suite=suite, detector=chosen, metric=metric)
            one = _task(here, tier.name, thresholds or thresholds_of(here))
            pieces[tier.name][name] = (one, here)
            found.append(one)
    if not found:
        raise UnlistedError(
            f"{lists.path}: about none of the tasks {', '.join(unlisted) or '(no task has scores on both sides)'}; "
            f"it lists {', '.join(sorted(lists.rows))}; look for these suites with `curate decontaminate`"
        )
    return Contamination(
        detector=chosen,
        removed=lists.removed.get(chosen, "none"),
        tasks=among_all(found),
        mean_gap={name: _mean_gap(list(several.values())) for name, several in pieces.items()},
        growth=_all_growth(pieces, list(dict.fromkeys(one.task for one in found))) if len(tiers) > 1 else (),
        unlisted=tuple(unlisted),
    )


def _shared(tier: Tier) -> list[str]:
    if not tier.candidates or not tier.baselines:
        raise ResultsError(f"tier {tier.name}: no results of one side; expected at least one run of each")
    every = (*tier.candidates, *tier.baselines)
    return [name for name in every[0].results.tasks if all(name in one.results.tasks for one in every)]


def _task(here: TaskItems, tier: str, thresholds: Sequence[float]) -> TaskContamination:
    scores = here.scores
    masks = {"all": np.ones(len(here.suspicious), bool), "clean": here.clean, "suspicious": here.suspicious}
    masks["unknown"] = ~(here.clean | here.suspicious)
    parts = {name: _part(here, mask) for name, mask in masks.items()}
    gap = _gap(here)
    return TaskContamination(
        task=here.task,
        tier=tier,
        metric=scores.metric,
        suite=here.suite,
        parts=parts,
        gap=gap,
        gains=performance_gains(here, thresholds),
        verdict=_verdict(parts, gap),
    )


def _verdict(parts: Mapping[str, PartScore], gap: Estimate | None, among: Among | None = None) -> Verdict:
    return verdict_of(
        {name: part.gain for name, part in parts.items()},
        gap,
        {name: part.num_clusters for name, part in parts.items()},
        among=among,
    )


def among_all(tasks: Sequence[TaskContamination]) -> tuple[TaskContamination, ...]:
    """Return the tasks of a table with verdicts in which wins and gaps count after Holm over all that are judged."""
    judged = [one for one in tasks if one.verdict.judged]
    wins = above_among([one.parts["all"].gain for one in judged])
    gaps = above_among([one.gap for one in judged])
    marks = {
        (one.task, one.tier): Among(won=won, wider=wider, count=len(judged))
        for one, won, wider in zip(judged, wins, gaps, strict=True)
    }
    return tuple(replace(one, verdict=_verdict(one.parts, one.gap, marks.get((one.task, one.tier)))) for one in tasks)


def _part(here: TaskItems, mask: np.ndarray) -> PartScore:
    scores = here.scores
    count = int(mask.sum())
    if not count:
        return PartScore(num_items=0, num_clusters=0, candidate=None, baseline=None, gain=None)
    means = scores.values[mask].mean(axis=0) * scores.sign
    return PartScore(
        num_items=count,
        num_clusters=len(np.unique(scores.clusters[mask])),
        candidate=float(means[list(here.candidates)].mean()),
        baseline=float(means[list(here.baselines)].mean()),
        gain=estimate(scores.units, [WeightedPart(mask, 1.0)], _sides(here), ("gain", here.task)),
    )


def _gap(here: TaskItems) -> Estimate | None:
    parts = [WeightedPart(here.suspicious, 1.0), WeightedPart(here.clean, -1.0)]
    return estimate(here.scores.units, parts, _sides(here), ("gap", here.task))


def _sides(here: TaskItems) -> list[WeightedArm]:
    return [WeightedArm(here.candidates, 1.0), WeightedArm(here.baselines, -1.0)]


def _mean_gap(several: Sequence[Piece]) -> Estimate | None:
    judged = [(one, here) for one, here in several if one.verdict.judged]
    if len(judged) < 2 or len({one.metric for one, _ in judged}) > 1:
        return None
    here = judged[0][1]
    gaps = [one.gap for one, _ in judged if one.gap is not None]
    return mean_estimate(gaps, _sides(here))


def _all_growth(pieces: Mapping[str, Mapping[str, Piece]], tasks: Sequence[str]) -> tuple[Growth, ...]:
    found = [_growth(name, {tier: own[name] for tier, own in pieces.items() if name in own}) for name in tasks]
    marks = above_among([one.change for one in found])
    return tuple(replace(one, grows=mark) for one, mark in zip(found, marks, strict=True))


def _growth(task: str, by_tier: Mapping[str, Piece]) -> Growth:
    items = [here for _, here in by_tier.values()]
    return Growth(
        task=task,
        tiers=tuple(by_tier),
        gaps=tuple(one.gap.value if one.gap else None for one, _ in by_tier.values()),
        change=_change(items[0], items[-1]) if len(items) > 1 else None,
    )


def _change(small: TaskItems, large: TaskItems) -> Estimate | None:
    """Return the gap of the large tier − that of the small one, on the items that both have."""
    _, left, right = np.intersect1d(small.scores.places, large.scores.places, return_indices=True)
    if small.scores.metric != large.scores.metric or not len(left):
        return None
    width = small.scores.values.shape[1]
    joined = ItemScores(
        metric=small.scores.metric,
        sign=small.scores.sign,
        places=small.scores.places[left],
        clusters=small.scores.clusters[left],
        values=np.concatenate([small.scores.values[left], large.scores.values[right]], axis=1),
    )
    moved = [tuple(width + column for column in columns) for columns in (large.candidates, large.baselines)]
    arms = [
        WeightedArm(moved[0], 1.0, pool="large"),
        WeightedArm(moved[1], -1.0, pool="large"),
        WeightedArm(small.candidates, -1.0, pool="small"),
        WeightedArm(small.baselines, 1.0, pool="small"),
    ]
    parts = [WeightedPart(small.suspicious[left], 1.0), WeightedPart(small.clean[left], -1.0)]
    if min(len(np.unique(joined.clusters[part.mask])) for part in parts) < MIN_CLUSTERS:
        return None
    return estimate(joined.units, parts, arms, ("growth", small.task))
