"""Muon for the matrices of the blocks, AdamW for everything else, behind one optimizer.

A matrix's gradient enters a momentum (0.95, Nesterov), whose singular values five Newton-Schulz steps bring near 1.
The update is scaled by 0.2 √max(rows, columns), which gives it the root mean square of an AdamW update, so that rate
and decoupled weight decay of a tier mean the same under both. Products are bf16 where the tier's are, else float32.
Embedding, head and gains have AdamW as in the recipe. State is by parameter in tensors, as `train.engine` saves it.
Source: Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon: the steps and their coefficients); Liu et al.
2025 (2502.16982, section 2.2: the scale).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from curation.errors import RunError
from train.optimizer_names import NEWTON_SCHULZ_STEPS

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
UPDATE_RMS = 0.2
_SMALL = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon on `matrices`, AdamW on the parameter groups `others`; one rate for both."""

    def __init__(
        self,
        matrices: Sequence[Tensor],
        others: Sequence[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float,
        adamw: dict[str, Any],
        products: torch.dtype,
    ) -> None:
        """Take the parameters; `adamw` are the settings of the other groups, `products` the type of matrix products."""
        self.adamw = torch.optim.AdamW(list(others), lr=lr, **adamw)
        self.products = products
        own = {"params": list(matrices), "weight_decay": weight_decay, "muon": True}
        super().__init__([own, *({**group, "muon": False} for group in others)], {"lr": lr, "weight_decay": 0.0})
        self.param_groups = [self.param_groups[0], *self.adamw.param_groups]  # a rate that is set reaches both
        self.adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None, "the engine has made the gradients"
        group = self.param_groups[0]
        for parameter in group["params"]:
            if parameter.grad is not None:
                self._update(parameter, parameter.grad, group["lr"], group["weight_decay"])
        self.adamw.step()

    def _update(self, parameter: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        if isinstance(parameter, DTensor):
            raise RunError(
                "optimizer muon: a matrix is cut over several cards (FSDP2), expected whole matrices; train with "
                "--sharding ddp, or with optimizer adamw"
            )
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        update = orthogonal(gradient.lerp(momentum, MOMENTUM), self.products)
        scale = UPDATE_RMS * math.sqrt(max(parameter.shape))
        parameter.mul_(1 - rate * decay).add_(update.to(parameter.dtype), alpha=-rate * scale)


def orthogonal(matrix: Tensor, products: torch.dtype) -> Tensor:
    """Return `matrix` with singular values brought near 1 (0.5 to 1.5), zero staying zero."""
    first, third, fifth = COEFFICIENTS
    wide: Tensor = matrix.to(products)
    if wide.shape[0] > wide.shape[1]:
        wide = wide.T
    wide = wide / wide.norm().clamp(min=_SMALL)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
