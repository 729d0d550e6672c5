"""What only a CUDA device can show; the same proofs and the speed are in `benchmarks/gpu.py`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend

from train.accelerator import choose_accelerator
from train.engine import Engine
from train.losses import token_nats, training_loss
from train.model import build_model
from train.tiers import Tier, load_tier
from train.utilisation import peak_flops

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::UserWarning")]
ROOT = Path(__file__).resolve().parent.parent.parent


def small_tier() -> Tier:
    tier = load_tier("micro")
    shape = replace(tier.shape, num_layers=3, context_tokens=512)
    return replace(tier, shape=shape, batch_tokens=8 * 512, micro_batch_rows=4, eval_context_tokens=512)


def batch(tier: Tier, step: int = 0) -> np.ndarray:
    stream = np.random.default_rng(step)
    return stream.integers(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens + 1), np.int64)


def test_cudnn_attention_is_taken_except_in_deterministic_mode() -> None:
    q = torch.randn(2, 512, 2, 128, device="cuda", dtype=torch.bfloat16).transpose(1, 2).requires_grad_()
    taken = []
    for deterministic in (False, True):
        with choose_accelerator("cuda", deterministic=deterministic).running():
            taken.append(SDPBackend(torch._fused_sdp_choice(q, q, q, is_causal=True)))  # type: ignore[attr-defined]
    assert taken == [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION]


def test_compiled_and_eager_steps_agree() -> None:
    tier, found = small_tier(), {}
    for compiled in (False, True):
        chosen = choose_accelerator("cuda", compiled=compiled)
        with chosen.running():
            made = Engine(tier, build_model(tier, 1), chosen).gradients(batch(tier))
        found[compiled] = made.loss, made.norm
    assert found[True] == pytest.approx(found[False], rel=2e-3)


def test_bf16_scores_weights_as_float32_does() -> None:
    tier, nats = small_tier(), {}
    model = build_model(tier, 1)
    for precision in ("bf16", "fp32"):
        chosen = choose_accelerator("cuda", precision=precision)  # type: ignore[arg-type]
        with chosen.running(), torch.no_grad():
            placed, rows = chosen.prepare(model), chosen.place(batch(tier))
            stream = placed.hidden(rows[:, :-1]).flatten(0, 1)
            nats[precision] = token_nats(stream, placed.lm_head.weight, rows[:, 1:].flatten()).double().mean().item()
    assert nats["bf16"] == pytest.approx(nats["fp32"], abs=2e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_loss_and_its_gradients_are_near_those_of_float64(compiled: bool) -> None:
    made = torch.Generator(device="cuda").manual_seed(1)
    stream = torch.randn(20_000, 128, device="cuda", generator=made, dtype=torch.bfloat16).requires_grad_()
    head = (torch.randn(4_096, 128, device="cuda", generator=made) / 11).requires_grad_()
    targets = torch.randint(0, 4_096, (20_000,), device="cuda", generator=made)
    objective, nats = training_loss(stream, head, targets, 1e-4, compiled=compiled)
    found = torch.autograd.grad(objective, (stream, head))
    wide = stream.detach().double().requires_grad_(), head.detach().double().requires_grad_()
    logits = wide[0] @ wide[1].T
    plain = F.cross_entropy(logits, targets, reduction="sum") + 1e-4 * torch.logsumexp(logits, 1).square().sum()
    expected = torch.autograd.grad(plain, wide)
    assert float(objective) == pytest.approx(float(plain), rel=1e-4)
    assert float(nats.double().sum()) == pytest.approx(float(objective), rel=1e-2)
    for one, other in zip(found, expected, strict=True):
        assert float((one.double() - other).norm() / other.norm()) < 1e-2


def test_a_deterministic_run_resumed_has_equal_bits() -> None:
    tier, ends = small_tier(), []
    chosen = choose_accelerator("cuda", deterministic=True)
    with chosen.running():
        for stop in (None, 2):
            torch.manual_seed(1)  # the host's random state, which making a model moves, is a part of the state
            engine = Engine(tier, build_model(tier, 1), chosen)
            for step in range(4):
                if step == stop:
                    held = {name: one.cpu().clone() for name, one in engine.tensors().items()}
                    engine = Engine(tier, build_model(tier, 2), chosen)
                    engine.restore(held)
                engine.gradients(batch(tier, step))
                engine.update(1e-3)
                engine.discard()
            ends.append({name: one.cpu() for name, one in engine.tensors().items()})
    assert [name for name, one in ends[0].items() if not torch.equal(one, ends[1][name])] == []


def test_utilisation_lies_between_nothing_and_the_peak() -> None:
    chosen = choose_accelerator("cuda")
    assert peak_flops(chosen.name) > 5e13
    found = chosen.utilisation(load_tier("100m").shape, 100_000.0)
    assert 0 < found.mfu_causal < found.mfu < 1


def test_the_benchmark_measures_a_section_on_the_device(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, "benchmarks/gpu.py", "--only", "attention", "--minutes", "2", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "CUDNN_ATTENTION" in out.read_text(), done.stdout + done.stderr
