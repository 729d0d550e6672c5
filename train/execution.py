"""How a tier computes here: on which device, how many windows at once, and what to say when memory runs out.

None of it belongs to the recipe. It moves the last bits, so a run records it (`Engine.execution`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import torch

from curation.errors import RunError
from train.accelerator import Accelerator, choose_accelerator
from train.cpu_plan import host_memory_bytes
from train.parallel import Ranks, largest_divisor, micro_batch_rows
from train.tier_plan import memory_parts, plan_memory, what_would_fit
from train.tiers import Tier

DETERMINISTIC = "CURATE_DETERMINISTIC"
"""Environment variable: `1` asks a CUDA device for the same bits every time, at some speed; a CPU always gives them."""
MICRO_BATCH_ROWS = "CURATE_MICRO_BATCH_ROWS"
"""Environment variable: at most so many windows at once on a card; the run records what it took."""


def accelerator_of(tier: Tier) -> Accelerator:
    """Return where a tier computes: laptop tiers on the CPU everywhere, the others on CUDA where there is one."""
    return choose_accelerator(
        "cpu" if tier.family == "laptop" else "auto",
        precision=tier.precision,
        deterministic=os.environ.get(DETERMINISTIC) == "1",
    )


def planned_rows(tier: Tier, accelerator: Accelerator, ranks: Ranks) -> int:
    """Return the windows of a micro-batch: the recipe's on a CPU, what the memory plan gives on a card.

    Raises: RunError if the ranks do not divide the batch, or if not even one window fits.
    """
    if accelerator.device.type != "cuda":
        return micro_batch_rows(tier.batch_rows, tier.micro_batch_rows, ranks.world)
    device_bytes = torch.cuda.mem_get_info(accelerator.device)[1]
    planned = plan_memory(tier, device_bytes, ranks.world, sharding=ranks.sharding).micro_batch_rows
    return largest_divisor(tier.batch_rows // ranks.world, min(planned, most_rows()))


def most_rows(environment: Mapping[str, str] = os.environ) -> int:
    """Return the most windows of a micro-batch on a card that `MICRO_BATCH_ROWS` allows.

    Raises: RunError unless it is a positive number or unset.
    """
    asked = environment.get(MICRO_BATCH_ROWS, "")
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise RunError(f"{MICRO_BATCH_ROWS}: `{asked}`, expected a number of windows from 1 on; correct it or unset it")
    return int(asked) if asked else sys.maxsize


def out_of_memory(why: str, *, tier: Tier, accelerator: Accelerator, ranks: Ranks, rows: int) -> str:
    """Return what did not fit with micro-batches of so many `rows`, and what would."""
    on_card = accelerator.device.type == "cuda"
    device_bytes = torch.cuda.mem_get_info(accelerator.device)[1] if on_card else host_memory_bytes()
    parts = memory_parts(tier, ranks.sharding, ranks.world, rows)
    less = f"set {MICRO_BATCH_ROWS}={rows // 2}, or " if rows > 1 else ""
    return (
        f"tier {tier.name}: out of memory with micro-batches of {rows} windows of {tier.shape.context_tokens:,} tokens "
        f"on {ranks.world} rank(s) ({why.splitlines()[0]}); expected {sum(parts.values()) / 1e9:.2f} GB free of "
        f"{device_bytes / 1e9:.1f} GB each; end what else is there, "
        f"{less}{what_would_fit(tier, device_bytes, ranks.world)}"
    )
