"""A real Ray of two nodes for tests: each in a network namespace of its own, joined by a cable; ended by process id.

    python tests/clusters/ray_two_nodes.py start     # prints HEAD, WORKER (namespaces) and DIR
    python tests/clusters/ray_two_nodes.py stop HEAD WORKER DIR
    ip netns exec HEAD curate build … --backend ray  # the driver stands beside the head

Each node offers one CPU. The nodes share the machine's file system, as a cluster shares its own. Needs root, `ip` and
the extra `ray`. Both ends of the cable lie in the namespaces, so several clusters can stand side by side.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT = 6379
FLAGS = ("--num-cpus=1", "--memory=2000000000", "--object-store-memory=100000000", "--disable-usage-stats")
QUICK_TO_NOTICE = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5"}
STOP_SECONDS = 10.0


class ClusterError(Exception):
    """The cluster cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """A cluster that runs: its namespaces, head first."""

    head: str
    worker: str
    folder: Path
    """Ray's own files; short, because sockets lie in it."""

    @property
    def address(self) -> str:
        """Where a driver inside `head` finds it."""
        return f"{ADDRESSES[0]}:{PORT}"

    def inside(self, *words: str) -> list[str]:
        """Return the command line that runs `words` beside the head."""
        return ["ip", "netns", "exec", self.head, *words]

    def processes(self, namespace: str, name: str = "") -> list[int]:
        """Return the processes of a node whose command line holds `name`."""
        found = []
        for word in _ip("netns", "pids", namespace).split():
            with contextlib.suppress(OSError):
                if name.encode() in Path(f"/proc/{word}/cmdline").read_bytes():
                    found.append(int(word))
        return found


def missing() -> str | None:
    """Return why no cluster can be started here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if shutil.which("ip") is None:
        return "no `ip`; install the package iproute2"
    if find_spec("ray") is None:
        return "the package ray is not installed; run `make test-cluster`"
    probe = f"curate-probe-{secrets.token_hex(3)}"
    try:
        _ip("netns", "add", probe)
        _ip("netns", "del", probe)
    except ClusterError as error:
        return f"no network namespaces: {error}"
    return None


def start() -> RayCluster:
    """Start both nodes. Raises: ClusterError."""
    reason = missing()
    if reason is not None:
        raise ClusterError(reason)
    tag = secrets.token_hex(3)
    cluster = RayCluster(head=f"cr-{tag}-a", worker=f"cr-{tag}-b", folder=Path(tempfile.mkdtemp(prefix=f"cr-{tag}-")))
    try:
        for namespace in (cluster.head, cluster.worker):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip(
            "link",
            "add",
            "cable",
            "netns",
            cluster.head,
            "type",
            "veth",
            "peer",
            "name",
            "cable",
            "netns",
            cluster.worker,
        )
        for namespace, address in zip((cluster.head, cluster.worker), ADDRESSES, strict=True):
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "cable")
            _ip("-n", namespace, "link", "set", "cable", "up")
        folder = f"--temp-dir={cluster.folder}"
        _ray(
            cluster.head,
            "--head",
            f"--port={PORT}",
            f"--node-ip-address={ADDRESSES[0]}",
            "--include-dashboard=false",
            folder,
        )
        join(cluster)
    except BaseException:
        stop(cluster)
        raise
    return cluster


def join(cluster: RayCluster) -> None:
    """Start the second node; again, after it was killed."""
    _ray(cluster.worker, f"--address={cluster.address}", f"--node-ip-address={ADDRESSES[1]}")


def stop(cluster: RayCluster) -> None:
    """End every process of both namespaces, then remove them."""
    for namespace in (cluster.worker, cluster.head):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ClusterError):
                kill(cluster.processes(namespace), number)
                _wait_empty(cluster, namespace)
        with contextlib.suppress(ClusterError):
            _ip("netns", "del", namespace)
    shutil.rmtree(cluster.folder, ignore_errors=True)


def kill(processes: Sequence[int], number: int = signal.SIGKILL) -> None:
    """Send a signal to processes that may be gone."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Give a running cluster and stop it at the end."""
    cluster = start()
    try:
        yield cluster
    finally:
        stop(cluster)


def _wait_empty(cluster: RayCluster, namespace: str) -> None:
    end = time.monotonic() + STOP_SECONDS
    while cluster.processes(namespace) and time.monotonic() < end:
        time.sleep(0.1)


def _ray(namespace: str, *words: str) -> None:
    """Run `ray start` in a namespace; jobs get its environment, so this code and interpreter."""
    scripts = Path(sys.executable).parent
    environment = os.environ | QUICK_TO_NOTICE | {"PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = ["ip", "netns", "exec", namespace, str(scripts / "ray"), "start", *words, *FLAGS]
    with tempfile.TemporaryFile("w+") as log:  # no pipe: the daemons would hold it open
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        log.seek(0)
        if done.returncode:
            raise ClusterError(f"ray start {words[0]}: {log.read()[-800:]}")


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def main(words: list[str]) -> int:
    """Run one of the commands above."""
    try:
        match words:
            case ["start"]:
                cluster = start()
                print(cluster.head, cluster.worker, cluster.folder)
            case ["stop", head, worker, folder]:
                stop(RayCluster(head=head, worker=worker, folder=Path(folder)))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
