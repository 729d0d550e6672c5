"""Launch scripts: one run on several processes by `torchrun`, as plain bash or for Slurm.

The script runs `python -m train.worker` and may be run again at any time: a finished run is returned, an interrupted
one goes on from its newest checkpoint, also on another number of processes. SIGTERM goes to the processes themselves,
since `torchrun` would kill them before a large checkpoint is on disk; the script then ends with 143 as they do.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from curation.errors import RunError
from curation.files import write_text
from train.tier_plan import TierPlan

PORT = 29_500
GRACE_SECONDS = 180
"""Slurm's warning before the time limit: a checkpoint of the largest tier takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One run on as many processes as its plan has cards; without CUDA they compute on the CPU."""

    plan: TierPlan
    seed: int
    corpus: Path
    panel: Path
    store: Path
    slurm: bool
    epochs: float = 1.0
    """Repeats of the corpus that are permitted."""

    @property
    def processes_a_node(self) -> int:
        """As many as a node has cards."""
        return self.plan.memory.world_size // self.plan.nodes

    @property
    def name(self) -> str:
        """What a queue calls it."""
        return f"curate-{self.plan.tier.name}-s{self.seed}"


def write_launch_script(launch: Launch, path: Path) -> None:
    """Write the script, executable.

    Raises: RunError if `path` is a directory or its folder is missing.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise RunError(f"--launch-script: {path} cannot be written; expected a file in a folder that exists; change it")
    write_text(path, launch_script(launch))
    path.chmod(0o755)


def launch_script(launch: Launch) -> str:
    """Return the text of the script."""
    parts = [_HEAD, *([_slurm_options(launch)] if launch.slurm else []), _about(launch), "set -euo pipefail\n"]
    if launch.slurm:
        parts.append(_ON_EVERY_NODE)
    return "".join([*parts, _command(launch), _RUN])


def _about(launch: Launch) -> str:
    plan, memory = launch.plan, launch.plan.memory
    device = "the CPU" if plan.tier.family == "laptop" else plan.card.name
    start = (
        "Submit it with sbatch."
        if launch.slurm
        else "Start it."
        if plan.nodes == 1
        else f"Start it on each of the {plan.nodes} nodes, with MASTER_ADDR set to the address of one of them."
    )
    return (
        f"# Tier {plan.tier.name}, run {launch.seed}: {plan.nodes} node(s) x {launch.processes_a_node} process(es).\n"
        f"# Planned for {device}: {memory.sharding}, {memory.accumulation} micro-batch(es) of "
        f"{memory.micro_batch_rows} windows a step on each.\n"
        f"# {start} All nodes must see the store under the same path.\n"
        "# Safe to run again: a finished run is returned, an interrupted one goes on from its last checkpoint.\n"
    )


def _slurm_options(launch: Launch) -> str:
    options = {
        "job-name": launch.name,
        "nodes": launch.plan.nodes,
        "ntasks-per-node": 1,
        **(
            {"cpus-per-task": launch.processes_a_node * launch.plan.tier.threads}
            if launch.plan.tier.family == "laptop"
            else {"gpus-per-node": launch.processes_a_node}
        ),
        "exclusive": None,
        "requeue": None,
        "open-mode": "append",
        "signal": f"TERM@{GRACE_SECONDS}",
    }
    return "".join(f"#SBATCH --{key}\n" if value is None else f"#SBATCH --{key}={value}\n"
                   for key, value in options.items())  # fmt: skip


def _command(launch: Launch) -> str:
    words = {
        "--store": str(launch.store.resolve()),
        "--corpus-artifact": str(launch.corpus.resolve()),
        "--panel": str(launch.panel.resolve()),
        "--tier": launch.plan.tier.name,
        "--seed": str(launch.seed),
        "--epochs": f"{launch.epochs:g}",
    }
    worker = "".join(f"    {key} {shlex.quote(value)}\n" for key, value in words.items())
    together = "--standalone"
    if launch.plan.nodes > 1:
        together = (
            f'--rdzv-backend c10d --rdzv-id {launch.name} --rdzv-endpoint "${{MASTER_ADDR:?address of one node}}'
            f':${{MASTER_PORT:-{PORT}}}"'
        )
    return (
        f'\nPYTHON="${{PYTHON:-{sys.executable}}}"\n'
        f'export OMP_NUM_THREADS="${{OMP_NUM_THREADS:-{launch.plan.tier.threads}}}"\n'
        "command=(\n"
        '    "$PYTHON" -m torch.distributed.run\n'
        f"    --nnodes {launch.plan.nodes} --nproc-per-node {launch.processes_a_node} {together}\n"
        f"    -m train.worker\n{worker})\n"
    )


_HEAD = "#!/usr/bin/env bash\n"

_ON_EVERY_NODE = """
if [[ -z "${CURATE_ON_NODE:-}" ]]; then
    MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"
    export MASTER_ADDR CURATE_ON_NODE=1
    exec srun --kill-on-bad-exit=1 bash -c "$(cat "$0")"
fi
"""

_RUN = """
stopping=0
stop() {
    stopping=1
    pkill -TERM -P "$torchrun" || kill -TERM "$torchrun" || true
}
"${command[@]}" &
torchrun=$!
trap stop TERM INT
code=0
wait "$torchrun" || code=$?
while kill -0 "$torchrun" 2>/dev/null; do # the signal ended the wait, not the run
    code=0
    wait "$torchrun" || code=$?
done
if ((stopping)) && ((code != 0)); then
    exit 143
fi
exit "$code"
"""
