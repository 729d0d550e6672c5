"""Cross-entropy over the vocabulary in pieces: the logits of a whole batch never exist at once.

For N positions the plain graph writes and reads N x V values about ten times; on one core that costs as much as the
model. Here each piece of positions makes its logits, its loss and at once the gradients of stream and head.
Loss a position: lse - logit[target] + z * lse², lse = log sum exp of the logits, all in float32.

A bf16 stream makes bf16 logits; everything after them is float32, the gradients of the logits are rounded to bf16 for
the two matrix products that read them, and the gradient of the head is summed in float32. On a GPU a piece is compiled
into one kernel that reads the logits and writes their gradients. torch's `linear_cross_entropy` has no z term.
Shapes: N positions (n in a piece), D width, V vocabulary.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

PIECE_POSITIONS = 256
"""Positions a piece: 256 x 2,048 float32 logits are 2 MB, which stay in a core's cache."""
GPU_PIECE_POSITIONS = 16_384
"""Positions a piece on a GPU: 16,384 x 32,768 bf16 logits are 1 GB, and every product fills the card."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Summed loss with its gradients made in the forward pass; for a CPU, where pieces stay in cache."""

    @staticmethod
    def forward(
        ctx: Any, stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, z_loss: float
    ) -> tuple[Tensor, Tensor]:
        """Return the summed objective (cross-entropy and z term) and the cross-entropy of each position alone."""
        narrow_VD = head_VD.to(stream_ND.dtype)
        grad_stream_ND = torch.empty_like(stream_ND)
        grad_head_VD = torch.zeros_like(head_VD)
        objective = head_VD.new_zeros(())
        nats_N = head_VD.new_empty(len(targets_N))
        for start in range(0, len(targets_N), PIECE_POSITIONS):
            piece = slice(start, start + PIECE_POSITIONS)
            targets_n1 = targets_N[piece, None]
            logits_nV = (stream_ND[piece] @ narrow_VD.T).float()
            peak_n1 = logits_nV.amax(dim=1, keepdim=True)
            picked_n1 = logits_nV.gather(1, targets_n1)
            weights_nV = logits_nV.sub_(peak_n1).exp_()
            sums_n1 = weights_nV.sum(dim=1, keepdim=True)
            lse_n1 = sums_n1.log().add_(peak_n1)
            lost_n1 = lse_n1 - picked_n1
            nats_N[piece] = lost_n1[:, 0]
            objective += lost_n1.sum() + z_loss * lse_n1.square().sum()
            weights_nV.mul_((1.0 + 2.0 * z_loss * lse_n1).div_(sums_n1))
            weights_nV.scatter_add_(1, targets_n1, weights_nV.new_full((), -1.0).expand(targets_n1.shape))
            narrow_nV = weights_nV.to(stream_ND.dtype)
            torch.mm(narrow_nV, narrow_VD, out=grad_stream_ND[piece])
            if narrow_nV is weights_nV:
                grad_head_VD.addmm_(weights_nV.T, stream_ND[piece])
            else:
                grad_head_VD += narrow_nV.T @ stream_ND[piece]
        ctx.save_for_backward(grad_stream_ND, grad_head_VD)
        ctx.mark_non_differentiable(nats_N)
        return objective, nats_N

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None, None]:
        """Scale the gradients that the forward pass made."""
        grad_stream_ND, grad_head_VD = ctx.saved_tensors
        return grad_stream_ND * grads[0], grad_head_VD * grads[0], None, None


class _WideLinearCrossEntropy(torch.autograd.Function):
    """The same for a GPU: few large pieces, each one kernel between its matrix products."""

    @staticmethod
    def forward(
        ctx: Any, stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, z_loss: float, piece: _Piece, size: int
    ) -> tuple[Tensor, Tensor]:
        """Return the summed objective (cross-entropy and z term) and the cross-entropy of each position alone."""
        cast_VD = head_VD.to(stream_ND.dtype)
        grad_stream_ND = torch.empty_like(stream_ND)
        grad_head_VD: Tensor | None = None
        objective = torch.zeros((), dtype=torch.float32, device=stream_ND.device)
        nats = []
        num_pieces = max(1, -(-len(targets_N) // size))
        for stream_nD, targets_n, out_nD in zip(
            stream_ND.chunk(num_pieces), targets_N.chunk(num_pieces), grad_stream_ND.chunk(num_pieces), strict=True
        ):
            weights_nV, summed, nats_n = piece(stream_nD @ cast_VD.T, targets_n, z_loss)
            objective += summed
            nats.append(nats_n)
            torch.mm(weights_nV, cast_VD, out=out_nD)
            part_VD = _wide_product(weights_nV.T, stream_nD)
            grad_head_VD = part_VD if grad_head_VD is None else grad_head_VD.add_(part_VD)
        ctx.save_for_backward(grad_stream_ND, grad_head_VD)
        nats_N = torch.cat(nats)
        ctx.mark_non_differentiable(nats_N)
        return objective, nats_N

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None, None, None, None]:
        """Scale the gradients that the forward pass made."""
        grad_stream_ND, grad_head_VD = ctx.saved_tensors
        return grad_stream_ND * grads[0], grad_head_VD * grads[0], None, None, None, None


_Piece = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


def _piece_gradients(logits_nV: Tensor, targets_n: Tensor, z_loss: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the logits in their own type, the summed objective, and each position's nats."""
    wide_nV = logits_nV.float()
    targets_n1 = targets_n[:, None]
    peak_n1 = wide_nV.amax(dim=1, keepdim=True)
    weights_nV = (wide_nV - peak_n1).exp()
    sums_n1 = weights_nV.sum(dim=1, keepdim=True)
    lse_n1 = sums_n1.log() + peak_n1
    nats_n1 = lse_n1 - wide_nV.gather(1, targets_n1)
    objective = (nats_n1 + z_loss * lse_n1.square()).sum()
    hit_nV = torch.arange(logits_nV.shape[1], device=logits_nV.device) == targets_n1
    grad_nV = weights_nV * ((1.0 + 2.0 * z_loss * lse_n1) / sums_n1) - hit_nV.float()
    return grad_nV.to(logits_nV.dtype), objective, nats_n1[:, 0]


@functools.cache
def _compiled_piece() -> _Piece:
    return cast("_Piece", torch.compile(_piece_gradients, dynamic=False))


def _wide_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product in float32; a GPU sums bf16 products in float32 and need not round them at the end."""
    if left.is_cuda and left.dtype != torch.float32:
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()


def training_loss(
    stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, z_loss: float, *, compiled: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the summed objective, to differentiate, and the cross-entropy of each position in nats; float32.

    The CPU has its own form, unless `compiled` asks for that of a GPU.
    """
    call: Any = _WideLinearCrossEntropy.apply
    extra: tuple[object, ...] = (_compiled_piece() if compiled else _piece_gradients, GPU_PIECE_POSITIONS)
    if stream_ND.device.type == "cpu" and not compiled:
        call, extra = _LinearCrossEntropy.apply, ()
    objective, nats_N = call(stream_ND, head_VD, targets_N, z_loss, *extra)
    return objective, nats_N


@torch.no_grad()
def token_nats(stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Return -log p of each target in nats, float32."""
    pieces = []
    cast_VD = head_VD.to(stream_ND.dtype)
    size = GPU_PIECE_POSITIONS if stream_ND.is_cuda else PIECE_POSITIONS
    for start in range(0, len(targets_N), size):
        logits_nV = (stream_ND[start : start + size] @ cast_VD.T).float()
        picked_n1 = logits_nV.gather(1, targets_N[start : start + size, None])
        pieces.append((torch.logsumexp(logits_nV, dim=1, keepdim=True) - picked_n1)[:, 0])
    return torch.cat(pieces) if pieces else stream_ND.new_zeros(0)
