"""The learning rate as a pure function of the step: nothing of it is state, so nothing of it can be lost by a kill.

`wsd`: linear warm-up, plateau, fall over the last share of the steps. Until its fall begins the rate depends on the
model alone, not on the budget: all budgets of a model are one line of training up to the first fall, so that one
plateau can serve them all (`train.branches`). `cosine`: linear warm-up, then half a cosine that knows its end from the
first step; its budgets share nothing but warm-up.

With warm-up w(s) = min(1, (s + 1)·B / W) in tokens, N steps, the last K of them the fall, and an end rate of share m:
wsd(s) = peak · w(s) · (m + (1 - m)·f(x)), x = min(1, (N - s) / K), f = x (linear) or 1 - √(1 - x) (1-sqrt);
cosine(s) = peak · (m + (1 - m)·(1 + cos(π·(s - W') / (N - W'))) / 2) from step W' = ⌈W / B⌉ on.
Both are rates of step s, counted from 0, and reach peak·m at s = N, one step after the last.
Source: Hägele et al. 2024 (2405.18392) for WSD and 1-sqrt; open_lm for the cosine of the `dclm` tiers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything that a rate depends on besides the step."""

    kind: Literal["wsd", "cosine"]
    peak: float
    """Of the plateau, or where the cosine begins."""
    num_steps: int
    batch_tokens: int
    warmup_tokens: int
    decay_shape: Literal["linear", "1-sqrt", "cosine"]
    decay_fraction: float
    """Last share of the steps, over which a `wsd` rate falls."""
    min_fraction: float
    """The rate at the end as a share of `peak`."""

    @property
    def decay_steps(self) -> int:
        """Steps of the fall: at least one; for a cosine all after warm-up."""
        if self.kind == "cosine":
            return max(0, self.num_steps - self.warmup_steps)
        return min(self.num_steps, max(1, round(self.decay_fraction * self.num_steps)))

    @property
    def decay_start(self) -> int:
        """Steps before the fall: the state after so many steps is that of every longer budget of the model."""
        return self.num_steps - self.decay_steps

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up, rounded up."""
        return -(-self.warmup_tokens // self.batch_tokens)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of `step`, counted from 0."""
        return self._wsd(step) if self.kind == "wsd" else self._cosine(step)

    def _warmup(self, step: int) -> float:
        return min(1.0, (step + 1) * self.batch_tokens / self.warmup_tokens)

    def _wsd(self, step: int) -> float:
        left = min(1.0, (self.num_steps - step) / self.decay_steps)
        fall = left if self.decay_shape == "linear" else 1.0 - math.sqrt(1.0 - left)
        return self.peak * self._warmup(step) * (self.min_fraction + (1.0 - self.min_fraction) * fall)

    def _cosine(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.peak * self._warmup(step)
        fall = 0.5 * (1.0 + math.cos(math.pi * (step - self.warmup_steps) / max(1, self.decay_steps)))
        return self.peak * (self.min_fraction + (1.0 - self.min_fraction) * fall)
