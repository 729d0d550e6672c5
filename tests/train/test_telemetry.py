"""Telemetry: the peak of several processes, and disks that take nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from curation.errors import EXIT_USAGE, RunError
from curation.nodes import Node
from curation.store import Artifact
from train.loop import train
from train.metrics import RowFile, read_rows
from train.run import run_node
from train.shards import open_streams, tokens_node
from train.telemetry import Telemetry
from train.tiers import Tier
from train.training import Hooks, Training
from train.utilisation import DECLARED_PEAK

Build = Callable[[Node], Artifact]
PICO = "ladder-pico@1"
HOOKS = Hooks(report=lambda *_: None, note=lambda _: None, should_stop=lambda: False)


def test_utilisation_is_of_the_peak_of_all_cards_together(
    build: Build, tmp_path: Path, tiny: Tier, small_corpus: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four processes of 0.5 TFLOP/s have 2 TFLOP/s; a step's tokens are those of the whole batch."""
    monkeypatch.setenv(DECLARED_PEAK, "0.5")
    monkeypatch.setenv("WORLD_SIZE", "4")
    telemetry = Telemetry(tiny, tmp_path / "t.jsonl", seed=1)
    monkeypatch.delenv("WORLD_SIZE")  # only it believes in four
    streams = open_streams(build(tokens_node(small_corpus, PICO)))
    training = Training(
        tier=tiny, streams=streams, index=1, folder=tmp_path / "run", identity={}, companions=(telemetry,)
    )
    with telemetry.ending():
        train(training, HOOKS)
    start, *_, last, _ = read_rows(tmp_path / "t.jsonl")
    assert (start["world_size"], start["peak_flops"]) == (4, 2e12)
    assert last["mfu"] == pytest.approx(tiny.shape.flops_per_token * last["median_tokens_per_second"] / 2e12)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_the_metrics_is_what_ends_the_run_though_telemetry_cannot_be_written_either(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = RowFile.append

    def full(file: RowFile, row: Mapping[str, Any]) -> None:
        if file.path.name == "metrics.jsonl" or row["kind"] == "end":
            file.close()
            file._stream = FileIO("/dev/full", "ab")
        honest(file, row)

    monkeypatch.setattr(RowFile, "append", full)
    with pytest.raises(RunError, match=r"metrics\.jsonl: disk full") as failed:
        build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    assert failed.value.exit_code == EXIT_USAGE
