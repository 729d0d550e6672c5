"""A tiny tier, a corpus and a panel made of made-up sentences."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import TEXT_SCHEMA, write_table
from curation.corpus_counts import SliceCounts
from curation.files import Json, digest_json, replacing
from curation.nodes import Node, NodeRun, Planner
from curation.panel import panel_digest
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.recipe import MixSpec
from curation.store import Artifact, Store
from mixtures.stage import schedule
from train.tiers import TIERS, Shape, Tier

WORDS = (
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "looked",
    "at",
    "rain",
    "def",
    "return",
    "x",
    "=",
    "über",
    "日本",
)
Docs = Mapping[str, Sequence[str]]
StartWorker = Callable[[Mapping[str, object]], BaseProcess]
IMPORTED = """
    pytest pyarrow torch torch._dynamo awkward pandas numba gigatoken safetensors.torch curation.panel
    mixtures.draws_kernels train.worker train.loop train.orders train.score train.telemetry train.observers
""".split()
"""Once, by the server that forks: workers that are killed dozens of times need not import torch each time."""


@pytest.fixture
def start_worker(monkeypatch: pytest.MonkeyPatch) -> StartWorker:
    """Return what starts a worker of the tiny tier as a process of its own, with these options."""
    monkeypatch.syspath_prepend(Path(__file__).parent)  # where the process finds its target by name
    target = importlib.import_module("tiny_worker").main
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)

    def start(options: Mapping[str, object]) -> BaseProcess:
        arguments = [str(word) for pair in options.items() for word in pair]
        process = context.Process(target=target, args=arguments)
        process.start()
        return process

    return start


def tiny_tier() -> Tier:
    """Return a model of 72 thousand parameters that takes 40 steps of 256 tokens."""
    shape = Shape(
        width=16, num_layers=2, num_heads=2, head_dim=8, ffn_width=32, vocab_size=2_048, context_tokens=64
    )  # fmt: skip
    return replace(
        TIERS["pico"], name="tiny-1x", model="tiny", shape=shape, tokens_at_1x=40 * 256, batch_tokens=256,
        micro_batch_rows=2, warmup_tokens=1_024, eval_context_tokens=64,
    )  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tier:
    """Return the tiny tier, known by name while the test runs."""
    tier = tiny_tier()
    monkeypatch.setitem(TIERS, "tiny", tier)  # type: ignore[arg-type]
    return tier


def sentences(name: str, count: int, words: int = 40) -> list[str]:
    """Return `count` documents of random words, the same for the same name."""
    stream = generator(1, name)
    return [" ".join(WORDS[i] for i in stream.integers(0, len(WORDS), words)) + "\n" for _ in range(count)]


def corpus_of(docs: Docs, num_shards: int = 2, mix: MixSpec | None = None, sources: Sequence[str] = ("s",)) -> Node:
    """Return a node that writes a corpus artifact as the builder does; documents of a slice take turns at sources."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        rows = sorted(
            ({"id": f"{name}-{i:04d}", "text": text, "source": sources[i % len(sources)], "slice": name}
             for name, texts in docs.items() for i, text in enumerate(texts)),
            key=lambda row: row["id"],
        )  # fmt: skip
        for shard in range(num_shards):
            path = context.out.path / "data" / f"train-{shard:05d}-of-{num_shards:05d}.parquet"
            cut = rows[len(rows) * shard // num_shards : len(rows) * (shard + 1) // num_shards]
            with replacing(path) as temporary:
                write_table(temporary, pa.Table.from_pylist(cut, TEXT_SCHEMA))
        counts = {
            name: SliceCounts(docs=len(texts), bytes=sum(len(t.encode()) for t in texts), tokens=len(texts) * 50)
            for name, texts in docs.items()
            if texts
        }
        return {"schedule": schedule(mix or MixSpec(), counts, "corpus") if counts else [], "slices": {}}

    identity = {name: list(texts) for name, texts in docs.items()}
    params = {
        "docs": digest_json([identity, list(sources)]),
        "shards": num_shards,
        "mix": (mix or MixSpec()).model_dump(mode="json"),
    }
    return Node(kind="corpus", version="1", params=params, inputs={}, run=run)


def panel_of(docs: Docs) -> Node:
    """Return a node that writes a panel artifact with `documents.parquet`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        rows: list[dict[str, Any]] = [
            {"id": f"p-{name}-{i}", "text": text, "slice": name, "family": f"f{i % 3}"}
            for name, texts in docs.items()
            for i, text in enumerate(texts)
        ]
        with replacing(context.out.path / "documents.parquet") as temporary:
            write_table(temporary, pa.Table.from_pylist(rows))
        return {"digest": panel_digest(pa.Table.from_pylist(rows))}

    identity = {name: list(texts) for name, texts in docs.items()}
    return Node(kind="panel", version="1", params={"docs": digest_json(identity)}, inputs={}, run=run)


@pytest.fixture
def small_corpus() -> Node:
    """Return a corpus of two slices, 127 thousand tokens: what the tiny tier reads at twelve times its budget."""
    return corpus_of({"code": sentences("code", 640), "web": sentences("web", 1280)})


@pytest.fixture
def small_panel() -> Node:
    """Return a panel with awkward documents among plain ones."""
    return panel_of({"code": [*sentences("panel", 6), ""], "web": ["x", "🙂 e\u0301\r\n", *sentences("other", 4, 300)]})


@pytest.fixture
def build(tmp_path: Path) -> Callable[[Node], Artifact]:
    """Return a function that builds a node in the test's store."""
    planner = Planner(store=Store.open(tmp_path / "store"), workers=1, progress=SilentProgress())
    return planner.materialise


@pytest.fixture
def make_corpus() -> Callable[..., Node]:
    """Return `corpus_of`: documents by slice -> corpus node."""
    return corpus_of


@pytest.fixture
def make_panel() -> Callable[[Docs], Node]:
    """Return `panel_of`: documents by slice -> panel node."""
    return panel_of


@pytest.fixture
def random_sentences() -> Callable[..., list[str]]:
    """Return `sentences`: (name, count, words) -> documents."""
    return sentences
