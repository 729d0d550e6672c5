"""One training: from streams, tier and seeds to final weights, resumable at any step and bit-equal when resumed.

AdamW with decoupled weight decay, warm-up, plateau and linear decay to 0, z-loss, gradient clipping, steps that are
not finite skipped (`train.steps`). Which windows a step reads is a pure function of (streams, seed, step). The state
after a step is parameters, moments, guard, metrics and the rolling hash of samples; all of it is in every checkpoint.
Shapes: B rows, T positions, D width, N = B·T positions, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from curation.files import Json
from curation.randomness import stable_hash
from mixtures.draws import Draws, draw
from train.checkpoints import Checkpoint, load_newest, save_checkpoint
from train.losses import training_loss
from train.model import LanguageModel, build_model
from train.shards import Streams
from train.steps import StepGuard, sample_hash
from train.tiers import Tier

MAX_METRIC_ROWS = 200
CHECKPOINT_FLOPS = 1.2e12
"""Work between checkpoints, 20 to 30 s of one core; a whole number of steps, so it never depends on the clock."""


class StoppedError(Exception):
    """The run was asked to stop; its state is in a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeeds:
    """The independent random streams of one run."""

    init: int
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far a run is; seconds are of this process."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a run tells while it goes, and how it is asked to stop. Nothing here changes a result."""

    report: Callable[[Report, Mapping[str, Json]], None]
    """Progress and the metrics row just added."""
    note: Callable[[str], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training."""

    model: LanguageModel
    metrics: tuple[Mapping[str, Json], ...]
    skipped_steps: tuple[int, ...]
    sample_hash: str
    draws_by_slice: Mapping[str, int]
    final_loss: float
    """Mean cross-entropy of the last tenth of the steps, nats a token."""


def run_seeds(tier: Tier, index: int) -> RunSeeds:
    """Return the seeds of run `index` (1..n, public; rule 10); budgets of one model share them."""
    init, order = (stable_hash(f"{tier.model}|{tier.recipe_version}|{index}|{stream}") for stream in ("init", "order"))
    return RunSeeds(init=init, order=order)


def checkpoint_steps(tier: Tier) -> int:
    """Return after how many steps a checkpoint is due."""
    return max(1, round(CHECKPOINT_FLOPS / (tier.batch_tokens * tier.shape.flops_per_token)))


def train(
    tier: Tier, streams: Streams, index: int, folder: Path, identity: Mapping[str, Json], hooks: Hooks
) -> Trained:
    """Train run `index` of `tier`, going on from the newest sound checkpoint in `folder`.

    Raises: StoppedError after a checkpoint when asked to stop; RunError when it diverges or cannot resume.
    """
    with fixed_threads(tier.threads):
        run = _Run.start(tier, streams, run_seeds(tier, index))
        found = load_newest(folder, identity, hooks.note)
        if found is not None:
            run.restore(found)
        every = checkpoint_steps(tier)
        while run.step < tier.num_steps:
            run.advance(hooks)
            stopping = run.step < tier.num_steps and hooks.should_stop()
            if stopping or run.step % every == 0:
                save_checkpoint(folder, run.checkpoint(identity))
            if stopping:
                raise StoppedError(f"stopped after step {run.step} of {tier.num_steps}; the same command continues")
        return run.finished()


class _Run:
    """The mutable state of one training."""

    def __init__(self, tier: Tier, streams: Streams, draws: Draws, model: LanguageModel) -> None:
        self.tier = tier
        self.streams = streams
        self.draws = draws
        self.model = model
        self.optimizer = _optimizer(tier, model)
        self.guard = StepGuard(sigmas=tier.skip_sigmas)
        self.step = 0
        self.samples = ""
        self.metrics: list[dict[str, Json]] = []
        self.losses: list[float] = []
        """Of every step, skipped ones too."""
        self.began = (time.monotonic(), 0)

    @classmethod
    def start(cls, tier: Tier, streams: Streams, seeds: RunSeeds) -> _Run:
        """Return the state before step 0; all draws of the run are made at once (24 bytes a window)."""
        windows = streams.num_windows(tier.shape.context_tokens)
        draws = draw(streams.shares, windows, seed=seeds.order, start=0, count=tier.num_steps * tier.batch_rows)
        return cls(tier, streams, draws, build_model(tier, seeds.init))

    def advance(self, hooks: Hooks) -> None:
        """Take one step: forward, backward, guard, update, metrics."""
        tier, step = self.tier, self.step
        rate = tier.learning_rate_at(step)
        drawn = self._drawn(step)
        loss = self._gradients(drawn)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), tier.clip_norm))
        if self.guard.accept(step, loss, norm):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        else:
            hooks.note(f"step {step}: skipped (loss {loss:.4f}, gradient norm {norm:.4f})")
        self.optimizer.zero_grad(set_to_none=True)
        self.samples = sample_hash(self.samples, drawn)
        self.losses.append(loss)
        self.step = step + 1
        self._log(norm, rate, hooks)

    def _drawn(self, step: int) -> Draws:
        rows = slice(step * self.tier.batch_rows, (step + 1) * self.tier.batch_rows)
        whole = self.draws
        return Draws(
            names=whole.names, slices=whole.slices[rows], windows=whole.windows[rows], epochs=whole.epochs[rows]
        )

    def _gradients(self, drawn: Draws) -> float:
        """Leave the gradients of the mean objective; return the mean cross-entropy in nats."""
        tier = self.tier
        rows_BT = self._batch(drawn)
        nats = 0.0
        for start in range(0, len(rows_BT), tier.micro_batch_rows):
            micro_BT = rows_BT[start : start + tier.micro_batch_rows]
            stream_BTD = self.model.hidden(micro_BT[:, :-1])
            objective, lost = training_loss(
                stream_BTD.flatten(0, 1), self.model.lm_head.weight, micro_BT[:, 1:].flatten(), tier.z_loss
            )
            (objective / tier.batch_tokens).backward()  # type: ignore[no-untyped-call]
            nats += float(lost)
        return nats / tier.batch_tokens

    def _batch(self, drawn: Draws) -> Tensor:
        window_tokens = self.tier.shape.context_tokens
        rows = [
            self.streams.window(drawn.names[number], index, window_tokens)
            for number, index in zip(drawn.slices.tolist(), drawn.windows.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def _log(self, norm: float, rate: float, hooks: Hooks) -> None:
        """Add a metrics row every few steps; rows hold nothing that a clock decides."""
        tier = self.tier
        every = max(1, tier.num_steps // MAX_METRIC_ROWS)
        if self.step % every and self.step != tier.num_steps:
            return
        since = int(cast("int", self.metrics[-1]["step"])) if self.metrics else 0
        recent = self.losses[since:]
        tokens = self.step * tier.batch_tokens
        loss = math.fsum(recent) / len(recent)
        row: dict[str, Json] = {
            "step": self.step,
            "tokens": tokens,
            "loss": loss if math.isfinite(loss) else None,
            "grad_norm": norm if math.isfinite(norm) else None,
            "learning_rate": rate,
            "flops": tokens * tier.shape.flops_per_token,
            "skipped_steps": len(self.guard.skipped),
            "sample_hash": self.samples,
        }
        self.metrics.append(row)
        started, first_tokens = self.began
        speed = (tokens - first_tokens) / max(time.monotonic() - started, 1e-9)
        hooks.report(Report(step=self.step, steps=tier.num_steps, loss=loss, tokens_per_second=speed), row)

    def checkpoint(self, identity: Mapping[str, Json]) -> Checkpoint:
        """Return everything that the next step depends on."""
        tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
        for name, parameter in self.model.named_parameters():
            tensors[f"model.{name}"] = parameter.detach()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        state: dict[str, Json] = {
            "identity": dict(identity),
            "samples": self.samples,
            "metrics": list(self.metrics),
            "losses": [loss if math.isfinite(loss) else None for loss in self.losses],
            "guard": self.guard.as_json(),
        }
        return Checkpoint(step=self.step, tensors=tensors, state=state)

    def restore(self, found: Checkpoint) -> None:
        """Become the run that `checkpoint` described."""
        state = cast("Mapping[str, Any]", found.state)
        torch.set_rng_state(found.tensors["rng"])
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(found.tensors[f"model.{name}"])
                suffix = f".{name}"
                moments = {
                    key.removeprefix("adam.").removesuffix(suffix): value
                    for key, value in found.tensors.items()
                    if key.startswith("adam.") and key.endswith(suffix)
                }
                if moments:
                    self.optimizer.state[parameter] = moments
        self.step = found.step
        self.samples = state["samples"]
        self.metrics = [dict(row) for row in state["metrics"]]
        self.losses = [math.nan if loss is None else loss for loss in state["losses"]]
        self.guard = StepGuard.from_json(state["guard"], self.tier.skip_sigmas)
        self.began = (time.monotonic(), self.step * self.tier.batch_tokens)

    def finished(self) -> Trained:
        """Return the result after the last step."""
        last = [loss for loss in self.losses[-max(1, len(self.losses) // 10) :] if math.isfinite(loss)]
        counts = np.bincount(self.draws.slices, minlength=len(self.draws.names)).tolist()
        return Trained(
            model=self.model,
            metrics=tuple(self.metrics),
            skipped_steps=tuple(self.guard.skipped),
            sample_hash=self.samples,
            draws_by_slice=dict(zip(self.draws.names, counts, strict=True)),
            final_loss=math.fsum(last) / len(last),
        )


def _optimizer(tier: Tier, model: LanguageModel) -> torch.optim.Optimizer:
    """Return AdamW; weight decay on matrices of the blocks and the head, none on the embedding and the gains."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in model.named_parameters():
        (decayed if parameter.ndim >= 2 and "embed_tokens" not in name else free).append(parameter)
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": tier.weight_decay}, {"params": free, "weight_decay": 0.0}],
        lr=tier.learning_rate,
        betas=(tier.beta1, tier.beta2),
        eps=tier.adam_eps,
        fused=True,
    )


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Compute with exactly `threads`, so that the machine's cores change nothing; denormals count as 0."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # moments of tokens that stopped occurring decay into denormals, 100x slower
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
