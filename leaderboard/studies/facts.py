"""What a result keeps beside bits per byte: facts of runs and corpora, suites, costs, promotion, looks.

Gates read these through their evidence (`leaderboard.gates`). What was not measured is None or absent, and a condition
on it is `insufficient`, never a pass. Shares lie in [0, 1]; losses are nats a token; differences of suites are
percentage points, arm minus other, more is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leaderboard.studies.attribution_facts import Attribution
from leaderboard.studies.decision_facts import DecisionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """How a training went."""

    finite: bool
    """Whether every loss and gradient norm that its log holds is a number."""
    diverged: bool
    initial_loss: float | None
    """Of the first step."""
    final_loss: float | None
    """Mean of the last tenth of the steps."""
    grad_norm_p99: float | None
    """99th percentile over steps, before clipping."""
    spike_score: float
    """Share of the last 1,000 steps whose loss was a spike."""
    spike_score_grad_norm: float
    num_spikes: int
    skipped_fraction: float
    num_interventions: int
    resumed_exactly: bool
    sample_hash: str
    """Of the documents in the order they were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusIntegrity:
    """What a corpus holds that no training should read, counted on all of its documents."""

    artifact: str
    """Fingerprint of the check."""
    num_docs: int
    num_bytes: int
    empty_docs: int
    """Without any letter, digit or sign: empty or white space only."""
    invalid_utf8_docs: int
    nul_docs: int
    exact_duplicate_docs: int
    """Documents whose text an earlier one has."""
    near_duplicate_docs: int | None
    """Documents that share a MinHash band with an earlier one; None when not measured."""
    shares: Mapping[str, float]
    """Share of bytes by slice, counted."""
    max_share_deviation: float
    """Largest distance of a counted share from the manifest's."""
    sha256_match: bool
    """Whether the files are those of the manifest."""
    tokenizer: str
    roundtrip_docs: int
    """Documents encoded and decoded again."""
    roundtrip_exact: int
    items_checked: int | None = None
    """Benchmark items looked for; None when no index of them was there."""
    items_hit: int | None = None
    """Of them, those that the corpus still shares 13 words in a row with."""

    @property
    def exact_duplicate_fraction(self) -> float:
        """Share of documents that repeat an earlier one's text."""
        return self.exact_duplicate_docs / self.num_docs if self.num_docs else 0.0

    @property
    def near_duplicate_fraction(self) -> float | None:
        """Share of documents that are near an earlier one; None when not measured."""
        if self.near_duplicate_docs is None:
            return None
        return self.near_duplicate_docs / self.num_docs if self.num_docs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDelta:
    """An arm against another after equally many tokens, before the end or at it, mean over the shared seeds."""

    tier: str
    arm: str
    against: str
    tokens: int
    phase: str
    """`warmup`, `plateau`, `decay` or `end`: where the learning rate is."""
    source: str
    """`validation`: the subset of the panel scored on the way; `panel`: all of it."""
    log_ratio: float
    """Mean over slices of ln(bpb / other's); negative is better."""
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One task of a suite on one model."""

    task: str
    family: str
    metric: str
    value: float
    standard_error: float | None
    num_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteScores:
    """One model on one suite; the items' scores lie in the artifact."""

    arm: str
    tier: str
    seed: int
    suite: str
    digest: str
    artifact: str
    """Fingerprint of the scores."""
    tasks: tuple[TaskScore, ...]
    checkpoint: int | None = None
    """Step; None is the finished model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyDelta:
    """An arm against another on one family of tasks, over the shared seeds and items."""

    tier: str
    arm: str
    against: str
    suite: str
    family: str
    points: float
    """Percentage points."""
    low: float | None
    high: float | None
    num_tasks: int
    num_items: int
    seeds: tuple[int, ...]
    eligible: bool
    """Whether the tier is above chance on them, so that they may be judged there."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One required measurement of a study's kind (throughput, tokens per byte by language, memory ...)."""

    name: str
    arm: str
    value: float
    unit: str
    tier: str = ""
    seed: int | None = None
    of: str = ""
    """Slice, language or setting that it is of; empty for the whole."""
    low: float | None = None
    high: float | None = None
    artifact: str = ""
    """Fingerprint of what it was measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A measurement that the study's kind requires and the study lacks."""

    name: str
    tier: str
    arms: tuple[str, ...]
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one arm took at one tier, or its corpus (`tier` empty).

    Seconds, hours and tokens a second are clock readings (`leaderboard.studies.clocks`); None where the store does not
    know those of every run, or of everything that the corpus was built from.
    """

    arm: str
    tier: str
    num_runs: int
    wall_seconds: float | None
    """Of all of them together, training and scoring; of the corpus, building it."""
    cpu_hours: float | None
    gpu_hours: float | None
    tokens_per_second: float | None
    """Of one run while it trains."""
    device: str
    flops: float = 0.0
    kept_token_fraction: float | None = None
    """Tokens of the corpus over those of the baseline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Whether an arm went on from a tier, by a rule that looks only at results so far."""

    tier: str
    arm: str
    promoted: bool
    gate: str
    """`G0`, `G1` ... or `all` when the study promotes everything."""
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One time that comparisons on a panel or suite were seen by somebody who could still change the study."""

    subject: str
    """`panel` or the suite's name."""
    digest: str
    tier: str
    seeds: int
    arms: tuple[str, ...]
    number: int
    """1 for the first look of this study at this subject and tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything of this module that a study's result holds beside runs and arms."""

    checkpoints: tuple[CheckpointDelta, ...] = ()
    suites: tuple[SuiteScores, ...] = ()
    families: tuple[FamilyDelta, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    missing: tuple[Missing, ...] = ()
    """What the kind's protocol asks to be measured and was not."""
    costs: tuple[Cost, ...] = ()
    promotion: tuple[Promotion, ...] = ()
    looks: tuple[Look, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)
    """Name and version of the kind's protocol that the study was judged by."""
    attributions: tuple[Attribution, ...] = ()
    """Where gains of arms that raise several slices come from."""
    decision: DecisionFacts = field(default_factory=DecisionFacts)
    """What only gates ask for."""
