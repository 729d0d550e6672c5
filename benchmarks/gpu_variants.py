"""Ways to compute a step that differ from the trainer in one choice; `gpu.py --only variants` times them."""

from __future__ import annotations

import argparse
import copy
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from gpu_report import compiled_anew
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from train import losses
from train.accelerator import Accelerator
from train.engine import Engine
from train.model import MLP, Attention, LanguageModel, Linear, rotated
from train.tiers import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Accelerator):
    """The accelerator with one choice changed; the defaults are the trainer's own."""

    label: str = "default"
    first_backend: SDPBackend | None = None
    whole_forward: bool = False
    inductor: tuple[tuple[str, Any], ...] = ()
    piece: int | None = None
    graph_chunks: int | None = None
    reduced_sums: bool = False
    joined: tuple[str, ...] = ()
    """`qkv`, `gate-up`: one product for what reads the same input."""
    rows: int | None = None
    """Windows a micro-batch, if not the best known."""
    copies: bool = False
    """Weights cast once a step (`CopiesEngine`)."""

    def prepare(self, model: LanguageModel) -> LanguageModel:
        """Move and compile as the variant says."""
        options = dict(self.inductor) or None
        for layer in model.model.layers:
            if "qkv" in self.joined:
                layer.self_attn.__class__ = JoinedAttention
            if "gate-up" in self.joined:
                layer.mlp.__class__ = JoinedMLP
        if self.whole_forward:
            model = replace(self, whole_forward=False, compiled=False).prepare(model)
            model.hidden = torch.compile(model.hidden, dynamic=False)  # type: ignore[method-assign]
            return model
        if self.compiled and options:
            model = replace(self, inductor=(), compiled=False).prepare(model)
            for part in (*model.model.layers, model.model.norm):
                part.compile(dynamic=False, options=options)
            return model
        return Accelerator.prepare(self, model)

    def attention_backends(self) -> list[SDPBackend]:
        """Return the order with the variant's first choice in front."""
        order = Accelerator.attention_backends(self)
        if self.first_backend is None:
            return order
        return [self.first_backend, *(one for one in order if one != self.first_backend)]

    def loss(self, stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, *, z_loss: float) -> tuple[Tensor, Tensor]:
        """Return objective and nats by the variant's cross-entropy."""
        if self.graph_chunks is not None:
            objective = loss_graph()(stream_ND, head_VD, targets_N, self.graph_chunks)
            return objective, objective.detach() / len(targets_N) * torch.ones(len(targets_N), device=self.device)
        if self.piece is not None:
            made = losses._compiled_piece() if self.compiled else losses._piece_gradients
            apply: Any = losses._WideLinearCrossEntropy.apply
            objective, nats = apply(stream_ND, head_VD, targets_N, z_loss, made, self.piece)
            return objective, nats
        return Accelerator.loss(self, stream_ND, head_VD, targets_N, z_loss=z_loss)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Compute with the variant's settings."""
        with ExitStack() as stack:
            stack.enter_context(Accelerator.running(self))
            if self.first_backend is not None:
                stack.enter_context(sdpa_kernel(self.attention_backends(), set_priority=True))
                stack.enter_context(compiled_anew())
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = self.reduced_sums
            yield


def several(values: Tensor, *layers: Linear) -> tuple[Tensor, ...]:
    """Return what each layer makes of `values`, by one product; the cast to bf16 joins the weights."""
    joined = torch.cat([layer.weight for layer in layers]).to(values.dtype)
    return F.linear(values, joined).split([layer.out_features for layer in layers], dim=-1)


class JoinedAttention(Attention):
    """Queries, keys and values by one product."""

    def forward(self, stream_BTD: Tensor, cos_TK: Tensor, sin_TK: Tensor, mask_BTT: Tensor | None = None) -> Tensor:
        """Return what attention adds to the stream."""
        rows, positions, _ = stream_BTD.shape
        parts = several(stream_BTD, self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (part.view(rows, positions, -1, self.head_dim) for part in parts)
        q = rotated(self.q_norm(q).transpose(1, 2), cos_TK, sin_TK)
        k = rotated(self.k_norm(k).transpose(1, 2), cos_TK, sin_TK)
        v = v.transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_BTT, is_causal=mask_BTT is None)
        added: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, positions, -1))
        return added


class JoinedMLP(MLP):
    """Gate and up by one product."""

    def forward(self, stream_BTD: Tensor) -> Tensor:
        """Return what the feed-forward layer adds to the stream."""
        gate, up = several(stream_BTD, self.gate_proj, self.up_proj)
        added: Tensor = self.down_proj(F.silu(gate) * up)
        return added


def settings(default: Variant) -> dict[str, Variant]:
    """Return each choice that is tried, by its name; the first is the trainer's own, the last the same again."""
    mixed, points = ("triton.mix_order_reduction", False), ("max_autotune_pointwise", True)
    made = (
        default,
        replace(default, label="joined", joined=("qkv", "gate-up")),
        replace(default, label="joined qkv", joined=("qkv",)),
        replace(default, label="joined gate-up", joined=("gate-up",)),
        replace(default, label="no mixed-order reductions", inductor=(mixed,)),
        replace(default, label="joined, no mixed-order", joined=("qkv", "gate-up"), inductor=(mixed,)),
        replace(default, label="flash attention", first_backend=SDPBackend.FLASH_ATTENTION),
        replace(default, label="24 rows", rows=24),
        replace(default, label="tuned pointwise kernels", inductor=(points,)),
        replace(default, label="whole forward compiled", whole_forward=True),
        replace(default, label="compiled loss graph, 1 chunk", graph_chunks=1),
        replace(default, label="compiled loss graph, 4 chunks", graph_chunks=4),
        replace(default, label="loss pieces of 8192", piece=8_192),
        replace(default, label="loss pieces of 32768", piece=32_768),
        replace(default, label="bf16 split sums", reduced_sums=True),
        replace(default, label="weights cast once a step", copies=True),
        replace(default, label="coordinate descent", inductor=(("coordinate_descent_tuning", True),)),
        replace(default, label="eager", compiled=False),
        replace(default, label="default again"),
    )
    return {one.label: one for one in made}


def quick(variant: Variant) -> bool:
    """Return whether a CPU makes it in seconds: nothing compiled, few windows."""
    return not (variant.graph_chunks or variant.whole_forward or variant.inductor or variant.rows)


@functools.cache
def loss_graph() -> Callable[..., Tensor]:
    from gpu_kernels import _chunked

    return torch.compile(_chunked, dynamic=False)


class CopiesEngine(Engine):
    """Weights cast to bf16 once a step instead of in every micro-batch; their gradients are summed in float32."""

    def __init__(self, tier: Tier, model: LanguageModel, accelerator: Accelerator) -> None:
        masters = copy.deepcopy(model)
        super().__init__(tier, model, accelerator)
        self.masters = masters.to(accelerator.device)
        tables = self.model.model.cos_TK, self.model.model.sin_TK
        self.model = self.model.bfloat16()
        self.model.model.cos_TK, self.model.model.sin_TK = tables
        self.pairs = list(zip(self.masters.parameters(), self.model.parameters(), strict=True))
        for master, used in self.pairs:
            master.grad = torch.zeros_like(master)

            def add(used: Tensor, master: Tensor = master) -> None:
                assert master.grad is not None
                assert used.grad is not None
                master.grad.add_(used.grad)
                used.grad = None

            used.register_post_accumulate_grad_hook(add)
        self.optimizer = torch.optim.AdamW(self.masters.parameters(), lr=1e-4, fused=True)

    def _told(self, nats_B: Tensor, nats_BT: Tensor, numbers: Any) -> Any:
        """Norms are of the masters here, in `update`; those of the copies are of nothing."""
        return super()._told(nats_B, nats_BT, {name: nats_B.new_zeros(()) for name in numbers})

    def update(self, rate: float) -> None:
        """Apply the gradients to the masters and cast them."""
        torch.nn.utils.clip_grad_norm_(self.masters.parameters(), self.tier.clip_norm)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_([used for _, used in self.pairs], [master for master, _ in self.pairs])

    def discard(self) -> None:
        """Zero the sums."""
        torch._foreach_zero_([master.grad for master, _ in self.pairs])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
