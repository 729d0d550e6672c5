"""One training: from streams, tier and seeds to final weights, resumable at any step and bit-equal when resumed.

A step draws its windows, makes gradients (`train.engine`), asks the guard (`train.steps`), updates, tells its
companions (`train.companions`) and logs. Which windows it reads is a pure function of (streams, seed, step). All it
remembers is in every checkpoint: parameters, moments, guard, companions, metrics, rolling hash of samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch

from curation.files import Json
from mixtures.draws import Draws
from train.checkpoints import Checkpoint, load_newest, save_checkpoint
from train.companions import StepOutcome
from train.engine import Engine, Gradients, accelerator_of
from train.feed import Feed
from train.model import build_model
from train.noise_scale import is_measured
from train.parallel import Ranks, SharedTensors
from train.splice import Course, all_streams
from train.steps import StepGuard, sample_hash
from train.tiers import Tier
from train.training import Hooks, Report, RunSeeds, StoppedError, Trained, Training, run_seeds

__all__ = ["Hooks", "Report", "RunSeeds", "StoppedError", "Trained", "Training", "run_seeds", "train"]

METRIC_ROWS_AT_1X = 200
CHECKPOINT_FLOPS = 1.2e12
"""Work between checkpoints, 20 to 30 s of one core; a whole number of steps, so it never depends on the clock."""


def checkpoint_steps(tier: Tier) -> int:
    """Return after how many steps a checkpoint is due."""
    return max(1, round(CHECKPOINT_FLOPS / (tier.batch_tokens * tier.shape.flops_per_token)))


def metric_steps(tier: Tier) -> int:
    """Return after how many steps a metrics row is due: a function of the model, so that budgets share their rows."""
    return max(1, replace(tier, multiple=1.0).num_steps // METRIC_ROWS_AT_1X)


def train(training: Training, hooks: Hooks) -> Trained:
    """Train a run, going on from the newest sound checkpoint in its folder.

    Raises: StoppedError after a checkpoint when asked to stop; RunError when it diverges or cannot resume.
    """
    tier, folder, ranks = training.tier, training.folder, training.ranks
    with fixed_threads(tier.threads), _Run(training) as run:
        found = _shared(_found(training, hooks) if ranks.main else None, ranks)
        if found is not None:
            run.restore(found, hooks)
        hooks.restored(run.metrics)
        every = checkpoint_steps(tier)
        while run.step < tier.num_steps:
            run.advance(hooks)
            if training.branches is not None and run.step in training.branches.kept:
                run.save(training.branches.keep)
            stopping = run.step < tier.num_steps and ranks.any(hooks.should_stop())
            if stopping or run.step % every == 0:
                run.save(partial(save_checkpoint, folder))
            if stopping:
                ranks.wait()  # until rank 0 has it on disk: the end of one rank ends the others
                raise StoppedError(f"stopped after step {run.step} of {tier.num_steps}; the same command continues")
        return run.finished()


def _found(training: Training, hooks: Hooks) -> Checkpoint | None:
    """Return the furthest state to go on from: the run's own newest checkpoint, or a plateau of its line past that."""
    own = load_newest(training.folder, training.identity, hooks.note)
    if training.branches is None:
        return own
    first = own.step + 1 if own is not None else 1
    return training.branches.newest(first, training.tier.rates.decay_start) or own


def _shared(found: Checkpoint | None, ranks: Ranks) -> Checkpoint | None:
    """Return on every rank the checkpoint that rank 0 has found."""
    if ranks.world == 1:
        return found
    told = ranks.told(None if found is None else {"step": found.step, "state": dict(found.state)})
    if told is None:
        return None
    held = cast("Mapping[str, Any]", told)
    tensors = SharedTensors(ranks, None if found is None else found.tensors)
    return Checkpoint(step=held["step"], tensors=tensors, state=held["state"])


class _Run:
    """The mutable state of one training."""

    def __init__(self, training: Training) -> None:
        """Become the state before step 0; all draws of the run are made at once (24 bytes a window)."""
        tier = training.tier
        seeds = run_seeds(tier, training.index)
        self.training = training
        self.tier = tier
        streams = all_streams(training.streams, training.splice)
        self.course = Course(tier, training.streams, seeds.order, training.splice)
        self.engine = Engine(tier, build_model(tier, seeds.init), accelerator_of(tier), ranks=training.ranks)
        on_card = self.engine.device.type == "cuda"
        self.feed = Feed(streams, tier.shape.context_tokens, ahead=on_card, pinned=on_card)
        self.guard = StepGuard(sigmas=tier.skip_sigmas)
        self.step = 0
        self.samples = ""
        self.metrics: list[dict[str, Json]] = []
        self.losses: list[float] = []
        """Of every step, skipped ones too."""
        self.changes: list[dict[str, Json]] = []
        self.began = (time.monotonic(), 0)
        self.open = ExitStack()

    def __enter__(self) -> _Run:
        self.open.enter_context(self.engine.accelerator.running())
        self.open.enter_context(self.feed)
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def advance(self, hooks: Hooks) -> None:
        """Take one step: draw, gradients, guard, update, companions, metrics."""
        tier, step, engine = self.tier, self.step, self.engine
        rate = tier.learning_rate_at(step)
        drawn = self.course.batch(step)
        found = self._gradients(drawn, hooks)
        accepted = self.guard.accept(step, found.loss, found.norm)
        if accepted:
            engine.update(rate)
        else:
            hooks.note(f"step {step}: skipped (loss {found.loss:.4f}, gradient norm {found.norm:.4f})")
        engine.discard()
        outcome = StepOutcome(
            step=step,
            drawn=drawn,
            loss=found.loss,
            nats_by_row=found.nats_by_row,
            grad_norm=found.norm,
            first_grad_norm=found.first_norm,
            first_tokens=found.first_tokens,
            learning_rate=rate,
            accepted=accepted,
            group_norms=found.group_norms,
            first_group_norms=found.first_group_norms,
        )
        for companion in self.training.companions:
            companion.after_step(outcome, engine)
        self.samples = sample_hash(self.samples, drawn)
        self.losses.append(found.loss)
        self.step = step + 1
        self._log(outcome, hooks)

    def _gradients(self, drawn: Draws, hooks: Hooks) -> Gradients:
        """Return what the engine found, having told if it had to take smaller micro-batches."""
        before = self.engine.execution()
        rows = self.feed.rows(drawn, self.course.batch(self.step + 1))
        found = self.engine.gradients(rows, measured=is_measured(self.step))
        self._compare(before, hooks, "micro-batch changed")
        return found

    def _compare(self, before: Mapping[str, Json], hooks: Hooks, what: str) -> None:
        """Remember and tell in which ways it now computes otherwise than `before`."""
        now = self.engine.execution()
        changed = {key: [before.get(key), now.get(key)] for key in {**before, **now} if before.get(key) != now.get(key)}
        if changed:
            self.changes.append({"step": self.step, "what": f"{what}: not bit-exact", "changed": changed})
            told = ", ".join(f"{key} {one} before, {two} now" for key, (one, two) in changed.items())
            hooks.note(f"step {self.step}: {what}: not bit-exact ({told})")

    def _log(self, outcome: StepOutcome, hooks: Hooks) -> None:
        """Add a metrics row every few steps; rows hold nothing that a clock decides."""
        tier = self.tier
        if self.step % metric_steps(tier) and self.step != tier.num_steps:
            return
        since = int(cast("int", self.metrics[-1]["step"])) if self.metrics else 0
        recent = self.losses[since:]
        tokens = self.step * tier.batch_tokens
        loss = math.fsum(recent) / len(recent)
        norm = outcome.grad_norm
        row: dict[str, Json] = {
            "step": self.step,
            "tokens": tokens,
            "loss": loss if math.isfinite(loss) else None,
            "grad_norm": norm if math.isfinite(norm) else None,
            "learning_rate": outcome.learning_rate,
            "flops": tokens * tier.shape.flops_per_token,
            "skipped_steps": len(self.guard.skipped),
            "sample_hash": self.samples,
        }
        for companion in self.training.companions:
            row |= companion.row()
        self.metrics.append(row)
        started, first_tokens = self.began
        speed = (tokens - first_tokens) / max(time.monotonic() - started, 1e-9)
        hooks.report(Report(step=self.step, steps=tier.num_steps, loss=loss, tokens_per_second=speed), row)

    def save(self, write: Callable[[Checkpoint], None]) -> None:
        """Have rank 0 `write` a checkpoint; every rank takes part."""
        ranks = self.training.ranks
        if ranks.main or ranks.sharded:
            checkpoint = self.checkpoint()
            if ranks.main:
                write(checkpoint)

    def checkpoint(self) -> Checkpoint:
        """Return everything that the next step depends on."""
        state: dict[str, Json] = {
            "identity": dict(self.training.identity),
            "samples": self.samples,
            "metrics": list(self.metrics),
            "losses": [loss if math.isfinite(loss) else None for loss in self.losses],
            "guard": self.guard.as_json(),
            "execution": self.engine.execution(),
            "changes": list(self.changes),
            "companions": {companion.name: companion.state() for companion in self.training.companions},
        }
        return Checkpoint(step=self.step, tensors=self.engine.tensors(), state=state)

    def restore(self, found: Checkpoint, hooks: Hooks) -> None:
        """Become the run that the checkpoint described."""
        state = cast("Mapping[str, Any]", found.state)
        self.engine.restore(found.tensors)
        self.step = found.step
        self.samples = state["samples"]
        self.metrics = [dict(row) for row in state["metrics"]]
        self.losses = [math.nan if loss is None else loss for loss in state["losses"]]
        self.guard = StepGuard.from_json(state["guard"], self.tier.skip_sigmas)
        for companion in self.training.companions:
            companion.restore(state["companions"][companion.name])
        self.changes = [dict(change) for change in state["changes"]]
        self.engine.go_on_as(state["execution"])
        self._compare(state["execution"], hooks, "resume")
        self.began = (time.monotonic(), self.step * self.tier.batch_tokens)

    def finished(self) -> Trained:
        """Return the result after the last step."""
        last = [loss for loss in self.losses[-max(1, len(self.losses) // 10) :] if math.isfinite(loss)]
        return Trained(
            model=self.engine.final_model(),
            metrics=tuple(self.metrics),
            skipped_steps=tuple(self.guard.skipped),
            sample_hash=self.samples,
            draws_by_slice=self.course.windows_by_slice(),
            final_loss=math.fsum(last) / len(last),
            execution=self.engine.execution(),
            changes=tuple(self.changes),
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
