"""The steering of a run: what each step reads, whether it is applied, at which rate, and what is done about trouble.

It joins the guard (`train.steps`), the quarantine, the order of data and the recovery ladder into what the loop asks
at every step and what a checkpoint keeps of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import RunError
from curation.files import Json
from mixtures.draws import Draws
from train.checkpoints import KEPT, MOST_KEPT
from train.drawing import draws_of
from train.noise_seeds import exchanged
from train.order import Edit, Order, edited_order
from train.quarantine import Quarantine, SkippedStep
from train.recovery import (
    Intervention,
    Recovery,
    Trouble,
    answer,
    edits_of,
    in_effect,
    log_from_json,
    log_json,
    rate_factor,
)
from train.spikes import SUSTAINED_STEPS, LossLevel
from train.splice import Course
from train.steps import MAX_NONFINITE_IN_A_ROW, Judgement, StepGuard

if TYPE_CHECKING:
    from train.training import Training

Note = Callable[[str], None]
Orders = Callable[[Sequence[Edit]], "Course | Order"]
"""What a run reads when its order is edited so."""


class Steering:
    """The mutable steering of one run."""

    def __init__(
        self, orders: Orders, recovery: Recovery, *, sigmas: float | None, every: int, file: Path | None = None
    ) -> None:
        """Stand before step 0; `every` steps lie between scheduled checkpoints; `file` is that of the quarantine."""
        self.file = file
        self.recovery = recovery
        self.every = every
        self.orders = orders
        self.log: tuple[Intervention, ...] = recovery.replayed
        self.order = orders(edits_of(self.log))
        self.quarantine = Quarantine()
        self.trouble: Trouble | None = None
        self._sigmas = sigmas
        self._reset()
        self._write_quarantine()

    def _reset(self) -> None:
        self.guard = StepGuard(sigmas=self._sigmas, planned=frozenset(self.recovery.planned_skips))
        self.level = LossLevel()

    @property
    def reach_steps(self) -> int:
        """How far back a rewind may go, in steps; 0 if the run never rewinds."""
        if self.recovery.policy != "ladder":
            return 0
        return max(self.every, SUSTAINED_STEPS + 2 * self.recovery.ladder.back)

    @property
    def checkpoints_kept(self) -> int:
        """At most how many checkpoints lie on the disk."""
        return MOST_KEPT if self.reach_steps else KEPT

    def rate_factor(self, step: int) -> float:
        """Return what the tier's learning rate is multiplied by."""
        return rate_factor(self.log, step)

    def judge(self, step: int, drawn: Draws, loss: float, norm: float) -> Judgement:
        """Return what becomes of a step; trouble that the run must answer is then in `trouble`.

        Raises: RunError after three non-finite steps in a row in a run without the ladder.
        """
        found = self.guard.judge(step, loss, norm)
        if found != "accepted":
            skipped = SkippedStep(step=step, reason=found, loss=loss, grad_norm=norm, drawn=drawn)
            self.quarantine.add(skipped, interventions=in_effect(self.log, step))
            self._write_quarantine()
        laddered = self.recovery.policy == "ladder"
        self.trouble = self._sustained(step, loss, accepted=found == "accepted") if laddered else None
        if self.guard.diverged:
            if not laddered:
                raise RunError(
                    f"step {step}: loss {loss}, gradient norm {norm}, the third non-finite step in a row; expected "
                    "finite values; the run has diverged, look at its data (quarantine.jsonl names the windows)"
                )
            onset = step - MAX_NONFINITE_IN_A_ROW + 1
            self.trouble = Trouble(step=step, onset=onset, reason="loss or gradient norm not finite")
        return found

    def poisoned(self, step: int) -> bool:
        """Take note that parameters are not finite after `step` steps; return whether the run can answer it."""
        if self.recovery.policy != "ladder":
            return False
        last = step - 1
        self.trouble = self.trouble or Trouble(step=last, onset=last, reason="parameters not finite")
        return True

    def respond(self, note: Note) -> Intervention:
        """Answer the trouble: change the course from the answer's `restart` on.

        The caller brings the rest of the run back to that step or before. Raises: RunError `unstable`.
        """
        assert self.trouble is not None
        found = answer(self.log, self.trouble, every=self.every, ladder=self.recovery.ladder)
        note(found.text)
        self._become((*self.log, found))
        self.trouble = None
        return found

    def state(self) -> dict[str, Json]:
        """Return what a checkpoint keeps."""
        return {
            "guard": self.guard.as_json(),
            "level": [list(self.level.values), self.level.level, self.level.above],
            "quarantine": self.quarantine.as_json(),
            "interventions": log_json(self.log),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the steering that `state` described."""
        self.rewind(state)
        self.quarantine.restore(state["quarantine"])
        self._write_quarantine()
        self._become(log_from_json(state["interventions"]))

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Go back to what was known then (None: before step 0), with today's log and quarantine."""
        self._reset()
        if state is not None:
            self.guard.restore(state["guard"])
            values, level, above = state["level"]
            self.level = LossLevel(deque(values), level, above)

    def _write_quarantine(self) -> None:
        if self.file is not None:
            self.quarantine.write(self.file)

    def _sustained(self, step: int, loss: float, *, accepted: bool) -> Trouble | None:
        self.level.see(loss, accepted)
        if not self.level.sustained:
            return None
        numbers = {"level_nats": float(self.level.level or 0.0), "median_nats": self.level.median}
        onset = step - self.level.above + 1
        return Trouble(step=step, onset=onset, reason="the loss rose and stays up", numbers=numbers)

    def _become(self, log: tuple[Intervention, ...]) -> None:
        if log != self.log:
            self.log = log
            self.order = self.orders(edits_of(log))


def steering_of(training: Training, order_seed: int, every: int, *, shuffle: int | None = None) -> Steering:
    """Return the steering of a training before its first step; rank 0 writes the quarantine.

    `shuffle` is that of a noise run's seeds.
    """
    tier = training.tier

    def draws(num_steps: int) -> Draws:
        return draws_of(tier, training.streams, order_seed, num_steps)

    def orders(edits: Sequence[Edit]) -> Course | Order:
        if shuffle is not None:
            assert not edits, "a noise run has no ladder"
            assert training.splice is None, "a noise run reads one corpus"
            return Order(batch_rows=tier.batch_rows, rows=exchanged(draws(tier.num_steps), shuffle))
        if not edits:
            return Course(tier, training.streams, order_seed, training.splice)
        assert training.splice is None, "a run that changes its corpus has no ladder"
        return edited_order(draws, edits, batch_rows=tier.batch_rows, num_steps=tier.num_steps)

    file = training.quarantine if training.ranks.main else None
    return Steering(orders, training.recovery, sigmas=tier.skip_sigmas, every=every, file=file)


def finite_or_none(values: Sequence[float]) -> list[Json]:
    """Return the numbers as JSON has them."""
    return [value if math.isfinite(value) else None for value in values]
