"""Slurm's commands as functions: partitions, the queue, submission, cancelling; every failure is one named error.

Nothing needs accounting (`sacct`): what is queued is asked of `squeue`, what has ended is known by our own files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.errors import SchedulerError, nearest

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")
SECONDS = 120
HOPELESS = {
    "DependencyNeverSatisfied": "a step that it waits for has failed",
    "BadConstraints": "no node fits the constraints",
    "PartitionTimeLimit": "`time` is above the partition's limit",
    "PartitionNodeLimit": "the partition has too few nodes",
    "PartitionInactive": "the partition takes no jobs now",
    "PartitionDown": "the partition is down",
    "InvalidAccount": "`account` is not valid here",
    "InvalidQOS": "`qos` is not valid here",
    "AccountNotAllowed": "the partition does not take this account",
    "QOSNotAllowed": "the partition does not take this qos",
    "JobHeldAdmin": "an administrator holds it",
    "JobHeldUser": "it is held; `scontrol release` lets it go",
    "launch failed requeued held": "its node could not start it",
    "job requeued in held state": "it was requeued and held",
}
"""Reasons of pending jobs that no waiting mends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """One job, or one task of an array, that Slurm has not ended."""

    name: str
    job: str
    """What scancel and a dependency call it: `12`, or `12_3`."""
    index: int
    """Of the task; 0 where it is no array's."""
    state: str
    reason: str


def refuse_without_slurm() -> None:
    """Check that Slurm's commands are there. Raises: SchedulerError naming the first that is not."""
    lacking = [name for name in COMMANDS if shutil.which(name) is None]
    if lacking:
        raise SchedulerError(
            f"no `{lacking[0]}` on PATH, expected Slurm's commands; give the command on a login node of the cluster"
        )


def partitions() -> dict[str, str]:
    """Return every partition with its state, the default's name also under ''. Raises: SchedulerError."""
    rows = [row.strip().partition("|") for row in _said("sinfo", "--noheader", "--format=%P|%a").splitlines()]
    known = {name.rstrip("*"): state for name, _, state in rows if name}
    default = next((name.rstrip("*") for name, _, _ in rows if name.endswith("*")), None)
    return {**known, **({"": known[default]} if default else {})}


def refuse_partition(name: str | None, known: Mapping[str, str], where: str) -> None:
    """Check a partition against those there are. Raises: SchedulerError."""
    if (name or "") not in known:
        named = f"partition `{name}` is unknown to Slurm" if name else "Slurm has no default partition"
        raise SchedulerError(f"{where}: {named}; expected one of its partitions; "
                             f"{nearest(name or '', [one for one in known if one])}")  # fmt: skip
    if known[name or ""] != "up":
        raise SchedulerError(f"{where}: partition `{name}` is {known[name or '']}, expected up; choose another")


def queued(names: Sequence[str]) -> list[Queued]:
    """Return what Slurm has not ended of the jobs with these names. Raises: SchedulerError without an answer."""
    text = _said("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%i|%j|%T|%r")
    return parse_queue(text)


def parse_queue(text: str) -> list[Queued]:
    """Return the rows of `squeue --array --format=%i|%j|%T|%r`. Raises: SchedulerError for a row of another form."""
    found = []
    for row in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(r"(\d+)(?:_(\d+))?\|([^|]+)\|([A-Z_]+)\|(.*)", row)
        if match is None:
            raise SchedulerError(
                f"squeue: answered `{row}`, expected `JOB|NAME|STATE|REASON`; is another program called squeue?"
            )
        job, index, name, state, reason = match.groups()
        found.append(
            Queued(name=name, job=f"{job}_{index}" if index else job, index=int(index or 0), state=state,
                   reason=reason.strip("()"))
        )  # fmt: skip
    return found


def submit(script: str, options: Sequence[str], *, trial: bool = False) -> str:
    """Submit a script from text and return its job number; with `trial` Slurm only judges it, and the answer is empty.

    Raises: SchedulerError with what Slurm says against it.
    """
    words = ["sbatch", "--parsable", *(["--test-only"] if trial else []), *options]
    text = _said(*words, stdin=script)
    if trial:
        return ""
    number = text.strip().partition(";")[0]
    if not number.isdecimal():
        raise SchedulerError(
            f"sbatch: answered `{text.strip()[:200]}`, expected a job's number; is another program called sbatch?"
        )
    return number


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs; those that ended meanwhile are no fault. Raises: SchedulerError."""
    if jobs:
        _said("scancel", "--quiet", *jobs)


def _said(*words: str, stdin: str = "") -> str:
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=SECONDS)
    except FileNotFoundError:
        raise SchedulerError(f"no `{words[0]}` on PATH, expected Slurm's commands") from None
    except subprocess.TimeoutExpired:
        raise SchedulerError(f"{words[0]}: no answer within {SECONDS} s; is Slurm's controller up?") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        told = " / ".join(dict.fromkeys(lines[-3:])) or f"exit code {done.returncode}"
        lost = "Unable to contact slurm controller" in told or "Connection refused" in told
        hint = "Slurm's controller does not answer; try again when it is up" if lost else "mend the site's profile"
        raise SchedulerError(f"{words[0]}: {told}; {hint}; nothing that is queued is lost")
    return done.stdout
