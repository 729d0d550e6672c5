"""Which optimizer steps are taken: the outlier rule and the rolling hash of what was read.

A step is skipped (parameters and moments untouched, its batch counted as read) when its loss or gradient norm is not
finite, or, in tiers with `skip_sigmas`, lies so many σ above the mean of the last 128 accepted steps, once 64 are
known. Skipped steps stay out of the window: one outlier of 20σ in it would triple σ and let the next ones pass. More
than 16 outliers in a row are a new level instead: the window starts again and the step is taken, since without
updates nothing would ever bring the old level back. The window is part of every checkpoint.
Source: OLMo-core's SkipStepOptimizer (window 128, 6σ, from half a window on), whose window a resume forgets.
Batches of a few windows have heavy tails that 6σ would skip as a matter of course: the laptop tiers have no bound.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from curation.files import Json
from mixtures.draws import Draws

WINDOW = 128
WARM = 64
MAX_NONFINITE_IN_A_ROW = 3
MAX_OUTLIERS_IN_A_ROW = 16

Judgement = Literal["accepted", "outlier", "non-finite", "planned"]
"""`planned`: the run was started to leave this step out."""


@dataclass(slots=True)
class StepGuard:
    """Decides on every step; `losses` and `norms` are those of the last accepted ones, oldest first."""

    sigmas: float | None
    planned: frozenset[int] = frozenset()
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    norms: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    skipped: list[int] = field(default_factory=list)
    nonfinite_in_a_row: int = 0
    outliers_in_a_row: int = 0

    def judge(self, step: int, loss: float, norm: float) -> Judgement:
        """Return what becomes of this step, and remember it."""
        found = self._judged(step, loss, norm)
        self.nonfinite_in_a_row = self.nonfinite_in_a_row + 1 if found == "non-finite" else 0
        self.outliers_in_a_row = self.outliers_in_a_row + 1 if found == "outlier" else 0
        if found == "accepted":
            self.losses.append(loss)
            self.norms.append(norm)
        else:
            self.skipped.append(step)
        return found

    @property
    def diverged(self) -> bool:
        """Whether so many steps in a row were not finite that the run cannot go on by itself."""
        return self.nonfinite_in_a_row >= MAX_NONFINITE_IN_A_ROW

    def _judged(self, step: int, loss: float, norm: float) -> Judgement:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return "non-finite"
        if step in self.planned:
            return "planned"
        if not (self._outlier(loss, self.losses) or self._outlier(norm, self.norms)):
            return "accepted"
        if self.outliers_in_a_row < MAX_OUTLIERS_IN_A_ROW:
            return "outlier"
        self.losses.clear()
        self.norms.clear()
        return "accepted"

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
            "outliers_in_a_row": self.outliers_in_a_row,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the guard that `as_json` described."""
        self.losses = deque(state["losses"], maxlen=WINDOW)
        self.norms = deque(state["norms"], maxlen=WINDOW)
        self.skipped = [int(step) for step in state["skipped"]]
        self.nonfinite_in_a_row = int(state["nonfinite_in_a_row"])
        self.outliers_in_a_row = int(state["outliers_in_a_row"])


def sample_hash(before: str, draws: Draws) -> str:
    """Return the rolling hash of everything read so far: `before`, then each draw's slice, window and epoch."""
    digest = hashlib.sha256(before.encode("ascii"))
    digest.update("\x1f".join(draws.names).encode("utf-8"))
    for column in (draws.slices, draws.windows, draws.epochs):
        digest.update(np.ascontiguousarray(column, "<i8").tobytes())
    return digest.hexdigest()
