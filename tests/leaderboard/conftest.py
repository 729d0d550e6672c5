"""Scored runs made by hand: nats with a chosen level by arm, seed, slice and family."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import write_table
from curation.files import Json, digest_json, replacing, write_json, write_text
from curation.randomness import generator
from curation.store import Artifact, Store
from leaderboard.noise.find import known_packs
from leaderboard.scores import ScoredRun, TierScores, gather
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.assemble import Findings, Frozen, assemble
from leaderboard.studies.results import StudyResult, Supply
from leaderboard.studies.study import parse_study
from leaderboard.studies.trained import BuiltArm, TrainedRun

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


FUNNEL = [
    {
        "step": "ingest",
        "docs_in": 1001,
        "docs_out": 1000,
        "bytes_in": 9_000_000,
        "bytes_out": 9_000_000,
        "reasons": {"invalid-utf8": {"docs": 1}},
        "by_slice": {},
        "samples": [],
    },
    {
        "step": "filter: quality_v1",
        "docs_in": 1000,
        "docs_out": 700,
        "bytes_in": 9_000_000,
        "bytes_out": 6_000_000,
        "tokens_in": 2_000_000,
        "tokens_out": 1_400_000,
        "by_slice": {},
        "reasons": {"too-few-words": {"docs": 300, "bytes": 3_000_000, "tokens": 600_000}},
        "samples": [
            {"id": "a", "slice": "docs", "reason": "too-few-words", "value": 3.0, "text": "<script>alert(1)</script>"}
        ],
    },
]


CONTAMINATION: Json = {
    "checked": True,
    "reports": [
        {
            "documents_hit": 2,
            "precision": "precision on this corpus unmeasured",
            "suites": [
                {"suite": "probe", "items": 40, "items_hit": 3, "documents_hit": 2},
                {"suite": "other", "items": 60, "items_hit": 0, "documents_hit": 0},
            ],
        }
    ],
}


def write_corpus(store: Store, arm: str, num_tokens: int, selected_for: tuple[str, ...] = ()) -> Artifact:
    """Write a corpus artifact with a funnel and no text."""
    fingerprint = digest_json({"corpus": arm})
    with store.building("corpus", fingerprint) as out:
        write_json(out.path / "funnel.json", FUNNEL)
        write_json(out.path / "contamination.json", CONTAMINATION)
        summary: dict[str, Json] = {
            "num_docs": 700,
            "num_bytes": num_tokens * 4,
            "num_tokens": num_tokens,
            "selected_for": list(selected_for),
        }
        return out.finish({"inputs": {}, "params": {}, "summary": summary})


def write_tokens(store: Store, arm: str) -> Artifact:
    """Write a tokens artifact without tokens, made from the arm's corpus."""
    with store.building("tokens", digest_json({"tokens": arm})) as out:
        return out.finish({"inputs": {"corpus": digest_json({"corpus": arm})}, "params": {}, "summary": {}})


def write_run_artifact(
    store: Store, run: ScoredRun, *, unique_tokens: int, bpb_factor: float = 1.0, stable: bool = True
) -> Artifact:
    """Write a run artifact as training does; `bpb_factor` falsifies its aggregates."""
    tokens = write_tokens(store, run.arm)
    fingerprint = digest_json({"run": run.arm, "tier": run.tier, "seed": run.seed})
    bpb = {name: float(one.bpb[0]) * bpb_factor for name, one in gather([run]).slices.items()}
    with store.building("run", fingerprint) as out:
        with replacing(out.path / "documents.parquet") as temporary:
            write_table(temporary, run.documents)
        lines = [json.dumps({"step": i, "tokens": i * 1000, "loss": 5.0 - i * 0.01}) for i in range(1, 101)]
        write_text(out.path / "metrics.jsonl", "\n".join(lines) + "\n")
        summary: dict[str, Json] = {
            "tier": run.tier,
            "seed": run.seed,
            "tokens_seen": 1_500_000,
            "unique_tokens": unique_tokens,
            "epochs": 1_500_000 / unique_tokens,
            "epochs_by_slice": {},
            "bpb": bpb,
            "final_train_loss": 4.0,
            "steps": 100,
            "flops": 1e12,
            "tokenizer": run.tokenizer,
            "context": run.context,
            "panel_digest": run.panel,
            "stable": stable,
        }
        inputs: dict[str, Json] = {"panel": run.panel, "tokens": tokens.fingerprint}
        return out.finish({"inputs": inputs, "params": {}, "summary": summary})


@pytest.fixture
def make_result(store: Store) -> Callable[..., StudyResult]:
    """Return a maker of a whole study's result from run artifacts in a store."""

    def make(
        level: Level,
        slices: Mapping[str, int],
        *,
        tier: str = "pico",
        seeds: int = 2,
        failed: tuple[str, ...] = (),
        unstable: tuple[tuple[str, int], ...] = (),
        selected_for: tuple[str, ...] = (),
        **changes: Any,
    ) -> StudyResult:
        value = {
            "name": "small",
            "hypothesis": "the filter helps",
            "kind": "filter",
            "base": "baseline",
            "vary": {"mine": {"filter": "quality_v1"}},
            "tiers": {tier: seeds},
            **changes,
        }
        study = parse_study(value, "s.yaml")
        built, trained = [], []
        for arm in resolve_arms(study, "s.yaml"):
            tokens = 2_000_000 if arm.role == "baseline" else 1_400_000
            drawn_on = selected_for if arm.name == "mine" else ()
            built.append(BuiltArm(arm=arm, corpus=write_corpus(store, arm.name, tokens, drawn_on)))
            for seed in range(1, seeds + 1 if arm.name not in failed else 1):
                run = scored_run(arm.name, seed, level, slices, tier=tier)
                stable = (arm.name, seed) not in unstable
                artifact = write_run_artifact(store, run, unique_tokens=tokens, stable=stable)
                trained.append(TrainedRun(arm=arm.name, tier=tier, seed=seed, artifact=artifact))
        findings = Findings(
            arms=built,
            runs=trained,
            failures=(),
            seconds={"train": 60.0, "ingest": 3.0},
            code="test",
            packs=known_packs(store.root),
            unigram={(item.arm.name, tier): dict.fromkeys(slices, 4.0) for item in built},
        )
        frozen = Frozen(fingerprint="f" * 64, pool="a" * 64, panel="p" * 64, runs_before_freeze=0)
        return assemble(study, frozen, findings)

    return make


@pytest.fixture
def write_run() -> Callable[..., Artifact]:
    """Return `write_run_artifact`."""
    return write_run_artifact


@pytest.fixture
def make_corpus() -> Callable[..., Artifact]:
    """Return `write_corpus`."""
    return write_corpus
