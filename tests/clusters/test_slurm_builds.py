"""Builds on a real Slurm of one node: the bytes of a local build, or exit code 3 and nothing published."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from slurm_single_node import SlurmCluster
from small_pool import PART_BYTES, SETTINGS, curate, digests, write_pool

from curation import ids

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool") / "pool.jsonl")


@pytest.fixture(scope="module")
def at_home(pool: Path) -> dict[str, str]:
    """What two local workers publish."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "PARTITION_BYTES", PART_BYTES)
        assert build(pool, pool.parent, "--workers", "2") == 0
    return digests(pool.parent / "out")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ids, "PARTITION_BYTES", PART_BYTES)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return write_site(tmp_path, partition="cpu")


def write_site(folder: Path, partition: str, **more: object) -> Path:
    cpu = {"partition": partition, "time": "00:10:00", "memory_gb": 1, "jobs": 2, **more}
    environment = f"export PYTHONPATH={ROOT}:$PYTHONPATH"
    profile = {"scheduler": "slurm", "poll_seconds": 0.5, "environment": environment, "cpu": cpu}
    path = folder / "site.yaml"
    path.write_text(json.dumps(profile))
    return path


def build(pool: Path, folder: Path, *words: str | Path) -> int:
    return curate(
        "build", "--pool", pool, "--store", folder / "store", "--out", folder / "out", "-q", *SETTINGS, *words
    )


def test_a_build_on_slurm_publishes_the_bytes_of_a_local_one(
    slurm: SlurmCluster,
    pool: Path,
    at_home: dict[str, str],
    site: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build(pool, tmp_path, "--on", site, "--json") == 0
    assert digests(tmp_path / "out") == at_home
    told = json.loads(capsys.readouterr().out)["backend"]
    assert told["name"] == "slurm"
    assert told["shards_made"] > told["passes"] >= 5
    assert slurm.command("squeue", "--noheader") == ""


def test_a_worker_killed_with_9_is_submitted_again_and_the_bytes_are_the_same(
    slurm: SlurmCluster, pool: Path, at_home: dict[str, str], site: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 120
        while not killed and time.monotonic() < end:
            for pid in slurm.processes():
                with contextlib.suppress(OSError):
                    if b"launch_pickled_pipeline" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                        return
            time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    code = build(pool, tmp_path, "--on", site)
    thread.join()
    assert killed
    assert code == 0
    assert digests(tmp_path / "out") == at_home


def test_a_job_whose_environment_fails_ends_with_3_publishes_nothing_and_the_rerun_finishes(
    slurm: SlurmCluster,
    pool: Path,
    at_home: dict[str, str],
    site: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = site.read_text()
    site.write_text(json.dumps({**json.loads(good), "environment": "exit 7"}))
    assert build(pool, tmp_path, "--on", site) == 3
    message = capsys.readouterr().err
    assert "4 of 4 shards are missing" in message
    assert "does a job find the environment" in message
    assert not list((tmp_path / "store").glob("corpus-*/manifest.json"))
    site.write_text(good)
    assert build(pool, tmp_path, "--on", site) == 0
    assert digests(tmp_path / "out") == at_home


def test_a_wrong_partition_is_named_before_anything_is_built(
    slurm: SlurmCluster, pool: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(pool, tmp_path, "--on", write_site(tmp_path, partition="cpuu")) == 2
    assert "partition `cpuu`: Slurm has none of that name; did you mean `cpu`?" in capsys.readouterr().err
    assert build(pool, tmp_path, "--on", write_site(tmp_path, partition="cpu", cpus=99)) == 2
    assert "partition `cpu`: Slurm refuses such a job" in capsys.readouterr().err


def test_jobs_that_never_start_are_cancelled_and_named(
    slurm: SlurmCluster, pool: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = slurm.command("sbatch", "--parsable", "-c", "4", "--output=/dev/null", "--wrap=sleep 300").strip()
    value = json.loads(site.read_text())
    site.write_text(json.dumps({**value, "wait_seconds": 3}))
    assert build(pool, tmp_path, "--on", site) == 3
    assert "nothing ran for 3 s" in capsys.readouterr().err
    assert slurm.command("squeue", "--noheader", "--format=%i").split() == [other]


def test_a_dependency_that_never_becomes_satisfied_is_cancelled_and_named(
    slurm: SlurmCluster, pool: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = slurm.command("sbatch", "--parsable", "--output=/dev/null", "--wrap=exit 1").strip()
    value = json.loads(site.read_text())
    value["cpu"]["options"] = {"dependency": f"afterok:{failed}"}
    site.write_text(json.dumps(value))
    assert build(pool, tmp_path, "--on", site) == 2
    assert "`DependencyNeverSatisfied` for good" in capsys.readouterr().err
    assert slurm.command("squeue", "--noheader") == ""
