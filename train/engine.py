"""From a batch of windows to one update of the parameters: micro-batches, clipping, AdamW, and what a checkpoint keeps.

The gradient is that of the mean objective of the whole batch, accumulated over micro-batches in their order.
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

from train.accelerator import CPU, Accelerator
from train.model import LanguageModel
from train.noise_scale import GROUPS, group_of
from train.tiers import Tier

_MODEL = "model."
_MOMENTS = "adam."


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """What a batch gave; the clipped gradients themselves lie in the parameters."""

    loss: float
    """Mean cross-entropy, nats a token."""
    nats_by_row: npt.NDArray[np.float64]
    norm: float
    """Of the mean gradient, before clipping."""
    first_norm: float | None
    """Of the mean gradient of the first micro-batch; None where there is one only."""
    first_tokens: int
    group_norms: Mapping[str, float] = field(default_factory=dict)
    """`norm` of each group of `train.noise_scale`, of measured batches."""
    first_group_norms: Mapping[str, float] = field(default_factory=dict)


class Engine:
    """A model with its optimizer on one device."""

    def __init__(self, tier: Tier, model: LanguageModel, accelerator: Accelerator = CPU) -> None:
        self.tier = tier
        self.accelerator = accelerator
        self.model = accelerator.prepare(model)
        self.optimizer = _optimizer(tier, self.model)

    def gradients(self, rows_BT: npt.NDArray[np.int64], *, measured: bool = False) -> Gradients:
        """Leave the clipped gradient of the mean objective of rows of T + 1 ids in the parameters.

        A `measured` batch also gives norms by group, and is split in two if it is one micro-batch otherwise.
        """
        tier = self.tier
        nats: list[Tensor] = []
        first_norm: Tensor | None = None
        first_groups: Mapping[str, Tensor] = {}
        micro_rows = min(tier.micro_batch_rows, len(rows_BT))
        if measured and micro_rows == len(rows_BT):
            micro_rows = (micro_rows + 1) // 2
        for start in range(0, len(rows_BT), micro_rows):
            micro_BT = self.accelerator.place(rows_BT[start : start + micro_rows])
            stream_BTD = self.model.hidden(micro_BT[:, :-1])
            objective, nats_N = self.accelerator.loss(
                stream_BTD.flatten(0, 1), self.model.lm_head.weight, micro_BT[:, 1:].flatten(), z_loss=tier.z_loss
            )
            (objective / tier.batch_tokens).backward()  # type: ignore[no-untyped-call]
            nats.append(nats_N.view(len(micro_BT), -1).sum(dim=1, dtype=torch.float64))
            if start == 0 and len(rows_BT) > micro_rows:
                first_norm = self._norm()
                first_groups = self._group_norms() if measured else {}
        groups = self._group_norms() if first_groups else {}
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), tier.clip_norm)
        nats_by_row = torch.cat(nats).cpu().numpy()  # only here does the host wait for the device
        first_tokens = micro_rows * (rows_BT.shape[1] - 1)
        scale = tier.batch_tokens / first_tokens  # gradients are of the sum over the whole batch's tokens
        return Gradients(
            loss=math.fsum(nats_by_row) / tier.batch_tokens,
            nats_by_row=nats_by_row,
            norm=float(norm),
            first_norm=None if first_norm is None else float(first_norm) * scale,
            first_tokens=first_tokens,
            group_norms={group: float(norm) for group, norm in groups.items()},
            first_group_norms={group: float(norm) * scale for group, norm in first_groups.items()},
        )

    def update(self, rate: float) -> None:
        """Apply the gradients with learning rate `rate`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def discard(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on: parameters, moments, random state."""
        tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
        for name, parameter in self.model.named_parameters():
            tensors[f"{_MODEL}{name}"] = parameter.detach()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{_MOMENTS}{key}.{name}"] = value
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Become what `tensors` described."""
        torch.set_rng_state(tensors["rng"])
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"{_MODEL}{name}"])
                suffix = f".{name}"
                moments = {
                    key.removeprefix(_MOMENTS).removesuffix(suffix): value.to(parameter.device)
                    for key, value in tensors.items()
                    if key.startswith(_MOMENTS) and key.endswith(suffix)
                }
                if moments:
                    self.optimizer.state[parameter] = moments

    def _norm(self, group: str | None = None) -> Tensor:
        """Return the norm of the gradients in the parameters, of all or of one group."""
        named = self.model.named_parameters()
        grads = [one.grad for name, one in named if group in (None, group_of(name)) and one.grad is not None]
        return torch.nn.utils.get_total_norm(grads)

    def _group_norms(self) -> dict[str, Tensor]:
        return {group: self._norm(group) for group in GROUPS}


def _optimizer(tier: Tier, model: LanguageModel) -> torch.optim.Optimizer:
    """Return AdamW; weight decay on matrices of the blocks and the head, none on the embedding and the gains."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in model.named_parameters():
        (decayed if parameter.ndim >= 2 and "embed_tokens" not in name else free).append(parameter)
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": tier.weight_decay}, {"params": free, "weight_decay": 0.0}],
        lr=tier.learning_rate,
        betas=(tier.beta1, tier.beta2),
        eps=tier.adam_eps,
        fused=True,
    )
