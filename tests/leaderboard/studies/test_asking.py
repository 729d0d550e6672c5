"""What promotion asks: earlier versions of the study count, and are written down when the first gate is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from leaderboard.gates.looks import BEFORE_FILE, looks_before
from leaderboard.studies.asking import ask_gates, asker
from leaderboard.studies.results import RESULT_FILE, write_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    return 2.0 * (0.999 if arm == "mine" else 1.0) * (1 + 0.001 * ((seed * 7 + len(arm)) % 4))


@pytest.fixture
def placed(make_result: Any, store: Any) -> Any:
    """Return a writer of a study's result, with another fingerprint but the same name and panel."""
    result = make_result(level, SLICES, tier="micro-1x")

    def place(letter: str) -> tuple[Any, Path]:
        own = replace(result, fingerprint=letter * 64)
        folder = store.root / f"study-small-{letter * 8}"
        write_result(folder / RESULT_FILE, own)
        return own, folder

    return place


def test_arms_of_earlier_versions_are_tries_in_screening(placed: Any) -> None:
    result, folder = placed("f")
    alone = ask_gates(result, "mine", "G1", "micro-1x")
    for letter in "abcde":
        placed(letter)
    looks = looks_before(folder, result)
    assert len(looks) == 5
    assert all(look.same_study for look in looks)
    among = asker(folder)(result, "mine", "G1", "micro-1x")
    assert "as one of 6 tries" not in alone.reason
    assert among.state != "pass"


def test_a_version_that_comes_later_changes_no_decision(placed: Any) -> None:
    result, folder = placed("f")
    first = asker(folder)(result, "mine", "G1", "micro-1x")
    kept = (folder / BEFORE_FILE).read_bytes()
    for letter in "abcde":
        placed(letter)
    assert asker(folder)(result, "mine", "G1", "micro-1x") == first
    assert (folder / BEFORE_FILE).read_bytes() == kept


def test_looks_survive_being_written_down_and_a_damaged_list_is_refused(placed: Any) -> None:
    result, folder = placed("f")
    placed("a")
    found = looks_before(folder, result)
    assert looks_before(folder, result) == found
    (folder / BEFORE_FILE).write_text('{"looks": [{"x": 1}]}')
    with pytest.raises(StudyError, match="looks are counted"):
        looks_before(folder, result)
