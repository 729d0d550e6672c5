"""What a back end costs: one small build at home, on a Slurm of one node and on a Ray of two, in CPU seconds.

The pool is small, so nearly all is overhead: starting Python, planning again, reports, the scheduler. *driver* is the
command; *jobs* all processes of jobs (Slurm: as bash counts them; Ray: what the two nodes' processes used meanwhile,
Ray's own included); *parts* the work itself, as the reports say. Bytes are compared. Needs root; see tests/clusters.

Usage: python benchmarks/backends.py [--only local,slurm,ray] [--docs 150]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/clusters"))

from ray_two_nodes import RayCluster, ray_cluster
from slurm_single_node import slurm_cluster
from small_pool import PART_BYTES, SETTINGS, digests, write_pool

ROOT = Path(__file__).resolve().parent.parent
DRIVER = (
    f"import sys; from curation import ids; ids.PARTITION_BYTES = {PART_BYTES}; "
    "from curation.cli import main; main(sys.argv[1:])"
)


def build(
    folder: Path, name: str, *words: str, inside: Sequence[str] = (), variables: dict[str, str]
) -> dict[str, Any]:
    """Build in a store of its own; return wall and CPU seconds of the command, and what it says of its back end."""
    given = ["--pool", folder / "pool.jsonl", "--store", folder / f"store-{name}", "--out", folder / f"out-{name}"]
    command = [*inside, sys.executable, "-c", DRIVER, "build", *map(str, given), "-q", "--json", *SETTINGS, *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "driver": cpu, **json.loads(done.stdout)["backend"], "bytes": digests(folder / f"out-{name}")}


def on_slurm(folder: Path) -> dict[str, Any]:
    """Build on a Slurm of one node, two jobs a pass."""
    times = folder / "times"
    times.mkdir()
    profile = {
        "poll_seconds": 0.5,
        "environment": f"export PYTHONPATH={ROOT}; trap 'times > {times}/$SLURM_JOB_ID-$SLURM_ARRAY_TASK_ID' EXIT",
        "cpu": {"memory_gb": 1, "jobs": 2},
    }
    (folder / "slurm.yaml").write_text(json.dumps({"scheduler": "slurm", **profile}))
    with slurm_cluster(folder / "slurm") as cluster:
        row = build(folder, "slurm", "--on", str(folder / "slurm.yaml"), variables=cluster.environment)
    spans = re.findall(r"(\d+)m([\d.]+)s", "".join(path.read_text() for path in times.iterdir()))
    return {**row, "jobs": sum(60 * int(minutes) + float(seconds) for minutes, seconds in spans)}


def on_ray(folder: Path) -> dict[str, Any]:
    """Build on a Ray of two nodes of one CPU, two ranks a pass."""
    with ray_cluster() as cluster:
        profile = {"scheduler": "ray", "ray_address": cluster.address, "poll_seconds": 0.5}
        (folder / "ray.yaml").write_text(json.dumps({**profile, "cpu": {"memory_gb": 1, "jobs": 2}}))
        before = cpu_of(cluster)
        row = build(folder, "ray", "--on", str(folder / "ray.yaml"), inside=cluster.inside(), variables={})
        return {**row, "jobs": cpu_of(cluster) - before}


def cpu_of(cluster: RayCluster) -> float:
    """Return the CPU seconds of both nodes' processes and of those that they waited for."""
    total = 0
    for pid in (*cluster.processes(cluster.head), *cluster.processes(cluster.worker)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print one row a back end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="local,slurm,ray")
    parser.add_argument("--docs", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pool(folder / "pool.jsonl", options.docs)
        rows = {"local": build(folder, "local", "--workers", "1", variables={})}
        for one, run in {"slurm": on_slurm, "ray": on_ray}.items():
            if one in options.only.split(","):
                rows[one] = run(folder)
    print("| back end | passes | parts made | wall s | driver CPU s | jobs CPU s | parts CPU s | same bytes |")
    print("|---|---|---|---|---|---|---|---|")
    for one, row in rows.items():
        same = "yes" if row["bytes"] == rows["local"]["bytes"] else "NO"
        print(
            f"| {one} | {row.get('passes', '')} | {row.get('shards_made', '')} | {row['wall']:.0f} "
            f"| {row['driver']:.1f} | {row.get('jobs', 0):.1f} | {row.get('worker_cpu_seconds', 0):.1f} | {same} |"
        )


if __name__ == "__main__":
    main()
