"""Student's two-sided p of a difference, and Holm's marks over many. Source: Student 1908; Holm 1979."""

from __future__ import annotations

import math
from collections.abc import Sequence

from curation.numerics import Variance

ALPHA = 0.05
"""Family-wise level of Holm's marks and of max-T."""


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Return which hypotheses fall at family-wise level `alpha`, stepping down."""
    count = len(p_values)
    marks = [False] * count
    for step, number in enumerate(sorted(range(count), key=lambda place: p_values[place])):
        if p_values[number] > alpha / (count - step):
            break
        marks[number] = True
    return marks


def two_sided(delta: float, variance: Variance) -> float:
    """Return Student's two-sided p; 0 or 1 when the variance is zero."""
    from scipy import special

    if variance.value == 0:
        return 1.0 if delta == 0 else 0.0
    ratio = -abs(delta) / math.sqrt(variance.value)
    tail = special.ndtr(ratio) if math.isinf(variance.degrees) else special.stdtr(variance.degrees, ratio)
    return float(2 * tail)
