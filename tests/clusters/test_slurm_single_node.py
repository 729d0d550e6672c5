"""The Slurm that other tests build on: jobs run, preemption requeues, and nothing of it stays behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm_single_node import SlurmCluster, missing, slurm_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(missing() is not None, reason=f"no Slurm here: {missing()}")]


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.1)
    return done()


def state(slurm: SlurmCluster, job: str) -> str:
    return slurm.command("squeue", "--states=all", "--noheader", "--format=%T", f"--jobs={job}").strip()


def test_a_job_of_one_gpu_runs_and_is_told_which(slurm: SlurmCluster, tmp_path: Path) -> None:
    script = "echo $CUDA_VISIBLE_DEVICES"
    slurm.command("sbatch", "--wait", "-p", "gpu", "--gpus=1", f"--output={tmp_path}/out", f"--wrap={script}")
    assert (tmp_path / "out").read_text().strip() in {"0", "1"}


def test_a_job_of_the_partition_low_is_requeued_when_one_of_high_needs_its_place(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    script = f"echo ran >> {log}; sleep 300"
    slurm.command("sbatch", "--parsable", "-p", "low", "-c", "4", "--output=/dev/null", f"--wrap={script}")
    assert within(20, log.is_file)
    high = slurm.command("sbatch", "--parsable", "-p", "high", "-c", "4", "--output=/dev/null", "--wrap=true").strip()
    assert within(60, lambda: state(slurm, high) == "COMPLETED")
    assert within(60, lambda: log.read_text() == "ran\nran\n")


def test_after_the_end_no_process_of_the_cluster_is_left(tmp_path: Path) -> None:
    with slurm_cluster(tmp_path / "own") as cluster:
        cluster.command("sbatch", "--output=/dev/null", "--wrap=sleep 300")
        assert within(20, lambda: bool(cluster.processes()))
    done = subprocess.run(["ps", "-ewwo", "stat=,args="], capture_output=True, text=True, check=True)
    assert not [row for row in done.stdout.splitlines() if str(tmp_path) in row and not row.startswith("Z")]
    assert not cluster.processes()
