"""Speed of the CPU tiers: our engine eager and compiled, in fp32 and bf16, beside a plain Hugging Face Llama loop.

Whole optimizer steps on the same random tokens (forward, backward, clip, AdamW). The peer is `LlamaForCausalLM` of the
same shape as people write it: the whole batch in one forward pass, its own loss, fused AdamW. Variants take turns, one
step each, so that other work on the machine meets all alike. Tokens per CPU-second is what a core gives; the share is
of the matrix peak measured here (n = 2,048, best of 5) in the type of the variant. Then: a model of 10M non-embedding
parameters in bf16, torch threads against processes, and the seconds a process needs before its first step.
Run: `python benchmarks/train_cpu.py [--tiers pico nano] [--rounds 6] [--quick]`, from the repository root.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from train.accelerator import choose_accelerator
from train.engine import Engine
from train.loop import fixed_threads
from train.model import build_model
from train.score import model_nats
from train.tiers import Shape, Tier, load_tier

ROOT = Path(__file__).resolve().parent.parent
RATE = 1e-3
TEN_MILLION = Shape(
    width=384, num_layers=6, num_heads=6, head_dim=64, ffn_width=1_024, vocab_size=4_096, context_tokens=512
)


@dataclass(slots=True, kw_only=True)
class Variant:
    """One way to take a step, with the CPU and wall seconds of the steps so far."""

    name: str
    step: Callable[[], object]
    precision: str
    first: float = 0.0
    """Wall seconds of the first step, compilation included."""
    cpu: list[float] = field(default_factory=list)


def matrix_peak(dtype: torch.dtype) -> float:
    """Return FLOP/s of the best of five square products of 2,048."""
    left = torch.randn(2_048, 2_048).to(dtype)
    seconds = []
    for _ in range(5):
        started = time.process_time()
        left @ left
        seconds.append(time.process_time() - started)
    return 2 * 2_048**3 / min(seconds)


def batch_of(tier: Tier) -> npt.NDArray[np.int64]:
    """Return one batch of random tokens, rows of T + 1."""
    stream = np.random.default_rng(1)
    return stream.integers(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens + 1))


def our_step(tier: Tier, *, compiled: bool) -> Callable[[], object]:
    """Return one step of the real engine."""
    accelerator = choose_accelerator("cpu", precision=tier.precision, compiled=compiled)
    engine, rows = Engine(tier, build_model(tier, 1), accelerator), batch_of(tier)

    def step() -> None:
        engine.gradients(rows)
        engine.update(RATE)
        engine.discard()

    return step


def peer_step(tier: Tier, *, bf16: bool) -> Callable[[], object]:
    """Return one step of a plain loop over transformers' Llama class."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = tier.shape
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocab_size, hidden_size=shape.width, intermediate_size=shape.ffn_width,
            num_hidden_layers=shape.num_layers, num_attention_heads=shape.num_heads, head_dim=shape.head_dim,
            max_position_embeddings=shape.context_tokens, tie_word_embeddings=False, use_cache=False,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    tokens = torch.from_numpy(batch_of(tier)[:, :-1])

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), tier.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def take_turns(variants: list[Variant], rounds: int) -> None:
    """Let every variant take `rounds` counted steps after two to warm up."""
    for variant in variants:
        started = time.monotonic()
        variant.step()
        variant.first = time.monotonic() - started
        variant.step()
    for _ in range(rounds):
        for variant in variants:
            started = time.process_time()
            variant.step()
            variant.cpu.append(time.process_time() - started)


def compare(tier: Tier, rounds: int, peaks: dict[str, float], *, compiled: bool) -> None:
    """Print a line a variant, the default first marked, and the two ratios that the aims are about."""
    ways = [(precision, False) for precision in ("fp32", "bf16")]
    ways += [(precision, True) for precision in ("fp32", "bf16")] if compiled else []
    variants = [
        Variant(
            name=f"ours {precision} {'compiled' if built else 'eager'}",
            step=our_step(replace(tier, precision=precision), compiled=built),
            precision=precision,
        )
        for precision, built in ways
    ]
    peers = [
        Variant(name=f"Llama {precision}", step=peer_step(tier, bf16=precision == "bf16"), precision=precision)
        for precision in ("fp32", "bf16")
    ]
    take_turns([*variants, *peers], rounds)
    print(f"\n{tier.name}: {tier.batch_tokens:,} tokens a step, one thread, n = {rounds} steps each")
    for variant in [*variants, *peers]:
        rates = [tier.batch_tokens / seconds for seconds in variant.cpu]
        flops = statistics.median(rates) * tier.shape.flops_per_token
        print(
            f"  {variant.name:<20} median {statistics.median(rates):>7,.0f}  ({min(rates):,.0f} to {max(rates):,.0f}) "
            f"tokens/CPU-s  {flops / 1e9:5.0f} GFLOP/s = {flops / peaks[variant.precision]:.0%} of the "
            f"{variant.precision} peak  first step {variant.first:.1f} s"
        )
    speed = {v.name: tier.batch_tokens / statistics.median(v.cpu) for v in [*variants, *peers]}
    default = speed[f"ours {tier.precision} eager"]
    best = max((v for v in variants), key=lambda v: speed[v.name])
    print(f"  the tier's own setting ({tier.precision}, eager) is {default / speed[best.name]:.2f} of the best, "
          f"{best.name}; {default / speed['Llama fp32']:.2f} times the plain Llama loop")  # fmt: skip


def ten_million(rounds: int, peak: float) -> None:
    """Print the share of the bf16 peak that a model of 10M non-embedding parameters reaches."""
    tier = replace(
        load_tier("nano"), name="10m", shape=TEN_MILLION, precision="bf16", batch_tokens=4_096, micro_batch_rows=4
    )
    variant = Variant(name="ours", step=our_step(tier, compiled=False), precision="bf16")
    take_turns([variant], rounds)
    speed = tier.batch_tokens / statistics.median(variant.cpu)
    flops = speed * tier.shape.flops_per_token
    print(f"\n{tier.shape.non_embedding_params:,} non-embedding parameters, bf16 eager: {speed:,.0f} tokens/CPU-s, "
          f"{flops / 1e9:.0f} GFLOP/s = {flops / peak:.0%} of the bf16 peak")  # fmt: skip


def threads_or_processes(tier: Tier, rounds: int) -> None:
    """Print wall tokens/s of one run with one and two threads, and of two runs of one thread side by side."""
    code = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "from benchmarks.train_cpu import our_step, fixed_threads, load_tier\n"
        "tier = load_tier(sys.argv[1])\n"
        "with fixed_threads(int(sys.argv[2])):\n"
        "    step = our_step(tier, compiled=False); step()\n"
        "    started = time.monotonic()\n"
        "    for _ in range(int(sys.argv[3])): step()\n"
        "    print(int(sys.argv[3]) * tier.batch_tokens / (time.monotonic() - started))\n"
    )
    for label, threads, runs in (
        ("1 run, 1 thread", 1, 1),
        ("1 run, 2 threads", 2, 1),
        ("2 runs, 1 thread each", 1, 2),
    ):
        command = [sys.executable, "-c", code, tier.name, str(threads), str(rounds)]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(runs)]
        total = sum(float(child.communicate()[0]) for child in children)
        print(f"  {tier.name}, {label:<22} {total:>8,.0f} tokens/s by the clock, all runs together")


def startup(tier: Tier) -> None:
    """Print what a process costs before its first step."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from train.tiers import load_tier; from train.model import build_model; from train.engine import Engine\n"
        "import train.loop\n"
        "tier = load_tier(sys.argv[1]); Engine(tier, build_model(tier, 1))\n"
    )
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", code, tier.name], check=True, cwd=ROOT)
        seconds.append(time.monotonic() - started)
    print(f"  {tier.name}, process to built model: {statistics.median(seconds):.1f} s (n = 3)")


def scoring(tier: Tier, rounds: int) -> None:
    """Print the speed of scoring 4,096 positions."""
    rows = 4_096 // tier.eval_context_tokens
    ids = np.random.default_rng(1).integers(0, tier.shape.vocab_size, (rows, tier.eval_context_tokens + 1))
    nats_of = model_nats(build_model(tier, 1).eval())
    variant = Variant(name="score", step=lambda: nats_of(ids), precision="fp32")
    take_turns([variant], rounds)
    print(f"  {tier.name}, scoring in fp32: {4_096 / statistics.median(variant.cpu):,.0f} tokens/CPU-s")


def main() -> None:
    """Measure every tier asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiers", nargs="+", default=["pico", "nano"])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="two rounds, nothing compiled, no processes")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rounds = 2 if given.quick else given.rounds
    with fixed_threads(1):
        peaks = {"fp32": matrix_peak(torch.float32), "bf16": matrix_peak(torch.bfloat16)}
        print("; ".join(f"{name} peak {peak / 1e9:.0f} GFLOP/s a core" for name, peak in peaks.items()))
        for name in given.tiers:
            compare(load_tier(name), rounds, peaks, compiled=not given.quick)
            scoring(load_tier(name), rounds)
        ten_million(rounds, peaks["bf16"])
    if not given.quick:
        for name in given.tiers:
            threads_or_processes(load_tier(name), rounds)
            startup(load_tier(name))


if __name__ == "__main__":
    main()
