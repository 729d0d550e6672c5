"""What accompanies a training: things that look at every step, add to the metrics and are saved with the run.

A companion never changes a result. What it remembers is in every checkpoint, so a resumed run writes the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from curation.files import Json
from mixtures.draws import Draws

if TYPE_CHECKING:
    from train.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """One finished step."""

    step: int
    """From 0."""
    drawn: Draws
    """The windows that were read, one entry a row of the batch."""
    loss: float
    """Mean cross-entropy, nats a token, without z-loss; may be not finite."""
    nats_by_row: npt.NDArray[np.float64]
    """Summed cross-entropy of each row of `drawn`."""
    nats_BT: npt.NDArray[np.float32]
    """Cross-entropy of each position: of the token after it."""
    grad_norm: float
    """Of the mean gradient of the batch, before clipping."""
    first_grad_norm: float | None
    """Of the mean gradient of the first micro-batch alone; None where the batch is one micro-batch."""
    first_tokens: int
    """Tokens of that micro-batch."""
    learning_rate: float
    accepted: bool
    """False if the update was skipped."""
    group_norms: Mapping[str, float] = field(default_factory=dict)
    """`grad_norm` of each group of parameters (`train.noise_scale`), at measured steps."""
    first_group_norms: Mapping[str, float] = field(default_factory=dict)
    """`first_grad_norm` of each group, at measured steps of several micro-batches."""


class Companion(Protocol):
    """Watches a training; `name` is its key in checkpoints."""

    name: str

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Look at a step; called after its update, on every rank."""

    def row(self) -> Mapping[str, Json]:
        """Return what goes into the metrics row that is due, about the steps since the last one."""

    def state(self) -> Json:
        """Return what must be remembered across a restart."""

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
