"""What a tier takes on a CPU, and the refusal of what this machine cannot do. Pure arithmetic, no torch.

Tokens a CPU-second are measured for pico and nano (2026-11-23, `benchmarks/train_cpu.py`). Other tiers are given nano's
FLOP/s on each of their threads: bf16 products of larger models come nearer to the peak of a core with matrix units and
stay far from it on one without: an estimate good to some factor. A ladder or dclm tier that would take
more than `MAX_HOURS` on the CPUs of a machine without cards, or more than its memory, is not started there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from curation.errors import RunError
from curation.files import Json
from train.packing import Gpu
from train.tier_plan import MemoryPlan, memory_parts, plan_memory, plan_or_smallest, usable_bytes
from train.tiers import TIERS, Tier

TOKENS_A_CPU_SECOND: Mapping[str, float] = {"pico": 21_000, "nano": 7_500}
MEASURED = "measured 2026-11-23, benchmarks/train_cpu.py"
MAX_HOURS = 24.0
"""On the clock, for a tier made for cards; the budget of micro-0.5x is just below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPlan:
    """A tier on CPU processes; bytes are those of one process."""

    tier: Tier
    memory: MemoryPlan

    @property
    def cpu_hours(self) -> float:
        """Hours of one core for the whole budget, without evaluation."""
        return cpu_hours(self.tier)

    @property
    def hours(self) -> float:
        """Hours on the clock with a free core for each thread of each process."""
        return self.cpu_hours / (self.tier.threads * self.memory.world_size)

    def as_json(self) -> dict[str, Json]:
        """Return the plan for machines, with the keys of a plan on cards where they mean something."""
        memory, tier = self.memory, self.tier
        return {
            "tier": tier.name,
            "device": "cpu",
            "gpus": 0,
            "processes": memory.world_size,
            "threads": tier.threads,
            "sharding": memory.sharding,
            "micro_batch_rows": memory.micro_batch_rows,
            "accumulation": memory.accumulation,
            "batch_tokens": tier.batch_tokens,
            "steps": tier.num_steps,
            "tokens": tier.num_tokens,
            "flops": tier.num_flops,
            "memory_bytes": {**memory.parts, "total": memory.total_bytes},
            "device_bytes": memory.device_bytes,
            "tokens_a_cpu_second": tokens_a_cpu_second(tier),
            "tokens_a_cpu_second_source": speed_source(tier),
            "cpu_hours": self.cpu_hours,
            "hours": self.hours,
        }


def cpu_hours(tier: Tier) -> float:
    """Return the hours of one core for the whole budget, without evaluation."""
    return tier.num_tokens / tokens_a_cpu_second(tier) / 3_600


def tokens_a_cpu_second(tier: Tier) -> float:
    """Return how many tokens one core trains a second: measured, or from nano's FLOP/s."""
    measured = TOKENS_A_CPU_SECOND.get(tier.model)
    nano = TIERS["nano"].shape
    return measured or TOKENS_A_CPU_SECOND["nano"] * nano.flops_per_token / tier.shape.flops_per_token


def speed_source(tier: Tier) -> str:
    """Return where the speed comes from."""
    return MEASURED if tier.model in TOKENS_A_CPU_SECOND else "estimated from the FLOP/s of nano"


def plan_cpu(tier: Tier, processes: int = 1) -> CpuPlan:
    """Return the plan of `tier` on CPU processes of this machine.

    Raises: RunError if the batch does not divide evenly over them, or if this machine has too little memory.
    """
    return CpuPlan(tier=tier, memory=plan_memory(tier, host_memory_bytes() // processes, processes))


def host_memory_bytes() -> int:
    """Return the memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_infeasible(
    tiers: Sequence[Tier], gpus: Callable[[], Sequence[Gpu]], memory_bytes: int | None = None
) -> None:
    """Raise RunError for a tier that a machine of these cards and so much memory (its own by default) cannot train.

    Cards are asked for only when a tier uses them, and judged where they are used (`train.execution`).
    """
    problems = [problem for tier in tiers if (problem := infeasible(tier, gpus, memory_bytes))]
    if problems:
        raise RunError(problems[0])


def infeasible(tier: Tier, gpus: Callable[[], Sequence[Gpu]], memory_bytes: int | None = None) -> str:
    """Return why the tier is not started on such a machine and what it needs; empty when it may be."""
    if tier.family == "laptop" or gpus():
        return ""
    usable = usable_bytes(memory_bytes or host_memory_bytes())
    needed = sum(memory_parts(tier, "none", 1, tier.micro_batch_rows).values())
    hours = cpu_hours(tier) / tier.threads
    reasons = [
        *([f"about {hours:,.0f} hours on {tier.threads} cores ({speed_source(tier)}), expected at most {MAX_HOURS:g}"]
          if hours > MAX_HOURS else []),
        *([f"{needed / 1e9:.1f} GB of memory, expected at most {usable / 1e9:.1f}, what this machine has"]
          if needed > usable else []),
    ]  # fmt: skip
    return _refusal(tier, " and ".join(reasons)) if reasons else ""


def _refusal(tier: Tier, why: str) -> str:
    cards = plan_or_smallest(tier)
    hours = f"{cards.hours:,.0f}" if cards.hours >= 10 else f"{cards.hours:.2g}"
    return (
        f"tier {tier.name}: no GPU here, and the CPU would take {why}; it needs "
        f"{cards.memory.world_size} x {cards.card.name} for about {hours} hours; plan it with --dry-run "
        "--gpus N, write a script for such a machine with "
        "--launch-script FILE, or choose a laptop tier or a much smaller budget"
    )
