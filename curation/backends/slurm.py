"""Slurm: an array of jobs through datatrove's executor, watched here; nothing waits for ever.

datatrove writes the job script and submits it. Its summary job is left out (it would wait for ever once a rank fails),
its completion markers are not read, and its `depends` (which polls every two minutes) is not used: the driver waits.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from curation.backends.attempts import Attempt
from curation.backends.sites import Partition, Site
from curation.errors import IncompleteError, SchedulerError, nearest

HOPELESS = {
    "DependencyNeverSatisfied": "a job that it waits for has failed",
    "BadConstraints": "no node fits the constraints",
    "PartitionTimeLimit": "`time` is above the partition's limit",
    "PartitionNodeLimit": "the partition has too few nodes",
    "InvalidAccount": "`account` is not valid here",
    "InvalidQOS": "`qos` is not valid here",
    "JobHeldAdmin": "an administrator holds it",
    "JobHeldUser": "it is held",
    "launch failed requeued held": "its node could not start it",
    "AccountNotAllowed": "the partition does not take this account",
    "QOSNotAllowed": "the partition does not take this qos",
    "AssocMaxCpuPerJobLimit": "`cpus` is above the account's limit",
    "QOSMaxCpuPerJobLimit": "`cpus` is above the limit of the qos",
}
"""Reasons of pending jobs that no waiting mends."""

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
LOST_POLLS = 30
"""Polls without an answer of the controller before the build gives up."""


@dataclass(slots=True, kw_only=True)
class SlurmLauncher:
    """Submits an attempt as one job array and waits for its end."""

    site: Site
    partition: Partition
    wait_seconds: float
    poll_seconds: float
    name: str = "slurm"

    def check(self) -> None:
        """Find the commands, the controller, the partition, and have Slurm itself judge the request."""
        lacking = [name for name in COMMANDS if shutil.which(name) is None]
        if lacking:
            raise SchedulerError(
                f"--backend slurm: no `{lacking[0]}` on PATH, expected Slurm's commands; run on a login node of the "
                "cluster, or choose --backend local"
            )
        chosen = self._partition()
        asked = ["--test-only", "--wrap=true", "--output=/dev/null", *_options(self._request(chosen))]
        done = _run("sbatch", *asked)
        if done.returncode:
            raise SchedulerError(
                f"partition `{chosen}`: Slurm refuses such a job: {_said(done)}; "
                "expected settings that the partition takes; mend the site's profile"
            )

    def run(self, attempt: Attempt, watch: Callable[[], None]) -> None:
        """Submit, wait, and cancel what is left when the wait ends early. Raises: SchedulerError, IncompleteError."""
        try:
            self._submit(attempt)
            self._wait(attempt, watch)
        except BaseException:
            self.cancel(attempt)
            raise

    def cancel(self, attempt: Attempt) -> None:
        """Cancel the attempt's jobs, whoever submitted them, and wait until they are gone."""
        if not self._queue(attempt):
            return
        _run("scancel", "--quiet", f"--name={attempt.name}")
        end = time.monotonic() + 60
        while self._queue(attempt) and time.monotonic() < end:
            time.sleep(min(self.poll_seconds, 1.0))

    def _submit(self, attempt: Attempt) -> None:
        executor = _executor(attempt, len(attempt.ranks()), self.site, self._request(self._partition()))
        try:
            executor.launch_job()
        except subprocess.CalledProcessError as error:
            raise SchedulerError(
                f"sbatch: ended with {error.returncode}; its message is above; script: "
                f"{attempt.scheduler}/launch_script.slurm"
            ) from None

    def _wait(self, attempt: Attempt, watch: Callable[[], None]) -> None:
        last_life, pause, lost = time.monotonic(), min(1.0, self.poll_seconds), 0
        while True:
            queue = self._queue(attempt)
            watch()
            lost = lost + 1 if queue is None else 0
            if lost >= LOST_POLLS:
                raise SchedulerError(f"squeue: no answer {lost} times; rerun the command when Slurm is back")
            if queue == []:
                return
            for state, reason in queue or ():
                if state == "PENDING" and reason in HOPELESS:
                    raise SchedulerError(
                        f"job {attempt.name}: pending with `{reason}` for good: {HOPELESS[reason]}; it is cancelled; "
                        "mend the site's profile and rerun"
                    )
            if queue is None or any(state != "PENDING" for state, _ in queue):
                last_life = time.monotonic()
            elif time.monotonic() - last_life > self.wait_seconds:
                raise IncompleteError(
                    f"job {attempt.name}: nothing ran for {self.wait_seconds:,.0f} s (`wait_seconds`), pending with "
                    f"`{queue[0][1]}`; it is cancelled; finished shards are kept, the same command continues"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, self.poll_seconds)

    def _queue(self, attempt: Attempt) -> list[tuple[str, str]] | None:
        """Return (state, reason) of the attempt's jobs that have not ended; None without an answer."""
        done = _run("squeue", "--noheader", "--array", f"--name={attempt.name}", "--format=%T|%r")
        if done.returncode:
            return None
        rows = [row.partition("|") for row in done.stdout.splitlines() if row]
        return [(state.strip(), reason.strip()) for state, _, reason in rows]

    def _partition(self) -> str:
        """Return the partition's name. Raises: SchedulerError if there is none of that name, or it is not up."""
        done = _run("sinfo", "--noheader", "--format=%P|%a")
        if done.returncode:
            raise SchedulerError(f"sinfo: {_said(done)}; expected an answer of Slurm's controller; is it up?")
        rows = [row.strip().partition("|") for row in done.stdout.splitlines() if row.strip()]
        states = {name.rstrip("*"): state for name, _, state in rows}
        default = next((name.rstrip("*") for name, _, _ in rows if name.endswith("*")), None)
        chosen = self.partition.partition or default
        if chosen is None:
            raise SchedulerError(f"Slurm has no default partition; set `cpu.partition`; {nearest('', states)}")
        if chosen not in states:
            raise SchedulerError(f"partition `{chosen}`: Slurm has none of that name; {nearest(chosen, states)}")
        if states[chosen] != "up":
            raise SchedulerError(f"partition `{chosen}`: is {states[chosen]}, expected up; choose another")
        return chosen

    def _request(self, partition: str) -> dict[str, str | int | None]:
        """Return what is asked of Slurm, as options of sbatch."""
        asked = self.partition
        account = self.site.account_of(asked)
        return {
            "partition": partition,
            "time": asked.time,
            "cpus-per-task": asked.cpus,
            "mem-per-cpu": f"{math.ceil(asked.memory_gb * 1024 / asked.cpus)}M",
            **({"account": account} if account else {}),
            **({"qos": asked.qos} if asked.qos else {}),
            **({"gpus": asked.gpus} if asked.gpus else {}),
            **asked.options,
        }


def _executor(attempt: Attempt, num_ranks: int, site: Site, request: dict[str, str | int | None]) -> Any:
    from datatrove.executor.slurm import SlurmPipelineExecutor
    from datatrove.utils.logging import logger

    from curation.backends.step import RunRank

    logger.disable("datatrove")
    executor = SlurmPipelineExecutor(
        pipeline=[RunRank(str(attempt.folder))],
        tasks=num_ranks,
        time=str(request["time"]),
        partition=str(request["partition"]),
        cpus_per_task=int(str(request["cpus-per-task"])),
        job_name=attempt.name,
        qos="",
        env_command=site.preamble() or ":",
        sbatch_args={name: "" if value is None else value for name, value in request.items()},
        logging_dir=str(attempt.scheduler),
        skip_completed=False,
        requeue_signals=None,
        with_srun=False,
    )
    executor.launch_merge_stats = _no_summary
    return executor


def _no_summary() -> None:
    """Stand for datatrove's summary job, which depends on every rank and stays in the queue once one fails."""


def _options(request: dict[str, str | int | None]) -> list[str]:
    return [f"--{name}" if value in (None, "") else f"--{name}={value}" for name, value in request.items()]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
