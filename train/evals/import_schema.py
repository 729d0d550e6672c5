"""The small JSON in which other trainers say what a model scored: `curate-import@1`.

Its JSON Schema is shipped (`train/data/import-scores.schema.json`, for editors and other programs) and is this model's.
Only `schema`, `trainer`, `model.name` and one of `tasks`, `slices`, `curve` must be there. What lists items (documents)
can be compared with intervals; sums alone are kept, shown and submitted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from curation.suites.tasks import Metric

SCHEMA: Literal["curate-import@1"] = "curate-import@1"
LogLikelihood = Annotated[FiniteFloat, Field(le=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportedModel(_Part):
    """What was trained."""

    name: str = Field(min_length=1)
    params: PositiveInt | None = None
    tier: str | None = None
    seed: NonNegativeInt | None = None
    arm: str | None = Field(default=None, description="Name or digest of the training data.")
    tokens_seen: NonNegativeInt | None = None
    checkpoint: NonNegativeInt | None = Field(default=None, description="Steps done; leave out for the finished model.")
    tokenizer: str | None = None


class ImportedItem(_Part):
    """One item: a score, or the log-likelihoods of its choices."""

    item: NonNegativeInt = Field(description="Place in the benchmark's file, from 0.")
    id: str | None = None
    group: str | None = Field(default=None, description="Items of one passage or subject share it.")
    score: FiniteFloat | None = None
    gold: NonNegativeInt | None = None
    log_likelihoods: tuple[LogLikelihood, ...] | None = None
    num_bytes: tuple[PositiveInt, ...] | None = None
    num_chars: tuple[PositiveInt, ...] | None = None
    num_tokens: tuple[PositiveInt, ...] | None = None
    greedy: tuple[bool, ...] | None = None

    @model_validator(mode="after")
    def _whole(self) -> ImportedItem:
        if self.log_likelihoods is None:
            if self.score is None:
                raise ValueError("neither `score` nor `log_likelihoods`; expected one of them")
            return self
        count = len(self.log_likelihoods)
        if self.gold is None or self.gold >= count:
            raise ValueError(f"gold {self.gold}, expected the number of one of {count} choices, from 0")
        for name in ("num_bytes", "num_chars", "greedy"):
            value = getattr(self, name)
            if value is None or len(value) != count:
                raise ValueError(f"`{name}` has {0 if value is None else len(value)} entries, expected {count}")
        if self.num_tokens is not None and len(self.num_tokens) != count:
            raise ValueError(f"`num_tokens` has {len(self.num_tokens)} entries, expected {count}")
        return self


class ImportedTask(_Part):
    """One benchmark."""

    metric: Metric
    score: FiniteFloat
    n: PositiveInt | None = Field(default=None, description="Items; leave out if it is not known.")
    se: Annotated[FiniteFloat, Field(ge=0)] | None = None
    family: str = "other"
    shots: NonNegativeInt = 0
    chance: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = Field(
        default=None, description="Score of guessing, 0 to 1."
    )
    digest: str | None = Field(default=None, min_length=8, description="Of the items asked, with their prompts.")
    items: tuple[ImportedItem, ...] = ()

    @model_validator(mode="after")
    def _counts(self) -> ImportedTask:
        if self.items and self.n not in (None, len(self.items)):
            raise ValueError(f"n is {self.n}, but {len(self.items)} items are listed")
        places = [item.item for item in self.items]
        if len(set(places)) != len(places):
            raise ValueError("an item is listed twice; expected each once")
        if not self.metric.startswith("bits") and self.metric.startswith("acc") and not 0 <= self.score <= 1:
            raise ValueError(f"score {self.score} of an accuracy, expected a share from 0 to 1")
        return self


class ImportedDocument(_Part):
    """One document of a slice."""

    id: str
    family: str
    nats: Annotated[FiniteFloat, Field(ge=0)]
    num_bytes: PositiveInt
    num_tokens: NonNegativeInt = 0


class ImportedSlice(_Part):
    """Loss on one slice of a panel: one of the two sums, or documents."""

    bits_per_byte: Annotated[FiniteFloat, Field(ge=0)] | None = None
    nats_per_token: Annotated[FiniteFloat, Field(ge=0)] | None = None
    num_docs: NonNegativeInt = 0
    num_bytes: NonNegativeInt = 0
    num_tokens: NonNegativeInt = 0
    documents: tuple[ImportedDocument, ...] = ()

    @model_validator(mode="after")
    def _some(self) -> ImportedSlice:
        if self.bits_per_byte is None and self.nats_per_token is None and not self.documents:
            raise ValueError("no `bits_per_byte`, `nats_per_token` or `documents`; expected one of them")
        return self


class CurvePoint(_Part):
    """Loss at one step of training."""

    step: NonNegativeInt
    tokens: NonNegativeInt
    loss: FiniteFloat = Field(description="Nats a token.")
    slice: str = "training"


class ImportFile(_Part):
    """The whole file."""

    schema_: Literal["curate-import@1"] = Field(alias="schema")
    trainer: str = Field(min_length=1, description="Program that trained or scored: open_lm, megatron.")
    model: ImportedModel
    context: PositiveInt = Field(default=2048, description="Tokens of a window when it was scored.")
    suite: str = Field(default="imported", min_length=1)
    suite_version: str = "1"
    software: dict[str, str] = {}
    date: str | None = None
    tasks: dict[str, ImportedTask] = {}
    slices: dict[str, ImportedSlice] = {}
    curve: tuple[CurvePoint, ...] = ()

    @model_validator(mode="after")
    def _anything(self) -> ImportFile:
        if self.trainer == "curate":
            raise ValueError("trainer `curate` is this program; expected the name of another")
        if not (self.tasks or self.slices or self.curve):
            raise ValueError("no `tasks`, `slices` or `curve`; expected one of them")
        return self
