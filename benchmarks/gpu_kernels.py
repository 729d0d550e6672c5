"""The parts of a training step on their own: matrix products, attention back ends, cross-entropy variants, one block.

Random data, bf16, the shapes of the tiers at 32,768 tokens; run through `benchmarks/gpu.py --only gemm,attention,...`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from gpu_report import Recorder, compiled_anew, gpu_gigabytes, median_ms
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from train.accelerator import Accelerator
from train.losses import _piece_gradients, _WideLinearCrossEntropy
from train.model import Block, rope_tables
from train.tiers import Shape, Tier, load_tier

Z_LOSS = 1e-5
BACKENDS = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large the parts are."""

    tiers: tuple[str, ...] = ("100m", "400m", "1b")
    tokens: int = 32_768
    square: int = 8_192
    repeats: int = 10

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of each tier."""
        return {name: load_tier(name).shape for name in self.tiers}


SMOKE = Scale(tiers=("pico",), tokens=512, square=128, repeats=2)


def _random(device: torch.device, *sizes: int) -> Tensor:
    return torch.randn(*sizes, device=device, dtype=torch.bfloat16)


def copy_rate(device: torch.device, values: int, repeats: int) -> float:
    """Return TB/s of a copy on the device, bytes read plus bytes written."""
    source = _random(device, values)
    target = torch.empty_like(source)
    return 4 * values / median_ms(lambda: target.copy_(source), device, repeats=repeats) / 1e9


def gemm(recorder: Recorder, scale: Scale) -> None:
    """Measure the ceiling, the copy bandwidth, and every product of a block with its two backward products."""
    device, tokens = recorder.device, scale.tokens

    def rate(left: Tensor, right: Tensor) -> float:
        ms = median_ms(lambda: left @ right, device, repeats=scale.repeats)
        return 2 * left.shape[0] * left.shape[1] * right.shape[1] / ms / 1e9

    ceiling = rate(_random(device, scale.square, scale.square), _random(device, scale.square, scale.square))
    recorder.facts["gemm_ceiling_tflops"] = round(ceiling, 1)
    copied = copy_rate(device, scale.square * scale.square * 8, scale.repeats)
    recorder.add("gemm", product=f"{scale.square}^3", tflops=ceiling, copy_tb_s=copied)
    for name, shape in scale.shapes().items():
        inner = shape.num_heads * shape.head_dim
        products = {
            "q": (shape.width, inner), "qkv fused": (shape.width, 3 * inner), "gate": (shape.width, shape.ffn_width),
            "gate+up fused": (shape.width, 2 * shape.ffn_width), "down": (shape.ffn_width, shape.width),
            "head": (shape.width, shape.vocab_size),
        }  # fmt: skip
        for product, (inputs, outputs) in products.items():
            values, weight = _random(device, tokens, inputs), _random(device, outputs, inputs)
            grads = _random(device, tokens, outputs)
            recorder.add(
                "gemm", tier=name, product=product, forward=rate(values, weight.T),
                grad_input=rate(grads, weight), grad_weight=rate(grads.T, values),
            )  # fmt: skip


def attention(recorder: Recorder, scale: Scale) -> None:
    """Measure each back end forward and backward, its error, and which one the training's order takes."""
    device = recorder.device
    backends = {"flash": BACKENDS["flash"]} if recorder.smoke else BACKENDS
    for name, shape in scale.shapes().items():
        for label, backend in backends.items():
            with recorder.attempt(f"attention {name} {label}"), sdpa_kernel(backend):
                recorder.add("attention", tier=name, backend=label, **_attention(device, shape, scale))
    with recorder.attempt("attention choice"):
        q, k, v = _heads(device, shape, scale)
        for deterministic in (False, True):
            chosen = Accelerator(device=device, precision="bf16", compiled=False, deterministic=deterministic)
            with sdpa_kernel(chosen.attention_backends(), set_priority=True):
                number = torch._fused_sdp_choice(q, k, v, is_causal=True)  # type: ignore[attr-defined]
            recorder.add("attention", tier=name, backend=f"taken: {SDPBackend(number).name}", forced=deterministic)


def _heads(device: torch.device, shape: Shape, scale: Scale) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values as the model lays them out."""
    rows = max(1, scale.tokens // shape.context_tokens)
    sizes = (rows, shape.context_tokens, shape.num_heads, shape.head_dim)
    q, k, v = (_random(device, *sizes).transpose(1, 2).requires_grad_() for _ in range(3))
    return q, k, v


def _attention(device: torch.device, shape: Shape, scale: Scale) -> dict[str, float]:
    q, k, v = _heads(device, shape, scale)
    grad = torch.randn_like(q)
    # causal: half of 4 T² K a head forward, 2.5 times that backward
    flops = 2 * q.shape[0] * shape.num_heads * shape.context_tokens**2 * shape.head_dim

    def forward() -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    out = forward()
    ahead = median_ms(forward, device, repeats=scale.repeats)
    back = median_ms(
        lambda: torch.autograd.grad(out, (q, k, v), grad, retain_graph=True), device, repeats=scale.repeats
    )
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        wide = [one[:1].float() for one in (q, k, v)]
        exact = F.scaled_dot_product_attention(*wide, is_causal=True)
    return {
        "forward_tflops": flops / ahead / 1e9,
        "backward_tflops": 2.5 * flops / back / 1e9,
        "both_ms": ahead + back,
        "relative_error": ((out[:1].float() - exact).norm() / exact.norm()).item(),
    }


def _chunked(stream: Tensor, head: Tensor, targets: Tensor, chunks: int) -> Tensor:
    """The plain graph over bf16 logits, in chunks; what a compiler makes of it is variant `compiled`."""
    total = stream.new_zeros((), dtype=torch.float32)
    for part, wanted in zip(stream.chunk(chunks), targets.chunk(chunks), strict=True):
        logits = (part @ head.to(part.dtype).T).float()
        lse = torch.logsumexp(logits, dim=1)
        total = total + (F.cross_entropy(logits, wanted, reduction="sum") + Z_LOSS * lse.square().sum())
    return total


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def loss_variants(compiled: bool = True) -> dict[str, Loss]:
    """Return each way to the summed objective of (stream, head, targets)."""

    def ours(size: int, compiled: bool) -> Loss:
        piece = torch.compile(_piece_gradients, dynamic=False) if compiled else _piece_gradients
        return lambda s, h, t: _WideLinearCrossEntropy.apply(s, h, t, Z_LOSS, piece, size)[0]  # type: ignore

    def graph(chunks: int) -> Loss:
        made = torch.compile(_chunked, dynamic=False) if compiled else _chunked
        return lambda s, h, t: made(s, h, t, chunks)

    variants = {f"ours {size}": ours(size, compiled) for size in (4_096, 8_192, 16_384, 32_768)}
    variants |= {f"compiled {chunks}": graph(chunks) for chunks in (1, 4, 8)}
    variants |= {"ours eager": ours(16_384, False), "eager": lambda s, h, t: _chunked(s, h, t, 1)}
    linear = getattr(F, "linear_cross_entropy", None)
    if linear is not None:  # has no z-loss: a lower bound of its time
        variants["torch linear_cross_entropy"] = lambda s, h, t: linear(s, h.to(s.dtype), t, reduction="sum").float()
    return variants


def ce(recorder: Recorder, scale: Scale) -> None:
    """Measure loss and gradients of stream and head, memory, and the gradients' error against float32."""
    shapes = scale.shapes()
    shapes.pop("400m", None)
    for name, shape in shapes.items():
        for label, loss in loss_variants(compiled=not recorder.smoke).items():
            with recorder.attempt(f"ce {name} {label}", 60):
                recorder.add("ce", tier=name, variant=label, **_loss(recorder, shape, scale, loss))


def _loss(recorder: Recorder, shape: Shape, scale: Scale, loss: Loss) -> dict[str, float]:
    device, tokens = recorder.device, scale.tokens
    stream = _random(device, tokens, shape.width).requires_grad_()
    head = (torch.randn(shape.vocab_size, shape.width, device=device) / math.sqrt(shape.width)).requires_grad_()
    targets = torch.randint(0, shape.vocab_size, (tokens,), device=device)
    few = min(256, tokens)
    wide = stream[:few].detach().float().requires_grad_()
    exact = torch.autograd.grad(_chunked(wide, head, targets[:few], 1), wide)[0]

    def work() -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss(stream, head, targets), (stream, head))

    found = work()[0][:few].float()
    ms = median_ms(work, device, repeats=scale.repeats, warm=2)
    return {
        "ms": ms,
        "tflops": 6 * tokens * shape.width * shape.vocab_size / ms / 1e9,  # forward, stream and head: three products
        "gigabytes": gpu_gigabytes(device),
        "grad_error": ((found - exact).norm() / exact.norm()).item(),
    }


def block(recorder: Recorder, scale: Scale) -> None:
    """Measure one block forward and backward, eager and compiled, by attention back end."""
    for name in scale.tiers:
        for label in ("eager cudnn", "compiled cudnn", "compiled flash"):
            if recorder.smoke and label != "eager cudnn":
                continue
            with recorder.attempt(f"block {name} {label}", 60):
                recorder.add(
                    "block", tier=name, variant=label, **_block(recorder.device, load_tier(name), scale, label)
                )


def _block(device: torch.device, tier: Tier, scale: Scale, label: str) -> dict[str, float]:
    shape = tier.shape
    kind, backend = label.split()
    rows = max(1, scale.tokens // shape.context_tokens)
    matmul = 4 * shape.width * shape.num_heads * shape.head_dim + 3 * shape.width * shape.ffn_width
    a_token = 6 * matmul + 12 * shape.num_heads * shape.head_dim * shape.context_tokens
    layer = Block(tier).to(device)
    if kind == "compiled":
        layer.compile(dynamic=False)
    cos_TK, sin_TK = (table.to(device) for table in rope_tables(shape.context_tokens, shape.head_dim, tier.rope_theta))
    stream = _random(device, rows, shape.context_tokens, shape.width).requires_grad_()
    grad = torch.randn_like(stream)
    order = [BACKENDS[backend], SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(order, set_priority=True), compiled_anew():
        ms = median_ms(lambda: layer(stream, cos_TK, sin_TK).backward(grad), device, repeats=scale.repeats)
    return {"ms": ms, "tflops": rows * shape.context_tokens * a_token / ms / 1e9}


if __name__ == "__main__":
    from gpu import main

    main(default="gemm,attention,ce,block")
