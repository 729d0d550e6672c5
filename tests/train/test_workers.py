"""Child processes: bounded, independent of each other's failures, dead with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.progress import SilentProgress
from train.workers import Job, run_jobs

CHILD = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
word = sys.stdin.read()
(folder / f"start-{word}").write_text(str(time.monotonic()))
if word == "bad":
    print("this one breaks", file=sys.stderr)
    sys.exit(7)
time.sleep(float(sys.argv[2]))
(folder / f"end-{word}").write_text(str(time.monotonic()))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that children run: writes when it starts and ends."""
    (tmp_path / "sleeping_child.py").write_text(CHILD)
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(root)]))
    return "sleeping_child"


def jobs(module: str, folder: Path, words: list[str], seconds: float) -> list[Job]:
    """Return one job a word."""
    return [Job(label=w, module=module, arguments=(str(folder), str(seconds)), stdin=w) for w in words]


def test_a_failed_job_stops_no_other_and_keeps_its_last_words(module: str, tmp_path: Path) -> None:
    outcomes = run_jobs(jobs(module, tmp_path, ["bad", "good"], 0.0), 1, SilentProgress())
    assert [outcome.code for outcome in outcomes] == [7, 0]
    assert outcomes[0].message == "this one breaks"
    assert (tmp_path / "end-good").exists()


def test_two_workers_overlap_and_one_does_not(module: str, tmp_path: Path) -> None:
    overlaps = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        run_jobs(jobs(module, folder, ["a", "b"], 0.4), workers, SilentProgress())
        times = {path.name: float(path.read_text()) for path in folder.iterdir()}
        overlaps.append(times["start-b"] < times["end-a"])
    assert overlaps == [False, True]


def test_jobs_take_turns_in_slots_and_see_their_environment(module: str, tmp_path: Path) -> None:
    (tmp_path / "naming_child.py").write_text(
        "import os, pathlib, sys, time\n"
        "time.sleep(0.3)\n"
        "path = pathlib.Path(sys.argv[1]) / sys.stdin.read()\n"
        "path.write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    words = ["a", "b", "c", "d"]
    slots = [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    run_jobs(jobs("naming_child", tmp_path, words, 0.0), 2, SilentProgress(), slots=slots)
    assert sorted((tmp_path / word).read_text() for word in words) == ["0", "0", "1", "1"]


def wait_for(path: Path) -> None:
    """Wait until a file exists."""
    until = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists()


PARENT = """
import signal
import sys
from pathlib import Path
from curation.progress import SilentProgress
from train.workers import Job, run_jobs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without it
run_jobs([Job(label="a", module="sleeping_child", arguments=(sys.argv[1], "4"), stdin="a")], 1, SilentProgress())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_children_die_when_the_parent_is_killed_or_interrupted(
    module: str, tmp_path: Path, number: signal.Signals
) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "start-a")
    parent.send_signal(number)
    parent.wait(timeout=15)
    time.sleep(4.2)
    assert not (tmp_path / "end-a").exists()


def test_an_exception_in_the_parent_ends_the_children(module: str, tmp_path: Path) -> None:
    def interrupt(_: int) -> float:
        if (tmp_path / "start-a").exists():
            raise KeyboardInterrupt
        return 0.0

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs(module, tmp_path, ["a"], 30.0), 1, SilentProgress(), done_fraction=interrupt)
    assert time.monotonic() - started < 15
