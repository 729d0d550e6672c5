"""One training: from streams, tier and seeds to final weights, resumable at any step and bit-equal when resumed.

A step draws its windows, makes gradients (`train.engine`), asks its steering (`train.steering`: order, guard,
recovery), updates, tells its companions and logs. All it remembers is in every checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

from curation.files import Json
from mixtures.draws import Draws
from train.checkpoint_files import space_note
from train.checkpoints import (
    Checkpoint,
    drop_after,
    load_newest,
    refuse_not_finite,
    save_checkpoint,
    shared_checkpoint,
)
from train.companions import StepOutcome
from train.engine import Engine, Gradients
from train.execution import accelerator_of
from train.feed import Feed
from train.noise_scale import is_measured
from train.pace import card_checkpoint_steps, fixed_threads, metric_steps
from train.splice import all_streams
from train.start import initial_model
from train.steering import finite_or_none, steering_of
from train.steps import sample_hash
from train.tiers import Tier
from train.training import Hooks, Report, RunSeeds, StoppedError, Trained, Training, run_seeds

__all__ = ["Hooks", "Report", "RunSeeds", "StoppedError", "Trained", "Training", "fixed_threads", "run_seeds", "train"]

CHECKPOINT_FLOPS = 1.2e12
"""Work between checkpoints, 20 to 30 s of one core; a whole number of steps, so it never depends on the clock."""


def checkpoint_steps(tier: Tier) -> int:
    """Return after how many steps a checkpoint is due."""
    if tier.family != "laptop":
        return card_checkpoint_steps(tier)
    return max(1, round(CHECKPOINT_FLOPS / (tier.batch_tokens * tier.shape.flops_per_token)))


def train(training: Training, hooks: Hooks) -> Trained:
    """Train a run, going on from the newest sound checkpoint in its folder.

    Raises: StoppedError after a checkpoint when asked to stop; RunError when it diverges or cannot resume.
    """
    tier, ranks = training.tier, training.ranks
    with fixed_threads(tier.threads), _Run(training) as run:
        if ranks.main:
            space_note(training.folder, 12 * tier.shape.total_params, run.steering.checkpoints_kept, hooks.note)
        run.resume(hooks)
        hooks.restored(run.metrics)
        every, reach = checkpoint_steps(tier), run.steering.reach_steps
        while run.step < tier.num_steps:
            run.advance(hooks)
            branching = training.branches is not None and run.step in training.branches.kept
            stopping = run.step < tier.num_steps and ranks.any(hooks.should_stop())
            due = stopping or run.step % every == 0
            if due or branching or run.step == tier.num_steps:
                run.check_parameters()
            if run.steering.trouble is not None:
                run.rewind(hooks)
                continue
            if training.branches is not None and branching:
                run.save(training.branches.keep)
            if due:
                run.save(partial(save_checkpoint, training.folder, note=hooks.note, reach_steps=reach))
            if stopping:
                ranks.wait()  # until rank 0 has it on disk: the end of one rank ends the others
                raise StoppedError(f"stopped after step {run.step} of {tier.num_steps}; the same command continues")
        return run.finished()


class _Run:
    """The mutable state of one training."""

    def __init__(self, training: Training) -> None:
        """Become the state before step 0; all draws of the run are made at once (24 bytes a window)."""
        tier = training.tier
        self.seeds = run_seeds(tier, training.index, training.noise)
        self.training = training
        self.tier = tier
        self.steering = steering_of(training, self.seeds.order, checkpoint_steps(tier), shuffle=self.seeds.shuffle)
        self.engine = Engine(tier, initial_model(training, self.seeds.init), accelerator_of(tier), ranks=training.ranks)
        on_card = self.engine.device.type == "cuda"
        streams = all_streams(training.streams, training.splice)
        self.feed = Feed(streams, tier.shape.context_tokens, ahead=on_card, pinned=on_card)
        self.changes: list[dict[str, Json]] = []
        self.history: list[str] = []  # checkpoints that were found damaged, in words; changes nothing
        self.unstarted = {companion.name: companion.state() for companion in training.companions}
        self.open = ExitStack()
        self._forget()

    def _forget(self) -> None:
        """Remember no step."""
        self.step = 0
        self.samples = ""
        self.metrics: list[dict[str, Json]] = []
        self.losses: list[float] = []  # of every step, skipped ones too
        self.began = (time.monotonic(), 0)

    def __enter__(self) -> _Run:
        self.open.enter_context(self.engine.accelerator.running())
        self.open.enter_context(self.feed)
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def advance(self, hooks: Hooks) -> None:
        """Take one step: draw, gradients, steering, update, companions, metrics."""
        step, engine = self.step, self.engine
        rate = self.tier.learning_rate_at(step) * self.steering.rate_factor(step)
        drawn = self.steering.order.batch(step)
        found = self._gradients(drawn, hooks)
        judged = self.steering.judge(step, drawn, found.loss, found.norm)
        if judged == "accepted":
            engine.update(rate)
        else:
            hooks.note(f"step {step}: skipped as {judged} (loss {found.loss:.4f}, gradient norm {found.norm:.4f})")
        engine.discard()
        outcome = StepOutcome(
            step=step,
            drawn=drawn,
            loss=found.loss,
            nats_by_row=found.nats_by_row,
            nats_BT=found.nats_BT,
            grad_norm=found.norm,
            first_grad_norm=found.first_norm,
            first_tokens=found.first_tokens,
            learning_rate=rate,
            accepted=judged == "accepted",
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
        before = self.engine.micro_batch_rows
        rows = self.feed.rows(drawn, self.steering.order.batch(self.step + 1))
        found = self.engine.gradients(rows, measured=is_measured(self.step))
        if self.engine.micro_batch_rows != before:
            self._compare(self.engine.execution() | {"micro_batch_rows": before}, hooks, "micro-batch changed")
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
        row: dict[str, Json] = {
            "step": self.step,
            "tokens": tokens,
            "loss": loss if math.isfinite(loss) else None,
            "grad_norm": finite_or_none([outcome.grad_norm])[0],
            "learning_rate": outcome.learning_rate,
            "flops": tokens * tier.shape.flops_per_token,
            "skipped_steps": len(self.steering.guard.skipped),
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
            "losses": finite_or_none(self.losses),
            "steering": self.steering.state(),
            "history": list(self.history),
            "execution": self.engine.execution(),
            "changes": list(self.changes),
            "companions": {companion.name: companion.state() for companion in self.training.companions},
        }
        return Checkpoint(step=self.step, tensors=self.engine.tensors(), state=state)

    def resume(self, hooks: Hooks) -> None:
        """Become the run of the newest sound checkpoint or plateau."""
        found = shared_checkpoint(lambda: self._further(self._own(hooks)), self.training.ranks)
        if found is not None:
            state = cast("Mapping[str, Any]", found.state)
            self._restore(found)
            self.steering.restore(state["steering"])
            self.history = [*state["history"], *self.history]
            self.changes = [dict(change) for change in state["changes"]]
            self.engine.go_on_as(state["execution"])
            self._compare(state["execution"], hooks, "resume")

    def check_parameters(self) -> None:
        """Leave the trouble in the steering if a parameter or moment is not finite.

        Raises: RunError in a run that cannot answer it.
        """
        names = self.engine.not_finite()
        if self.training.ranks.any(bool(names)) and not self.steering.poisoned(self.step):
            refuse_not_finite(self.training.folder, self.step, names or ["parameters of another rank"])

    def rewind(self, hooks: Hooks) -> None:
        """Answer the steering's trouble: go back to the answer's step or before it, on the new course from there."""
        restart = self.steering.respond(hooks.note).restart
        found = shared_checkpoint(lambda: self._own(hooks, restart), self.training.ranks)
        if found is None:
            self._forget()
            self.engine.reset(initial_model(self.training, self.seeds.init))
            for companion in self.training.companions:
                companion.restore(self.unstarted[companion.name])
        else:
            self._restore(found)
        self.steering.rewind(cast("Mapping[str, Any]", found.state)["steering"] if found else None)
        if self.training.ranks.main:
            drop_after(self.training.folder, self.step)
        hooks.restored(self.metrics)

    def _own(self, hooks: Hooks, at_most: int | None = None) -> Checkpoint | None:
        """Return the run's newest sound checkpoint, remembering damaged ones."""

        def note(text: str) -> None:
            hooks.note(text)
            self.history.append(text)

        return load_newest(self.training.folder, self.training.identity, note, at_most=at_most)

    def _further(self, own: Checkpoint | None) -> Checkpoint | None:
        """Return the newest plateau of the run's line past its own checkpoint, or that."""
        branches = self.training.branches
        if branches is None:
            return own
        return branches.newest(own.step + 1 if own is not None else 1, self.tier.rates.decay_start) or own

    def _restore(self, found: Checkpoint) -> None:
        """Become the run that the checkpoint described, all but its steering and how it was computed."""
        state = cast("Mapping[str, Any]", found.state)
        self.engine.restore(found.tensors)
        self.step = found.step
        self.samples = state["samples"]
        self.metrics = [dict(row) for row in state["metrics"]]
        self.losses = [math.nan if loss is None else loss for loss in state["losses"]]
        for companion in self.training.companions:
            companion.restore(state["companions"][companion.name])
        self.began = (time.monotonic(), self.step * self.tier.batch_tokens)

    def finished(self) -> Trained:
        """Return the result after the last step."""
        last = [loss for loss in self.losses[-max(1, len(self.losses) // 10) :] if math.isfinite(loss)]
        return Trained(
            model=self.engine.final_model(),
            metrics=tuple(self.metrics),
            skipped_steps=tuple(self.steering.guard.skipped),
            interventions=self.steering.log,
            sample_hash=self.samples,
            draws_by_slice=self.steering.order.windows_by_slice(),
            final_loss=math.fsum(last) / len(last) if last else math.nan,
            execution=self.engine.execution(),
            changes=tuple(self.changes),
            history=tuple(self.history),
        )
