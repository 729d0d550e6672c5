"""How many trainings of a tier run side by side, and where: on CPU cores, or several on one GPU.

On CPU: cores // threads of the tier. On a GPU: what fits by the memory plan, each process with its own CUDA context,
at most `MAX_PACKED` and only tiers too small to fill a card. Processes take turns on a card unless MPS runs: what
packing fills are the gaps between the kernels of a launch-bound model. By the roofline of docs/training.md a smoke
step leaves three quarters of an H200 idle, so a fifth run finds no gaps; from 100m on one run fills the card and a
second would only halve both. A GPU run keeps a core busy with launches, so there are never more runs than cores.
Laptop tiers train on the CPU. Nothing here changes a result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from curation.errors import RunError
from train.tier_plan import plan_memory, usable_bytes
from train.tiers import Tier
from train.workers import Slot

MAX_PACKED = 4
PACKED_PARAMS = 60_000_000
"""Multiplying parameters (N_mm) up to which runs share a card: micro, smoke and small."""
CONTEXT_BYTES = 700_000_000
"""CUDA context, cuBLAS workspaces and compiled kernels of one process."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A card that may be used: what `CUDA_VISIBLE_DEVICES` calls it, and its memory now."""

    name: str
    free_bytes: int
    total_bytes: int


def side_by_side(tier: Tier, cores: int, gpus: Sequence[Gpu] = ()) -> list[Slot]:
    """Return one slot a run of `tier` that can go at the same time, cards taken in turns.

    Raises: RunError if no card can hold one run.
    """
    if tier.family == "laptop" or not gpus:
        return [{}] * max(1, cores // tier.threads)
    shares = [runs_on_gpu(tier, gpu) for gpu in gpus]
    if not any(shares):
        plan_memory(tier, max(gpu.free_bytes for gpu in gpus))  # says what would fit
    turns = [
        {VISIBLE: gpu.name}
        for turn in range(MAX_PACKED)
        for gpu, share in zip(gpus, shares, strict=True)
        if turn < share
    ]
    return list(turns[: max(1, cores)])


def runs_on_gpu(tier: Tier, gpu: Gpu) -> int:
    """Return how many runs of `tier` one card takes: by free memory, capped; 0 if not even one."""
    alone = tier.shape.matmul_params > PACKED_PARAMS
    try:
        plan = plan_memory(tier, gpu.free_bytes)
    except RunError:
        return 0
    room = usable_bytes(gpu.free_bytes)
    return 1 if alone else min(MAX_PACKED, room // (plan.total_bytes + CONTEXT_BYTES))


def visible_gpus() -> list[Gpu]:
    """Return the cards of this machine that may be used and that the installed torch can use; none without a driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.free,memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return []
    import torch

    return parse_gpus(done.stdout, os.environ.get(VISIBLE)) if torch.version.cuda else []


def parse_gpus(listing: str, allowed: str | None) -> list[Gpu]:
    """Return the cards of an `nvidia-smi` listing (index, uuid, free and total MiB) that `allowed` names."""
    names = None if allowed is None else [name.strip() for name in allowed.split(",") if name.strip()]
    gpus = []
    for line in listing.splitlines():
        index, uuid, free, total = (word.strip() for word in line.split(","))
        if not (free.isdecimal() and total.isdecimal()):  # a partitioned card shows no memory of its own
            continue
        if names is None or index in names or any(uuid.startswith(name) for name in names):
            gpus.append(Gpu(name=index, free_bytes=int(free) << 20, total_bytes=int(total) << 20))
    return gpus
