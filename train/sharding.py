"""A model split over the ranks (FSDP2), and tensors that go from whole to split and from rank to rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from curation.files import Json
from train.parallel import Ranks

if TYPE_CHECKING:
    from torch import Tensor

    from train.model import LanguageModel


def shard_model(model: LanguageModel, ranks: Ranks, *, bf16: bool) -> None:
    """Split every parameter over the ranks, block by block; `model` computes as before where all ranks call it.

    Parameters stay float32; with `bf16` their copies for computing are bf16. Gradients are summed in float32.
    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(model.lm_head.weight.device.type, (ranks.world,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,  # RoPE tables stay float32
    )
    blocks = list(model.model.layers)
    for block in blocks:
        # the backward pass begins with the last block: freeing it first would only gather it again
        fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=block is not blocks[-1])
    fully_shard(model, mesh=mesh, mp_policy=policy)
    register_fsdp_forward_method(model, "hidden")
    for part in (*blocks, model):
        cast("Any", part).set_force_sum_reduction_for_comms(True)
        cast("Any", part).set_gradient_divide_factor(1.0)  # a sum, not a mean


def whole(tensor: Tensor) -> Tensor:
    """Return the whole of a tensor that may be split over the ranks; every rank must ask."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_part(value: Tensor) -> Tensor:
    """Return what this rank holds of `value`."""
    from torch.distributed.tensor import DTensor

    return value.to_local() if isinstance(value, DTensor) else value


def part_like(full: Tensor, like: Tensor) -> Tensor:
    """Return `full` on the device of `like`, split as `like` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    placed = full.to(like.device)
    if not isinstance(like, DTensor):
        return placed
    return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)


class SharedTensors(Mapping[str, "Tensor"]):
    """Tensors that rank 0 has, sent to the others as they are asked for; every rank must ask in the same order."""

    def __init__(self, ranks: Ranks, held: Mapping[str, Tensor] | None) -> None:
        """Tell every rank the names and forms of what rank 0 holds."""
        self.ranks = ranks
        self.held = held or {}
        forms: dict[str, Json] = {
            name: [str(value.dtype).removeprefix("torch."), list(value.shape)] for name, value in self.held.items()
        }
        self.forms = cast("Mapping[str, tuple[str, list[int]]]", ranks.told(forms))

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor, on the CPU."""
        import torch
        import torch.distributed as dist

        kind, shape = self.forms[name]
        tensor = self.held[name].contiguous() if self.ranks.main else torch.empty(shape, dtype=getattr(torch, kind))
        dist.broadcast(tensor, src=0)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.forms)

    def __len__(self) -> int:
        return len(self.forms)
