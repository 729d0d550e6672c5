"""Runs as artifacts: what they hold, and that a kill at any moment changes no byte."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from curation.batches import read_table
from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Artifact, Store
from train.engine import Engine
from train.metrics import read_rows
from train.run import Watch, run_node
from train.run_clock import spent_seconds
from train.score import bits_per_byte
from train.shards import tokens_node
from train.telemetry import telemetry_path
from train.tiers import Tier, load_tier
from train.worker import build_run

Build = Callable[[Node], Artifact]
StartWorker = Callable[[Mapping[str, object]], BaseProcess]
PICO = "ladder-pico@1"


def digests(run: Artifact) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in run.path.iterdir() if path.name != "build.lock"}


def test_a_run_holds_weights_metrics_scores_and_what_follows_from_them(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    run = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    files = {"documents.parquet", "manifest.json", "metrics.jsonl", "model.safetensors", "run.json", "build.lock"}
    assert {path.name for path in run.path.iterdir()} == files
    summary = run.summary
    assert summary["bpb"] == bits_per_byte(read_table(run.path / "documents.parquet"))
    assert (summary["steps"], summary["tokens_seen"]) == (40, 40 * 256)
    assert summary["epochs"] == pytest.approx(40 * 256 / summary["unique_tokens"])  # type: ignore[operator]
    assert set(summary["epochs_by_slice"]) == {"code", "web"}  # type: ignore[arg-type]
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 41))


def test_the_last_weights_are_scored_even_if_earlier_ones_were_better(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Engine.update
    heads: list[torch.Tensor] = []

    def spoilt(engine: Engine, rate: float) -> None:
        honest(engine, rate if len(heads) < 30 else -4 * tiny.learning_rate)  # uphill in the last quarter
        heads.append(engine.model.lm_head.weight.detach().clone())

    monkeypatch.setattr(Engine, "update", spoilt)
    run = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    seen = [row["validation"]["bpb"]["web"] for row in rows if "validation" in row]
    assert len(seen) == 10
    assert min(seen) < seen[-1] - 0.02
    assert torch.equal(load_file(run.path / "model.safetensors")["lm_head.weight"], heads[-1])
    assert run.summary["scored_checkpoint"] == "last"


def test_equal_runs_in_two_stores_are_equal_bytes(
    tmp_path: Path, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    found = []
    for workers in (1, 2):
        planner = Planner(store=Store.open(tmp_path / str(workers)), workers=workers, progress=SilentProgress())
        found.append(digests(planner.materialise(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))))
    assert found[0] == found[1]


def test_seed_tier_panel_and_corpus_make_another_run(
    tiny: Tier, small_corpus: Node, small_panel: Node, make_panel: Callable[..., Node]
) -> None:
    tokens = tokens_node(small_corpus, PICO)
    runs = [
        run_node(tokens, small_panel, "tiny", 1),
        run_node(tokens, small_panel, "tiny", 2),
        run_node(tokens, small_panel, "tiny-2x", 1),
        run_node(tokens, make_panel({"a": ["x"]}), "tiny", 1),
    ]
    assert len({run.fingerprint for run in runs}) == 4
    assert run_node(tokens, small_panel, "tiny-1x", 1).fingerprint == runs[0].fingerprint


def test_a_run_cut_off_before_its_scores_is_not_trained_again(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    node = run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1)
    run = build(node)
    before = digests(run)
    for name in ("manifest.json", "documents.parquet"):
        (run.path / name).unlink()
    seen: list[int] = []
    again = run_node(
        tokens_node(small_corpus, PICO), small_panel, "tiny", 1, Watch(report=lambda r: seen.append(r.step))
    )
    planner = Planner(store=Store.open(run.path.parent), workers=1, progress=SilentProgress())
    assert digests(planner.materialise(again)) == before
    assert seen == []


def test_tokens_of_another_tokenizer_are_refused(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    with pytest.raises(RunError, match=r"tokens of ladder-nano@1, expected ladder-pico@1 .*rule 7"):
        build(run_node(tokens_node(small_corpus, "ladder-nano@1"), small_panel, "tiny", 1))


def test_seed_zero_is_refused(small_corpus: Node, small_panel: Node) -> None:
    with pytest.raises(RunError, match="seed 0, expected an index from 1"):
        run_node(tokens_node(small_corpus, PICO), small_panel, "pico", 0)


def test_a_published_corpus_trains_the_run_of_the_store(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    inside = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    elsewhere = build_run(
        Store.open(tmp_path / "other"), build(small_corpus), build(small_panel), "tiny", 1,
        progress=SilentProgress(), watch=Watch(),
    )  # fmt: skip
    assert digests(elsewhere) == digests(inside)


def wait_for_step(process: BaseProcess, progress: Path, step: int) -> None:
    """Return when the worker has passed `step`, or has ended."""
    while process.is_alive():
        if progress.is_file() and json.loads(progress.read_text())["step"] >= step:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_killed_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, number: signal.Signals,
    start_worker: StartWorker,
) -> None:  # fmt: skip
    progress, store = tmp_path / "progress.json", tmp_path / "killed"
    asked = {"--store": store, "--corpus-artifact": build(small_corpus).path, "--panel": build(small_panel).path,
             "--progress": progress, "--tier": "tiny-6x", "--seed": 1, "--epochs": 6}  # fmt: skip
    whole = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny-6x", 1, Watch(epochs=7)))
    steps = sorted(generator(1, "kill").integers(1, load_tier("tiny-6x").num_steps - 20, 2).tolist())
    for step in steps:
        progress.unlink(missing_ok=True)
        process = start_worker(asked)
        wait_for_step(process, progress, step)
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == (-9 if number == signal.SIGKILL else 128 + number)
    last = start_worker(asked)
    last.join()
    assert last.exitcode == 0
    ended = Store.open(store).path_of("run", whole.fingerprint)
    names = [path.name for path in whole.path.iterdir() if path.name != "build.lock"]
    assert all(sha256_file(ended / name) == sha256_file(whole.path / name) for name in names)
    assert spent_seconds(read_rows(telemetry_path(store, whole.fingerprint))) > 0
