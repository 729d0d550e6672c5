"""Trackers: optional, named when missing, never in the way of a run."""

from __future__ import annotations

from typing import Any

import pytest

from curation.errors import PluginError, RunError
from train import trackers as module
from train.metrics import RunFacts
from train.trackers import TRACK, Tracked, numbers, tracker, trackers

FACTS = RunFacts(name="run-1", tier="pico-1x", seed=1, steps=10, batch_tokens=64)
ROW = {"step": 3, "loss": 2.5, "loss_by_slice": {"web": 2.0, "code": None}, "step_losses": [1.0], "sample_hash": "ab"}


class Library:
    """Stands in for a tracker: remembers what it was told."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.told: list[tuple[Any, ...]] = []

    def init(self, **options: Any) -> None:
        if self.fault == "init":
            raise ConnectionError("no route")
        print("a tracker talks")
        self.told.append(("init", options))

    def log(self, values: dict[str, float], step: int) -> None:
        if self.fault == "log":
            raise ConnectionError("no route")
        self.told.append(("log", step, values))

    def finish(self) -> None:
        self.told.append(("finish",))


def test_rows_go_out_as_numbers_by_path_with_their_step(capsys: pytest.CaptureFixture[str]) -> None:
    library = Library()
    tracked = Tracked("trackio", library, print)
    tracked.begin(FACTS, [])
    tracked.row(ROW, {"kind": "row", "tokens_per_second": 9.0, "mfu": None})
    tracked.end()
    assert library.told[0][1]["name"] == "run-1"
    assert library.told[1] == ("log", 3, {"loss": 2.5, "loss_by_slice/web": 2.0, "telemetry/tokens_per_second": 9.0})
    assert library.told[2] == ("finish",)
    assert capsys.readouterr().out == ""


def test_rows_that_were_sent_before_a_resume_are_not_sent_again() -> None:
    library = Library()
    tracked = Tracked("wandb", library, print)
    tracked.begin(FACTS, [{"step": 5}])
    for step in (4, 5, 6):
        tracked.row({"step": step, "loss": 1.0}, {})
    assert [one[1] for one in library.told if one[0] == "log"] == [6]
    assert library.told[0][1]["id"] == "run-1"


def test_a_tracker_that_fails_is_told_once_and_left_alone() -> None:
    said: list[str] = []
    tracked = Tracked("trackio", Library("log"), said.append)
    tracked.begin(FACTS, [])
    tracked.row(ROW, {})
    tracked.row({**ROW, "step": 4}, {})
    assert len(said) == 1
    assert "ConnectionError: no route" in said[0]


def test_a_tracker_that_does_not_start_is_a_named_error_before_training() -> None:
    with pytest.raises(RunError, match="--track wandb: it does not start .*no route"):
        Tracked("wandb", Library("init"), print).begin(FACTS, [])


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(PluginError, match="`pip install trackio`"):
        tracker("trackio", print)


def test_an_unknown_tracker_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RunError, match="unknown tracker `wanbd`.*wandb"):
        tracker("wanbd", print)


def test_nothing_is_tracked_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACK, raising=False)
    assert trackers(None, print) == ()
    monkeypatch.setenv(TRACK, "comet")
    with pytest.raises(RunError, match="unknown tracker `comet`"):
        trackers(None, print)


def test_texts_lists_and_none_are_no_numbers() -> None:
    assert numbers({"a": None, "b": "x", "c": [1], "d": {"e": 2}, "f": True}) == {"d/e": 2, "f": True}
