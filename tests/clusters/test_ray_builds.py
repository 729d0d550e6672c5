"""Builds on a real Ray of two nodes: the bytes of a local build, or an error that says what to mend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_two_nodes import RayCluster, kill, missing, ray_cluster
from small_pool import PART_BYTES, SETTINGS, curate, digests, write_pool

from curation import ids

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
DRIVER = (
    f"import sys; from curation import ids; ids.PARTITION_BYTES = {PART_BYTES}; "
    "from curation.cli import main; main(sys.argv[1:])"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    reason = missing()
    if reason is not None:
        pytest.skip(f"no Ray here: {reason}")
    with ray_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool") / "pool.jsonl")


@pytest.fixture(scope="module")
def at_home(pool: Path) -> dict[str, str]:
    """What one local worker publishes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "PARTITION_BYTES", PART_BYTES)
        words = ("--pool", pool, "--store", pool.parent / "store", "--out", pool.parent / "out", "-q", *SETTINGS)
        assert curate("build", *words, "--workers", "1") == 0
    return digests(pool.parent / "out")


def site(cluster: RayCluster, folder: Path, **cpu: object) -> Path:
    path = folder / "site.yaml"
    profile = {"scheduler": "ray", "ray_address": cluster.address, "poll_seconds": 0.5, "wait_seconds": 120}
    path.write_text(json.dumps({**profile, "cpu": {"memory_gb": 1, "jobs": 4, **cpu}}))
    return path


def build(cluster: RayCluster, pool: Path, folder: Path, profile: Path) -> subprocess.CompletedProcess[str]:
    words = ["build", "--pool", pool, "--store", folder / "store", "--out", folder / "out", "-q", *SETTINGS]
    command = cluster.inside(sys.executable, "-c", DRIVER, *map(str, words), "--on", str(profile), "--json")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)


def test_a_build_on_two_nodes_publishes_the_bytes_of_a_local_one(
    cluster: RayCluster, pool: Path, at_home: dict[str, str], tmp_path: Path
) -> None:
    done = build(cluster, pool, tmp_path, site(cluster, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert digests(tmp_path / "out") == at_home
    told = json.loads(done.stdout)["backend"]
    assert told["name"] == "ray"
    assert told["shards_made"] > told["passes"] >= 5


def test_a_worker_killed_with_9_does_not_change_the_bytes(
    cluster: RayCluster, pool: Path, at_home: dict[str, str], tmp_path: Path
) -> None:
    killed: list[int] = []

    def find_and_kill() -> None:
        end = time.monotonic() + 200
        while not killed and time.monotonic() < end:
            killed.extend(cluster.processes(cluster.worker, "ray::RankWorker"))
            kill(killed)
            time.sleep(0.02)

    thread = threading.Thread(target=find_and_kill)
    thread.start()
    done = build(cluster, pool, tmp_path, site(cluster, tmp_path))
    thread.join()
    assert killed
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == at_home


def test_more_than_any_node_has_is_refused_before_it_waits(cluster: RayCluster, pool: Path, tmp_path: Path) -> None:
    done = build(cluster, pool, tmp_path, site(cluster, tmp_path, cpus=64))
    assert done.returncode == 2
    assert "no node has 64 CPUs and 1 GB for one job" in done.stderr
    assert not list(tmp_path.glob("store/pool-*"))
