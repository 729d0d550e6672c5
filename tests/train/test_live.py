"""The live view and `curate watch`: what they show of the files, and that they touch nothing."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node
from curation.progress import SilentProgress
from curation.store import Artifact
from train.live import BARS, TrainingView, panel, progress_line, sparkline
from train.metrics import RowFile, RunFacts
from train.run import run_node
from train.run_state import CAVEAT, RunFollower, RunState, find_run
from train.shards import tokens_node
from train.tiers import Tier

Build = Callable[[Node], Artifact]
ROW: dict[str, Any] = {
    "step": 50, "tokens": 3_200, "loss": 2.5, "grad_norm": 0.7, "learning_rate": 1e-3, "batch_tokens": 64,
    "micro_batch_tokens": 32, "accumulation": 2, "gns": {"b_simple_tokens": 1_234.0, "measurements": 9},
    "loss_by_slice": {"web": 2.5}, "epochs_by_slice": {"web": 3.25}, "spike_score": 0.01, "spikes": 2,
    "validation": {"step": 40, "bpb": {"web": 1.5}, "mean_bpb": 1.5},
}  # fmt: skip
START = {"kind": "start", "steps": 100, "batch_tokens": 64, "tier": "pico-1x", "seed": 1}
SPEED = {"kind": "row", "tokens_per_second": 320.0, "mfu": 0.42, "mfu_causal": 0.4, "rss_bytes": 2 * 10**9}


def state() -> RunState:
    found = RunState(name="run-abc")
    for line in (START, SPEED):
        found.add_telemetry(line)
    found.add_row(ROW)
    return found


def text_of(view: Any) -> str:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(view)
    console.file.close()
    return console.export_text()


@pytest.mark.parametrize(
    "shown",
    ["run-abc", "50/100 (50%)", "2.5000 nats", "0.001", "320 tokens/s", "MFU 42.0%", "causal 40.0%", "2.00 GB",
     "1,234 tokens", "64 = 2 × 32", "score 1.00%", "1.5000 bits per byte at step 40", "web", "3.25", "10 s left",
     CAVEAT],
)  # fmt: skip
def test_the_view_shows(shown: str) -> None:
    assert shown in text_of(panel(state(), "running"))


def test_without_a_peak_the_view_says_so_instead_of_a_number() -> None:
    found = state()
    found.add_telemetry({**SPEED, "mfu": None, "mfu_causal": None})
    assert "MFU – (no peak is declared for this device)" in text_of(panel(found, "running"))


def test_a_run_that_went_back_loses_the_later_points_of_its_curve() -> None:
    found = RunState(name="r")
    for step in (10, 20, 30, 20):
        found.add_row({**ROW, "step": step})
    assert [step for step, _ in found.losses] == [10, 20]


def test_sparklines_span_lowest_to_highest() -> None:
    assert sparkline([1.0, 2.0, 3.0]) == BARS[0] + BARS[4] + BARS[7]
    assert sparkline([2.0, 2.0]) == BARS[0] * 2
    assert sparkline([]) == ""
    assert len(sparkline([float(n) for n in range(1_000)], width=10)) == 10


def test_one_line_tells_step_loss_speed_and_time_left() -> None:
    assert progress_line(state()) == "run-abc: step 50/100 (50%), loss 2.5000, 320 tokens/s, 10 s left"


def test_without_a_terminal_the_view_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    view = TrainingView(SilentProgress(), terminal=False)
    with view.task("train pico", 100.0):
        view.begin(RunFacts(name="run-abc", tier="pico-1x", seed=1, steps=100, batch_tokens=64), [])
        view.row(ROW, SPEED)
        view.end()
    assert capsys.readouterr().err == progress_line(state()) + "\n"


@pytest.fixture
def going(tmp_path: Path) -> Path:
    """Return a run of this process that has begun."""
    path = tmp_path / "store" / "run-0123abcd"
    path.mkdir(parents=True)
    (tmp_path / "store" / "timing").mkdir()
    RowFile(path / "metrics.jsonl").begin([ROW])
    process = {"process": os.getpid(), "host": platform.node()}
    RowFile(path.parent / "timing" / "run-0123abcd.telemetry.jsonl").begin([{**START, **process}, SPEED])
    return path


def test_a_run_whose_process_lives_is_running_and_one_whose_process_is_gone_is_stopped(going: Path) -> None:
    follower = RunFollower(going)
    assert follower.look()
    assert follower.status == "running"
    follower.state.start = {**follower.state.start, "process": 2**22 + 1}
    assert follower.status == "stopped"


def test_ends_in_the_telemetry_mean_stopped_or_scoring(going: Path) -> None:
    follower = RunFollower(going)
    follower.look()
    follower.state.add_telemetry({"kind": "end", "how": "left"})
    assert follower.status == "stopped"
    follower.state.add_telemetry({"kind": "end", "how": "finished"})
    assert follower.status == "scoring"


def test_a_run_is_found_by_directory_by_store_and_by_name(going: Path) -> None:
    for place in (going, going.parent, Path("run-0123"), Path("0123")):
        assert find_run(place, going.parent) == going
    with pytest.raises(RunError, match="no such run has begun"):
        find_run(Path("ffff"), going.parent)


def watched(*words: str) -> Any:
    import typer

    from train.watch_command import watch

    app = typer.Typer()
    app.command()(watch)
    return CliRunner().invoke(app, list(words))


def test_watch_gives_the_state_of_a_finished_run_as_json_and_touches_no_byte(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    run = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny", 1))
    files = sorted(path for path in run.path.parent.rglob("*") if path.is_file())
    before = [sha256_file(path) for path in files]
    found = watched(str(run.path), "--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert (told["status"], told["row"]["step"], told["steps"]) == ("finished", 40, 40)
    assert told["summary"]["bpb"] == run.summary["bpb"]
    assert [sha256_file(path) for path in files] == before
    assert "Bits per byte on the whole panel" in watched(str(run.path)).stdout


def test_watch_shows_a_run_that_goes_on_once(going: Path) -> None:
    found = watched(str(going), "--once", "--store", str(going.parent))
    assert found.exit_code == 0
    assert "50/100" in found.stdout
    assert "running" in found.stdout
