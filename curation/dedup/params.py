"""Settings of the dedup components, the published banding shapes, and the S-curve that a shape gives.

Two documents with Jaccard similarity s share at least one of b bands of r MinHash values with probability
1 - (1 - s^r)^b. Shingles are always words of `words@1` here; where a published system uses characters, the preset
takes only its banding shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from curation.errors import nearest
from curation.files import Json
from curation.recipe import Spec

CURVE_POINTS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Scope = Literal["global", "slice", "source"]
Survivor = Literal["first", "longest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Banding:
    """One published shape: its bands, rows and words a shingle."""

    bands: int
    rows: int
    ngram: int


PRESETS: Mapping[str, Banding] = {
    "fineweb": Banding(bands=14, rows=8, ngram=5),  # datatrove dedup/minhash.py; 5 words
    "dclm": Banding(
        bands=93, rows=15, ngram=5
    ),  # data set names `minhash.b15.r93`; shingle not published, 5 words ours
    "marin": Banding(bands=26, rows=11, ngram=5),  # shape only: Marin's shingles are 5 characters
    "nemo": Banding(bands=20, rows=13, ngram=5),  # shape only: NeMo Curator 1.x shingles are 24 characters
}


class ExactParams(Spec):
    """Settings of `dedup: exact`."""

    normalize: bool = False
    """Compare the words of `words@1` instead of the bytes; documents without words are compared by their bytes."""
    scope: Scope = "global"
    """Where a copy counts: in the whole pool, in the same slice, or in the same source."""
    survivor: Survivor = "first"
    """Which copy stays: the first by (source, id), or the longest, ties by (source, id)."""


class UrlParams(Spec):
    """Settings of `dedup: url`; documents without a url are never copies."""

    scope: Scope = "global"
    survivor: Survivor = "first"


class MinhashParams(Spec):
    """Settings of `dedup: minhash`."""

    preset: str = "fineweb"
    """Banding shape: `fineweb`, `dclm`, `marin` or `nemo`."""
    bands: int | None = Field(default=None, ge=1, le=512)
    rows: int | None = Field(default=None, ge=1, le=64)
    ngram: int | None = Field(default=None, ge=1, le=64)
    verify: float | None = Field(default=0.7, gt=0, le=1)
    """Exact Jaccard similarity that a pair sharing a band must reach; null believes the bands."""
    scope: Scope = "global"
    survivor: Survivor = "first"
    max_words: int = Field(default=100_000, ge=1)
    """Words of a document that are looked at; mega-documents would saturate signatures and chain strangers."""

    @model_validator(mode="after")
    def _known_preset(self) -> MinhashParams:
        if self.preset not in PRESETS:
            raise ValueError(f"unknown preset `{self.preset}`; {nearest(self.preset, PRESETS)}")
        return self

    @property
    def banding(self) -> Banding:
        """The preset's shape with the overrides applied."""
        preset = PRESETS[self.preset]
        return Banding(
            bands=self.bands or preset.bands, rows=self.rows or preset.rows, ngram=self.ngram or preset.ngram
        )


def candidate_probability(jaccard: float, banding: Banding) -> float:
    """Return the probability that two documents of that similarity share a band."""
    return 1.0 - (1.0 - jaccard**banding.rows) ** banding.bands


def lsh_threshold(banding: Banding) -> float:
    """Return the similarity where the S-curve is steepest, by the usual approximation (1/b)^(1/r)."""
    return float((1.0 / banding.bands) ** (1.0 / banding.rows))


def curve(banding: Banding) -> dict[str, Json]:
    """Return the expected recall of candidate pairs at a few similarities, before verification."""
    return {f"{point:g}": round(candidate_probability(point, banding), 6) for point in CURVE_POINTS}
