"""What a noise measurement trains: eight runs 1..n, and noise runs that tell initialisation, order and subset apart.

seeds 1..n                     the noise that a comparison sees (rule 9: at least 8)
init 1..I × order 1..J         one subset of the text, a full table (`fixed-subset`)
subset 2..S                    init 1, order 1: other text of the same corpus (`variable-subset`)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from curation.errors import RunError
from curation.nodes import Node, existing_node
from curation.store import Artifact, Store
from leaderboard.noise.pack import MIN_SEEDS
from train.many_runs import Wanted
from train.noise_seeds import NOISE_INDEX, NoiseSeeds
from train.run import run_node
from train.shards import tokens_node
from train.tiers import load_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How many runs of each kind."""

    seeds: int = MIN_SEEDS
    inits: int = 3
    orders: int = 3
    subsets: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run, and whether the store has it."""

    wanted: Wanted
    purpose: str
    reused: bool = False

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.wanted.label


def wanted_runs(tier: str, design: Design) -> list[PlannedRun]:
    """Return the runs of a design, ordinary ones first, so that what is interrupted early is of most use.

    Raises: RunError for a design that tells nothing: fewer than two runs, or a table with a single row or column.
    """
    name = load_tier(tier).name
    if min(design.seeds, design.inits, design.orders, design.subsets) < 0 or (
        1 in (design.inits, design.orders) and (design.inits, design.orders) != (1, 1)
    ):
        raise RunError(
            f"noise: {design.inits} initialisations x {design.orders} orders, expected 0, or a table from 2 x 2 on; "
            "change --inits or --orders"
        )
    runs = [
        PlannedRun(wanted=Wanted(tier=name, seed=seed), purpose="all at once") for seed in range(1, design.seeds + 1)
    ]
    runs += [
        _noise_run(name, NoiseSeeds(init=init, order=order, subset=1), "initialisation, order")
        for init in range(1, design.inits + 1)
        for order in range(1, design.orders + 1)
    ]
    first = 2 if design.inits and design.orders else 1
    runs += [
        _noise_run(name, NoiseSeeds(init=1, order=1, subset=subset), "subset")
        for subset in range(first, design.subsets + 1)
    ]
    if len(runs) < 2:
        raise RunError(f"noise: {len(runs)} runs, expected at least 2; raise --seeds, --inits, --orders or --subsets")
    return runs


def with_state(store: Store, corpus: Artifact, panel: Artifact, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the runs with what the store has of them."""
    tokens = tokens_node(existing_node(corpus), load_tier(runs[0].wanted.tier).tokenizer)
    judged = existing_node(panel)
    return [
        PlannedRun(
            wanted=run.wanted,
            purpose=run.purpose,
            reused=store.find("run", _node(tokens, judged, run.wanted).fingerprint) is not None,
        )
        for run in runs
    ]


def _node(tokens: Node, panel: Node, wanted: Wanted) -> Node:
    return run_node(tokens, panel, wanted.tier, wanted.seed, noise=wanted.noise)


def _noise_run(tier: str, seeds: NoiseSeeds, purpose: str) -> PlannedRun:
    return PlannedRun(wanted=Wanted(tier=tier, seed=NOISE_INDEX, noise=seeds), purpose=purpose)


def span(hours: float) -> str:
    """Return CPU time in hours, or in minutes or seconds where hours would say 0."""
    if hours >= 0.95:
        return f"{hours:.1f} CPU-hours"
    return f"{60 * hours:.0f} CPU-minutes" if hours >= 1.5 / 60 else f"{math.ceil(3600 * hours)} CPU-seconds"
