"""A real Slurm of one node for tests: munge, slurmctld and slurmd under a folder of their own, stopped by process id.

    python tests/clusters/slurm_single_node.py install      # Debian packages; root only
    python tests/clusters/slurm_single_node.py start DIR    # prints the line to `eval`: export SLURM_CONF=...
    python tests/clusters/slurm_single_node.py stop DIR     # cancels the jobs, ends the daemons

Partitions: `cpu` (default), `low` and `high` (jobs of `high` preempt and requeue those of `low`, with `GRACE_SECONDS`
after SIGTERM), `gpu` (the same node; `gpu:2` are counted by Slurm, no device is behind them). Nothing outside DIR is
written, ports are free ones, so several clusters can stand side by side.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("munge", "slurm-client", "slurmctld", "slurmd")
PID_FILES = ("slurmd.pid", "slurmctld.pid", "munge.pid")
PROGRAMS = ("munged", "sbatch", "slurmctld", "slurmd")
CPUS = 4  # what the node says it has, whatever the machine has
MEMORY_MB = 8000
GRACE_SECONDS = 8
START_SECONDS = 60.0
STOP_SECONDS = 30.0

CONF = """\
ClusterName=curate
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,nohold_on_prolog_fail
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
KillWait=30
MinJobAge=3600
MpiDefault=none
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=node Default=YES MaxTime=INFINITE State=UP PriorityTier=5 PreemptMode=OFF
PartitionName=gpu Nodes=node MaxTime=INFINITE State=UP PriorityTier=5 PreemptMode=OFF
PartitionName=low Nodes=node MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace}
PartitionName=high Nodes=node MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


class ClusterError(Exception):
    """The cluster cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmCluster:
    """A cluster that runs; commands reach it through `environment`."""

    folder: Path

    @property
    def conf(self) -> Path:
        """Its slurm.conf."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead Slurm's commands to this cluster."""
        return {"SLURM_CONF": str(self.conf)}

    def command(self, *words: str) -> str:
        """Return what a Slurm command prints. Raises: ClusterError if it fails."""
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left. Raises: ClusterError."""
        self.command("scancel", "--user=root", "--full", "--quiet")
        _wait(lambda: not _said(self, "squeue", "--noheader").strip(), "jobs to end", STOP_SECONDS)

    def processes(self) -> list[int]:
        """Return the processes of its jobs: those with a job's number and this cluster's SLURM_CONF around them."""
        return [
            pid for pid, variables in _processes() if _is_ours(variables, self.conf) and b"SLURM_JOB_ID" in variables
        ]


def missing() -> str | None:
    """Return why no cluster can be started here, or None."""
    if sys.platform != "linux":
        return "Slurm runs on Linux only"
    if os.geteuid() != 0:
        return "starting Slurm's daemons needs root"
    lacking = [name for name in PROGRAMS if _program(name) is None]
    return f"no {', '.join(lacking)}; run `make test-cluster`, which installs them" if lacking else None


def install() -> None:
    """Install Slurm from Debian if it is absent. Raises: ClusterError if that cannot be done here."""
    if all(_program(name) for name in PROGRAMS):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"Slurm is not installed; as root on Debian: apt-get install {' '.join(PACKAGES)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"apt-get {words[0]}: {done.stderr.strip()[-500:]}")


def start(folder: Path) -> SlurmCluster:
    """Start a cluster under the empty or absent `folder` and wait until its node takes jobs. Raises: ClusterError."""
    reason = missing()
    if reason is not None:
        raise ClusterError(reason)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # munged refuses places that others may write
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    ports = _free_ports(2)
    text = CONF.format(
        folder=folder, host=socket.gethostname().partition(".")[0], controller_port=ports[0], node_port=ports[1],
        cpus=CPUS, memory=MEMORY_MB, grace=GRACE_SECONDS,
    )  # fmt: skip
    (folder / "slurm.conf").write_text(text)
    for number in range(2):
        device = folder / f"gpu{number}"  # Slurm counts devices by their files: one like /dev/null, one like /dev/zero
        device.unlink(missing_ok=True)
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, (3, 5)[number]))
    (folder / "gres.conf").write_text(
        f"AutoDetect=off\nNodeName=node Name=gpu Flags=nvidia_gpu_env File={folder}/gpu[0-1]\n"
    )

    cluster = SlurmCluster(folder=folder)
    try:
        for words in _daemons(folder):
            _launch(words, cluster)
        _wait(lambda: "idle" in _said(cluster, "sinfo", "--noheader", "--format=%t"), f"an idle node ({folder}/*.log)")
    except BaseException:
        stop(folder)
        raise
    return cluster


def stop(folder: Path) -> None:
    """Cancel every job, then end the daemons and whatever is left of the jobs, each by its process id."""
    cluster = SlurmCluster(folder=folder.resolve())
    with contextlib.suppress(ClusterError):
        cluster.cancel_all()
    known = [int(file.read_text()) for file in map(cluster.folder.joinpath, PID_FILES) if file.is_file()]
    ours = [pid for pid, variables in _processes() if pid in known and _is_ours(variables, cluster.conf)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = {*cluster.processes(), *ours} if number == signal.SIGKILL else {*ours}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with contextlib.suppress(ClusterError):
            _wait(lambda: not any(_runs(pid) for pid in ours), "daemons to end", STOP_SECONDS / 2)


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Give a running cluster and stop it at the end."""
    cluster = start(folder)
    try:
        yield cluster
    finally:
        stop(folder)


def _daemons(folder: Path) -> list[list[str]]:
    munge = [f"--{name}={folder}/munge.{suffix}" for name, suffix in _MUNGE_FILES.items()]
    return [
        ["munged", "--force", "--num-threads=2", *munge],
        ["slurmctld", "-f", f"{folder}/slurm.conf"],
        ["slurmd", "-N", "node", "-f", f"{folder}/slurm.conf"],
    ]


_MUNGE_FILES = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _launch(words: list[str], cluster: SlurmCluster) -> None:
    """Start a daemon; it leaves our session and writes its process id itself."""
    name, *options = words
    with (cluster.folder / "daemons.log").open("ab") as log:
        environment = os.environ | cluster.environment
        done = subprocess.run(
            [_program(name) or name, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        tail = (cluster.folder / "daemons.log").read_text(errors="replace")[-800:]
        raise ClusterError(f"{name} ended with {done.returncode}: {tail}")


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _said(cluster: SlurmCluster, *words: str) -> str:
    try:
        return cluster.command(*words)
    except ClusterError:
        return ""


def _wait(done: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _processes() -> list[tuple[int, Mapping[bytes, bytes]]]:
    """Return every process with its environment; our own is not among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            pairs = (item.partition(b"=") for item in (entry / "environ").read_bytes().split(b"\0"))
            found.append((int(entry.name), {name: value for name, _, value in pairs}))
    return found


def _is_ours(variables: Mapping[bytes, bytes], conf: Path) -> bool:
    return variables.get(b"SLURM_CONF") == str(conf).encode()


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def main(words: list[str]) -> int:
    """Run one of the commands above."""
    try:
        match words:
            case ["install"]:
                install()
            case ["start", folder]:
                install()
                print(f"export SLURM_CONF={start(Path(folder)).conf}")
            case ["stop", folder]:
                stop(Path(folder))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
