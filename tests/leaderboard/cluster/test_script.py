"""Scripts of steps: what is asked of Slurm, and what a signal does to the command."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.backends.sites import Site
from leaderboard.cluster.folder import Submission
from leaderboard.cluster.script import CANCELLED, seconds_of, step_script


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [("90", 5400), ("1:30", 90), ("04:00:00", 14_400), ("2-0", 172_800), ("1-02:03", 93_780), ("1-00:00:05", 86_405)],
)
def test_time_limits_are_read_as_slurm_does(limit: str, seconds: int) -> None:
    assert seconds_of(limit) == seconds


def test_a_step_asks_for_its_partition_requeue_and_an_early_warning(
    make_submission: Callable[[], Submission], site: Site, tmp_path: Path
) -> None:
    given = make_submission()
    text = step_script(given.dag.step("pool"), site, "curate-x-pool", tmp_path, "/work")
    for line in ("--partition=cpu", "--cpus-per-task=2", "--requeue", "--signal=B:TERM@120", "--chdir=/work"):
        assert f"#SBATCH {line}\n" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def run_script(text: str, command: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a script with another command in place of its own."""
    start, end = text.index("command=("), text.index("cancelled=")
    path = folder / "job.sh"
    path.write_text(text[:start] + command + "\n" + text[end:])
    environment = {**os.environ, "SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}
    return subprocess.Popen(["bash", str(path)], env=environment)


SAVES = "command=(bash -c 'trap \"exit 143\" TERM; touch ready; while :; do sleep 0.05; done')"


@pytest.mark.parametrize(("cancelled", "asked"), [(False, ["requeue 5_2"]), (True, [])])
def test_a_signalled_job_that_still_runs_is_requeued_by_its_task_unless_the_study_was_cancelled(
    make_submission: Callable[[], Submission],
    site: Site,
    fake_slurm: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    cancelled: bool,
    asked: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (fake_slurm / "queue").write_text("RUNNING\n")
    (fake_slurm / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {fake_slurm}/requeued\nexit 1\n')
    if cancelled:
        (tmp_path / CANCELLED).touch()
    text = step_script(make_submission().dag.step("build"), site, "curate-x-build", tmp_path, str(tmp_path))
    process = run_script(text, SAVES, tmp_path)
    end = time.monotonic() + 30
    while not (tmp_path / "ready").exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    said = fake_slurm / "requeued"
    assert (said.read_text().splitlines() if said.exists() else []) == asked


def test_a_command_that_fails_gives_the_script_its_code(
    make_submission: Callable[[], Submission], site: Site, fake_slurm: Path, tmp_path: Path
) -> None:
    text = step_script(make_submission().dag.step("pool"), site, "curate-x-pool", tmp_path, str(tmp_path))
    assert run_script(text, "command=(sh -c 'exit 3')", tmp_path).wait(30) == 3
