"""Whole optimizer steps of the real engine: settings tried against each other, the best timed long, kernels profiled.

A step is `Engine.gradients` (copy to the device, micro-batches forward and backward, clipping), `update`, `discard`, on
random tokens. Variants override one choice of `train.accelerator`. Run through `benchmarks/gpu.py --only step,...`.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gpu_report import Recorder, gpu_gigabytes
from gpu_variants import CopiesEngine, Variant, loss_graph, quick, settings

from train import losses
from train.engine import Engine
from train.model import LanguageModel
from train.tiers import Tier, load_tier
from train.utilisation import peak_flops, utilisation


def random_model(tier: Tier, device: torch.device) -> LanguageModel:
    """Return a model with weights of the right spread, made on the device (the trainer makes them on the host)."""
    torch.manual_seed(1)
    with torch.device(device):
        model = LanguageModel(tier)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.normal_(std=tier.init_std)
    return model


def with_rows(tier: Tier, rows: int, micro_batches: int | None = None) -> Tier:
    """Return the tier with other micro-batches; the batch stays, unless `micro_batches` of them are asked for."""
    batch = tier.batch_tokens if micro_batches is None else rows * micro_batches * tier.shape.context_tokens
    return replace(tier, micro_batch_rows=rows, batch_tokens=batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of timed steps, of the first two, which compile, and the attention kernels met where that was asked."""

    taken: list[float]
    compiling: float
    attention: str


def step_seconds(
    recorder: Recorder, tier: Tier, variant: Variant, *, steps: int, seconds: float = 1e9, engine_type: Any = Engine
) -> Timing:
    """Time whole steps."""
    loss_graph.cache_clear()
    losses._compiled_piece.cache_clear()
    stream = np.random.default_rng(1)
    rows = stream.integers(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens + 1), np.int64)
    engine = engine_type(tier, random_model(tier, recorder.device), variant)
    engine.micro_batch_rows = tier.micro_batch_rows  # not what the memory plan would take

    def step() -> float:
        began = time.perf_counter()
        engine.gradients(rows)
        engine.update(1e-4)
        engine.discard()
        variant.synchronize()
        return time.perf_counter() - began

    with variant.running():
        compiling = step() + step()
        taken: list[float] = []
        end = time.perf_counter() + seconds
        while len(taken) < steps and (len(taken) < 3 or time.perf_counter() < end):
            taken.append(step())
        met = attention_kernels(step) if variant.first_backend is not None else ""
    if engine.micro_batch_rows != tier.micro_batch_rows:
        raise MemoryError(f"ran out of memory at {tier.micro_batch_rows} rows, {engine.micro_batch_rows} fit")
    return Timing(taken=taken, compiling=compiling, attention=met)


def attention_kernels(work: Callable[[], object]) -> str:
    """Return the attention kernels that `work` runs, by torch's names of them; `math` if there is none."""
    with torch.profiler.profile() as found:
        work()
    names = " ".join(event.name for event in found.events())
    met = re.findall(r"_scaled_dot_product_(\w+?)_attention", names)
    return ",".join(sorted(set(met))) or "math"


def record(
    recorder: Recorder,
    section: str,
    name: str,
    tier: Tier,
    variant: Variant,
    *,
    steps: int,
    seconds: float = 1e9,
    engine_type: Any = Engine,
) -> float:
    """Time steps of a setting, add its row and return its MFU (tokens a second where there is no peak)."""  # fmt: skip
    timing = step_seconds(recorder, tier, variant, steps=steps, seconds=seconds, engine_type=engine_type)
    taken = timing.taken
    speed = tier.batch_tokens / statistics.median(taken)
    micro_batches = -(-tier.batch_rows // tier.micro_batch_rows)
    row: dict[str, Any] = {
        "tier": name, "rows": tier.micro_batch_rows, "micro_batches": micro_batches, "setting": variant.label,
    }  # fmt: skip
    found = speed
    if recorder.device.type == "cuda":
        used = utilisation(tier.shape, speed, peak_flops(torch.cuda.get_device_name()))
        ceiling = recorder.facts.get("gemm_ceiling_tflops")
        row |= {"mfu": used.mfu, "mfu_causal": used.mfu_causal}
        if ceiling:
            row["of_ceiling"] = tier.shape.flops_per_token * speed / ceiling / 1e12
        found = used.mfu
    recorder.add(
        section, **row, tokens_s=round(speed), step_ms=statistics.median(taken) * 1e3, best_ms=min(taken) * 1e3,
        steps=len(taken), gigabytes=gpu_gigabytes(recorder.device), first_steps_s=round(timing.compiling, 1),
        **({"attention": timing.attention} if timing.attention else {}),
    )  # fmt: skip
    return found


PLAN = {"1b": (8, 16), "400m": (16, 32), "100m": (16, 32, 64)}
SMOKE_PLAN = {"pico": (2, 4)}


def plan(recorder: Recorder) -> dict[str, tuple[int, ...]]:
    """Return the micro-batches to try, in windows, for each tier."""
    return SMOKE_PLAN if recorder.smoke else {name: PLAN[name] for name in recorder.only_tiers or PLAN}


def default_variant(recorder: Recorder) -> Variant:
    """Return the trainer's own settings."""
    return Variant(
        device=recorder.device, precision="bf16", compiled=recorder.device.type == "cuda", deterministic=False
    )


def step(recorder: Recorder) -> None:
    """Find the best micro-batch of each tier, then time full batches with it."""
    default = default_variant(recorder)
    for name, choices in plan(recorder).items():
        tier, found = load_tier(name), {}
        for rows in choices:
            if tier.batch_rows % rows:
                continue
            with recorder.attempt(f"step {name} {rows} rows", 90):
                few = None if tier.batch_rows <= 64 else 2 * max(choices) // rows  # equal tokens
                found[rows] = record(recorder, "step", name, with_rows(tier, rows, few), default, steps=4)
        if found:
            rows = max(found, key=lambda one: found[one])
            recorder.facts[f"best_rows_{name}"] = rows
            with recorder.attempt(f"best {name}", 90):
                record(
                    recorder,
                    "best",
                    name,
                    with_rows(tier, rows),
                    default,
                    steps=2 if recorder.smoke else 50,
                    seconds=1 if recorder.smoke else 20,
                )


def variants(recorder: Recorder) -> None:
    """Change one choice at a time at the best micro-batch: all at the first tier, joined products at the others."""
    known = settings(default_variant(recorder))
    for name in recorder.only_settings or ():
        if name not in known:
            raise ValueError(f"--settings: `{name}` is unknown, expected some of: {'; '.join(known)}")
    for number, (name, choices) in enumerate(plan(recorder).items()):
        tier = load_tier(name)
        best = int(recorder.facts.get(f"best_rows_{name}", choices[-1]))
        for label, variant in known.items():
            if recorder.smoke and not quick(variant):
                continue
            if label not in (recorder.only_settings or (known if number == 0 else ("default", "joined"))):
                continue
            rows = variant.rows or best
            few = None if tier.batch_rows <= 64 and not variant.rows else max(1, min(4, tier.batch_rows // rows))
            with recorder.attempt(f"variant {name} {label}", 75):
                record(
                    recorder, "variant", name, with_rows(tier, rows, few), variant,
                    steps=2 if recorder.smoke else 5, engine_type=CopiesEngine if variant.copies else Engine,
                )  # fmt: skip


if __name__ == "__main__":
    from gpu import main

    main(default="step,variants")
