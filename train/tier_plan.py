"""What a tier takes on given cards: memory by part, micro-batch, sharding, steps, hours. Pure arithmetic, no torch.

Bytes on a card, for N parameters, n of them in blocks, V vocabulary, d width, F feed-forward width, L layers and M
tokens a micro-batch: weights, gradients and two Adam moments in float32 16 N; bf16 copies of the blocks' weights 2 n,
kept for the backward pass; activations M L (20 d + 6 F), which is 36 d a layer and 1.8 MB a token at 1b; gradients of
activations on the way back M (8 d + 6 F); logits and their gradients in pieces, of which three are there at once (the
last piece's gradients are still held) unless one is all, and three gradients of the head while it is summed. Ten
peaks measured on an H200 (micro to 1b) lie 1 to 7 % below the sum. What is bf16 there doubles in float32. FSDP2
divides the 16 N by the number of cards, keeps no copies, and adds two gathered blocks and the embeddings with the
gradients of one of them.

Sharding: DDP while the model is small enough to be whole on every card, FSDP2 above `DDP_MAX_PARAMS` and where DDP
does not fit. Every card gets equally many windows of each batch, in micro-batches of at most the recipe's rows, so
that the global batch is exact. `RESERVED_FRACTION` of a card is left to the driver, cuBLAS and fragmentation.
Source: docs/training.md, where the formula stands beside measured peaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from curation.errors import RunError, nearest
from curation.files import Json
from train.tier_data import MeasuredMfu, measured_mfu
from train.tiers import TIERS, Tier
from train.utilisation import peak_flops

Sharding = Literal["none", "ddp", "fsdp2"]

RESERVED_FRACTION = 0.06
DDP_MAX_PARAMS = 1_500_000_000
ASSUMED_MFU = 0.5
"""Where nothing was measured; what good trainers reach from 100m on, and more than smaller tiers will."""
GPU_PIECE = 16_384
CPU_PIECE = 256
"""Positions whose logits exist at once (`train.losses`)."""
GPUS_A_NODE = 8
WORLD_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Numbers of cards that are offered when something does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card by its short name; memory as its datasheet says, a little below what the driver shows."""

    name: str
    driver_name: str
    memory_bytes: int


CARDS: Mapping[str, Card] = {
    name: Card(name=name, driver_name=driver_name, memory_bytes=gigabytes * 10**9)
    for name, driver_name, gigabytes in (
        ("h200", "NVIDIA H200", 141),
        ("h100", "NVIDIA H100 80GB HBM3", 80),
        ("gh200", "NVIDIA GH200 480GB", 96),
        ("b200", "NVIDIA B200", 180),
        ("a100", "NVIDIA A100-SXM4-80GB", 80),
        ("a100-40gb", "NVIDIA A100-SXM4-40GB", 40),
        ("l40s", "NVIDIA L40S", 48),
        ("l4", "NVIDIA L4", 24),
        ("rtx4090", "NVIDIA GeForce RTX 4090", 24),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """How a tier lies on its cards; bytes are those of one card."""

    sharding: Sharding
    world_size: int
    micro_batch_rows: int
    accumulation: int
    """Micro-batches a step on one card."""
    parts: Mapping[str, int]
    device_bytes: int

    @property
    def total_bytes(self) -> int:
        """Everything that is on a card at the peak of a step."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hours of one card for a whole budget; evaluation, compilation and communication are not in it."""

    hours: float
    mfu: float
    source: str
    """`assumed`, or where and when it was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPlan:
    """A tier on so many cards of one kind."""

    tier: Tier
    card: Card
    nodes: int
    memory: MemoryPlan
    estimate: Hours

    @property
    def hours(self) -> float:
        """Hours on the clock if card-hours divide evenly over the cards."""
        return self.estimate.hours / self.memory.world_size

    def as_json(self) -> dict[str, Json]:
        """Return the plan for machines."""
        memory = self.memory
        return {
            "tier": self.tier.name,
            "gpu": self.card.name,
            "gpus": memory.world_size,
            "nodes": self.nodes,
            "sharding": memory.sharding,
            "micro_batch_rows": memory.micro_batch_rows,
            "accumulation": memory.accumulation,
            "batch_tokens": self.tier.batch_tokens,
            "steps": self.tier.num_steps,
            "tokens": self.tier.num_tokens,
            "flops": self.tier.num_flops,
            "memory_bytes": {**memory.parts, "total": memory.total_bytes},
            "device_bytes": memory.device_bytes,
            "mfu": self.estimate.mfu,
            "mfu_source": self.estimate.source,
            "gpu_hours": self.estimate.hours,
            "hours": self.hours,
        }


def plan_tier(tier: Tier, *, gpu: str = "h200", gpus: int = 1, nodes: int | None = None) -> TierPlan:
    """Return the plan of `tier` on `gpus` cards of one kind in all, on as many nodes as 8 a node need by default.

    Raises: RunError for an unknown card, cards that nodes or the batch do not divide by, or too little memory.
    """
    if gpu not in CARDS:
        raise RunError(f"--gpu: unknown card `{gpu}`, expected one of {', '.join(CARDS)}; {nearest(gpu, CARDS)}")
    if gpus < 1:
        raise RunError(f"--gpus: {gpus}, expected 1 or more; give the number of cards in all")
    nodes = nodes or -(-gpus // GPUS_A_NODE)
    if nodes < 1 or gpus % nodes:
        raise RunError(f"--nodes: {gpus} GPUs on {nodes} nodes, expected equally many a node; change one of them")
    card = CARDS[gpu]
    memory = plan_memory(tier, card.memory_bytes, gpus)
    return TierPlan(tier=tier, card=card, nodes=nodes, memory=memory, estimate=estimate_hours(tier, card))


def plan_or_smallest(tier: Tier, gpus: int | None = None, gpu: str = "h200", *, nodes: int | None = None) -> TierPlan:
    """Return the plan on `gpus` cards, by default on the fewest that hold the tier and that `nodes` divide.

    Raises: RunError if they, or any number of them, do not.
    """
    if gpus is None:
        sizes = (size for size in WORLD_SIZES if size % (nodes or 1) == 0)
        gpus = next((size for size in sizes if _fit(tier, CARDS[gpu].memory_bytes, size)), nodes or 1)
    return plan_tier(tier, gpu=gpu, gpus=gpus, nodes=nodes)


def estimate_hours(tier: Tier, card: Card, measured: MeasuredMfu | None = None) -> Hours:
    """Return the hours of one `card`, by `measured` or what is shipped for tier and card, else by `ASSUMED_MFU`."""
    measured = measured or measured_mfu(tier.model, card.driver_name)
    mfu = measured.mfu if measured else ASSUMED_MFU
    return Hours(
        hours=tier.num_flops / (peak_flops(card.driver_name, {}) * mfu) / 3_600,
        mfu=mfu,
        source=f"measured: {measured.said}" if measured else "assumed",
    )


def plan_memory(tier: Tier, device_bytes: int, world_size: int = 1, *, sharding: Sharding | None = None) -> MemoryPlan:
    """Return sharding (the one given, if any) and micro-batch of `tier` on `world_size` cards of `device_bytes` each.

    The largest micro-batch of at most the recipe's rows that fits. Raises: RunError if the batch does not divide evenly
    over the cards, or if nothing fits; it says what would.
    """
    if tier.batch_rows % world_size:
        fitting = [str(size) for size in divisors(tier.batch_rows)]
        raise RunError(
            f"tier {tier.name}: a batch of {tier.batch_rows} windows cannot be split evenly over {world_size} GPUs; "
            f"expected one of {', '.join(fitting)}; the batch is part of the recipe and stays"
        )
    found = _fit(tier, device_bytes, world_size, sharding)
    if found is None:
        least = _smallest(tier, device_bytes, world_size)
        usable = f"{usable_bytes(device_bytes) / 1e9:.1f} of {device_bytes / 1e9:.1f} GB"
        raise RunError(
            f"tier {tier.name}: out of memory: micro-batches of one window need {least.total_bytes / 1e9:.1f} GB on "
            f"each of {world_size} GPU(s) ({least.sharding}), expected at most {usable}; "
            f"{what_would_fit(tier, device_bytes, world_size)}"
        )
    return found


def what_would_fit(tier: Tier, device_bytes: int, world_size: int) -> str:
    """Return, in words, more cards of this size, larger cards, and the largest tier of the family that fits here."""
    more = [size for size in WORLD_SIZES if size > world_size and tier.batch_rows % size == 0]
    enough = next((size for size in more if _fit(tier, device_bytes, size)), None)
    cards = [card.name for card in CARDS.values() if _fit(tier, card.memory_bytes, world_size)]
    smaller = [
        other.model
        for other in TIERS.values()
        if other.family == tier.family and other.batch_rows % world_size == 0 and _fit(other, device_bytes, world_size)
    ]
    said = [f"{enough} GPUs of this size"] if enough else []
    said += [f"{world_size} of {' or '.join(cards)}"] if cards else []
    said += [f"tier {smaller[-1]} here"] if smaller else []
    return f"what would fit: {'; '.join(said)}" if said else "nothing known would fit; choose a smaller tier"


def usable_bytes(device_bytes: int) -> int:
    """Return what of a card a plan may fill."""
    return int(device_bytes * (1 - RESERVED_FRACTION))


def memory_parts(tier: Tier, sharding: Sharding, world_size: int, micro_batch_rows: int) -> dict[str, int]:
    """Return the bytes on one card at the peak of a step, by what they hold; see the module's docstring."""
    shape = tier.shape
    element = 2 if tier.precision == "bf16" else 4
    scale = element // 2
    tokens = micro_batch_rows * shape.context_tokens
    shards = world_size if sharding == "fsdp2" else 1
    params = -(-shape.total_params // shards)
    head = shape.vocab_size * shape.width
    piece = min(tokens, CPU_PIECE if tier.family == "laptop" else GPU_PIECE)  # laptop tiers compute on a CPU
    held = 3 if tokens > piece else 2
    copies = tier.precision == "bf16" and sharding != "fsdp2"
    parts = {
        "weights": 4 * params,
        "gradients": 4 * params,
        "adam_moments": 8 * params,
        "bf16_copies": 2 * shape.non_embedding_params if copies else 0,
        "activations": scale * tokens * shape.num_layers * (20 * shape.width + 6 * shape.ffn_width),
        "activation_gradients": scale * tokens * (8 * shape.width + 6 * shape.ffn_width),
        "logits_and_loss": held * element * piece * shape.vocab_size + (12 + element) * head,
    }
    if sharding == "fsdp2":
        block = shape.non_embedding_params // shape.num_layers
        parts["gathered"] = element * (2 * block + 2 * head) + (element + 4) * max(block, 2 * head)
    return parts


def divisors(number: int) -> list[int]:
    """Return the divisors of `number`, ascending."""
    return [size for size in range(1, number + 1) if number % size == 0]


def _options(tier: Tier, world_size: int) -> tuple[Sharding, ...]:
    if world_size == 1:
        return ("none",)
    return ("ddp", "fsdp2") if tier.shape.total_params <= DDP_MAX_PARAMS else ("fsdp2",)


def _plans(tier: Tier, device_bytes: int, world_size: int, only: Sharding | None = None) -> Iterator[MemoryPlan]:
    """Yield the possible plans, best first."""
    rows = tier.batch_rows // world_size
    for sharding in _options(tier, world_size) if only is None else (only,):
        for micro in reversed([size for size in divisors(rows) if size <= tier.micro_batch_rows]):
            yield MemoryPlan(
                sharding=sharding,
                world_size=world_size,
                micro_batch_rows=micro,
                accumulation=rows // micro,
                parts=memory_parts(tier, sharding, world_size, micro),
                device_bytes=device_bytes,
            )


def _fit(tier: Tier, device_bytes: int, world_size: int, only: Sharding | None = None) -> MemoryPlan | None:
    if tier.batch_rows % world_size:
        return None
    room = usable_bytes(device_bytes)
    return next((plan for plan in _plans(tier, device_bytes, world_size, only) if plan.total_bytes <= room), None)


def _smallest(tier: Tier, device_bytes: int, world_size: int) -> MemoryPlan:
    return min(_plans(tier, device_bytes, world_size), key=lambda plan: plan.total_bytes)
