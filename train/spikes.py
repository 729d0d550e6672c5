"""Spikes of loss and gradient norm: the score, the history, and when a run has left its level.

A finite value is a spike when it lies more than 7σ above the mean of the accepted values before it. The **spike score**
is the share of steps with a spike over the last 1,000 (OLMo 2, 2501.00656, section 3.1), for loss and gradient norm
apart; the **history** lists spikes over the last 128, a local level, with step, value and σ. A loss level is
**sustained** when the mean of about ten steps has been 0.15 nats above the median of the last 1,000 for 50 steps, and
the run has **diverged** after 200 steps 0.5 nats above, or three steps in a row that are not finite.

These are observations: nothing here skips or rewinds (`train.steps`, `train.recovery`). Sums are kept as exact
integers, so a resumed run sees the same bits. Thresholds: docs/training.md.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from curation.files import Json

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine

SIGMAS = 7.0
SCORE_WINDOW = 1_000
LOCAL_WINDOW = 128
WARM = 64
"""Values that must be known before any is called a spike."""
SUSTAINED_NATS, SUSTAINED_STEPS = 0.15, 50
DIVERGED_NATS, DIVERGED_STEPS = 0.5, 200
MAX_NONFINITE_IN_A_ROW = 3
LEVEL_DECAY = 0.9
MAX_HISTORY = 1_000
"""Spikes kept; beyond it only the count grows."""
_UNIT: Final = 1 << 40
_LARGEST: Final = 1e30

Series = Literal["loss", "grad_norm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A value far above those before it."""

    step: int
    series: Series
    value: float
    sigmas: float

    def as_json(self) -> dict[str, Json]:
        """Return the four fields."""
        return {"step": self.step, "series": self.series, "value": self.value, "sigmas": self.sigmas}


class RollingMoments:
    """Mean and σ of the last `window` values, exact to 2^-40 a value whatever the order of additions."""

    def __init__(self, window: int, values: list[float] | None = None) -> None:
        self.window = window
        self.values: deque[float] = deque()
        self._sum = 0
        self._squares = 0
        for value in values or ():
            self.add(value)

    def add(self, value: float) -> None:
        """Take in a finite value; the oldest leaves a full window."""
        self._count(value, 1)
        self.values.append(value)
        if len(self.values) > self.window:
            self._count(self.values.popleft(), -1)

    def sigmas_above(self, value: float) -> float | None:
        """Return how many σ a value lies above the mean; None before `WARM` values or when they are all equal."""
        count = len(self.values)
        if count < WARM:
            return None
        variance = count * self._squares - self._sum * self._sum  # of count * units, exact
        if variance <= 0:
            return None
        return (value - self._sum / count / _UNIT) / (math.sqrt(variance) / count / _UNIT)

    def _count(self, value: float, sign: int) -> None:
        units = round(min(value, _LARGEST) * _UNIT)
        self._sum += sign * units
        self._squares += sign * units * units


class SeriesWatch:
    """Spikes of one series."""

    def __init__(self, series: Series) -> None:
        self.series: Series = series
        self.long = RollingMoments(SCORE_WINDOW)
        self.local = RollingMoments(LOCAL_WINDOW)
        self.recent: deque[bool] = deque(maxlen=SCORE_WINDOW)
        """Whether each of the last steps was a spike over the long window."""

    @property
    def score(self) -> float:
        """Share of the last 1,000 steps that were spikes."""
        return sum(self.recent) / len(self.recent) if self.recent else 0.0

    def see(self, step: int, value: float, accepted: bool) -> Spike | None:
        """Return the spike that this value is over the local window, if it is one."""
        if not math.isfinite(value):
            self.recent.append(True)
            return None
        far, local = self.long.sigmas_above(value), self.local.sigmas_above(value)
        self.recent.append(far is not None and far > SIGMAS)
        if accepted:
            self.long.add(value)
            self.local.add(value)
        if local is None or local <= SIGMAS:
            return None
        return Spike(step=step, series=self.series, value=value, sigmas=local)

    def state(self) -> dict[str, Json]:
        """Return what a checkpoint keeps; the local window is the end of the long one."""
        return {"values": list(self.long.values), "recent": [int(one) for one in self.recent]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` described."""
        values = [float(value) for value in state["values"]]
        self.long = RollingMoments(SCORE_WINDOW, values)
        self.local = RollingMoments(LOCAL_WINDOW, values[-LOCAL_WINDOW:])
        self.recent = deque((bool(one) for one in state["recent"]), maxlen=SCORE_WINDOW)


@dataclass(slots=True)
class LossLevel:
    """Whether the loss has left its level: mean of about ten steps against the median of the last 1,000."""

    values: deque[float] = field(default_factory=deque)
    level: float | None = None
    above: int = 0
    """Steps in a row by which `level` was 0.15 nats above the median."""
    far_above: int = 0
    nonfinite: int = 0

    def __post_init__(self) -> None:
        """Sort what is known."""
        self._sorted = sorted(self.values)

    _sorted: list[float] = field(init=False, repr=False)

    def see(self, loss: float, accepted: bool) -> None:
        """Take in the loss of a step; skipped ones move the level, not the median."""
        if not math.isfinite(loss):
            self.nonfinite += 1
            return
        self.nonfinite = 0
        self.level = loss if self.level is None else LEVEL_DECAY * self.level + (1 - LEVEL_DECAY) * loss
        excess = self.level - self.median if len(self.values) >= WARM else 0.0
        self.above = self.above + 1 if excess > SUSTAINED_NATS else 0
        self.far_above = self.far_above + 1 if excess > DIVERGED_NATS else 0
        if accepted:
            insort(self._sorted, loss)
            self.values.append(loss)
            if len(self.values) > SCORE_WINDOW:
                del self._sorted[bisect_left(self._sorted, self.values.popleft())]

    @property
    def median(self) -> float:
        """Median of the accepted losses in the window (the upper one of an even number)."""
        return self._sorted[len(self._sorted) // 2]

    @property
    def sustained(self) -> bool:
        """Whether a spike has lasted."""
        return self.above >= SUSTAINED_STEPS

    @property
    def diverged(self) -> bool:
        """Whether the run is beyond waiting."""
        return self.far_above >= DIVERGED_STEPS or self.nonfinite >= MAX_NONFINITE_IN_A_ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one step showed."""

    spikes: tuple[Spike, ...]
    sustained_since: int | None
    """First step of the 50 or more above the level; None if the level is kept."""
    diverged: bool


class SpikeMonitor:
    """All of the above over one run; plain floats in, no torch: for the companion and for recovery."""

    def __init__(self) -> None:
        self.series = (SeriesWatch("loss"), SeriesWatch("grad_norm"))
        self.level = LossLevel()
        self.history: list[Spike] = []
        self.count = 0

    def see(self, step: int, loss: float, norm: float, accepted: bool) -> Observation:
        """Take in a step and return what it showed."""
        found = [watch.see(step, value, accepted) for watch, value in zip(self.series, (loss, norm), strict=True)]
        spikes = tuple(spike for spike in found if spike is not None)
        self.count += len(spikes)
        self.history.extend(spikes[: MAX_HISTORY - len(self.history)])
        self.level.see(loss, accepted)
        since = step - self.level.above + 1 if self.level.sustained else None
        return Observation(spikes=spikes, sustained_since=since, diverged=self.level.diverged)

    def scores(self) -> dict[str, float]:
        """Return the spike score of each series, a share of steps."""
        return {watch.series: watch.score for watch in self.series}

    def state(self) -> dict[str, Json]:
        """Return what a checkpoint keeps."""
        level = self.level
        return {
            "series": [watch.state() for watch in self.series],
            "level": [level.level, level.above, level.far_above, level.nonfinite],
            "history": [spike.as_json() for spike in self.history],
            "count": self.count,
        }

    def restore(self, state: Json) -> None:
        """Become what `state` described; the losses of the level are those of the loss series."""
        kept = cast("Mapping[str, Any]", state)
        for watch, one in zip(self.series, kept["series"], strict=True):
            watch.restore(one)
        self.level = LossLevel(deque(self.series[0].long.values), *kept["level"])
        self.history = [Spike(**spike) for spike in kept["history"]]
        self.count = int(kept["count"])


class Spikes:
    """The companion: scores, new spikes, lasting changes of level."""

    name = "spikes"

    def __init__(self) -> None:
        self.monitor = SpikeMonitor()
        self.told = 0
        """Spikes of the history that are in rows already."""
        self.last = Observation(spikes=(), sustained_since=None, diverged=False)

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Take in a step."""
        self.last = self.monitor.see(outcome.step, outcome.loss, outcome.grad_norm, outcome.accepted)

    def row(self) -> Mapping[str, Json]:
        """Return scores, the number of spikes so far, those since the last row, and the state of the level."""
        new = self.monitor.history[self.told :]
        self.told = len(self.monitor.history)
        scores = self.monitor.scores()
        return {
            "spike_score": scores["loss"],
            "spike_score_grad_norm": scores["grad_norm"],
            "spikes": self.monitor.count,
            "new_spikes": [spike.as_json() for spike in new],
            "sustained_spike_since": self.last.sustained_since,
            "diverged": self.last.diverged,
        }

    def state(self) -> Json:
        """Return the monitor's state and what was told."""
        return {"monitor": self.monitor.state(), "told": self.told}

    def restore(self, state: Json) -> None:
        """Become what `state` described; `last` is of the step just before, which no row needs again."""
        kept = cast("Mapping[str, Any]", state)
        self.monitor.restore(kept["monitor"])
        self.told = int(kept["told"])
