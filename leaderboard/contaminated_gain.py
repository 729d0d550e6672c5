"""Estimated performance gain: what items found in the corpus add to a model's own score. Source: ConTAM (2411.03923).

Score on known − score on clean items, with *suspicious* drawn at several thresholds of the detector's score; the
threshold of the largest is the model's own. The largest of several is large by choice, so the intervals of a model hold
for all thresholds at once: 95 % together, 1 − 0.05 / thresholds each (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.numerics import CONFIDENCE
from leaderboard.contaminated_items import TaskItems
from leaderboard.part_means import Arm, Estimate, Part, at_confidence, estimate


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
    gains = [_performance(here, threshold, confidence) for threshold in thresholds]
    values = [one.candidate.value if one.candidate else -np.inf for one in gains]
    largest = int(np.argmax(values)) if values else -1
    return tuple(replace(one, largest=place == largest) for place, one in enumerate(gains))


def _performance(here: TaskItems, threshold: float, confidence: float) -> PerformanceGain:
    suspicious = here.suspicious & (here.found_scores >= threshold)
    clean = here.clean | (here.suspicious & ~suspicious)
    parts = [Part(clean | suspicious, 1.0), Part(clean, -1.0)]
    found = [
        estimate(here.scores.units, parts, [Arm(columns, 1.0)], ("epg", here.task))
        for columns in (here.candidates, here.baselines)
    ]
    candidate, baseline = (at_confidence(one, confidence) if one else None for one in found)
    return PerformanceGain(
        threshold=float(threshold), num_suspicious=int(suspicious.sum()), candidate=candidate, baseline=baseline
    )
