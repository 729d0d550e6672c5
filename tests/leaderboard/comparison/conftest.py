"""Results of models made by hand: items of tasks with a chosen ability by arm, seed and task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.randomness import generator
from train.evals.results import (
    Metric,
    ModelFacts,
    Results,
    Scored,
    SliceResult,
    SuiteFacts,
    TaskResult,
    write_results,
)
from train.evals.score_tables import DOCUMENTS_SCHEMA, ITEMS_SCHEMA

NUM_ITEMS = 400
VERSIONS = {"acc_per_char": "1", "bits_per_byte_corr": "1"}
FAMILIES = {"easy": "knowledge", "hard": "reasoning", "code": "code", "extra": "knowledge"}


def item_rows(task: str, right: np.ndarray, bits: np.ndarray, group_size: int = 2) -> list[dict[str, Any]]:
    """Return rows of `items.parquet`; `group_size` items share a cluster."""
    rows = []
    for number, (ok, bpb) in enumerate(zip(right.tolist(), bits.tolist(), strict=True)):
        row: dict[str, Any] = dict.fromkeys(ITEMS_SCHEMA.names)
        row |= {"task": task, "item": number, "group": f"g{number // group_size}", "gold": 0}
        row |= {"log_likelihoods": [-1.0, -2.0], "greedy": [False, False]}
        row |= {name: [3, 3] for name in ("num_tokens", "num_bytes", "num_chars")}
        row |= {"acc_per_char": float(ok), "acc_raw": float(ok), "bits_per_byte_corr": float(bpb)}
        rows.append(row)
    return rows


def scored_model(
    arm: str,
    seed: int | None,
    accuracy: Mapping[str, float],
    bits: Mapping[str, float],
    *,
    tier: str | None = "micro-1x",
    run_noise: float = 0.005,
    **changes: Any,
) -> Scored:
    """Return the results of a model; an item is right when its difficulty, equal for all models, is low enough."""
    rows: list[dict[str, Any]] = []
    tasks = {}
    for task, share in accuracy.items():
        easy = generator(1, task, "difficulty").uniform(size=NUM_ITEMS)
        rng = generator(2, arm, str(seed), str(tier), task)
        right = easy < share + run_noise * rng.normal() + 0.02 * rng.normal(size=NUM_ITEMS)
        level = bits[task] * np.exp(0.2 * generator(1, task, "bits").normal(size=NUM_ITEMS))
        own = level * np.exp(run_noise * rng.normal() + 0.01 * rng.normal(size=NUM_ITEMS))
        rows += item_rows(task, right, own)
        tasks[task] = TaskResult(
            family=FAMILIES[task],
            kind="mc",
            shots=0,
            n=NUM_ITEMS,
            digest="d" * 64,
            primary="acc_per_char",
            baseline_v1=0.25,
            metrics={"acc_per_char": Metric(value=float(right.mean()), n=NUM_ITEMS)},
        )
    return with_items(rows, tasks, facts(arm, seed, tier), **changes)


def facts(arm: str, seed: int | None, tier: str | None) -> ModelFacts:
    """Return what results say of a model."""
    name = f"{arm}-{tier}-s{seed}"
    return ModelFacts(name=name, digest=(name.replace("-", "") + "0" * 16)[:40], tier=tier, seed=seed, arm=arm)


def with_items(
    rows: list[dict[str, Any]], tasks: Mapping[str, TaskResult], model: ModelFacts, **changes: Any
) -> Scored:
    """Return results with these rows."""
    settings: dict[str, Any] = {
        "model": model,
        "suite": SuiteFacts(name="small", version="1", digest="5" * 64),
        "context": 512,
        "metric_versions": VERSIONS,
        "software": {},
        "tasks": tasks,
    }
    results = Results(**{**settings, **changes})
    return Scored(results=results, items=pa.Table.from_pylist(rows, schema=ITEMS_SCHEMA))


def scored_panel(
    arm: str, seed: int | None, bits: Mapping[str, float], *, tier: str | None = "micro-1x", families: int = 60
) -> Scored:
    """Return a model's results on a panel: one document of 30,000 bytes a family."""
    columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS_SCHEMA.names}
    rng = generator(3, arm, str(seed), str(tier))
    for name, level in bits.items():
        spread = generator(1, name, "families").normal(scale=0.1, size=families)
        run = 0.001 * rng.normal()
        for family in range(families):
            nats = level * np.exp(spread[family] + run + 0.002 * rng.normal()) * 30_000 * np.log(2)
            row = (f"{name}-{family}", name, f"{name}-{family}", float(nats), 30_000, 7_000)
            for column, value in zip(DOCUMENTS_SCHEMA.names, row, strict=True):
                columns[column].append(value)
    slices = {
        name: SliceResult(
            nats_per_token=1.0,
            bits_per_byte=level,
            perplexity=2.7,
            num_docs=families,
            num_families=families,
            num_bytes=30_000 * families,
            num_tokens=7_000 * families,
        )
        for name, level in bits.items()
    }
    results = Results(
        model=facts(arm, seed, tier),
        suite=SuiteFacts(name="panel", version="1", digest="9" * 64),
        context=512,
        metric_versions={"score": "1"},
        software={},
        slices=slices,
    )
    return Scored(results=results, documents=pa.table(columns, schema=DOCUMENTS_SCHEMA))


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of results into a directory of their own."""

    def write(scored: Scored, name: str = "") -> Path:
        folder = tmp_path / "published" / (name or f"{scored.results.model.name}-{scored.results.suite.name}")
        folder.mkdir(parents=True)
        write_results(folder, scored)
        return folder

    return write


@pytest.fixture
def scored() -> Callable[..., Scored]:
    """Return `scored_model`."""
    return scored_model


@pytest.fixture
def panel() -> Callable[..., Scored]:
    """Return `scored_panel`."""
    return scored_panel
