"""A small real ladder on one device: loss curves, validation, tokens a second, MFU and memory of several tiers.

Trains with the trainer's own model, engine, order of windows, step guard and schedule, but on one file of token ids and
without its store, so that torch, numpy and numba are all it needs. The schedule is the tier's with its budget moved to
what is asked for: `--tokens` of each tier, or `--seconds` of each (then the number of steps follows from the first
ones' speed, so such a run cannot be repeated to the bit). The last windows of the file (2 %, at most 256) are held out.
Run: `python benchmarks/gpu_ladder.py TOKENS.npy --tiers micro,smoke,small --seconds 60 --out ladder.json`
`TOKENS`: `.npy`, or `.bin` as `curate` writes token streams (little-endian uint16); ids below the tier's vocabulary.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
import torch
from gpu_report import Recorder, gpu_gigabytes, machine

from curation.errors import CurateError, RunError
from mixtures.draws import draw
from train.accelerator import choose_accelerator
from train.engine import Engine
from train.losses import token_nats
from train.model import build_model
from train.steps import StepGuard, sample_hash
from train.tiers import Tier, load_tier

WARM_STEPS = 8
HELD_OUT_FRACTION = 0.02
MAX_HELD_OUT = 256
CURVE_POINTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train; exactly one is set."""

    tokens: int | None
    seconds: float | None


def read_tokens(path: Path) -> npt.NDArray[np.uint16]:
    """Return the memory-mapped ids of a `.npy` or `.bin` file. Raises: RunError for anything else."""
    if path.suffix == ".bin":
        return np.memmap(path, np.dtype("<u2"), "r")
    ids = np.load(path, mmap_mode="r") if path.suffix == ".npy" else None
    if ids is None or ids.dtype != np.uint16 or ids.ndim != 1:
        found = "another kind of file" if ids is None else f"{ids.dtype} of {ids.ndim} dimensions"
        raise RunError(f"{path}: {found}, expected one dimension of uint16 in .npy or .bin; write the stream so")
    return ids


class Ladder:
    """Trains one tier on one stream."""

    def __init__(self, recorder: Recorder, ids: npt.NDArray[np.uint16], seed: int) -> None:
        self.recorder = recorder
        self.ids = ids
        self.seed = seed

    def windows(self, indices: npt.NDArray[np.int64], tokens: int) -> npt.NDArray[np.int64]:
        """Return rows of T + 1 ids."""
        return np.stack([self.ids[one * tokens : (one + 1) * tokens + 1] for one in indices]).astype(np.int64)

    def train(self, tier: Tier, budget: Budget) -> None:
        """Train, recording the curve and one row of results."""
        tokens = tier.shape.context_tokens
        whole = (len(self.ids) - 1) // tokens
        held = max(1, min(MAX_HELD_OUT, round(whole * HELD_OUT_FRACTION)))
        if whole - held < tier.batch_rows:
            raise RunError(f"{whole} windows of {tokens}, expected at least a batch of {tier.batch_rows}; more tokens")
        if int(self.ids[:1_000_000].max()) >= tier.shape.vocab_size:
            raise RunError(
                f"an id is {self.ids[:1_000_000].max()}, expected below {tier.shape.vocab_size}: {tier.name}"
            )
        chosen = choose_accelerator(self.recorder.device.type, precision=tier.precision)
        began = time.perf_counter()
        with chosen.running():
            engine = Engine(tier, build_model(tier, self.seed), chosen)
            built = time.perf_counter() - began
            tier = self._with_budget(engine, budget, whole - held)
            engine = Engine(tier, build_model(tier, self.seed), chosen)
            chosen.synchronize()
            row = self._steps(engine, whole - held)
            row["validation_loss"] = self._validate(engine, np.arange(whole - held, whole))
        row |= {"seconds": round(time.perf_counter() - began, 1), "init_seconds": round(built, 1)}
        if self.recorder.device.type == "cuda":
            used = chosen.utilisation(tier.shape, float(row["tokens_s"]))
            row |= {"mfu": used.mfu, "mfu_causal": used.mfu_causal, "gigabytes": gpu_gigabytes(chosen.device)}
        self.recorder.add("ladder", tier=tier.name, seed=self.seed, **row)

    def _with_budget(self, engine: Engine, budget: Budget, windows: int) -> Tier:
        """Return the tier with its budget moved; for seconds, steps are timed with an engine that is then dropped."""
        tier = engine.tier
        total = budget.tokens
        if total is None:
            assert budget.seconds is not None
            rows = self.windows(np.arange(tier.batch_rows) % windows, tier.shape.context_tokens)
            taken = []
            for _ in range(WARM_STEPS):
                began = time.perf_counter()
                engine.gradients(rows)
                engine.update(0.0)
                engine.discard()
                engine.accelerator.synchronize()
                taken.append(time.perf_counter() - began)
            total = int(budget.seconds / statistics.median(taken[WARM_STEPS // 2 :])) * tier.batch_tokens
        return replace(tier, tokens_at_1x=max(total, tier.batch_tokens), multiple=1.0)

    def _steps(self, engine: Engine, windows: int) -> dict[str, Any]:
        """Train all steps; return speed and losses."""
        tier = engine.tier
        guard, samples = StepGuard(sigmas=tier.skip_sigmas), ""
        every = max(1, tier.num_steps // CURVE_POINTS)
        losses, taken, worst = [], [], 0.0
        for step in range(tier.num_steps):
            began = time.perf_counter()
            drawn = draw(
                {"all": 1.0}, {"all": windows}, seed=self.seed, start=step * tier.batch_rows, count=tier.batch_rows
            )
            found = engine.gradients(self.windows(drawn.windows, tier.shape.context_tokens))
            if guard.accept(step, found.loss, found.norm):
                engine.update(tier.learning_rate_at(step))
            engine.discard()
            samples = sample_hash(samples, drawn)
            losses.append(found.loss)
            worst = max(worst, found.norm)
            taken.append(time.perf_counter() - began)
            if step % every == 0 or step + 1 == tier.num_steps:
                recent = losses[-every:]
                self.recorder.add(
                    "curve", tier=tier.name, step=step + 1, tokens=(step + 1) * tier.batch_tokens,
                    loss=math.fsum(recent) / len(recent), grad_norm=found.norm, rate=tier.learning_rate_at(step),
                    tokens_s=round(tier.batch_tokens / statistics.median(taken[-every:])),
                )  # fmt: skip
        last = losses[-max(1, len(losses) // 10) :]
        return {
            "steps": tier.num_steps,
            "tokens": tier.num_tokens,
            "epochs": round(tier.num_steps * tier.batch_rows / windows, 2),
            "tokens_s": round(tier.batch_tokens / statistics.median(taken[min(WARM_STEPS, len(taken) - 1) :])),
            "first_loss": losses[0],
            "final_loss": math.fsum(last) / len(last),
            "skipped": len(guard.skipped),
            "largest_grad_norm": worst,
            "micro_batch_rows": engine.micro_batch_rows,
            "sample_hash": samples[:16],
        }

    def _validate(self, engine: Engine, windows: npt.NDArray[np.int64]) -> float:
        """Return the mean nats a token of the held-out windows."""
        tokens, total = engine.tier.shape.context_tokens, 0.0
        with torch.no_grad():
            for part in np.array_split(windows, -(-len(windows) // engine.micro_batch_rows)):
                rows = engine.accelerator.place(self.windows(part, tokens))
                stream = engine.model.hidden(rows[:, :-1]).flatten(0, 1)
                total += float(token_nats(stream, engine.model.lm_head.weight, rows[:, 1:].flatten()).double().sum())
        return total / (len(windows) * tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, help="token ids, .npy or .bin")
    parser.add_argument("--tiers", default="micro,smoke,small", help="separated by commas, in this order")
    parser.add_argument("--tokens-each", type=int, help="tokens to train each tier on")
    parser.add_argument("--seconds", type=float, help="seconds to train each tier for")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each tier, seeds 1 to n")
    parser.add_argument("--out", type=Path, help="JSON file, written after every row")
    parser.add_argument("--minutes", type=float, default=9.0, help="everything ends then")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    given = parser.parse_args()
    if (given.tokens_each is None) == (given.seconds is None):
        parser.error("give either --tokens-each or --seconds")
    end = time.monotonic() + 60 * given.minutes
    try:
        device = choose_accelerator(given.device).device
        recorder = Recorder(path=given.out, device=device, smoke=False, deadline=end)
        recorder.facts |= machine(device) | {"file": given.tokens.name}
        ids = read_tokens(given.tokens)
        recorder.facts["file_tokens"] = len(ids)
        tiers = [load_tier(name) for name in given.tiers.split(",")]
    except CurateError as error:
        parser.exit(2, f"gpu_ladder.py: {error}\n")
    print(recorder.facts, flush=True)
    for tier in tiers:
        for seed in range(1, given.seeds + 1):
            with recorder.attempt(f"{tier.name} seed {seed}"):
                Ladder(recorder, ids, seed).train(tier, Budget(tokens=given.tokens_each, seconds=given.seconds))
    sys.exit(1 if recorder.errors else 0)


if __name__ == "__main__":
    main()
