"""Gradient noise scale: how many tokens a batch needs before its gradient says more about the data than about chance.

With s2 the squared norm of the mean gradient of b tokens and b2 that of B > b tokens that contain them, both before
clipping, |G|² = (B·b2 - b·s2) / (B - b) and tr Σ = (s2 - b2) / (1/b - 1/B) are unbiased; both are averaged separately
(decay 0.99 a measurement, start-up bias removed) and B_simple = tr Σ / |G|², in tokens.

Where a batch is several micro-batches the first of them is b, every step; where it is one, the batch is split in two
every tenth step. Groups of parameters are measured every tenth step. Tokens of one window count as independent draws,
which they are not, and a batch holds its slices in fixed shares: B_simple is a guide to the largest useful batch and
no substitute for branched runs (2505.23971).
Source: McCandlish et al. 2018 (1812.06162), appendix A.1; by group: 2411.00999.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from curation.files import Json

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine

DECAY = 0.99
EVERY_STEPS = 10
"""Groups are measured, and a batch of one micro-batch is split in two, at steps divisible by this."""
GROUPS: Final = ("embeddings", "attention", "mlp", "norms", "head")
ALL = "all"


def is_measured(step: int) -> bool:
    """Return whether this step (from 0) measures groups, splitting its batch if it is one micro-batch."""
    return step % EVERY_STEPS == 0


def group_of(parameter: str) -> str:
    """Return the group of a parameter by its name in `train.model`."""
    if "norm" in parameter:
        return "norms"
    if "self_attn" in parameter:
        return "attention"
    if "mlp" in parameter:
        return "mlp"
    return "head" if "lm_head" in parameter else "embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseEstimate:
    """What one pair of norms, or a mean of many, says."""

    g2: float
    """Squared norm of the true gradient; single estimates may be negative."""
    tr_sigma: float
    """Trace of the covariance of a single token's gradient."""

    @property
    def b_simple_tokens(self) -> float | None:
        """B_simple = tr Σ / |G|²; None while noise hides the sign of either."""
        return self.tr_sigma / self.g2 if self.g2 > 0 and self.tr_sigma >= 0 else None

    def as_json(self) -> dict[str, Json]:
        """Return the three numbers."""
        return {"b_simple_tokens": self.b_simple_tokens, "g2": self.g2, "tr_sigma": self.tr_sigma}


def paired_estimate(small_square: float, big_square: float, *, small: int, big: int) -> NoiseEstimate:
    """Return the unbiased estimate from the squared gradient norms of `small` and of `big` draws.

    Raises: ValueError unless 0 < small < big.
    """
    if not 0 < small < big:
        raise ValueError(f"noise scale: batches of {small} and {big}, expected 0 < small < big")
    return NoiseEstimate(
        g2=(big * big_square - small * small_square) / (big - small),
        tr_sigma=(small_square - big_square) / (1 / small - 1 / big),
    )


@dataclass(slots=True)
class RunningNoise:
    """Exponential means of both estimates."""

    count: int = 0
    g2: float = 0.0
    tr_sigma: float = 0.0

    def add(self, one: NoiseEstimate) -> None:
        """Take in one measurement."""
        self.count += 1
        self.g2 = DECAY * self.g2 + (1 - DECAY) * one.g2
        self.tr_sigma = DECAY * self.tr_sigma + (1 - DECAY) * one.tr_sigma

    @property
    def estimate(self) -> NoiseEstimate | None:
        """The mean so far, if there is one."""
        if not self.count:
            return None
        weight = 1 - DECAY**self.count  # of all measurements; the rest is that of the 0 it starts from
        return NoiseEstimate(g2=self.g2 / weight, tr_sigma=self.tr_sigma / weight)


@dataclass(slots=True)
class NoiseScale:
    """The companion: `gns/...` of the metrics."""

    batch_tokens: int
    name: str = field(default="noise-scale", init=False)
    running: dict[str, RunningNoise] = field(default_factory=dict)

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Take in the norms of a step that was applied."""
        first, big = outcome.first_grad_norm, self.batch_tokens
        if first is None or not outcome.accepted or not 0 < outcome.first_tokens < big:
            return
        pairs = {ALL: (first, outcome.grad_norm)}
        for group, norm in outcome.group_norms.items():
            pairs[group] = (outcome.first_group_norms[group], norm)
        for group, (small_norm, big_norm) in pairs.items():
            one = paired_estimate(small_norm**2, big_norm**2, small=outcome.first_tokens, big=big)
            self.running.setdefault(group, RunningNoise()).add(one)

    def row(self) -> Mapping[str, Json]:
        """Return `gns`: the whole model's three numbers and B_simple of each group; None before the first."""
        whole = self.running.get(ALL, RunningNoise()).estimate
        if whole is None:
            return {"gns": None}
        groups: dict[str, Json] = {}
        for group in GROUPS:
            found = self.running.get(group, RunningNoise()).estimate
            if found is not None:
                groups[group] = found.b_simple_tokens
        return {"gns": {**whole.as_json(), "measurements": self.running[ALL].count, "groups": groups}}

    def state(self) -> Json:
        """Return the running means."""
        return {group: [one.count, one.g2, one.tr_sigma] for group, one in self.running.items()}

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        kept = cast("Mapping[str, Any]", state)
        self.running = {group: RunningNoise(*values) for group, values in kept.items()}
