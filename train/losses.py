"""Cross-entropy over the vocabulary in pieces: the logits of a whole batch never exist at once.

For N positions the plain graph writes and reads N x V values about ten times; on one core that costs as much as the
model. Here each piece of positions makes its logits, its loss and at once the gradients of stream and head.
Loss a position: lse - logit[target] + z * lse², lse = log sum exp of the logits, all in float32.
Shapes: N positions, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PIECE_POSITIONS = 256
"""Positions a piece: 256 x 2,048 float32 logits are 2 MB, which stay in a core's cache."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Summed loss with its gradients made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any, stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, z_loss: float
    ) -> tuple[Tensor, Tensor]:
        """Return the summed objective (cross-entropy and z term) and the cross-entropy of each position alone."""
        grad_stream_ND = torch.empty_like(stream_ND)
        grad_head_VD = torch.zeros_like(head_VD)
        objective = stream_ND.new_zeros(())
        nats_N = stream_ND.new_empty(len(targets_N))
        for start in range(0, len(targets_N), PIECE_POSITIONS):
            piece = slice(start, start + PIECE_POSITIONS)
            targets_n1 = targets_N[piece, None]
            logits_nV = stream_ND[piece] @ head_VD.T
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
            torch.mm(weights_nV, head_VD, out=grad_stream_ND[piece])
            grad_head_VD.addmm_(weights_nV.T, stream_ND[piece])
        ctx.save_for_backward(grad_stream_ND, grad_head_VD)
        ctx.mark_non_differentiable(nats_N)
        return objective, nats_N

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None, None]:
        """Scale the gradients that the forward pass made."""
        grad_stream_ND, grad_head_VD = ctx.saved_tensors
        return grad_stream_ND * grads[0], grad_head_VD * grads[0], None, None


def training_loss(stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
    """Return the summed objective, to differentiate, and the cross-entropy of each position in nats."""
    objective, nats_N = _LinearCrossEntropy.apply(stream_ND, head_VD, targets_N, z_loss)  # type: ignore[no-untyped-call]
    return objective, nats_N


@torch.no_grad()
def token_nats(stream_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Return -log p of each target in nats, float32."""
    pieces = []
    for start in range(0, len(targets_N), PIECE_POSITIONS):
        logits_nV = stream_ND[start : start + PIECE_POSITIONS] @ head_VD.T
        picked_n1 = logits_nV.gather(1, targets_N[start : start + PIECE_POSITIONS, None])
        pieces.append((torch.logsumexp(logits_nV, dim=1, keepdim=True) - picked_n1)[:, 0])
    return torch.cat(pieces) if pieces else stream_ND.new_zeros(0)
