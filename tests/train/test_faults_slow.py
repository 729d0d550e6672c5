"""Real processes killed at random: reliability 29 and 1 for training, and two runs on one directory (38)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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
ROOT = Path(__file__).resolve().parents[2]
TIER = "tiny-6x"
CHECKPOINT_SECONDS = 60

WORKER = Path(__file__).with_name("tiny_worker.py")


def start(store: Path, corpus: Artifact, panel: Artifact, progress: Path) -> subprocess.Popen[bytes]:
    progress.unlink(missing_ok=True)
    options = {"--store": store, "--corpus-artifact": corpus.path, "--panel": panel.path, "--progress": progress,
               "--tier": TIER, "--seed": 1, "--epochs": 1000}  # fmt: skip
    arguments = [str(word) for pair in options.items() for word in pair]
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def step_of(progress: Path) -> int:
    return int(json.loads(progress.read_text())["step"]) if progress.is_file() else 0


def wait_past(process: subprocess.Popen[bytes], progress: Path, step: int) -> None:
    while process.poll() is None and step_of(progress) < step:
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_twenty_ends_at_random_steps_change_no_byte(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, number: signal.Signals
) -> None:
    corpus, panel, progress = build(small_corpus), build(small_panel), tmp_path / "progress.json"
    whole = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, TIER, 1, Watch(epochs=1_000.0)))
    steps = sorted(generator(2, "kill").integers(1, load_tier(TIER).num_steps - 5, 20).tolist())
    for step in steps:
        process = start(tmp_path / "killed", corpus, panel, progress)
        wait_past(process, progress, step)
        process.send_signal(number)
        process.communicate(timeout=CHECKPOINT_SECONDS)
        assert process.returncode == (-9 if number == signal.SIGKILL else 143)
    last = start(tmp_path / "killed", corpus, panel, progress)
    output, errors = last.communicate()
    assert last.returncode == 0, errors.decode()
    names = [path.name for path in whole.path.iterdir() if path.name != "build.lock"]
    ended = Path(json.loads(output)["path"])
    assert all(sha256_file(ended / name) == sha256_file(whole.path / name) for name in names)


@pytest.mark.slow
def test_a_second_run_on_a_directory_is_refused_by_process_host_and_start(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    corpus, panel, progress = build(small_corpus), build(small_panel), tmp_path / "progress.json"
    process = start(tmp_path / "held", corpus, panel, progress)
    wait_past(process, progress, 5)
    node = run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, TIER, 1)
    second = Store.open(tmp_path / "held")
    told = rf"process {process.pid} on host \S+ \(since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    with pytest.raises(StoreBusyError, match=told), second.building(node.kind, node.fingerprint):
        pass
    process.kill()
    process.communicate()
    with second.building(node.kind, node.fingerprint):  # the lock of a dead process is free
        pass
