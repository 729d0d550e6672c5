"""Optimizers by name and what they keep in memory; `train.optimizers` makes them. No torch.

`adamw` is the recipe of every tier. `muon` orthogonalises the momentum of the blocks' matrices (`train.muon`) and gives
embedding, head and gains to AdamW; its updates have the size of AdamW's, so that rate and decay mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from train.tiers import Shape, Tier

OptimizerName = Literal["adamw", "muon"]

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerFacts:
    """One optimizer; moments are float32 values kept for each parameter."""

    version: int
    """Part of a changed tier's digest; that of `adamw` is part of `RECIPE_VERSION`."""
    matrix_moments: int
    """Of a parameter in a matrix of the blocks."""
    other_moments: int
    """Of any other parameter."""
    extra_flops: bool
    """Whether a step costs products of matrices that training FLOPs (6 N_mm a token) do not count."""


OPTIMIZERS: Mapping[str, OptimizerFacts] = {
    "adamw": OptimizerFacts(version=1, matrix_moments=2, other_moments=2, extra_flops=False),
    "muon": OptimizerFacts(version=1, matrix_moments=1, other_moments=2, extra_flops=True),
}


def block_matrix_params(shape: Shape) -> int:
    """Return how many parameters lie in matrices of the blocks: attention and feed-forward, no gains."""
    attention = 4 * shape.width * shape.num_heads * shape.head_dim
    return shape.num_layers * (attention + 3 * shape.width * shape.ffn_width)


def optimizer_state_bytes(tier: Tier) -> int:
    """Return the bytes of the optimizer's moments of one whole replica; step counters are left out."""
    facts, matrices = OPTIMIZERS[tier.optimizer], block_matrix_params(tier.shape)
    others = tier.shape.total_params - matrices
    return FLOAT_BYTES * (facts.matrix_moments * matrices + facts.other_moments * others)


def optimizer_flops_per_step(tier: Tier) -> int:
    """Return the FLOPs of matrix products that one update takes beside gradients: 0 for AdamW.

    Muon's Newton-Schulz step on a matrix of m x n, m <= n, takes products m·m·n, m·m·m and m·m·n, five times.
    """
    if not OPTIMIZERS[tier.optimizer].extra_flops:
        return 0
    shape = tier.shape
    inner = shape.num_heads * shape.head_dim
    sizes = [(shape.width, inner)] * 4 + [(shape.width, shape.ffn_width)] * 3
    per_layer = sum(2 * (2 * min(m, n) ** 2 * max(m, n) + min(m, n) ** 3) for m, n in sizes)
    return NEWTON_SCHULZ_STEPS * shape.num_layers * per_layer


NEWTON_SCHULZ_STEPS = 5
