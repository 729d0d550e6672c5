"""From a batch of windows to one update of the parameters: micro-batches, clipping, AdamW, and what a checkpoint keeps.

The gradient is that of the mean objective of the whole batch, accumulated over micro-batches in their order; on several
ranks each adds up its own and the sums are added (`train.parallel`). A step asks the device for its numbers once.
Where a micro-batch does not fit into the device's memory, half of it is tried; the batch stays what it is.
Shapes: B rows, T positions, D width, N = B·T positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from curation.errors import RunError
from curation.files import Json
from train.accelerator import CPU, Accelerator
from train.execution import out_of_memory, planned_rows
from train.model import LanguageModel
from train.noise_scale import GROUPS, group_of
from train.optimizers import optimizer_for
from train.parallel import ALONE, GradientSum, Ranks, largest_divisor
from train.sharding import own_part, part_like, shard_model, whole
from train.tiers import Tier

_MODEL = "model."
_MOMENTS = "adam."
_KINDS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """What a batch gave, the same on every rank; the clipped gradients themselves lie in the parameters."""

    loss: float
    """Mean cross-entropy, nats a token."""
    nats_by_row: npt.NDArray[np.float64]
    nats_BT: npt.NDArray[np.float32]
    """Cross-entropy of each position."""
    norm: float
    """Of the mean gradient, before clipping."""
    first_norm: float | None
    """Of the mean gradient of the first micro-batch (sharded: of the first of every rank); None if that is all."""
    first_tokens: int
    group_norms: Mapping[str, float] = field(default_factory=dict)
    """`norm` of each group of `train.noise_scale`, of measured batches."""
    first_group_norms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the device said at the end of a step, on the host."""

    nats_by_row: npt.NDArray[np.float64]
    nats_BT: npt.NDArray[np.float32]
    numbers: Mapping[str, float]


class Engine:
    """A model with its optimizer on one device, or on one of several ranks."""

    def __init__(
        self, tier: Tier, model: LanguageModel, accelerator: Accelerator = CPU, *, ranks: Ranks = ALONE
    ) -> None:
        """Place the model; its micro-batch is the tier's, or what the device and all ranks alike can take of it."""
        self.tier = tier
        self.ranks = ranks
        self.accelerator = accelerator
        self.micro_batch_rows = planned_rows(tier, accelerator, ranks)
        self.model = accelerator.prepare(model)
        if ranks.sharded:
            shard_model(self.model, ranks, bf16=accelerator.precision == "bf16")
        self.gradient_sum = GradientSum(self.model.parameters(), ranks) if ranks.sharding == "ddp" else None
        self.optimizer = optimizer_for(tier, self.model)

    @property
    def accumulation(self) -> int:
        """Micro-batches of a step on each rank."""
        return -(-self.tier.batch_rows // (self.micro_batch_rows * self.ranks.world))

    def execution(self) -> dict[str, Json]:
        """Return how it computes; equal bits are promised only to runs that agree in all of it."""
        return {
            **self.accelerator.describe(),
            "world_size": self.ranks.world,
            "sharding": self.ranks.sharding,
            "micro_batch_rows": self.micro_batch_rows,
            "accumulation": self.accumulation,
        }

    def go_on_as(self, before: Mapping[str, Json]) -> None:
        """Take the micro-batch that ran out of no memory `before`, if all else is as it was."""
        rows = before["micro_batch_rows"]
        now = self.execution()
        own = ("micro_batch_rows", "accumulation")
        if all(value == now.get(key) for key, value in before.items() if key not in own) and isinstance(rows, int):
            self.micro_batch_rows = min(self.micro_batch_rows, rows)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.accelerator.device

    def gradients(self, rows_BT: npt.NDArray[np.int64], *, measured: bool = False) -> Gradients:
        """Leave the clipped gradient of the mean objective of rows of T + 1 ids in the parameters.

        A `measured` batch also gives norms by group, and is split in two if it is one micro-batch otherwise.
        Raises: RunError if not even one window fits into the device's memory.
        """
        while True:
            try:
                return self._gradients(rows_BT, measured)
            except torch.OutOfMemoryError as error:
                why = str(error)
            self._take_less(why)  # only now is what the failed try held free, as its traceback is gone

    def _gradients(self, rows_BT: npt.NDArray[np.int64], measured: bool) -> Gradients:
        tier, ranks = self.tier, self.ranks
        abreast = ranks.world if ranks.sharded else 1  # micro-batches whose gradients cannot be told apart
        micro = min(self.micro_batch_rows, len(rows_BT))
        if measured and micro * abreast == len(rows_BT):
            micro = (micro + 1) // 2 if ranks.world == 1 else largest_divisor(micro, micro - 1)
        first_rows = min(micro * abreast, len(rows_BT))
        nats_B = torch.zeros(len(rows_BT), dtype=torch.float64, device=self.device)
        nats_BT = torch.zeros((len(rows_BT), rows_BT.shape[1] - 1), dtype=torch.float32, device=self.device)
        numbers: dict[str, Tensor] = {}
        starts = range(ranks.rank * micro, len(rows_BT), micro * ranks.world)
        for start in starts:
            if self.gradient_sum is not None and start == starts[-1]:
                self.gradient_sum.arm()
            rows = slice(start, start + micro)
            nats_BT[rows] = self._add_gradient(self.accelerator.place(rows_BT[rows]))
            nats_B[rows] = nats_BT[rows].sum(dim=1, dtype=torch.float64)
            if start == starts[0] and first_rows < len(rows_BT):
                numbers |= self._norms("first", measured)
        if self.gradient_sum is not None:
            self.gradient_sum.finish()
        if measured and first_rows < len(rows_BT):
            numbers |= self._norms("whole", measured)
        numbers["whole"] = _plain(torch.nn.utils.clip_grad_norm_(self.model.parameters(), tier.clip_norm))
        told = self._told(nats_B, nats_BT, numbers)
        norms = told.numbers
        first_tokens = first_rows * (rows_BT.shape[1] - 1)
        scale = tier.batch_tokens / first_tokens  # gradients are of the sum over the whole batch's tokens
        return Gradients(
            loss=math.fsum(told.nats_by_row) / tier.batch_tokens,
            nats_by_row=told.nats_by_row,
            nats_BT=told.nats_BT,
            norm=norms["whole"],
            first_norm=norms["first"] * scale if "first" in norms else None,
            first_tokens=first_tokens,
            group_norms={group: norms[f"whole.{group}"] for group in GROUPS if f"whole.{group}" in norms},
            first_group_norms={group: norms[f"first.{group}"] * scale for group in GROUPS if f"first.{group}" in norms},
        )

    def _add_gradient(self, micro_BT: Tensor) -> Tensor:
        """Add the gradient of a micro-batch; return the cross-entropy of each of its positions."""
        stream_BTD = self.model.hidden(micro_BT[:, :-1])
        objective, nats_N = self.accelerator.loss(
            stream_BTD.flatten(0, 1), self.model.lm_head.weight, micro_BT[:, 1:].flatten(), z_loss=self.tier.z_loss
        )
        (objective / self.tier.batch_tokens).backward()  # type: ignore[no-untyped-call]
        return nats_N.view(len(micro_BT), -1)

    def _norms(self, name: str, by_group: bool) -> dict[str, Tensor]:
        """Return norms of the gradients in the parameters by name: of all, and of each group if asked."""
        named = {name: self._norm()}
        return named | {f"{name}.{group}": self._norm(group) for group in GROUPS if by_group}

    def _told(self, nats_B: Tensor, nats_BT: Tensor, numbers: Mapping[str, Tensor]) -> _Told:
        """Return nats of all rows and rank 0's numbers on every rank; the only wait for the device in a step."""
        stacked = torch.stack(list(numbers.values())).double()
        values = torch.cat((nats_B, stacked if self.ranks.main else torch.zeros_like(stacked)))
        self.ranks.sum(values)
        self.ranks.sum(nats_BT)  # every position is one rank's, the others have 0 there
        copied = torch.cat((values.view(torch.uint8), nats_BT.flatten().view(torch.uint8))).cpu().numpy()
        found = copied[: 8 * len(values)].view(np.float64)
        return _Told(
            nats_by_row=found[: len(nats_B)],
            nats_BT=copied[8 * len(values) :].view(np.float32).reshape(nats_BT.shape),
            numbers=dict(zip(numbers, found[len(nats_B) :].tolist(), strict=True)),
        )

    def _take_less(self, why: str) -> None:
        """Halve the micro-batch; the batch stays, its sum has another order.

        Raises: RunError if it has one window, or with several ranks, which would wait for this one.
        """
        self.discard()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        rows = self.micro_batch_rows
        if rows == 1 or self.ranks.world > 1:
            raise RunError(self._no_room(why))
        self.micro_batch_rows = largest_divisor(self.tier.batch_rows, rows // 2)

    def _no_room(self, why: str) -> str:
        return out_of_memory(why, tier=self.tier, accelerator=self.accelerator, ranks=self.ranks,
                             rows=self.micro_batch_rows)  # fmt: skip

    def update(self, rate: float) -> None:
        """Apply the gradients with learning rate `rate`.

        Raises: RunError if the moments, which the first update makes, do not fit.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        try:
            self.optimizer.step()
        except torch.OutOfMemoryError as error:
            raise RunError(self._no_room(str(error))) from error

    def discard(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on: parameters, moments, random state.

        Sharded, every rank must ask; whole tensors, on the CPU, are rank 0's alone and the others get none.
        """
        tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
        for name, parameter in self.model.named_parameters():
            named = {f"{_MODEL}{name}": parameter.detach()}
            named |= {f"{_MOMENTS}{key}.{name}": value for key, value in self.optimizer.state[parameter].items()}
            for key, value in named.items():
                gathered = whole(value)
                if self.ranks.main:
                    tensors[key] = gathered.cpu() if isinstance(value, DTensor) else gathered
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Become what `tensors` described."""
        torch.set_rng_state(tensors["rng"])
        self.optimizer.state.clear()  # a state without moments, as before the first update, leaves none of today's
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(part_like(tensors[f"{_MODEL}{name}"], parameter))
                keys = [key for key in _KINDS if f"{_MOMENTS}{key}.{name}" in tensors]
                moments = {key: tensors[f"{_MOMENTS}{key}.{name}"] for key in keys}
                if moments:
                    self.optimizer.state[parameter] = {
                        key: value.to(self.device) if key == "step" else part_like(value, parameter)
                        for key, value in moments.items()
                    }

    def final_model(self) -> LanguageModel:
        """Return the trained model; sharded, every rank must ask, and only rank 0's is whole and on the CPU."""
        if not any(isinstance(parameter, DTensor) for parameter in self.model.parameters()):
            return self.model
        weights = {name: whole(value.detach()) for name, value in self.model.named_parameters()}
        with torch.device("cpu" if self.ranks.main else "meta"):
            model = LanguageModel(self.tier)
        if self.ranks.main:
            model.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return model

    def reset(self, model: LanguageModel) -> None:
        """Become the state before the first step, with the parameters of `model`."""
        initial = dict(model.named_parameters())
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(part_like(initial[name].detach(), parameter))
        self.optimizer.state.clear()

    def not_finite(self) -> list[str]:
        """Return the names of parameters and moments with a value that is not finite in this rank's part of them."""
        found = []
        for name, parameter in self.model.named_parameters():
            held = [parameter.detach(), *self.optimizer.state[parameter].values()]
            if not all(bool(torch.isfinite(own_part(value)).all()) for value in held):
                found.append(name)
        return found

    def _norm(self, group: str | None = None) -> Tensor:
        """Return the norm of the gradients in the parameters, of all or of one group."""
        named = self.model.named_parameters()
        grads = [one.grad for name, one in named if group in (None, group_of(name)) and one.grad is not None]
        return _plain(torch.nn.utils.get_total_norm(grads))


def _plain(norm: Tensor) -> Tensor:
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
