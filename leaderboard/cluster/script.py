"""The script of one step for sbatch: the site's environment, one command, and what happens when Slurm ends it early.

SIGTERM (preemption, requeue, or Slurm's warning before the time limit) goes on to the command, which saves and ends
with 143. Where the job is still running then, the script requeues it: it goes on from its checkpoint. A job that was
cancelled is not requeued.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from curation.backends.sites import Partition, Site
from leaderboard.cluster.dag import Step

WARNING_SECONDS = 120
"""Before the time limit; a checkpoint of the largest tier on one card takes less."""
MAX_RESTARTS = 100
CANCELLED = "cancelled"
"""File in the folder of a study that was cancelled: nothing requeues itself."""


def seconds_of(limit: str) -> int:
    """Return the seconds of one of Slurm's time limits: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in re.split(":", rest)]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def options_of(step: Step, site: Site, name: str, folder: Path, cwd: str) -> dict[str, str | int | None]:
    """Return what is asked of Slurm for a step, as long options of sbatch; None stands for no value."""
    asked = site.gpu if step.device == "gpu" and site.gpu is not None else site.cpu
    account = site.account_of(asked)
    warning = min(WARNING_SECONDS, seconds_of(asked.time) // 5)
    log = folder / "logs" / f"{step.name}{'-%a' if step.is_array else ''}.log"
    return {
        "job-name": name,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": asked.cpus,
        "mem": f"{asked.memory_gb}G",
        "time": asked.time,
        **({"partition": asked.partition} if asked.partition else {}),
        **({"account": account} if account else {}),
        **({"qos": asked.qos} if asked.qos else {}),
        **({"gpus": _gpus(asked)} if step.device == "gpu" else {}),
        "chdir": cwd,
        "output": str(log),
        "open-mode": "append",
        "requeue": None,
        "signal": f"B:TERM@{warning}",
        **asked.options,
    }


def _gpus(asked: Partition) -> int:
    return max(1, asked.gpus)


def step_script(step: Step, site: Site, name: str, folder: Path, cwd: str) -> str:
    """Return the text of a step's script; array tasks and dependencies are given to sbatch beside it."""
    options = options_of(step, site, name, folder, cwd)
    head = "".join(
        f"#SBATCH --{key}\n" if value is None else f"#SBATCH --{key}={value}\n" for key, value in options.items()
    )
    python = "python" if site.environment.strip() else shlex.quote(sys.executable)
    place = shlex.quote(str(folder))
    return (
        f"#!/usr/bin/env bash\n{head}# Step {step.name} of a study; safe to submit again: what is finished is reused."
        f"\nset -u\n{site.preamble()}\n"
        f"command=({python} -m leaderboard.cluster.job {place} --step {shlex.quote(step.name)}\n"
        '    --index "${SLURM_ARRAY_TASK_ID:-0}")\n'
        f"cancelled={place}/{CANCELLED}\nmost={MAX_RESTARTS}\n{_RUN}"
    )


_RUN = """
export CURATE_REPEATED_SIGNALS=1 # Slurm may signal every process of the job, and this script repeats it
child=
stopped=0
stop() {
    stopped=1
    [[ -z "$child" ]] || kill -TERM "$child" 2>/dev/null || true
}
trap stop TERM
"${command[@]}" &
child=$!
((stopped)) && kill -TERM "$child" 2>/dev/null
while :; do # a signal ends the wait, not the command
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
if ((code == 143)) && [[ ! -e "$cancelled" ]] && ((${SLURM_RESTART_COUNT:-0} < most)); then
    # Only a job that Slurm itself is not ending: told of its time limit, or signalled by hand.
    # The plain number of an array's last task is that of the whole array.
    job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
    state="$(squeue --noheader --jobs="$job" --format=%T 2>/dev/null | sed -n 1p)"
    if [[ "$state" == RUNNING ]] && scontrol requeue "$job"; then
        sleep 300 # until Slurm ends this try
    fi
fi
exit "$code"
"""
