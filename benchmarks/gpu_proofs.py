"""What must hold on the GPU beside speed: bf16 near float32, kill and resume equal in bits, and where the time goes.

Run through `benchmarks/gpu.py --only profile,parity,resume`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gpu_report import Recorder
from gpu_step import default_variant, plan, random_model, with_rows

from train.accelerator import Accelerator, choose_accelerator
from train.engine import Engine
from train.losses import token_nats
from train.tiers import Tier, load_tier

KINDS = {
    "attention": ("cudnn", "flash", "fmha", "attention", "sdpa"),
    "matrix product": ("gemm", "cutlass", "nvjet", "xmma", "cublas", "splitk"),
    "optimizer": ("adam", "multi_tensor", "lpnorm"),
    "copy": ("memcpy", "memset", "copy_kernel", "fill"),
    "compiled": ("triton",),
}


def profile(recorder: Recorder) -> None:
    """Record the kernels of a step by kind and the dearest ones by name."""
    default = default_variant(recorder)
    for name, choices in plan(recorder).items():
        with recorder.attempt(f"profile {name}", 75):
            rows = int(recorder.facts.get(f"best_rows_{name}", choices[-1]))
            tier = with_rows(load_tier(name), rows, 1)
            batch = np.random.default_rng(1).integers(
                0, tier.shape.vocab_size, (rows, tier.shape.context_tokens + 1), np.int64
            )
            engine = Engine(tier, random_model(tier, recorder.device), default)
            engine.micro_batch_rows = rows
            with default.running():
                for _ in range(3):
                    _step(engine, batch)
                default.synchronize()
                with torch.profiler.profile() as found:
                    _step(engine, batch)
                    default.synchronize()
            _kernels(recorder, name, found)


def _step(engine: Engine, batch: npt.NDArray[np.int64]) -> float:
    loss = engine.gradients(batch).loss
    engine.update(1e-3)
    engine.discard()
    return loss


def _kernels(recorder: Recorder, name: str, found: Any) -> None:
    on_gpu = recorder.device.type == "cuda"
    times: dict[str, float] = defaultdict(float)
    ranges: list[tuple[float, float]] = []
    counts: dict[str, int] = defaultdict(int)
    for event in found.events():
        if getattr(event, "is_user_annotation", False):
            continue
        if on_gpu and event.device_type != torch.autograd.DeviceType.CUDA:
            continue
        times[event.name] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
        counts[event.name] += 1
        ranges.append((event.time_range.start, event.time_range.end))
    total = sum(times.values()) or 1.0
    kinds: dict[str, float] = defaultdict(float)
    for kernel, us in times.items():
        lowered = kernel.lower()
        kinds[next((kind for kind, words in KINDS.items() if any(w in lowered for w in words)), "other")] += us
    for kind, us in sorted(kinds.items(), key=lambda item: -item[1]):
        recorder.add("profile", tier=name, kernel=f"all: {kind}", ms=us / 1e3, share=us / total, calls="")
    if on_gpu and ranges:
        span = max(end for _, end in ranges) - min(start for start, _ in ranges)
        recorder.add("profile", tier=name, kernel="all: nothing runs", ms=(span - total) / 1e3,
                     share=(span - total) / total, calls="")  # fmt: skip
    for kernel in sorted(times, key=lambda one: -times[one])[: 5 if recorder.smoke else 30]:
        share = times[kernel] / total
        recorder.add(
            "profile", tier=name, kernel=kernel[:90], ms=times[kernel] / 1e3, share=share, calls=counts[kernel]
        )


def learnable(tier: Tier, step: int) -> npt.NDArray[np.int64]:
    """Return a batch of step `step` that can be learnt: token t+1 is mostly a fixed function of token t."""
    stream = np.random.default_rng(step)
    rows = stream.integers(0, 256, (tier.batch_rows, tier.shape.context_tokens + 1), np.int64)
    for position in range(1, rows.shape[1]):
        follows = stream.random(len(rows)) < 0.8
        rows[follows, position] = (rows[follows, position - 1] * 5 + 17) % 256
    return rows


def proof_tier(smoke: bool) -> Tier:
    """Return a small tier with two micro-batches."""
    tier = load_tier("pico" if smoke else "micro")
    context = 64 if smoke else 256
    shape = replace(tier.shape, context_tokens=context)
    return replace(tier, shape=shape, batch_tokens=16 * context, micro_batch_rows=8)


def parity(recorder: Recorder) -> None:
    """Train 60 steps in bf16, then score the weights on new data in bf16 compiled, bf16 eager and float32."""
    tier = proof_tier(recorder.smoke)
    fast = choose_accelerator(recorder.device.type, precision="bf16")
    engine = Engine(tier, random_model(tier, recorder.device), fast)
    with recorder.attempt("parity"), fast.running():
        seen = [_step(engine, learnable(tier, number)) for number in range(10 if recorder.smoke else 60)]
        batch = fast.place(learnable(tier, 10_000))
        nats: dict[str, float] = {}
        for label, precision in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            engine.model.model.compute_dtype = precision
            with torch.no_grad():
                stream = engine.model.hidden(batch[:, :-1]).flatten(0, 1)
                each = token_nats(stream, engine.model.lm_head.weight, batch[:, 1:].flatten())
                nats[label] = each.double().mean().item()
        recorder.add(
            "parity", first_loss=seen[0], last_loss=seen[-1], **nats, difference=abs(nats["bf16"] - nats["fp32"]),
            bound=2e-3, holds=abs(nats["bf16"] - nats["fp32"]) <= 2e-3,
        )  # fmt: skip


def resume(recorder: Recorder) -> None:
    """Run 8 steps; run 4, save and die by SIGKILL; run the other 4 in a new process; compare all bits."""
    with tempfile.TemporaryDirectory() as folder, recorder.attempt("resume", 150):
        for mode in ("deterministic",) if recorder.smoke else ("deterministic", "fast"):
            state = Path(folder) / f"{mode}.pt"
            common = [mode, "smoke" if recorder.smoke else "full"]
            calls = {"whole": ["0", "8", ""], "again": ["0", "8", ""], "killed": ["0", "4", str(state)]}
            begun = {name: _child([*common, *rest]) for name, rest in calls.items()}
            said = {name: _said(child) for name, child in begun.items()}
            said["resumed"] = _said(_child([*common, "4", "8", str(state)]))
            recorder.add(
                "resume", mode=mode, resumed_equal=said["resumed"] == said["whole"] != "",
                rerun_equal=said["again"] == said["whole"] != "", digest=said["whole"][:16],
            )  # fmt: skip


def _child(arguments: list[str]) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parent.parent
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, __file__, "--child", *arguments], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


def _said(child: subprocess.Popen[str]) -> str:
    output, _ = child.communicate()
    if child.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a child ended with {child.returncode}: {output[-500:]}")
    return output.strip().splitlines()[-1] if output.strip() else ""


def child(mode: str, size: str, first: int, last: int, state: str) -> None:
    """Run steps `first` to `last`; from a state when not from 0; to a state and SIGKILL when told to stop early."""
    tier = proof_tier(size == "smoke")
    chosen: Accelerator = choose_accelerator(precision="bf16", deterministic=mode == "deterministic")
    with chosen.running():
        engine = Engine(tier, random_model(tier, torch.device("cpu")), chosen)
        if first:
            engine.restore(torch.load(state, weights_only=True, map_location="cpu"))
        for number in range(first, last):
            _step(engine, learnable(tier, number))
        if state and not first:
            torch.save({name: value.cpu() for name, value in engine.tensors().items()}, state)
            os.kill(os.getpid(), signal.SIGKILL)
        digest = hashlib.sha256()
        for name, value in sorted(engine.tensors().items()):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    print(digest.hexdigest(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=5, metavar=("MODE", "SIZE", "FIRST", "LAST", "STATE"))
    given = parser.parse_args().child
    if given is None:
        parser.error("run it through benchmarks/gpu.py --only profile,parity,resume")
    child(given[0], given[1], int(given[2]), int(given[3]), given[4])
