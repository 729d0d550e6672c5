"""Settings of a tag model: which features, how many dimensions and clusters, how much is looked at."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from curation.randomness import stable_hash
from curation.recipe import Spec

MIN_DOCS_PER_CLUSTER = 10


class FeatureSettings(Spec):
    """What of a document's text counts; part of the model, since documents are tagged alike."""

    buckets: int = Field(default=65_536, ge=256, le=2**22)
    """Places that words and n-grams are hashed to; a power of two."""
    words: bool = True
    chars: Literal[0, 3, 4, 5] = 3
    """Characters of an n-gram inside a word; 0 for none."""
    head_bytes: int = Field(default=16_384, ge=64, le=2**24)
    """Bytes from the start of a document that are looked at, cut at a character's end."""
    hash_seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _possible(self) -> FeatureSettings:
        if self.buckets & (self.buckets - 1):
            raise ValueError(f"buckets: {self.buckets} is no power of two, as hashing needs; try 65536")
        if not self.words and not self.chars:
            raise ValueError("words: false with chars: 0 leaves no features; set one of them")
        return self

    def shape(self) -> npt.NDArray[np.uint64]:
        """Return the numbers that the kernels read."""
        seeds = [stable_hash("tags", name, self.hash_seed) for name in ("words", "chars")]
        return np.array([self.buckets, self.head_bytes, self.words, self.chars, *seeds], np.uint64)


class FitSettings(FeatureSettings):
    """What is fitted."""

    clusters: int = Field(ge=2, le=1000)
    dims: int = Field(default=64, ge=2, le=512)
    """Dimensions of the latent space (LSA)."""
    sample_docs: int = Field(default=20_000, ge=100, le=1_000_000)
    """Documents fitted on: those with the smallest hash of their id. Bounds memory and time on any pool."""
    min_docs: int = Field(default=2, ge=1)
    """Documents of the sample in which a feature occurs at least; rarer ones weigh nothing."""
    starts: int = Field(default=8, ge=2, le=100)
    """Starts of k-means; the one with the highest mean cosine is taken, their agreement is reported."""
    rounds: int = Field(default=50, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Draws the sample, the projection's start and those of k-means."""

    def features(self) -> FeatureSettings:
        """Return the part that tagging needs."""
        return FeatureSettings(**{name: getattr(self, name) for name in FeatureSettings.model_fields})
