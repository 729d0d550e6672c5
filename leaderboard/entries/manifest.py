"""An entry's manifest, `entry.json`: what was studied, from what, with which runs, and the hash of every other file.

The file is canonical JSON (sorted keys, no spaces, one line); its sha256 is the entry's digest, the first 16 digits of
it end the folder's name. Hashes, counts and scores only: documents and families stand by digests, so that the same
document pairs across runs and entries of one panel without its text or address.
Fields: docs/leaderboard.md. Values are checked strictly: unknown keys, NaN and numbers written as text are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt

from curation.files import Json, canonical_json

SCHEMA: Literal["curate-entry@1"] = "curate-entry@1"
ENTRY_FILE = "entry.json"
STUDY_FILE = "study.json"
RESULT_FILE = "results.json"
DIGEST_DIGITS = 16

Division = Literal["open", "private", "published"]
"""`open`: a pool that a track fixes. `private`: another pool, which nobody can check. `published`: others' numbers."""
Role = Literal["baseline", "arm", "random", "random-matched", "natural", "uniform", "point", "control", "published"]
"""As in the study (`leaderboard.studies.arms`); `control` is one of a kind that has no name here."""
ROLES: tuple[str, ...] = get_args(Role)
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
SafePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*(/[A-Za-z0-9][A-Za-z0-9._@+-]*){0,4}$", max_length=240)
]
NonNegative = Annotated[FiniteFloat, Field(ge=0)]


class Part(BaseModel):
    """A part of the file: unknown keys are refused, values never change, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileFacts(Part):
    """A file of the entry."""

    path: SafePath
    bytes: NonNegativeInt
    sha256: Sha256
    rows: NonNegativeInt | None = None
    """Of a Parquet file."""


class ArtifactFacts(Part):
    """The manifest of a corpus or of token shards: what it holds and from what it was made."""

    kind: Literal["corpus", "tokens", "panel"]
    fingerprint: Hash
    arms: tuple[Name, ...] = ()
    inputs: Mapping[str, str] = {}
    counts: Mapping[str, int | FiniteFloat] = {}
    """Documents, bytes, tokens and other numbers of its summary."""
    shards: tuple[FileFacts, ...] = ()
    """Its files, which are not here."""


class SuiteScores(Part):
    """Results of one run on one suite of tasks, in the form of `curate eval` (docs/evaluation.md)."""

    name: Name
    version: Name
    digest: Name
    context: PositiveInt
    metric_versions: Mapping[str, str]
    folder: SafePath
    """Holds `results.json` and, where items are known, `items.parquet`."""
    items: bool
    """Whether items are known; imports may know sums alone."""


class CurvePoint(Part):
    """One point of a training curve."""

    tokens: NonNegativeInt
    loss: FiniteFloat


class Checkpoint(Part):
    """The trained weights, which are not here."""

    sha256: Sha256
    bytes: NonNegativeInt


class RunRecord(Part):
    """One trained and scored model; what a published run does not say is null."""

    arm: Name
    role: Role
    tier: Name
    seed: PositiveInt | None = None
    fingerprint: Hash
    corpus: Hash | None = None
    tokens: Hash | None = None
    variant: str = ""
    """The tier it really trained, where an arm of a tokenizer or optimizer study changed it; empty otherwise."""
    tier_digest: str = ""
    recipe_version: str = ""
    panel: str = ""
    tokenizer: str = ""
    context: PositiveInt | None = None
    tokens_seen: NonNegativeInt | None = None
    unique_tokens: NonNegativeInt | None = None
    epochs: NonNegative | None = None
    steps: NonNegativeInt | None = None
    flops: NonNegative | None = None
    params: Mapping[str, int] = {}
    final_train_loss: FiniteFloat | None = None
    stable: bool = True
    skipped_steps: NonNegativeInt = 0
    interventions: str = ""
    """Digest of what recovery did to it; empty when nothing was done."""
    bpb: Mapping[str, FiniteFloat] = {}
    """Bits per byte by slice, recomputable from `documents`."""
    documents: SafePath | None = None
    suites: tuple[SuiteScores, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    checkpoint: Checkpoint | None = None
    execution: Mapping[str, str] = {}
    """Device, precision and the like, as the run recorded them."""
    source: str = ""
    """Of published numbers: where they stand."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.arm} {self.tier}" + (f" seed {self.seed}" if self.seed is not None else "")

    @property
    def trained(self) -> str:
        """Name of the tier that it trained."""
        return self.variant or self.tier


class StudyFacts(Part):
    """The study in a few words; `study.json` holds what was frozen, `results.json` all that was found."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    hypothesis: Annotated[str, Field(max_length=500)] = ""
    kind: Name
    base: Name
    fingerprint: Sha256
    tiers: Mapping[str, PositiveInt] = {}
    multi_factor: bool = False


class NearCopies(Part):
    """What a search of the corpora for near copies of the panel found (rule 1)."""

    version: Name
    found: Mapping[str, NonNegativeInt]
    """Corpus fingerprint -> documents that are near copies of a panel document; all 0 in a valid entry."""
    checked_docs: Mapping[str, NonNegativeInt]


class ArmContamination(Part):
    """Benchmark items met in an arm's corpus."""

    arm: Name
    checked: bool
    suites: Mapping[str, Mapping[str, int | FiniteFloat]] = {}


class Environment(Part):
    """What it was made with: versions and kinds of device, no names of machines or people."""

    code: str = ""
    python: str = ""
    platform: str = ""
    software: Mapping[str, str] = {}
    devices: tuple[str, ...] = ()
    seconds: Mapping[str, NonNegative] = {}


class Manifest(Part):
    """What `entry.json` holds."""

    schema_: Literal["curate-entry@1"] = Field(default=SCHEMA, alias="schema")
    submitter: Annotated[str, Field(max_length=64)] = ""
    """A name the submitter chose; empty is anonymous."""
    track: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    division: Division
    study: StudyFacts
    pool: str = ""
    """Digest of the pool."""
    panel: str = ""
    """Digest of the panel."""
    artifacts: tuple[ArtifactFacts, ...] = ()
    runs: tuple[RunRecord, ...] = Field(min_length=1)
    near_copies: NearCopies | None = None
    contamination: tuple[ArmContamination, ...] = ()
    environment: Environment = Environment()
    with_text: bool = False
    files: tuple[FileFacts, ...] = ()
    """Every other file of the folder, by path."""

    def as_json(self) -> dict[str, Json]:
        """Return the JSON object."""
        return cast("dict[str, Json]", self.model_dump(mode="json", by_alias=True))

    def text(self) -> str:
        """Return the file: its one canonical spelling."""
        return canonical_json(self.as_json()) + "\n"

    @property
    def digest(self) -> str:
        """The entry's digest: sha256 of the file, 64 hex digits."""
        return hashlib.sha256(self.text().encode("utf-8")).hexdigest()

    @property
    def entry_id(self) -> str:
        """The folder's name: the study's name and the first digits of the digest."""
        return f"{self.study.name}-{self.digest[:DIGEST_DIGITS]}"

    def run_records(self, *, tier: str | None = None, arm: str | None = None) -> tuple[RunRecord, ...]:
        """Return the runs of a tier and an arm, of all where none is named."""
        return tuple(run for run in self.runs if tier in (None, run.tier) and arm in (None, run.arm))


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest in the bytes of `entry.json`. Raises: pydantic's ValidationError."""
    found: Any = Manifest.model_validate_json(data)
    return cast("Manifest", found)
