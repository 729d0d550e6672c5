"""Estimated performance gain: what items found in the corpus add to a model's own score. Source: ConTAM (2411.03923).

Score on known − score on clean items, with *suspicious* drawn at several thresholds of the detector's score; the
threshold of the largest is the model's own. The largest of several is large by choice, so the intervals of a model hold
for all thresholds at once: 95 % together, 1 − 0.05 / thresholds each (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curation.numerics import CONFIDENCE
from leaderboard.contaminated.items import TaskItems
from leaderboard.part_means import Estimate, Statistic, WeightedArm, WeightedPart, at_confidence, estimates


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceGain:
    """What the suspicious items add to scores when items found at `threshold` and above are suspicious."""

    threshold: float
    num_suspicious: int
    candidate: Estimate | None
    baseline: Estimate | None
    largest: bool = False
    """Whether the candidate's is the largest of all thresholds, the one ConTAM takes."""


def performance_gains(here: TaskItems, thresholds: Sequence[float]) -> tuple[PerformanceGain, ...]:
    """Return the gain at each threshold, the largest marked."""
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(thresholds))
    suspicious = [here.suspicious & (here.found_scores >= threshold) for threshold in thresholds]
    sides = (here.candidates, here.baselines)
    statistics = [_added_score(here, mask, columns) for mask in suspicious for columns in sides]
    found = estimates(here.scores.units, statistics, ("epg", here.task))
    shown = [at_confidence(one, confidence) if one else None for one in found]
    gains = [
        PerformanceGain(threshold=float(threshold), num_suspicious=int(mask.sum()), candidate=own, baseline=other)
        for threshold, mask, own, other in zip(thresholds, suspicious, shown[::2], shown[1::2], strict=True)
    ]
    values = [one.candidate.value if one.candidate else -np.inf for one in gains]
    largest = int(np.argmax(values)) if values else -1
    return tuple(replace(one, largest=place == largest) for place, one in enumerate(gains))


def _added_score(here: TaskItems, suspicious: npt.NDArray[np.bool_], columns: tuple[int, ...]) -> Statistic:
    """Return score on known − score on clean items of one model's runs, as a statistic."""
    clean = here.clean | (here.suspicious & ~suspicious)
    return Statistic([WeightedPart(clean | suspicious, 1.0), WeightedPart(clean, -1.0)], [WeightedArm(columns, 1.0)])
