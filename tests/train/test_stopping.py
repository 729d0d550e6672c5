"""Ctrl-C and SIGTERM to `curate train` as a user starts it: one checkpoint, a message, a code; twice: at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.nodes import Node
from curation.store import Artifact
from train.tiers import Tier

ROOT = Path(__file__).resolve().parents[2]
# `curate` with the tests' tiny tier, whose steps take `sys.argv[1]` seconds longer.
CURATE = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("fixtures", {conftest!r})
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
from curation.cli import main
from train import loop, tiers
tiers.TIERS["tiny"] = fixtures.tiny_tier()
advance, pause = loop._Run.advance, float(sys.argv[1])
loop._Run.advance = lambda run, hooks: (advance(run, hooks), time.sleep(pause))
main(sys.argv[2:])
"""


def hear_ctrl_c() -> None:
    """Undo what a background shell does to its children: it makes them deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(
    tmp_path: Path, build: Callable[[Node], Artifact], tiny: Tier, small_corpus: Node, small_panel: Node
) -> Callable[..., subprocess.Popen[str]]:
    """Start `curate train` in a store of its own and return once it trains."""
    corpus, panel = build(small_corpus), build(small_panel)
    script = CURATE.format(conftest=str(Path(__file__).with_name("conftest.py")))

    def begin(pause: float, *options: str) -> subprocess.Popen[str]:
        words = ["train", corpus.path, "--panel", panel.path, "--tier", "tiny", "--store", tmp_path / "killed", "-q"]
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(pause), *map(str, words), *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c,
        )  # fmt: skip
        until = time.monotonic() + 60
        while time.monotonic() < until and not list((tmp_path / "killed").glob("run-*/metrics.jsonl")):
            time.sleep(0.02)
        return process

    return begin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_after_a_checkpoint(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = start(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "stopped after step" in said
    assert "of 40; the same command continues" in said
    assert list((tmp_path / "killed").glob("run-*/checkpoints/step-*"))


def test_a_second_ctrl_c_does_not_wait_for_the_step(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start(60)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
