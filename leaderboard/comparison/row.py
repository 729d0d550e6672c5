"""One row of a comparison: a difference A − B of a slice, a task, a family of tasks, or the mean of all.

Bits per byte are logarithms of ratios; shares, probabilities and margins are plain differences. `side` says whether the
difference is good for A. p and marks are given only where run noise was measured (rule 9): a mark is a p in words.
"""

from __future__ import annotations

from dataclasses import dataclass

LOG_RATIO = "log-ratio"
DIFFERENCE = "difference"
SEEDS_AND_UNITS = "seeds and items"
UNITS_ONLY = "items only"
ALL_TASKS = "all tasks"
ALL_SLICES = "mean of slices"
CENTRED = "centred accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One difference. Field by field: docs/evaluation.md, Comparing."""

    level: str
    """`headline`, `slice`, `all-tasks`, `family`, `task`."""
    name: str
    family: str
    metric: str
    role: str
    unit: str
    lower_is_better: bool
    a: float
    b: float
    delta: float
    low: float | None
    high: float | None
    se_seeds: float | None
    se_units: float | None
    degrees: float | None
    covers: str
    num_seeds: int
    num_units: int
    num_items: int
    side: str
    """`better`, `worse`, `level` (the interval holds zero) or `unknown`, of A."""
    judged: bool
    note: str
    trust: str = "judged"
    """What the metric is good for at the models' tier: `judged`, `shown`, `hidden` (`curation.suites.eligibility`)."""
    p: float | None = None
    holm: bool | None = None
    bh: bool | None = None
    max_t: bool | None = None
    above_chance: bool | None = None
    chance: float | None = None
    baselines: str = ""
    """Version of the baselines that chance is from: `v2`, `v1`, of means also `v1, v2`."""
    mcnemar_a_only: int | None = None
    mcnemar_b_only: int | None = None
    mcnemar_p: float | None = None
    quality: float | None = None
    """Part of `delta` against random-matched (rule 3)."""
    quality_low: float | None = None
    quality_high: float | None = None
    rest: float | None = None
    """`delta − quality`: reweighting and less text."""
    marks: tuple[str, ...] = ()
    """Of a slice: `trained-on:SHARE` of A's tokens, `trained-on-b:SHARE` of B's, `selected-for`, `protect`, `trade`."""
    kept: str = ""
    """What became of a protected or traded slice: `held`, `worse`, `unclear`; empty for others."""

    @property
    def gain(self) -> float:
        """The difference turned so that more is better."""
        return -self.delta if self.lower_is_better else self.delta

    @property
    def half_width(self) -> float | None:
        """Half of the interval; None without one."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2
