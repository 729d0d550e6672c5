"""A noise pack: the run noise of one tier as a file, with the score of every run behind every number.

A pack is `measured` when at least eight stable runs 1..n of one recipe are in it (rule 9). With fewer it is
`preliminary`, with runs that skipped more than 0.1 % of their steps `unstable`; neither is used as a prior. The module
`pack_files` reads, recomputes and writes it.
Schema: `leaderboard/data/noise.schema.json`; fields: docs/statistics.md, "Noise packs".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt

from curation.files import Json, digest_json
from leaderboard.noise.spread import Part, Spread

SCHEMA: Literal["curate-noise@1"] = "curate-noise@1"
MIN_SEEDS = 8
LOG_METRICS = ("bits_per_byte",)
"""Metrics whose differences are log ratios; of all others they are plain differences."""

Scale = Literal["log", "plain"]
Status = Literal["measured", "preliminary", "unstable"]
NonNegative = Annotated[FiniteFloat, Field(ge=0)]


class Model(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoiseIndex(Model):
    """The seeds of a noise run (`train.noise_seeds`)."""

    init: PositiveInt
    order: PositiveInt
    subset: PositiveInt


class PackRun(Model):
    """A run behind the numbers: an ordinary one with a seed 1..n, or a noise run with seeds by cause."""

    fingerprint: str
    seed: PositiveInt | None = None
    noise: NoiseIndex | None = None
    steps: PositiveInt
    skipped_steps: NonNegativeInt
    stable: bool

    @property
    def label(self) -> str:
        """What messages call it."""
        noise = self.noise
        return f"seed {self.seed}" if noise is None else f"i{noise.init}-o{noise.order}-s{noise.subset}"


class SpreadFacts(Model):
    """A standard deviation with its chi-square interval (95 %)."""

    sigma: NonNegative
    degrees: Annotated[FiniteFloat, Field(gt=0)]
    low: NonNegative
    high: NonNegative

    @staticmethod
    def of(spread: Spread | None) -> SpreadFacts | None:
        """Return the file's form of a spread."""
        return None if spread is None else SpreadFacts.model_validate(_fields(spread))

    @property
    def spread(self) -> Spread:
        """The spread itself."""
        return Spread(sigma=self.sigma, degrees=self.degrees, low=self.low, high=self.high)


class PartFacts(Model):
    """The variance of one cause, with its interval and how it was told apart."""

    variance: FiniteFloat
    degrees: NonNegative
    low: NonNegative
    high: NonNegative
    design: str

    @staticmethod
    def of(part: Part) -> PartFacts:
        """Return the file's form of a part."""
        return PartFacts.model_validate(_fields(part))


class ItemFacts(Model):
    """The error that items, documents or families bring, on the scale of differences."""

    count: PositiveInt
    clusters: PositiveInt
    naive: NonNegative | None = None
    """Of one run's mean, every item by itself; null where only families are kept."""
    clustered: NonNegative
    """Of one run's mean, by clusters."""
    pair: NonNegative | None = None
    """Of the difference of two runs that only seeds tell apart, by clusters."""
    seed_variance: NonNegative | None = None
    item_variance: NonNegative | None = None
    rest_variance: NonNegative | None = None


class Measure(Model):
    """The noise of one metric of one slice or task."""

    kind: Literal["slice", "task"]
    name: str
    metric: str
    scale: Scale
    """`log`: sigma is of the logarithm, a relative one; `plain`: of the metric itself."""
    values: tuple[FiniteFloat | None, ...]
    """The metric of each run of the pack, in their order."""
    seeds: SpreadFacts | None
    """Over the runs 1..n: initialisation, order and subset together."""
    parts: Mapping[str, PartFacts] = {}
    """By cause: `init`, `order`, `rest`, `fixed-subset` (these three together), `variable-subset`."""
    checkpoints: SpreadFacts | None = None
    items: ItemFacts | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, name and metric."""
        return self.kind, self.name, self.metric


class Provenance(Model):
    """Where and when it was measured, of what."""

    device: str
    date: str
    software: Mapping[str, str] = {}
    corpus: str
    """What the runs were trained on: a fingerprint, or words."""
    panel: str | None = None
    """Digest of the panel; null where it was not written down."""
    suites: Mapping[str, str] = {}
    """Digest of each suite of tasks."""
    notes: tuple[str, ...] = ()


class NoisePack(Model):
    """What a noise file holds."""

    schema_: Literal["curate-noise@1"] = Field(default=SCHEMA, alias="schema")
    tier: str
    tier_digest: str | None = None
    recipe_version: PositiveInt
    tokenizer: str
    context: PositiveInt
    evidence: bool
    """False for laptop tiers, which decide nothing however well their noise is known (rule 18)."""
    status: Status
    why: tuple[str, ...] = ()
    """Why it is not `measured`."""
    provenance: Provenance
    runs: tuple[PackRun, ...]
    measures: tuple[Measure, ...]
    digest: str = ""
    """Of everything else but the date."""

    def as_json(self) -> dict[str, Json]:
        """Return the JSON object."""
        return cast("dict[str, Json]", self.model_dump(mode="json", by_alias=True))

    @property
    def file_name(self) -> str:
        """What its file is called: `pico-1x-5e2c90ab.json`."""
        return f"{self.tier}-{self.digest[:8]}.json"

    @property
    def ordinary(self) -> list[int]:
        """Places of the stable runs 1..n."""
        return [place for place, run in enumerate(self.runs) if run.seed is not None and run.stable]

    def measure(self, kind: str, name: str, metric: str) -> Measure | None:
        """Return a measure, if the pack has it."""
        return next((one for one in self.measures if one.key == (kind, name, metric)), None)


def status_of(runs: Sequence[PackRun]) -> tuple[Status, tuple[str, ...]]:
    """Return what a pack of these runs may be used as, and why not as a prior (rule 9)."""
    ordinary = [run for run in runs if run.seed is not None]
    stable = [run for run in ordinary if run.stable]
    if len(stable) >= MIN_SEEDS:
        return "measured", ()
    why = [f"{len(stable)} stable baseline seeds, rule 9 asks for {MIN_SEEDS}"]
    if len(ordinary) >= MIN_SEEDS:
        shares = [run.skipped_steps / run.steps for run in ordinary if not run.stable]
        why.append(
            f"{len(shares)} of {len(ordinary)} runs skipped {min(shares):.1%} to {max(shares):.1%} of their steps"
        )
        return "unstable", tuple(why)
    return "preliminary", tuple(why)


def scale_of(metric: str) -> Scale:
    """Return the scale on which differences of a metric are taken."""
    return "log" if metric in LOG_METRICS else "plain"


def scaled(values: Sequence[float], scale: Scale) -> list[float]:
    """Return values on the scale of differences."""
    return [math.log(value) for value in values] if scale == "log" else list(values)


def seed_values(pack: NoisePack, measure: Measure, without: frozenset[str] = frozenset()) -> list[float]:
    """Return the values of the runs 1..n on the scale of differences: stable ones, or all of an unstable pack.

    `without` names runs by fingerprint.
    """
    places = pack.ordinary if pack.status != "unstable" else [n for n, run in enumerate(pack.runs) if run.seed]
    chosen = [n for n in places if pack.runs[n].fingerprint not in without]
    found = [value for n in chosen if (value := measure.values[n]) is not None]
    return scaled(found, measure.scale)


def sealed(pack: NoisePack) -> NoisePack:
    """Return the pack with its digest."""
    return pack.model_copy(update={"digest": pack_digest(pack)})


def pack_digest(pack: NoisePack) -> str:
    """Return the digest of everything but the digest and the date: equal runs give equal digests on any day."""
    held = pack.model_copy(update={"provenance": pack.provenance.model_copy(update={"date": ""})}).as_json()
    return digest_json({key: value for key, value in held.items() if key != "digest"})


def _fields(value: Spread | Part) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


def mean_of(measure: Measure) -> float | None:
    """Return the mean of the metric over all runs that have it."""
    found = [value for value in measure.values if value is not None]
    return float(np.mean(found)) if found else None
