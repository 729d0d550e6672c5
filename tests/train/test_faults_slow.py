"""Real processes killed at random: reliability 29 and 1 for training, and two runs on one directory (38)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from curation.errors import StoreBusyError
from curation.files import sha256_file
from curation.nodes import Node
from curation.randomness import generator
from curation.store import Artifact, Store
from train.run import Watch, run_node
from train.shards import tokens_node
from train.tiers import Tier, load_tier

Build = Callable[[Node], Artifact]
StartWorker = Callable[[Mapping[str, object]], BaseProcess]
TIER = "tiny-6x"
CHECKPOINT_SECONDS = 60


def options(store: Path, corpus: Artifact, panel: Artifact, progress: Path) -> dict[str, object]:
    return {"--store": store, "--corpus-artifact": corpus.path, "--panel": panel.path, "--progress": progress,
            "--tier": TIER, "--seed": 1, "--epochs": 1000}  # fmt: skip


def step_of(progress: Path) -> int:
    return int(json.loads(progress.read_text())["step"]) if progress.is_file() else 0


def wait_past(process: BaseProcess, progress: Path, step: int) -> None:
    while process.is_alive() and step_of(progress) < step:
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_twenty_ends_at_random_steps_change_no_byte(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, number: signal.Signals,
    start_worker: StartWorker,
) -> None:  # fmt: skip
    progress, store = tmp_path / "progress.json", tmp_path / "killed"
    asked = options(store, build(small_corpus), build(small_panel), progress)
    whole = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, TIER, 1, Watch(epochs=1_000.0)))
    steps = sorted(generator(2, "kill").integers(1, load_tier(TIER).num_steps - 5, 20).tolist())
    for step in steps:
        progress.unlink(missing_ok=True)
        process = start_worker(asked)
        wait_past(process, progress, step)
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(CHECKPOINT_SECONDS)
        assert process.exitcode == (-9 if number == signal.SIGKILL else 143)
    last = start_worker(asked)
    last.join()
    assert last.exitcode == 0
    names = [path.name for path in whole.path.iterdir() if path.name != "build.lock"]
    ended = Store.open(store).path_of("run", whole.fingerprint)
    assert all(sha256_file(ended / name) == sha256_file(whole.path / name) for name in names)


@pytest.mark.slow
def test_a_second_run_on_a_directory_is_refused_by_process_host_and_start(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, start_worker: StartWorker
) -> None:
    progress = tmp_path / "progress.json"
    process = start_worker(options(tmp_path / "held", build(small_corpus), build(small_panel), progress))
    wait_past(process, progress, 5)
    node = run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, TIER, 1)
    second = Store.open(tmp_path / "held")
    told = rf"process {process.pid} on host \S+ \(since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    with pytest.raises(StoreBusyError, match=told), second.building(node.kind, node.fingerprint):
        pass
    process.kill()
    process.join()
    with second.building(node.kind, node.fingerprint):  # the lock of a dead process is free
        pass
