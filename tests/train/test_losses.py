"""The piecewise loss against torch's own graph."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from train.losses import PIECE_POSITIONS, _piece_gradients, _WideLinearCrossEntropy, token_nats, training_loss


def problem(positions: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(3)
    stream = torch.randn(positions, 12, generator=made, requires_grad=True)
    head = torch.randn(50, 12, generator=made, requires_grad=True)
    return stream, head, torch.randint(0, 50, (positions,), generator=made)


@pytest.mark.parametrize("positions", [1, PIECE_POSITIONS - 1, PIECE_POSITIONS, 2 * PIECE_POSITIONS + 7])
@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_value_and_gradients_are_those_of_the_plain_graph(positions: int, z_loss: float) -> None:
    stream, head, targets = problem(positions)
    logits = stream @ head.T
    nats = F.cross_entropy(logits, targets, reduction="none")
    plain = nats.sum() + z_loss * torch.logsumexp(logits, 1).square().sum()
    expected = torch.autograd.grad(plain * 0.5, (stream, head))
    objective, each = training_loss(stream, head, targets, z_loss)
    found = torch.autograd.grad(objective * 0.5, (stream, head))
    torch.testing.assert_close((objective, each), (plain, nats), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("positions", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_the_form_of_a_gpu_is_the_plain_graph_to_a_millionth(positions: int, z_loss: float) -> None:
    stream, head, targets = problem(positions)
    wide = stream.detach().double().requires_grad_(), head.detach().double().requires_grad_()
    logits = wide[0] @ wide[1].T
    plain = F.cross_entropy(logits, targets, reduction="none")
    total = plain.sum() + z_loss * torch.logsumexp(logits, 1).square().sum()
    expected = torch.autograd.grad(total * 0.5, wide)
    objective, nats = _WideLinearCrossEntropy.apply(stream, head, targets, z_loss, _piece_gradients, 64)
    found = torch.autograd.grad(objective * 0.5, (stream, head))
    pairs = [(objective, total), (nats, plain), *zip(found, expected, strict=True)]
    gaps = [float((one.detach().double() - two.detach()).norm() / two.detach().norm()) for one, two in pairs]
    assert gaps == pytest.approx([0.0] * 4, abs=1e-6)


def test_scored_nats_are_the_loss_position_by_position() -> None:
    stream, head, targets = problem(PIECE_POSITIONS + 5)
    expected = F.cross_entropy(stream @ head.T, targets, reduction="none")
    torch.testing.assert_close(token_nats(stream, head, targets), expected.detach(), rtol=1e-5, atol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    stream, head = torch.full((2, 1), 300.0), torch.tensor([[1.0], [0.9]])
    objective, nats = training_loss(stream, head, torch.tensor([0, 1]), 0.0)
    assert float(nats.sum()) == pytest.approx(30.0, rel=1e-4)
    assert float(objective) == pytest.approx(30.0, rel=1e-4)


@pytest.mark.parametrize("positions", [1, PIECE_POSITIONS, PIECE_POSITIONS + 9])
def test_a_bf16_stream_gives_the_values_of_the_rounded_stream_and_float32_results(positions: int) -> None:
    stream, head, targets = problem(positions)
    narrow = stream.detach().bfloat16().requires_grad_()
    objective, each = training_loss(narrow, head, targets, 0.1)
    logits = narrow.detach().float() @ head.detach().bfloat16().float().T
    expected = F.cross_entropy(logits, targets, reduction="none")
    assert (objective.dtype, each.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(each, expected, rtol=0, atol=16 * 2**-8)  # logits below 16, rounded to 8 bits
    found = torch.autograd.grad(objective, (narrow, head))
    plain = torch.autograd.grad(training_loss(stream, head, targets, 0.1)[0], (stream, head))
    assert found[1].dtype == torch.float32
    for one, two in zip(found, plain, strict=True):
        assert float((one.float() - two).norm() / two.norm()) < 0.02
