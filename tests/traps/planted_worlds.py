"""Worlds with a known truth: what is true of a study's arms, and the document scores that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from curation.files import Json, digest_json
from curation.randomness import generator
from leaderboard.scores import ScoredRun
from train.tiers import load_tier, tier_digest

DOC_BYTES = 30_000
PACK_SEEDS = 1000
PANEL = digest_json("the panel")
POOL = digest_json("the pool")
Effect = Callable[[str, str, str], float]
"""(arm, tier, slice) -> true relative change of bits per byte against the baseline."""
SLICES = {"docs": 60, "code-python": 60, "math": 60, "prose": 60}
ROLES = ("baseline", "mine", "random", "random-matched")


def nothing(*_: str) -> float:
    """No effect anywhere."""
    return 0.0


def only(arm: str, change: float, *slices: str) -> Effect:
    """An effect of one arm, in the named slices or in all."""
    return lambda one, tier, name: change if one == arm and (not slices or name in slices) else 0.0


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true of a study's arms, and how it was measured."""

    effect: Effect = nothing
    study: Mapping[str, Any] = field(default_factory=dict)
    """Words of the study that replace those of `words`."""
    slices: Mapping[str, int] = field(default_factory=lambda: dict(SLICES))
    """Families by slice; a family is one document."""
    sigma: float = 0.0007
    """Run noise of one run, relative: 0.002 nats at a loss of 3."""
    family_sigma: float = 0.003
    """What an arm does to single families beside its effect, relative."""
    world: int = 1
    """Which draw of all noise."""
    epochs: Mapping[str, float] = field(default_factory=dict)
    """By arm; 1 where nothing is said."""
    unstable: tuple[tuple[str, int], ...] = ()
    absent: tuple[tuple[str, str, int], ...] = ()
    """(arm, tier, seed) of runs that never finished."""
    same_run: Mapping[int, int] = field(default_factory=dict)
    """Seed -> the seed whose scores it really is."""
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By arm, the seeds it was trained with in place of 1..n."""
    packs: int = 8
    """Seeds of the baseline that measured the noise; 0 for none."""
    wrong: Callable[[ScoredRun], ScoredRun] = lambda run: run
    """What was done to the scores of a run before they were written."""
    summary: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """By arm, fields of the run's summary that replace the ordinary ones."""
    course: Callable[[float], float] = lambda done: 1.0
    """Share of the effect that is there when a share of the tokens was seen."""
    leaks: Mapping[str, int] = field(default_factory=dict)
    """By arm, documents of its corpus that are near copies of the panel."""
    gap: tuple[float, float, float] | None = (0.1, -0.4, 0.6)
    """Gain on suspicious items beyond that on clean ones, with its interval, in points."""
    families: Mapping[str, float] = field(default_factory=lambda: {"qa": 1.2, "reading": 0.9, "science": 0.7})
    """Gain by family of tasks in points, each within 1 point."""


def words(**changes: Any) -> dict[str, Any]:
    """Return a study of one filter at two budgets of two tiers, three seeds each."""
    return {
        "hypothesis": "the filter lowers bits per byte beyond reweighting",
        "kind": "filter",
        "base": "baseline",
        "vary": {"mine": {"filter": "quality_v1"}},
        "tiers": {"micro": 3, "smoke": 3},
        "budgets": [0.5, 1],
        **changes,
    }


def normal(world: World, part: str, arm: str, tier: str, seed: int) -> float:
    """Return what a run's seed does to a part of its scores, in standard deviations.

    Seeds above a thousand are those of noise packs: all of one pack together scatter by exactly one.
    """
    if seed < PACK_SEEDS:
        return float(generator(world.world, "run", part, arm, tier, seed).normal())
    drawn = generator(world.world, "pack", part, arm, tier).normal(size=world.packs)
    return float((drawn[seed - PACK_SEEDS - 1] - drawn.mean()) / drawn.std(ddof=1))


def documents_of(world: World, arm: str, tier: str, seed: int) -> pa.Table:
    """Return the score of every panel document, sorted by id."""
    drawn = world.same_run.get(seed, seed)
    rows: dict[str, list[Any]] = {"id": [], "slice": [], "family": [], "nats": [], "num_bytes": []}
    run = normal(world, "all", arm, tier, drawn)
    for name, count in world.slices.items():
        hard = generator(0, "families", name).normal(scale=0.05, size=count)
        own = generator(world.world, "arm", arm, name).normal(scale=world.family_sigma, size=count)
        own = own - own.mean() if arm != "baseline" else own * 0.0  # the effect is the mean over the families
        noise = world.sigma * math.sqrt(0.5) * (run + normal(world, name, arm, tier, drawn))
        level = 0.9 * (1 + world.effect(arm, tier, name)) * math.exp(noise)
        for place in range(count):
            rows["id"].append(f"{name}-{place:03}")
            rows["slice"].append(name)
            rows["family"].append(f"{name}-{place:03}")
            rows["nats"].append(level * math.exp(hard[place] + own[place]) * DOC_BYTES * math.log(2))
            rows["num_bytes"].append(DOC_BYTES)
    names = ("id", "slice", "family")
    columns = [(key, pa.large_string()) for key in names] + [("nats", pa.float64()), ("num_bytes", pa.int64())]
    return pa.table(rows).cast(pa.schema(columns)).sort_by("id")


def scored(world: World, arm: str, tier: str, seed: int) -> ScoredRun:
    """Return a run's scores with what makes them comparable."""
    plain = ScoredRun(
        arm=arm, tier=tier, seed=seed, panel=PANEL, tokenizer="ladder@1", context=load_tier(tier).eval_context_tokens,
        documents=documents_of(world, arm, tier, seed), tier_digest=tier_digest(load_tier(tier)),
    )  # fmt: skip
    return world.wrong(plain)
