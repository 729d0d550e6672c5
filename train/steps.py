"""Which optimizer steps are taken: the outlier rule and the rolling hash of what was read.

A step is skipped (parameters and moments untouched, its batch counted as seen) when its loss or gradient norm is not
finite, or, in tiers with `skip_sigmas`, lies so many σ above the mean of the last 128 finite steps, once 64 are known.
Skipped finite steps enter the window too, so a lasting change of level is followed instead of skipped for ever.
Source: OLMo-core's SkipStepOptimizer (window 128, 6σ, from half a window on); unlike there the window is saved.
Batches of a few windows have heavy tails that 6σ would skip as a matter of course: the laptop tiers have no bound.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curation.errors import RunError
from curation.files import Json
from mixtures.draws import Draws

WINDOW = 128
WARM = 64
MAX_NONFINITE_IN_A_ROW = 3


@dataclass(slots=True)
class StepGuard:
    """Decides on every step; `losses` and `norms` are the last finite ones, oldest first."""

    sigmas: float | None
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    norms: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    skipped: list[int] = field(default_factory=list)
    nonfinite_in_a_row: int = 0

    def accept(self, step: int, loss: float, norm: float) -> bool:
        """Return whether to apply this step, and remember it.

        Raises: RunError after three non-finite steps in a row: the run has diverged.
        """
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.skipped.append(step)
            self.nonfinite_in_a_row += 1
            if self.nonfinite_in_a_row >= MAX_NONFINITE_IN_A_ROW:
                raise RunError(f"step {step}: loss {loss}, gradient norm {norm}, the third non-finite step in a row; "
                               "expected finite values; the run has diverged, look at its data")  # fmt: skip
            return False
        self.nonfinite_in_a_row = 0
        accepted = not (self._outlier(loss, self.losses) or self._outlier(norm, self.norms))
        self.losses.append(loss)
        self.norms.append(norm)
        if not accepted:
            self.skipped.append(step)
        return accepted

    def _outlier(self, value: float, known: Sequence[float]) -> bool:
        if self.sigmas is None or len(known) < WARM:
            return False
        mean = math.fsum(known) / len(known)
        spread = math.sqrt(math.fsum((one - mean) ** 2 for one in known) / len(known))
        return value > mean + self.sigmas * spread

    def as_json(self) -> dict[str, Json]:
        """Return the state that a checkpoint keeps."""
        return {
            "losses": list(self.losses),
            "norms": list(self.norms),
            "skipped": list(self.skipped),
            "nonfinite_in_a_row": self.nonfinite_in_a_row,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any], sigmas: float | None) -> StepGuard:
        """Return the guard that `as_json` described."""
        return cls(
            sigmas=sigmas,
            losses=deque(state["losses"], maxlen=WINDOW),
            norms=deque(state["norms"], maxlen=WINDOW),
            skipped=[int(step) for step in state["skipped"]],
            nonfinite_in_a_row=int(state["nonfinite_in_a_row"]),
        )


def sample_hash(before: str, draws: Draws) -> str:
    """Return the rolling hash of everything read so far: `before`, then each draw's slice, window and epoch."""
    digest = hashlib.sha256(before.encode("ascii"))
    digest.update("\x1f".join(draws.names).encode("utf-8"))
    for column in (draws.slices, draws.windows, draws.epochs):
        digest.update(np.ascontiguousarray(column, "<i8").tobytes())
    return digest.hexdigest()
