"""What only decisions ask for: noise used, halves of the panel, contamination, machinery, forecasts, reports.

Log ratios are as in `results`: negative is better. `points` are percentage points, more is better. What was not
measured has no record, or None in a field of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseUsed:
    """Measured run noise of the headline at a tier, and the pack it stands in (rule 9)."""

    tier: str
    sigma: float
    """Of one run's log bits per byte, as the pack gives it for comparisons."""
    degrees: float
    pack: str
    """Fingerprint of the pack, or its name."""
    sigma_upper: float | None = None
    """The 80 % upper bound of sigma, which gates take as prior; None: `sigma` itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfDelta:
    """An arm against the baseline on one half of the panel's families, which a hash of their names divides."""

    arm: str
    tier: str
    half: str
    """`selection` or `held-out`."""
    log_ratio: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """An arm against the baseline on the seed that the board assigned (rule 10)."""

    arm: str
    tier: str
    seed: int
    log_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationCounts:
    """Benchmark and panel text in an arm's corpus as it was trained on (rules 1 and 14)."""

    arm: str
    decontaminated: bool | None = None
    """Whether removal was part of the recipe: the decontaminated division."""
    exact_items: int | None = None
    """Benchmark items that share 13 words in a row with the corpus."""
    overlap_fraction: float | None = None
    """Share of benchmark items with any overlap."""
    panel_exact: int | None = None
    """Documents of the corpus that hold 50 tokens in a row of a panel document, or are one."""
    panel_near: int | None = None
    """Documents of Jaccard 0.5 or more with a panel document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationGap:
    """(arm − baseline on suspicious items) − (arm − baseline on clean items) (rule 14)."""

    arm: str
    tier: str
    points: float | None
    """None where it was not measured."""
    low: float | None
    high: float | None
    clean_points: float | None = None
    """Arm − baseline on clean items."""
    clean_low: float | None = None
    clean_high: float | None = None
    num_suspicious: int | None = None
    """Items of the scored tasks that were found in the corpora; 0: there is no gap to speak of."""
    num_clean: int | None = None
    why: str = ""
    """Why there is no interval; empty when there is one."""
    mend: str = ""
    """The edit that would give one."""

    @property
    def shown_points(self) -> str:
        """The points as people read them."""
        return "?" if self.points is None else f"{self.points:+.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plumbing:
    """What was checked of a tier's machinery: loader, resuming, gradients, export."""

    tier: str
    loader_reproducible: bool | None = None
    resume_exact: bool | None = None
    every_parameter_learns: bool | None = None
    export_max_logit: float | None = None
    export_nll: float | None = None
    tokens_decode: bool | None = None
    """Whether documents of the token streams become text that encodes to the same ids."""
    arm: str = ""
    """The arm that trains a variant of the tier; empty: every arm that trains the tier itself."""
    tried: str = ""
    """What it was found on: the model as it is, or scaled down, and how many steps."""
    artifact: str = ""
    """Fingerprint of the check."""
    why: str = ""
    """What could not be found, and why; empty when all was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a law of the difference says of a larger scale, tried on the largest that it did not see (rule 12)."""

    arm: str
    num_points: int
    num_scales: int
    largest_tier: str
    gain: float | None
    """For the target, ln(baseline's loss / arm's); positive is better."""
    gain_low: float | None = None
    gain_high: float | None = None
    held_out_error: float | None = None
    """Of the difference at `largest_tier`, on the scale of `gain`."""
    loss_error: float | None = None
    """Relative error of the held-out loss itself."""
    max_residual_sigmas: float | None = None
    final_loss: float | None = None
    final_loss_low: float | None = None
    final_loss_high: float | None = None
    evaluation_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By downstream family, in points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A document that the last gate asks for."""

    name: str
    """`decontamination`, `provenance`, `monitoring` or `rollback-plan`."""
    state: str
    """`valid` or `invalid`."""
    digest: str = ""
    early_points: tuple[float, ...] = ()
    """Of a rollback plan: shares of the budget at which the run is looked at."""
    prediction_interval: float | None = None
    """Of a rollback plan: the run is stopped outside of it."""
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFacts:
    """All of them; a study that measured none has empty tuples."""

    noise: tuple[NoiseUsed, ...] = ()
    halves: tuple[HalfDelta, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    contamination: tuple[ContaminationCounts, ...] = ()
    gaps: tuple[ContaminationGap, ...] = ()
    plumbing: tuple[Plumbing, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    reports: tuple[Report, ...] = ()
    epochs_at_target: Mapping[str, float] = field(default_factory=dict)
    """By arm: epochs of its supply at the budget that the next decision is about."""
