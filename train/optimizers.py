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


def muon(tier: Tier, model: LanguageModel) -> torch.optim.Optimizer:
    """Return Muon on the matrices of the blocks; AdamW on head, embedding and gains, decaying what `adamw` decays."""
    from train.muon import Muon

    named = list(model.named_parameters())
    matrices = [parameter for name, parameter in named if parameter.ndim == 2 and ".layers." in name]
    head = [parameter for name, parameter in named if name == "lm_head.weight"]
    taken = {id(parameter) for parameter in (*matrices, *head)}
    free = [parameter for _, parameter in named if id(parameter) not in taken]
    return Muon(
        matrices,
        [{"params": head, "weight_decay": tier.weight_decay}, {"params": free, "weight_decay": 0.0}],
        lr=tier.learning_rate,
        weight_decay=tier.weight_decay,
        adamw={"betas": (tier.beta1, tier.beta2), "eps": tier.adam_eps, "fused": True},
        products=torch.bfloat16 if tier.precision == "bf16" else torch.float32,
    )


_OPTIMIZERS: Mapping[str, Callable[[Tier, LanguageModel], torch.optim.Optimizer]] = {"adamw": adamw, "muon": muon}
