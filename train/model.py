"""The model of every tier: a pre-norm decoder that is exactly `Qwen3ForCausalLM`, parameter for parameter.

RMSNorm with gain, multi-head attention with RoPE (`rotate_half` layout) and per-head RMSNorm on queries and keys
before it, SwiGLU, no biases, no dropout, untied embeddings. Names are those of the Hugging Face class, so export is a
copy. Parameters stay float32; `Decoder.compute_dtype` is the type of the stream and of every matrix product, and norm
statistics, RoPE and losses are float32 in any case. In float32 the casts are no operations.
Shapes: B rows, T positions, D width, H heads, K head_dim, F feed-forward width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curation.randomness import generator
from train.tier_table import Multipliers
from train.tiers import Shape, Tier

TRUNCATED_AT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Rows that are no plain text: where each token stands in its own text, and what it may read."""

    positions_BT: Tensor
    mask_BTT: Tensor
    """Of shape B, 1, T, T: 0 where a position reads another, -inf where it does not."""


class Linear(nn.Linear):
    """A matrix without bias, cast to the type of what it multiplies."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Multiply the last dimension."""
        return F.linear(values, self.weight.to(values.dtype))


class RMSNorm(nn.Module):
    """x / rms(x), times a gain; like Hugging Face's, cast back to the type of x before the gain."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, values: Tensor) -> Tensor:
        """Normalise the last dimension."""
        if values.dtype == self.weight.dtype == torch.float32:
            return F.rms_norm(values, self.weight.shape, self.weight, self.eps)
        wide = values.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return wide.to(values.dtype) * self.weight.to(values.dtype)


class Attention(nn.Module):
    """Causal multi-head attention with QK-norm and RoPE."""

    def __init__(self, shape: Shape, norm_eps: float, multiplier: float) -> None:
        super().__init__()
        inner = shape.num_heads * shape.head_dim
        self.head_dim = shape.head_dim
        self.scale = None if multiplier == 1.0 else multiplier / math.sqrt(shape.head_dim)
        self.q_proj = Linear(shape.width, inner)
        self.k_proj = Linear(shape.width, inner)
        self.v_proj = Linear(shape.width, inner)
        self.o_proj = Linear(inner, shape.width)
        self.q_norm = RMSNorm(shape.head_dim, norm_eps)
        self.k_norm = RMSNorm(shape.head_dim, norm_eps)

    def forward(self, stream_BTD: Tensor, cos_TK: Tensor, sin_TK: Tensor, mask_BTT: Tensor | None = None) -> Tensor:
        """Return what attention adds to the stream; `mask_BTT` is added to its logits in place of the causal one."""
        rows, positions, _ = stream_BTD.shape
        heads = (rows, positions, -1, self.head_dim)
        q_BHTK = rotated(self.q_norm(self.q_proj(stream_BTD).view(heads)).transpose(1, 2), cos_TK, sin_TK)
        k_BHTK = rotated(self.k_norm(self.k_proj(stream_BTD).view(heads)).transpose(1, 2), cos_TK, sin_TK)
        v_BHTK = self.v_proj(stream_BTD).view(heads).transpose(1, 2)
        mixed_BHTK = F.scaled_dot_product_attention(
            q_BHTK, k_BHTK, v_BHTK, attn_mask=mask_BTT, is_causal=mask_BTT is None, scale=self.scale
        )
        added: Tensor = self.o_proj(mixed_BHTK.transpose(1, 2).reshape(rows, positions, -1))
        return added


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.width, shape.ffn_width)
        self.up_proj = Linear(shape.width, shape.ffn_width)
        self.down_proj = Linear(shape.ffn_width, shape.width)

    def forward(self, stream_BTD: Tensor) -> Tensor:
        """Return what the feed-forward layer adds to the stream."""
        added: Tensor = self.down_proj(F.silu(self.gate_proj(stream_BTD)) * self.up_proj(stream_BTD))
        return added


class Block(nn.Module):
    """Norm, attention, add; norm, feed-forward, add."""

    def __init__(self, tier: Tier) -> None:
        super().__init__()
        shape, norm_eps = tier.shape, tier.norm_eps
        self.residual = tier.multipliers.residual
        self.self_attn = Attention(shape, norm_eps, tier.multipliers.attention)
        self.mlp = MLP(shape)
        self.input_layernorm = RMSNorm(shape.width, norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.width, norm_eps)

    def forward(self, stream_BTD: Tensor, cos_TK: Tensor, sin_TK: Tensor, mask_BTT: Tensor | None = None) -> Tensor:
        """Return the stream after this block."""
        stream_BTD = stream_BTD + _times(
            self.residual, self.self_attn(self.input_layernorm(stream_BTD), cos_TK, sin_TK, mask_BTT)
        )
        return stream_BTD + _times(self.residual, self.mlp(self.post_attention_layernorm(stream_BTD)))


class Decoder(nn.Module):
    """Embedding, blocks, final norm."""

    compute_dtype: torch.dtype = torch.float32
    cos_TK: Tensor
    sin_TK: Tensor

    def __init__(self, tier: Tier) -> None:
        super().__init__()
        shape = tier.shape
        self.multipliers = tier.multipliers
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.layers = nn.ModuleList(Block(tier) for _ in range(shape.num_layers))
        self.norm = RMSNorm(shape.width, tier.norm_eps)
        cos_TK, sin_TK = rope_tables(
            max(shape.context_tokens, tier.eval_context_tokens), shape.head_dim, tier.rope_theta
        )
        self.register_buffer("cos_TK", cos_TK, persistent=False)
        self.register_buffer("sin_TK", sin_TK, persistent=False)

    def forward(self, tokens_BT: Tensor, layout: Layout | None = None) -> Tensor:
        """Return the normalised stream that the head reads; without `layout` each row is one text from its start."""
        cos_TK, sin_TK = self.cos_TK[: tokens_BT.shape[1]], self.sin_TK[: tokens_BT.shape[1]]
        mask_BTT = None
        if layout is not None:
            cos_TK, sin_TK = self.cos_TK[layout.positions_BT][:, None], self.sin_TK[layout.positions_BT][:, None]
            mask_BTT = layout.mask_BTT
        stream_BTD = _times(self.multipliers.embedding, self.embed_tokens(tokens_BT).to(self.compute_dtype))
        for layer in self.layers:
            stream_BTD = layer(stream_BTD, cos_TK, sin_TK, mask_BTT)
        return _times(self.multipliers.logits, self.norm(stream_BTD))


class LanguageModel(nn.Module):
    """A decoder and its output head."""

    def __init__(self, tier: Tier) -> None:
        super().__init__()
        self.model = Decoder(tier)
        self.lm_head = Linear(tier.shape.width, tier.shape.vocab_size)

    def hidden(self, tokens_BT: Tensor, layout: Layout | None = None) -> Tensor:
        """Return the stream before the head; losses multiply it by `lm_head.weight` themselves, in pieces."""
        normed_BTD: Tensor = self.model(tokens_BT, layout)
        return normed_BTD

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return the logits of the token after each position."""
        logits_BTV: Tensor = self.lm_head(self.model(tokens_BT))
        return logits_BTV


def _times(multiplier: float, values: Tensor) -> Tensor:
    """Return the product; by 1 it is no operation."""
    return values if multiplier == 1.0 else multiplier * values


def folded(weights: Mapping[str, Tensor], multipliers: Multipliers) -> dict[str, Tensor]:
    """Return weights that give the same logits without multipliers; exact for powers of two, else to rounding."""
    factors = {
        "embed_tokens.weight": multipliers.embedding,
        "o_proj.weight": multipliers.residual,
        "down_proj.weight": multipliers.residual,
        "q_norm.weight": multipliers.attention,
        "lm_head.weight": multipliers.logits,
    }
    return {
        name: _times(next((factor for end, factor in factors.items() if name.endswith(end)), 1.0), weight)
        for name, weight in weights.items()
    }


def rope_tables(num_positions: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines by position and head dimension (`rotate_half` layout).

    Both halves have the same angles; the sines of the first half carry the minus of `rotate_half`.
    """
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(num_positions, dtype=torch.float32), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotated(heads_BHTK: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
    """Return queries or keys turned by their positions.

    Swapping the halves is a change of index, which fuses; concatenating them writes memory (bits are the same).
    """
    halves = (*heads_BHTK.shape[:-1], 2, heads_BHTK.shape[-1] // 2)
    swapped_BHTK = heads_BHTK.view(halves).flip(-2).flatten(-2)
    return (heads_BHTK * cos_TK + swapped_BHTK * sin_TK).to(heads_BHTK.dtype)


def build_model(tier: Tier, init_seed: int) -> LanguageModel:
    """Return the model at step 0: N(0, 0.02²) cut at 3σ, what writes to the stream scaled by 1/√(2L), gains 1.

    Every parameter has its own stream, named by the seed and its name, so none depends on the others' order or shape.
    """
    model = LanguageModel(tier)
    residual_scale = 1.0 / math.sqrt(2 * tier.shape.num_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                continue
            scale = residual_scale if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            values = truncated_normal(init_seed, name, tuple(parameter.shape))
            parameter.copy_(torch.from_numpy((values * (tier.init_std * scale)).astype(np.float32)))
    return model


def truncated_normal(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal draws without those beyond 3σ (drawn again), from the stream of this parameter."""
    stream = generator(seed, "init", name)
    values = stream.standard_normal(shape)
    while (outside := np.abs(values) > TRUNCATED_AT).any():
        values[outside] = stream.standard_normal(int(outside.sum()))
    return values
