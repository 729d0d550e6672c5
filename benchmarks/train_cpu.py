"""Speed of the CPU tiers on one core, ours beside transformers' Qwen3ForCausalLM: tokens per CPU-second.

Whole optimizer steps on random tokens (forward, backward, clip, AdamW), torch threads as the tier fixes them; CPU time,
so other work on the machine shows only through shared caches. Best and median of the timed steps.
Run: `python benchmarks/train_cpu.py [--tiers pico nano] [--steps 8]`, from the repository root.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.tokenizers import load_tokenizer
from train.export import model_config
from train.loop import fixed_threads
from train.losses import training_loss
from train.model import LanguageModel, build_model
from train.score import model_nats
from train.tiers import Tier, load_tier


def step_seconds(tier: Tier, steps: int, *, bf16: bool) -> list[float]:
    """Return the CPU seconds of each whole optimizer step after two to warm up."""
    model = build_model(tier, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=tier.learning_rate, fused=True)
    tokens = torch.randint(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens + 1))

    def step() -> None:
        for micro in tokens.split(tier.micro_batch_rows):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                stream = model.hidden(micro[:, :-1])
            objective, _ = training_loss(
                stream.flatten(0, 1).float(), model.lm_head.weight, micro[:, 1:].flatten(), tier.z_loss
            )
            (objective / tier.batch_tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), tier.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return timed(step, steps)


def score_seconds(tier: Tier, steps: int, model: LanguageModel) -> list[float]:
    """Return the CPU seconds of scoring 4,096 positions."""
    ids = np.random.default_rng(1).integers(0, tier.shape.vocab_size, (8, tier.eval_context_tokens + 1))
    nats_of = model_nats(model.eval())
    return timed(lambda: nats_of(ids), steps)


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Return CPU seconds of each call after two that are not counted."""
    seconds = []
    for _ in range(repeats + 2):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return seconds[2:]


def peer_step_seconds(tier: Tier, steps: int) -> list[float]:
    """Return the CPU seconds of the same step on transformers' own class with its own loss."""
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(1)
    model = Qwen3ForCausalLM(model_config(tier, load_tokenizer(tier.tokenizer)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=tier.learning_rate, fused=True)
    tokens = torch.randint(0, tier.shape.vocab_size, (tier.batch_rows, tier.shape.context_tokens))

    def step() -> None:
        for micro in tokens.split(tier.micro_batch_rows):
            loss = model(input_ids=micro, labels=micro, use_cache=False).loss
            (loss * len(micro) / tier.batch_rows).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), tier.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return timed(step, steps)


def show(label: str, tokens: int, seconds: list[float]) -> None:
    """Print one line."""
    median, best, worst = (tokens / value for value in (statistics.median(seconds), min(seconds), max(seconds)))
    print(f"{label:<34} median {median:>8,.0f}  ({worst:,.0f} to {best:,.0f}) tokens/CPU-s")


def main() -> None:
    """Measure every tier asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiers", nargs="+", default=["pico", "nano"])
    parser.add_argument("--steps", type=int, default=8)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.tiers:
        tier = load_tier(name)
        with fixed_threads(tier.threads):
            show(f"{tier.name} train fp32", tier.batch_tokens, step_seconds(tier, given.steps, bf16=False))
            show(f"{tier.name} train fp32, transformers", tier.batch_tokens, peer_step_seconds(tier, given.steps))
            show(f"{tier.name} train bf16 autocast", tier.batch_tokens, step_seconds(tier, given.steps, bf16=True))
            model = build_model(tier, 1)
            show(f"{tier.name} score fp32", 8 * tier.eval_context_tokens, score_seconds(tier, given.steps, model))


if __name__ == "__main__":
    main()
