"""Clocks of runs: a training that was killed costs what all of its starts took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from train.metrics import RowFile
from train.run_clock import keep_clock, read_clock, spent_seconds, timing_path
from train.telemetry import telemetry_path

FINGERPRINT = "ab" * 32


def start(seconds: float, step: int = 0) -> dict[str, Any]:
    return {"kind": "start", "seconds": seconds, "resumed_at_step": step}


def row(seconds: float) -> dict[str, Any]:
    return {"kind": "row", "seconds": seconds}


def end(seconds: float, how: str = "finished") -> dict[str, Any]:
    return {"kind": "end", "seconds": seconds, "how": how}


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        ([], 0.0),
        ([start(1.0), row(4.0), end(5.0)], 5.0),
        ([start(1.0), row(4.0), start(2.0, 10), end(6.0)], 4.0 + 6.0),
        ([start(1.0), end(3.0, "left"), start(1.0), row(2.0), start(0.5), end(1.0)], 3.0 + 2.0 + 1.0),
        ([start(1.0), row(4.0), end(0.5)], 4.0 + 0.5),
        ([start(1.0), end(9.0), start(1.0), end(2.0)], 2.0),
        ([start(1.0), end(9.0), start(1.0, 10), end(2.0)], 9.0 + 2.0),
    ],
    ids=["nothing", "whole", "killed once", "stopped and killed", "killed after its last step", "removed", "went on"],
)
def test_seconds_of_all_starts_of_a_training_add_up(rows: list[dict[str, Any]], seconds: float) -> None:
    assert spent_seconds(rows) == seconds


def written(store: Path, *rows: dict[str, Any]) -> None:
    path = telemetry_path(store, FINGERPRINT)
    path.parent.mkdir(exist_ok=True)
    file = RowFile(path)
    for one in rows:
        file.append(one)
    file.close()


def test_a_process_that_only_scores_keeps_what_training_took_and_told(tmp_path: Path) -> None:
    written(tmp_path, start(1.0), end(5.0))
    keep_clock(tmp_path, FINGERPRINT, history=["a damaged checkpoint"])
    keep_clock(tmp_path, FINGERPRINT, history=None, score_seconds=2.0)
    found = read_clock(timing_path(tmp_path, FINGERPRINT))
    assert found == {"seconds": {"train": 5.0, "score": 2.0}, "history": ["a damaged checkpoint"]}


def test_a_training_killed_before_its_clock_was_written_is_known_from_its_telemetry(tmp_path: Path) -> None:
    written(tmp_path, start(1.0), end(5.0))
    keep_clock(tmp_path, FINGERPRINT, history=None, score_seconds=2.0)
    assert read_clock(timing_path(tmp_path, FINGERPRINT))["seconds"] == {"train": 5.0, "score": 2.0}


@pytest.mark.parametrize("text", ["", "[]", '{"seconds": 3}', json.dumps({"history": []})])
def test_a_damaged_clock_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text(text)
    assert read_clock(tmp_path / "clock.json") == {}
