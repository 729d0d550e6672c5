"""Optimizers by the name that a tier gives; the place where another one comes in.

An optimizer keeps its state by parameter in tensors: `train.engine` saves and restores whatever it finds there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from train.model import LanguageModel
from train.tiers import Tier


def optimizer_for(tier: Tier, model: LanguageModel) -> torch.optim.Optimizer:
    """Return the optimizer that the tier names, over the model's parameters."""
    return _OPTIMIZERS[tier.optimizer](tier, model)


def adamw(tier: Tier, model: LanguageModel) -> torch.optim.Optimizer:
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


_OPTIMIZERS: Mapping[str, Callable[[Tier, LanguageModel], torch.optim.Optimizer]] = {"adamw": adamw}
