"""Whether an imported accuracy beats chance, by the rule of our own tasks (`curation.suites.task_scores`)."""

from __future__ import annotations

import math

from curation.suites.task_scores import Score, beats_chance
from train.evals.results import Metric


def above_chance(metric: Metric, name: str, chance: float | None) -> bool | None:
    """Return whether an accuracy lies above chance by two standard errors.

    None if it cannot be known: no accuracy, no chance, or neither a standard error nor a number of items.
    """
    if not name.startswith("acc") or chance is None or metric.value is None:
        return None
    error = metric.se
    if error is None and metric.n > 1:  # of a share of so many independent items
        error = math.sqrt(metric.value * (1 - metric.value) / (metric.n - 1))
    return None if error is None else beats_chance(Score(value=metric.value, se=error, n=metric.n or 10**12), chance)
