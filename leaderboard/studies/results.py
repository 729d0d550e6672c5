"""The result of a study: one typed, versioned JSON file that every table, page and board row is drawn from.

Aggregates in it are recomputable: each run names its artifact, which holds the nats of every panel document.
Differences are natural logarithms of ratios of bits per byte; negative means fewer bits, better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from curation.errors import RunError
from curation.files import Json, read_json, write_json
from leaderboard.studies.facts import CorpusIntegrity, Facts, RunFacts

SCHEMA = "study-result/2"
RESULT_FILE = "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """An arm against another at one tier, over seeds both have; `low` and `high` are None when nothing is known."""

    log_ratio: float
    low: float | None
    high: float | None
    se_seeds: float | None
    """None when no arm has two seeds and no noise pack gives a prior."""
    se_families: float | None
    """None with fewer than two families."""
    degrees: float | None
    num_seeds: int

    @property
    def share(self) -> float:
        """Relative change of bits per byte: -0.01 is 1 % fewer bits."""
        return math.expm1(self.log_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDelta:
    """A difference in one slice of the panel, and whether the slice may be judged."""

    slice: str
    delta: Delta
    bpb: float
    """Mean bits per byte of the arm over the shared seeds."""
    other_bpb: float
    num_docs: int
    num_families: int
    num_bytes: int
    not_judged: str
    """Why the slice is shown but left out of the headline; empty when it is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One arm against one other at one tier."""

    tier: str
    arm: str
    against: str
    seeds: tuple[int, ...]
    headline: Delta | None
    """Weighted mean of log ratios over `headline_slices`; None without a slice to average."""
    headline_slices: tuple[str, ...]
    headline_judged: bool
    """False when no slice may be judged and the mean is over all that are shown, for orientation only."""
    slices: tuple[SliceDelta, ...]
    invalid: str = ""
    """Why its numbers decide nothing: something was done to the trainings of one side only; empty when valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a verdict is what it is: a rule of docs/statistics.md and what was found."""

    rule: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceVerdict:
    """What became of a protected or traded slice: `held`, `worse`, `unclear` or `missing`."""

    slice: str
    floor: float
    """Largest loss allowed, as a share of bits per byte."""
    state: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """All that is said about one arm at one tier."""

    tier: str
    arm: str
    verdict: str
    reasons: tuple[Reason, ...]
    notes: tuple[Reason, ...]
    total: Comparison
    """Against the baseline."""
    quality: Comparison | None
    """Against `random-matched`: what may be called document quality; None without that control."""
    rest: Comparison | None
    """`random-matched` against the baseline: reweighting of slices and less text."""
    volume: Comparison | None
    """`random` against the baseline: less text alone."""
    regressions: tuple[str, ...]
    """Slices that got worse against the baseline, worst first."""
    protect: tuple[SliceVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of a training curve."""

    tokens: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One trained and scored model."""

    arm: str
    tier: str
    seed: int
    fingerprint: str
    panel: str
    tokenizer: str
    context: int
    tokens_seen: int
    unique_tokens: int
    epochs: float
    epochs_by_slice: Mapping[str, float]
    bpb: Mapping[str, float]
    final_train_loss: float
    steps: int
    flops: float
    curve: tuple[CurvePoint, ...]
    stable: bool = True
    """False when more than 0.1 % of its steps were skipped."""
    interventions: str = ""
    """Digest of what recovery did to it, or of the log it replayed; empty when nothing was done."""
    facts: RunFacts | None = None
    variant: str = ""
    """The variant of the tier that it trained in a tokenizer or optimizer study; empty for the tier itself."""

    @property
    def intervened(self) -> bool:
        """Whether more was done to it than clipping and skipping steps."""
        return bool(self.interventions)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnigramCheck:
    """A unigram-token model of an arm's training tokens on the panel: what a model must beat."""

    arm: str
    tier: str
    bpb: Mapping[str, float]
    gap: Mapping[str, float]
    """Unigram minus model, bits per byte, worst seed; positive means the model is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One recipe of the study and the corpus it made."""

    name: str
    role: str
    of: str
    change: str
    recipe: str
    corpus: str
    num_docs: int
    num_bytes: int
    num_tokens: int
    funnel: tuple[Mapping[str, Any], ...]
    contamination: Mapping[str, Any]
    selected_for: tuple[str, ...]
    integrity: CorpusIntegrity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Unique tokens and repetition of one arm at one tier (rule 4)."""

    arm: str
    tier: str
    unique_tokens: int
    tokens_seen: int
    epochs: float
    flag: str
    """What rule 4 says about it against the baseline; empty when nothing."""
    repeats: str = ""
    """What there is to say of more than 4 epochs, overall or of a slice; empty when nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A training that did not finish."""

    arm: str
    tier: str
    seed: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """Everything a study found; arms in the order of the study, runs by arm, tier and seed."""

    schema: str
    fingerprint: str
    name: str
    hypothesis: str
    kind: str
    base: str
    tiers: Mapping[str, int]
    multi_factor: bool
    pool: str
    panel: str
    selected_for: tuple[str, ...]
    runs_before_freeze: int
    """Runs of it that the store already held when it was frozen."""
    arms: tuple[ArmResult, ...]
    runs: tuple[RunResult, ...]
    supply: tuple[Supply, ...]
    unigram: tuple[UnigramCheck, ...]
    assessments: tuple[Assessment, ...]
    failures: tuple[Failure, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall seconds by stage, summed over every invocation that built something."""
    code: str = ""
    facts: Facts = field(default_factory=Facts)
    protect: tuple[str, ...] = ()
    trade: Mapping[str, float] = field(default_factory=dict)
    decision: tuple[str, ...] = ()

    @property
    def broken(self) -> frozenset[str]:
        """Arms that failed smoke (G0), and their controls: they enter no table."""
        failed = {item.arm for item in self.facts.promotion if item.gate == "G0" and not item.promoted}
        return frozenset(arm.name for arm in self.arms if arm.of in failed)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(StudyResult)


def as_json(result: StudyResult) -> dict[str, Json]:
    """Return the result as plain JSON."""
    value: dict[str, Json] = _adapter().dump_python(result, mode="json")
    return value


def write_result(path: Path, result: StudyResult) -> None:
    """Write the result file atomically."""
    write_json(path, as_json(result))


def read_result(path: Path) -> StudyResult:
    """Read a result: the file itself or a study directory that holds it.

    Raises: RunError if it is missing, damaged or of another schema.
    """
    from pydantic import ValidationError

    file = path / RESULT_FILE if path.is_dir() else path
    try:
        value = read_json(file)
    except OSError as error:
        told = f"cannot be read ({error.strerror}); give a study directory or its {RESULT_FILE}"
        raise RunError(f"{file}: {told}") from None
    except ValueError as error:
        raise RunError(f"{file}: is not JSON ({error}); expected a study result; rerun `curate study run`") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise RunError(
            f"{file}: schema is {schema!r}, expected {SCHEMA!r}; the runs are kept: `curate study run STUDY.yaml` with "
            "this version writes the result again and trains nothing"
        )
    try:
        result: StudyResult = _adapter().validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = f"{first['msg']} ({error.error_count()} faults); the file was edited or cut; rerun `curate study run`"
        raise RunError(f"{file}: {place}: {told}") from None
    return result
