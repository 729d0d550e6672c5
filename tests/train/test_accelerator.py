"""Device, precision and compilation, as far as a CPU can show them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend

from curation.errors import RunError
from train.accelerator import COMPILE, CPU, choose_accelerator
from train.engine import Engine
from train.model import build_model
from train.tiers import TIERS, Tier

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT = ("pyarrow", "numba", "tokenizers", "typer", "pydantic", "xxhash", "orjson", "yaml", "rich", "transformers")


def tiny_tier() -> Tier:
    shape = replace(
        TIERS["pico"].shape, width=32, num_layers=3, head_dim=16, ffn_width=64, vocab_size=128, context_tokens=32
    )
    return replace(TIERS["pico"], shape=shape, batch_tokens=256, micro_batch_rows=4, eval_context_tokens=32)


def batch(tier: Tier) -> np.ndarray:
    stream = np.random.default_rng(3)
    return stream.integers(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens + 1), np.int64)


def test_the_cpu_computes_in_float32_and_compiles_nothing() -> None:
    assert choose_accelerator("cpu", environment={}) == CPU


def test_the_environment_can_ask_for_compilation() -> None:
    assert choose_accelerator("cpu", environment={COMPILE: "1"}).compiled
    with pytest.raises(RunError, match=f"{COMPILE}: `yes`, expected 0 or 1"):
        choose_accelerator("cpu", environment={COMPILE: "yes"})


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "", "tpu"])
def test_an_unknown_device_is_refused_by_name(device: str) -> None:
    with pytest.raises(RunError, match=f"device: `{device}` is unknown, expected auto, cpu, cuda"):
        choose_accelerator(device)


def test_a_cuda_device_that_is_not_there_is_refused() -> None:
    name = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(RunError, match=f"`{name}` is not there.*use `cpu`"):
        choose_accelerator(name)


def test_utilisation_of_an_unknown_device_is_refused() -> None:
    with pytest.raises(RunError, match="device `cpu`: no peak"):
        CPU.utilisation(tiny_tier().shape, 1_000.0)


def test_cudnn_attention_comes_first_and_never_in_deterministic_mode() -> None:
    fast, fixed = (replace(CPU, deterministic=mode).attention_backends() for mode in (False, True))
    assert fast[:2] == [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION]
    assert fixed == fast[1:]


def test_bf16_moves_the_loss_by_less_than_two_thousandths() -> None:
    tier = tiny_tier()
    losses = {
        precision: Engine(tier, build_model(tier, 1), choose_accelerator("cpu", precision=precision))
        .gradients(batch(tier))
        .loss
        for precision in ("fp32", "bf16")
    }
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=2e-3)


def test_bf16_keeps_weights_gradients_and_moments_in_float32() -> None:
    tier = tiny_tier()
    engine = Engine(tier, build_model(tier, 1), choose_accelerator("cpu", precision="bf16"))
    engine.gradients(batch(tier))
    engine.update(1e-3)
    kept = [*engine.model.parameters(), *(one.grad for one in engine.model.parameters()), *engine.tensors().values()]
    assert {one.dtype for one in kept if one is not None and one.is_floating_point()} == {torch.float32}
    assert engine.model.hidden(torch.from_numpy(batch(tier)[:, :-1])).dtype == torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_blocks_compute_what_plain_ones_do(precision: str) -> None:
    tier, found, graphs = tiny_tier(), {}, 0
    for compiled in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        chosen = choose_accelerator("cpu", precision=precision, compiled=compiled)  # type: ignore[arg-type]
        engine = Engine(tier, build_model(tier, 1), chosen)
        with chosen.running():
            made = engine.gradients(batch(tier))
        grads = torch.cat([one.grad.flatten() for one in engine.model.parameters() if one.grad is not None])
        found[compiled] = made.loss, made.norm, grads
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs == 3, "all blocks share one graph; final norm and loss have one each"
    tolerance = 1e-5 if precision == "fp32" else 2e-3
    assert found[True][:2] == pytest.approx(found[False][:2], rel=tolerance)
    gap = (found[True][2] - found[False][2]).norm() / found[False][2].norm()
    assert float(gap) < (1e-5 if precision == "fp32" else 3e-2)


def blocked(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script as if nothing but torch, numpy and the standard library were installed."""
    code = f"""
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LIGHT!r}:
            raise ModuleNotFoundError(f"{{name}} is not here")
sys.meta_path.insert(0, Nothing())
sys.argv = [{script!r}, *{arguments!r}]
sys.path.insert(0, "benchmarks")
runpy.run_path({script!r}, run_name="__main__")
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_gpu_benchmark_needs_torch_and_numpy_only(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    done = blocked("benchmarks/gpu.py", "--smoke", "--only", "gemm,step,block", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"best"' in out.read_text()
    assert '"block"' in out.read_text()


@pytest.mark.slow
def test_every_section_of_the_gpu_benchmark_runs_on_a_cpu(tmp_path: Path) -> None:
    done = blocked("benchmarks/gpu.py", "--smoke", "--out", str(tmp_path / "results.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resumed_equal=True" in done.stdout


def test_the_gpu_benchmark_says_that_there_is_no_gpu() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "sees no CUDA device" in done.stderr
