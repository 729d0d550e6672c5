"""Several processes that train one model: who they are, how a batch is cut among them, how their gradients are summed.

The micro-batches of a step are numbered in the order of its rows; micro-batch m belongs to rank m mod world, so which
windows a step reads does not depend on the ranks. Each rank adds up the gradients of its own; the sum over the ranks
is that of the whole batch. `ddp` keeps the model on every rank: gradients are summed in buckets, each on its way
as soon as the last backward pass has filled it. `fsdp2` keeps a part of each parameter, gradient and moment on every
rank, block by block (`fully_shard`). Ranks talk through gloo between CPU tensors and through NCCL between CUDA tensors.
Source: PyTorch docs "Getting Started with Fully Sharded Data Parallel (FSDP2)"; docs/training.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from curation.errors import RunError
from curation.files import Json
from train.tier_plan import DDP_MAX_PARAMS, Sharding, plan_memory
from train.tiers import Tier

if TYPE_CHECKING:
    import torch
    from torch import Tensor


BUCKET_BYTES = 32 << 20
STEP_TIMEOUT = timedelta(minutes=30)
"""Longest that a rank waits inside a step; a checkpoint of rank 0 is written in that time."""
ORDER_TIMEOUT = timedelta(days=7)
"""Longest that the other ranks wait for rank 0 to tokenise or to score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The place of this process among those that train one model; alone unless `torchrun` started it."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    sharding: Sharding = "none"
    orders: Any = field(default=None, compare=False)
    """The process group that waits long."""

    @property
    def main(self) -> bool:
        """Whether this is rank 0, which alone writes files."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """Whether each rank holds only a part of the model."""
        return self.sharding == "fsdp2"

    def any(self, flag: bool) -> bool:
        """Return whether any rank says so; every rank must ask."""
        if self.world == 1:
            return flag
        import torch

        said = torch.tensor([int(flag)], dtype=torch.int32)
        self.sum(said)
        return bool(said.item())

    def sum(self, values: Tensor) -> None:
        """Replace `values` by their sum over the ranks, the same bits on each."""
        if self.world > 1:
            import torch.distributed as dist

            dist.all_reduce(values)

    def wait(self) -> None:
        """Return when every rank has come here."""
        self.any(False)

    def told(self, value: Json = None) -> Json:
        """Return what rank 0 gives; the others wait for it as long as it takes."""
        if self.world == 1:
            return value
        import torch.distributed as dist

        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.orders)
        return held[0]


ALONE = Ranks()


@contextmanager
def joined(sharding: Sharding, *, cards: bool = False, environment: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Yield this process' place among those that `torchrun` started, connected while the block runs.

    `cards` gives each rank of a machine a CUDA device. Raises: RunError if there are fewer than ranks.
    """
    world = int(environment.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    rank, local_rank = int(environment["RANK"]), int(environment.get("LOCAL_RANK", "0"))
    if cards:
        if local_rank >= torch.cuda.device_count():
            raise RunError(f"rank {rank}: local rank {local_rank}, but this machine has {torch.cuda.device_count()} "
                           "CUDA devices; start as many processes a node as it has devices")  # fmt: skip
        torch.cuda.set_device(local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=STEP_TIMEOUT)
    else:
        dist.init_process_group("gloo", timeout=STEP_TIMEOUT)
    try:
        orders = dist.new_group(backend="gloo", timeout=ORDER_TIMEOUT)
        yield Ranks(rank=rank, world=world, local_rank=local_rank, sharding=sharding, orders=orders)
    finally:
        dist.destroy_process_group()


def on_cards(tier: Tier) -> bool:
    """Return whether a tier computes on CUDA devices here (`train.execution.accelerator_of`)."""
    import torch

    return tier.family != "laptop" and torch.cuda.is_available()


def sharding_for(tier: Tier, environment: Mapping[str, str] = os.environ) -> Sharding:
    """Return how a tier is spread over the ranks that `torchrun` started: by the memory plan, on a CPU by size alone.

    Raises: RunError if the plan finds no room for it.
    """
    world = int(environment.get("WORLD_SIZE", "1"))
    if world == 1:
        return "none"
    if on_cards(tier):
        import torch

        device_bytes = torch.cuda.get_device_properties(int(environment.get("LOCAL_RANK", "0"))).total_memory
        return plan_memory(tier, device_bytes, world).sharding
    return "ddp" if tier.shape.total_params <= DDP_MAX_PARAMS else "fsdp2"


def micro_batch_rows(batch_rows: int, at_most: int, world: int) -> int:
    """Return the most windows a micro-batch, `at_most`, with which all ranks get equally many equal micro-batches.

    Alone `at_most` is taken as it is. Raises: RunError if the ranks do not divide the batch.
    """
    if world == 1:
        return min(at_most, batch_rows)
    if batch_rows % world:
        fitting = [n for n in range(1, batch_rows + 1) if batch_rows % n == 0 and n <= 4 * world]
        raise RunError(
            f"train: {world} ranks, but the batch has {batch_rows} windows; expected a number of ranks that divides "
            f"them; start one of {fitting}"
        )
    return largest_divisor(batch_rows // world, at_most)


def largest_divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is at most `at_most`, and at least 1."""
    return max((size for size in range(1, min(at_most, number) + 1) if number % size == 0), default=1)


class GradientSum:
    """Sums the gradients of parameters over the ranks, bucket by bucket, while the last backward pass still runs."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], ranks: Ranks) -> None:
        """Watch the parameters; buckets follow their reverse order, which is about that of a backward pass."""
        self.ranks = ranks
        self.buckets = _buckets(list(parameters)[::-1])
        self.place = {id(one): number for number, bucket in enumerate(self.buckets) for one in bucket}
        self.armed = False
        self.missing: list[int] = []
        self.under_way: list[tuple[Tensor, Any]] = []
        for bucket in self.buckets:
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(self._filled)  # type: ignore[no-untyped-call]

    def arm(self) -> None:
        """The next backward pass is the last of the step."""
        self.armed = True
        self.missing = [len(bucket) for bucket in self.buckets]
        self.under_way = []

    def finish(self) -> None:
        """Leave the sums in the gradients."""
        import torch

        while len(self.under_way) < len(self.buckets):
            self._send()
        for bucket, (flat, work) in zip(self.buckets, self.under_way, strict=True):
            work.wait()
            sums = torch.split(flat, [parameter.numel() for parameter in bucket])
            for parameter, total in zip(bucket, sums, strict=True):
                parameter.grad = total.view_as(parameter)
        self.armed, self.under_way = False, []

    def _filled(self, parameter: Tensor) -> None:
        if not self.armed:
            return
        self.missing[self.place[id(parameter)]] -= 1
        # strictly in order, as every rank must send the same buckets in the same order
        while len(self.under_way) < len(self.buckets) and self.missing[len(self.under_way)] == 0:
            self._send()

    def _send(self) -> None:
        import torch
        import torch.distributed as dist

        bucket = self.buckets[len(self.under_way)]
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
        flat = torch.cat([grad.flatten() for grad in grads])
        self.under_way.append((flat, dist.all_reduce(flat, async_op=True)))


def _buckets(parameters: Sequence[torch.nn.Parameter]) -> list[list[torch.nn.Parameter]]:
    """Return consecutive parameters together, about `BUCKET_BYTES` of gradients each."""
    buckets: list[list[torch.nn.Parameter]] = [[]]
    held = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if buckets[-1] and held + size > BUCKET_BYTES:
            buckets.append([])
            held = 0
        buckets[-1].append(parameter)
        held += size
    return buckets
