"""Freezing: a study's words are written before its first run and never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import StudyError
from leaderboard.studies.frozen import Stopwatch, freeze, read_frozen

IDENTITY = {"study": {"name": "s"}, "pool": "a", "panel": "p"}


def test_a_study_frozen_earlier_stays_as_it_was(tmp_path: Path) -> None:
    first = freeze(tmp_path, "f" * 64, IDENTITY, recipes={}, runs_before=0)
    assert freeze(tmp_path, "f" * 64, IDENTITY, recipes={}, runs_before=4) == first
    assert first.runs_before_freeze == 0


def test_runs_that_were_there_before_the_words_are_counted(tmp_path: Path) -> None:
    assert freeze(tmp_path, "f" * 64, IDENTITY, recipes={}, runs_before=3).runs_before_freeze == 3


def test_nothing_is_frozen_at_first(tmp_path: Path) -> None:
    assert read_frozen(tmp_path, "f" * 64) is None


def test_a_directory_of_another_study_is_refused(tmp_path: Path) -> None:
    freeze(tmp_path, "f" * 64, IDENTITY, recipes={}, runs_before=0)
    with pytest.raises(StudyError, match="two studies share a short name"):
        read_frozen(tmp_path, "e" * 64)


def test_times_of_several_invocations_add_up(tmp_path: Path) -> None:
    for _ in range(2):
        Stopwatch(path=tmp_path / "timings.json").add({"train": 1.5})
    assert Stopwatch(path=tmp_path / "timings.json").total() == {"train": 3.0}


def test_reused_stages_are_not_listed(tmp_path: Path) -> None:
    watch = Stopwatch(path=tmp_path / "timings.json")
    watch.add({"ingest": 0.0001})
    assert watch.total() == {}


def test_time_before_the_directory_is_known_is_not_lost(tmp_path: Path) -> None:
    watch = Stopwatch()
    watch.add({"ingest": 2.0})
    watch.path = tmp_path / "timings.json"
    watch.add({"train": 1.0})
    assert Stopwatch(path=watch.path).total() == {"ingest": 2.0, "train": 1.0}
