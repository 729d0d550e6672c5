"""Scored runs made by hand: nats with a chosen level by arm, seed, slice and family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pytest

from curation.randomness import generator
from leaderboard.results import Supply
from leaderboard.scores import ScoredRun, TierScores, gather

BYTES = 30_000
Level = Callable[[str, int, str], float]
"""(arm, seed, slice) -> bits per byte before family noise."""


def scored_run(arm: str, seed: int, level: Level, slices: Mapping[str, int], *, tier: str = "micro-1x") -> ScoredRun:
    """Return a run with one document a family; families differ, alike for all arms."""
    rows: dict[str, list[object]] = {"id": [], "slice": [], "family": [], "nats": [], "num_bytes": []}
    for name, num_families in slices.items():
        spread = generator(0, "families", name).normal(scale=0.05, size=num_families)
        for family in range(num_families):
            rows["id"].append(f"{name}-{family}")
            rows["slice"].append(name)
            rows["family"].append(f"{name}-{family}")
            rows["nats"].append(level(arm, seed, name) * math.exp(spread[family]) * BYTES * math.log(2))
            rows["num_bytes"].append(BYTES)
    table = pa.table({key: np.array(value) if key != "id" else value for key, value in rows.items()})
    documents = table.cast(
        pa.schema(
            [
                ("id", pa.large_string()),
                ("slice", pa.large_string()),
                ("family", pa.large_string()),
                ("nats", pa.float64()),
                ("num_bytes", pa.int64()),
            ]
        )
    ).sort_by("id")
    return ScoredRun(
        arm=arm, tier=tier, seed=seed, panel="p" * 64, tokenizer="ladder@1", context=512, documents=documents
    )


@pytest.fixture
def make_run() -> Callable[..., ScoredRun]:
    """Return `scored_run`."""
    return scored_run


@pytest.fixture
def make_scores() -> Callable[..., TierScores]:
    """Return a maker of a tier's scores: arms × seeds over slices with so many families."""

    def make(
        arms: list[str], num_seeds: int, level: Level, slices: Mapping[str, int], *, tier: str = "micro-1x"
    ) -> TierScores:
        runs = [scored_run(arm, seed, level, slices, tier=tier) for arm in arms for seed in range(1, num_seeds + 1)]
        return gather(runs)

    return make


@pytest.fixture
def make_supply() -> Callable[..., dict[str, Supply]]:
    """Return a maker of supplies by arm from epochs."""

    def make(epochs: Mapping[str, float], *, tokens_seen: int = 1_000_000) -> dict[str, Supply]:
        return {
            arm: Supply(
                arm=arm,
                tier="micro-1x",
                unique_tokens=int(tokens_seen / value),
                tokens_seen=tokens_seen,
                epochs=value,
                flag="",
            )
            for arm, value in epochs.items()
        }

    return make
